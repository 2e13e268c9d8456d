"""The role that writes reports, as a process: with a real Prefect server, and with none."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import httpx
import psycopg
import pytest

from metrics.recorder import MemoryRecorder
from models.policy import Policies
from models.store.policies import begin
from streams.simulate import SiteSpec, simulate
from tests.conftest import RunningStack
from tests.history import load
from tests.integration.test_report import PARSED
from tests.live import free_port, until
from workflows import reporting
from workflows.publish import Standing
from workflows.weekly import NotYet

WITHIN = 120.0


def said(url: str) -> httpx.Response | None:
    """What an address answers, None where nobody does."""
    try:
        return httpx.get(url, timeout=5, trust_env=False)
    except httpx.HTTPError:
        return None


def dated(url: str, series: str) -> bool:
    """Whether a figure that is an instant is more than 0, which means never."""
    return re.search(f"^{re.escape(series)} [1-9]", httpx.get(f"{url}/metrics").text, re.MULTILINE) is not None


@pytest.fixture
def lived(database_url: str) -> str:
    """A store in which a small hospital has lived for two weeks, and which knows the hour to come: where on Monday at
    six another week is reported, its facts are all read and no more of them are waited for."""
    now = datetime.now(UTC)
    known = now + timedelta(hours=1)
    begin(database_url, PARSED, "test")
    pharmacies = simulate([SiteSpec("mercy", "inpatient", volume=0.02)], now - timedelta(days=15), 3)
    load(database_url, Policies.only(PARSED.policy), takewhile(lambda event: event.recorded < known, pharmacies), known)
    return database_url


@pytest.fixture
def prefect(stack: RunningStack, tmp_path: Path) -> Iterator[str]:
    """The API of a Prefect server of its own, with a database in PostgreSQL as in the one-machine stack."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE prefect_of_reports")
    yield from _served(stack.url_of("prefect_of_reports"), tmp_path)
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE prefect_of_reports WITH (FORCE)")


def _served(database_url: str, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {"PREFECT_HOME": str(tmp_path / "server"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    env["PREFECT_API_DATABASE_CONNECTION_URL"] = database_url.replace("postgresql://", "postgresql+asyncpg://")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}/api"
    try:
        until(lambda: (answer := said(f"{url}/health")) and answer.status_code == 200, WITHIN, why="Prefect answers")
        yield url
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def role(tmp_path: Path, database_url: str, prefect_url: str) -> "Iterator[tuple[subprocess.Popen[bytes], str]]":
    """The role, and the address of its own server."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RXPULSE_", "PREFECT_"))}
    (common := tmp_path / "common").mkdir()
    (common / "runner_storage").write_text("Prefect of somebody else was here first")
    env |= {
        "TMPDIR": str(common),
        "RXPULSE_HOME": str(tmp_path / "home"),
        "RXPULSE_DATABASE_URL": database_url,
        "RXPULSE_PREFECT_URL": prefect_url,
        "RXPULSE_PORT": str(port),
        "PREFECT_HOME": str(tmp_path / "client"),
        "DO_NOT_TRACK": "1",
    }
    with (tmp_path / "role.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "rxpulse", "reports"], env=env, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process, f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(30)


def test_at_its_start_the_role_writes_the_last_week_and_gives_prefect_the_schedule(
    lived: str, prefect: str, tmp_path: Path
) -> None:
    with role(tmp_path, lived, prefect) as (process, url):
        (file,) = until(lambda: list((tmp_path / "home" / "reports" / "mercy").glob("*.html")), WITHIN, why="a report")
        assert "Mercy Hospital" in file.read_text("utf-8")
        until(lambda: (answer := said(f"{url}/readyz")) and answer.status_code == 200, WITHIN, why="ready")
        assert dated(url, 'rxpulse_reports_reported_timestamp_seconds{site="mercy"}')
        deployments = until(
            lambda: len(found := httpx.post(f"{prefect}/deployments/filter", json={}).json()) == 2 and found,
            WITHIN,
            why="both",
        )
        schedules = {one["name"]: one["schedules"][0]["schedule"] for one in deployments}
        assert {name: (one["cron"], one["timezone"]) for name, one in schedules.items()} == {
            "mercy": ("5 6 * * 1", "America/New_York"),
            "every night": ("40 3 * * *", "UTC"),
        }
        planned = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        until(
            lambda: httpx.post(f"{prefect}/flow_runs/filter", json=planned).json(),
            WITHIN,
            why="Prefect plans the next Mondays",
        )
        until(lambda: dated(url, "rxpulse_reports_housekept_timestamp_seconds"), WITHIN, why="house is kept")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    for left in httpx.post(f"{prefect}/deployments/filter", json={}).json():
        assert left["paused"] is False and left["schedules"][0]["active"] is True
    runs = httpx.post(f"{prefect}/flow_runs/filter", json={"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}})
    # The schedule's time may have come meanwhile. Where it has kept house, the role may have found nothing left to do.
    own = sorted(run["name"] for run in runs.json() if not run["auto_scheduled"])
    assert own in (["housekeeping", "week of mercy"], ["week of mercy"])
    assert {run["name"] for run in runs.json()} == {"housekeeping", "week of mercy"}
    lines = (tmp_path / "role.log").read_text("utf-8").splitlines()
    assert sum("of mercy written" in line for line in lines) == 1


def test_a_stop_while_a_report_is_written_is_no_failure(lived: str, prefect: str, tmp_path: Path) -> None:
    running = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    with psycopg.connect(lived) as reader, role(tmp_path, lived, prefect) as (process, _):
        reader.execute("LOCK TABLE intervals IN ACCESS EXCLUSIVE MODE")
        until(
            lambda: httpx.post(f"{prefect}/flow_runs/filter", json=running).json(),
            WITHIN,
            why="the report is being written",
        )
        process.send_signal(signal.SIGTERM)
        reader.rollback()
        assert process.wait(30) == 0, (tmp_path / "role.log").read_text("utf-8")


def test_without_prefect_reports_are_written_all_the_same_and_the_role_says_what_is_missing(
    lived: str, tmp_path: Path
) -> None:
    with role(tmp_path, lived, f"http://127.0.0.1:{free_port()}/api") as (process, url):
        until(lambda: list((tmp_path / "home" / "reports" / "mercy").glob("*.html")), WITHIN, why="a report")
        answer = until(
            lambda: (found := said(f"{url}/readyz")) and found.text.startswith("Prefect") and found,
            WITHIN,
            why="Prefect is missed",
        )
        assert answer.status_code == 503 and "does not take the schedule" in answer.text
        until(lambda: dated(url, "rxpulse_reports_housekept_timestamp_seconds"), WITHIN, why="house is kept")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


@pytest.mark.anyio
async def test_facts_that_arrive_between_the_look_and_the_writing_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def begun_too_soon(_: str) -> None:
        raise NotYet("its rates are not judged yet")

    monkeypatch.setattr(reporting, "standing", lambda *_: Standing(None, True, False, None))
    reports = reporting.Reports("postgresql://nobody", tmp_path, MemoryRecorder())
    monkeypatch.setattr(reports, "_write", begun_too_soon)
    assert await reports._site("mercy") is False
    written: list[str] = []

    async def in_time(site: str) -> None:
        written.append(site)

    monkeypatch.setattr(reports, "_write", in_time)
    assert await reports._site("mercy") is True
    assert written == ["mercy"]
