"""The intake as an operator runs it: its command and the setting for how far the worker may be behind, the example of the page
about feeds, its health, its figures, and the contract that it shows."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.intake import BATCH, KEY, PSEUDONYMS, SINGLE, Intake, cloud, figure, wait_until
from tests.topics import Tail

DOCS = Path(__file__).parents[2] / "docs" / "feeds.md"


@pytest.fixture
def running(intake: Intake, tmp_path: Path) -> Iterator[str]:
    with started(intake, tmp_path) as url:
        yield url


@contextmanager
def started(intake: Intake, home: Path, **env: str) -> Iterator[str]:
    """The command, beside the parts of `intake`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")} | {
        **env,
        "RXPULSE_HOME": str(home),
        "RXPULSE_KAFKA": intake.settings.required_kafka(),
        "RXPULSE_DATABASE_URL": intake.database_url,
        "RXPULSE_PORT": str(port),
        "RXPULSE_API_KEY": KEY,
        "RXPULSE_PSEUDONYM_KEY": PSEUDONYMS,
    }
    process = subprocess.Popen([sys.executable, "-m", "rxpulse", "intake"], env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is None and ready(url))
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_example_of_the_page_about_feeds_works(running: str, written: Tail) -> None:
    [example] = re.findall(r"```sh\n(curl .*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    example = example.replace("http://127.0.0.1:7401", running)
    done = subprocess.run(["bash", "-c", example], env={**os.environ, "TOKEN": KEY}, capture_output=True, check=False)
    assert json.loads(done.stdout)["accepted"] == 1, done.stdout + done.stderr
    assert len(written.events("/mercy/pis")) == 1


def test_how_far_the_worker_may_be_behind_is_a_setting_of_the_command(intake: Intake, tmp_path: Path) -> None:
    with started(intake, tmp_path, RXPULSE_INTAKE_MAX_LAG_SECONDS="60") as url:
        at = replace(intake, url=url)
        with psycopg.connect(intake.database_url, autocommit=True) as store:
            store.execute(
                "INSERT INTO positions (partition, cluster, judged, beat) VALUES (9, 'c', now() - interval '2 min', now())"
            )
            try:
                wait_until(lambda: at.post(cloud()).status_code == 429)
                refused = at.post(cloud()).json()
            finally:
                store.execute("DELETE FROM positions WHERE partition = 9")
        assert 110 < refused["behind_seconds"] < 130 and "60 are allowed" in refused["error"]
        wait_until(lambda: at.post(cloud()).status_code == 202)


def test_health_readiness_and_figures_are_on_the_same_port(intake: Intake) -> None:
    assert httpx.get(f"{intake.url}/healthz").text == "alive\n"
    assert httpx.get(f"{intake.url}/readyz").text == "ready\n"
    intake.post(cloud())
    assert figure(intake, "rxpulse_intake_events_total") > 0
    assert figure(intake, "rxpulse_intake_requests_total", '{status="202"}') > 0


def test_figures_are_not_for_whoever_asks_through_a_proxy(intake: Intake) -> None:
    far = {"x-forwarded-for": "203.0.113.9"}
    assert httpx.get(f"{intake.url}/metrics", headers=far).status_code == 401
    assert httpx.get(f"{intake.url}/metrics", headers=far | {"authorization": f"Bearer {KEY}"}).status_code == 200
    assert httpx.get(f"{intake.url}/metrics", headers={"x-forwarded-for": "nowhere"}).status_code == 401


def test_the_contract_names_the_door_its_media_types_and_its_answers(intake: Intake) -> None:
    found = httpx.get(f"{intake.url}/api/v1/openapi.json").json()
    assert list(found["paths"]) == ["/api/v1/events"]
    post = found["paths"]["/api/v1/events"]["post"]
    assert set(post["requestBody"]["content"]) == {SINGLE, BATCH}
    assert set(post["responses"]) >= {"202", "400", "401", "403", "408", "413", "415", "429", "503"}
