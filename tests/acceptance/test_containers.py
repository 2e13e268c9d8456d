"""The containers rehearsed without an engine: every role as docker-compose.yml sets it up, as a process of this machine.

Only the addresses differ: what Compose gives by the names of services is here a port of loopback.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from rxpulse import keys
from rxpulse.bench.rig import Rig, standing
from rxpulse.services import ROLES
from tests import containers as reading
from tests.integration.test_scrape import sold
from tests.live import free_port

pytestmark = pytest.mark.slow
installation, found = reading.installation, reading.found
WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Where each service of Compose is here."""

    services: dict[str, Any]
    rig: Rig
    ports: dict[str, int]
    home: Path
    secrets: dict[str, str]

    def here(self, text: str) -> str:
        """A text with the addresses and passwords of the containers, as it reads on this machine."""
        held = keys.ensure(self.rig.plan.home)
        passwords = {
            self.secrets["prefect_password"]: str(held.prefect),
            self.secrets["admin_password"]: str(held.admin),
            str(urlsplit(self.secrets["database_url"]).password): str(held.owner),
        }
        places = {
            "postgres:5432": f"127.0.0.1:{self.rig.plan.ports['postgres']}",
            "kafka:9092": f"127.0.0.1:{self.rig.plan.ports['kafka']}",
            "prefect:4200": f"127.0.0.1:{self.ports['prefect']}",
            "/etc/rxpulse/demo.toml": str(reading.ROOT / "models" / "defaults" / "demo.toml"),
            "/var/lib/rxpulse": str(self.home),
        }
        for there, here in (*passwords.items(), *places.items()):
            text = text.replace(there, here)
        return text

    def env(self, name: str) -> dict[str, str]:
        """The environment of a service, with the secrets that it gets and no others."""
        folder = self.home / "secrets" / name
        folder.mkdir(parents=True, exist_ok=True)
        for secret in reading.asked_for(self.services[name]):
            (folder / secret).write_text(self.here(self.secrets[secret]), "utf-8")
        found = reading.env_of(self.services[name], folder)
        env = {key: self.here(value) for key, value in found.items()} | {"SECRETS_FOLDER": str(folder)}
        own = {"RXPULSE_PORT": str(self.ports[name])} if name in ROLES else {}
        return {
            "PATH": f"{self.home}:{Path(sys.executable).parent}:{os.defpath}",
            "PYTHONPATH": str(reading.ROOT),
            "HOME": str(self.home),
            "RXPULSE_HOME": str(self.home),
            "PREFECT_HOME": str(self.home / "prefect"),
        } | (env | own)

    def argv(self, name: str) -> list[str]:
        service = self.services[name]
        words = [*(service.get("entrypoint") or ["rxpulse"]), *(service.get("command") or [])]
        own = [word.replace("4200", str(self.ports["prefect"])) for word in words]
        return [sys.executable, *own[1:]] if own[0] == "python" else own

    def ready(self, name: str) -> bool:
        """What Compose asks."""
        test = [
            word.replace("4200", str(self.ports["prefect"])) for word in self.services[name]["healthcheck"]["test"][2:]
        ]
        return (
            subprocess.run([sys.executable, *test], env=self.env(name), capture_output=True, check=False).returncode
            == 0
        )


@pytest.fixture(scope="module")
def rehearsal(
    installation: Path, found: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """Every role, ready, started in the order in which Compose does."""
    home = tmp_path_factory.mktemp("volume")
    for script in ("worker", "prefect"):
        shutil.copy(reading.ROOT / "deploy" / f"{script}.sh", home / f"rxpulse-{script}")
    (home / "rxpulse").write_text(f'#!/bin/sh\nexec {sys.executable} -m rxpulse "$@"\n')
    (home / "rxpulse").chmod(0o755)
    with standing(os.environ, only=("kafka", "postgres")) as rig, ExitStack() as running:
        ports = {name: free_port() for name in (*ROLES, "prefect")}
        made = Rehearsal(found, rig, ports, home, reading.drawn(installation))
        for name in reading.ONCE:
            done = subprocess.run(
                made.argv(name), env=made.env(name), cwd=home, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (name, done.stderr)
        for name in ("prefect", "worker", "dispatcher", "console", "intake", "reports"):
            for need in found[name]["depends_on"]:
                if need in made.ports:
                    _await(made, need)
            running.callback(_end, _start(made, name))
        for name in made.ports:
            _await(made, name)
        yield made


def _start(made: Rehearsal, name: str) -> "subprocess.Popen[bytes]":
    with (made.home / f"{name}.log").open("wb") as out:
        argv, env = made.argv(name), made.env(name)
        program = shutil.which(argv[0], path=env["PATH"])
        assert program is not None, argv
        return subprocess.Popen(
            [program, *argv[1:]], env=env, cwd=made.home, stdout=out, stderr=out, start_new_session=True
        )


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(made: Rehearsal, name: str) -> None:
    give_up = time.monotonic() + WITHIN
    while not made.ready(name):
        assert time.monotonic() < give_up, (name, (made.home / f"{name}.log").read_text()[-3000:])
        time.sleep(0.2)


def test_every_role_becomes_ready_as_compose_sets_it_up(rehearsal: Rehearsal) -> None:
    assert {name for name in rehearsal.ports if rehearsal.ready(name)} == {*ROLES, "prefect"}


def test_prefects_pages_are_put_where_its_container_may_write(rehearsal: Rehearsal) -> None:
    page = httpx.get(f"http://127.0.0.1:{rehearsal.ports['prefect']}/", follow_redirects=True)
    assert page.status_code == 200 and "text/html" in page.headers["content-type"]
    assert list((rehearsal.home / "prefect" / "ui").glob("*/index.html"))


def test_every_role_shows_its_figures_to_prometheus_with_the_key(rehearsal: Rehearsal) -> None:
    for role in ROLES:
        key = rehearsal.secrets["api_key"]
        url = f"http://127.0.0.1:{rehearsal.ports[role]}/metrics"
        answer = httpx.get(url, headers={"Authorization": f"Bearer {key}"})
        assert answer.status_code == 200 and f"rxpulse_{role}_" in answer.text, role


def test_an_event_that_is_posted_to_the_intake_is_on_the_board(rehearsal: Rehearsal) -> None:
    key = {"Authorization": f"Bearer {rehearsal.secrets['api_key']}"}
    said = json.dumps(sold("fill/in-a-container"))
    media = {"content-type": "application/cloudevents+json"}
    answer = httpx.post(
        f"http://127.0.0.1:{rehearsal.ports['intake']}/api/v1/events", content=said, headers=key | media, timeout=20
    )
    assert answer.status_code == 202, answer.text
    give_up = time.monotonic() + WITHIN
    url = f"http://127.0.0.1:{rehearsal.ports['console']}/api/v1/signals?case=fill/in-a-container"
    while not (signals := httpx.get(url, headers=key).json()["items"]):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    assert signals[0]["name"] == "sold-before-final-check"


def test_doctor_in_a_container_looks_at_the_worker_and_finds_no_fault(rehearsal: Rehearsal) -> None:
    """As `docker compose exec console rxpulse doctor`."""
    command, env = [str(rehearsal.home / "rxpulse"), "doctor", "--json"], rehearsal.env("console")
    done = subprocess.run(command, env=env, cwd=rehearsal.home, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)["findings"]
    assert [one for one in found if one["level"] == "fault"] == [] and done.returncode == 0
    assert any(one["what"].endswith("events are still to be applied") for one in found)
