"""Words for tests of the containers, without a container engine: the file as Compose itself reads it, secrets drawn for it,
and the environment that each service gets."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rxpulse.services import ROLES
from tests.conftest import miss

ROOT = Path(__file__).parents[1]
FILE = ROOT / "docker-compose.yml"
ONCE = ("provision", "migrate", "topics")
OURS = (*ROLES, *ONCE, "demo")
SERVERS = ("kafka", "postgres", "prefect", "prometheus", "alertmanager", "grafana")
INSIDE = Path("/run/secrets")
"""Where secrets lie in a container."""


def compose() -> str:
    """The real program of Compose, one of version 2; the tests are skipped where none is named, and fail where one must be
    (CI)."""
    named = os.environ.get("RXPULSE_TEST_COMPOSE")
    if not named:
        miss("RXPULSE_TEST_COMPOSE is not set: .ci/run fetches the docker-compose that it names")
    return str(named)


def config(folder: Path, *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RXPULSE_", "COMPOSE_"))}
    argv = [compose(), "config", *options]
    return subprocess.run(argv, cwd=folder, env=clean | env, capture_output=True, text=True, check=False)


def env_of(service: Mapping[str, Any], secrets: Path = INSIDE) -> dict[str, str]:
    """The environment of a service; `secrets` is where its secrets lie."""
    # Compose writes a dollar that is meant as one twice.
    said = {name: str(value).replace("$$", "$") for name, value in service["environment"].items() if value is not None}
    return {name: value.replace(str(INSIDE), str(secrets)) for name, value in said.items()}


def asked_for(service: Mapping[str, Any]) -> set[str]:
    """The secrets that a service gets."""
    return {one["source"] for one in service.get("secrets", ())}


def drawn(installation: Path) -> dict[str, str]:
    """The secrets that were drawn."""
    return {file.name: file.read_text("utf-8").strip() for file in (installation / "secrets").iterdir()}


def env_of_prefect(installation: Path, found: dict[str, Any]) -> dict[str, str]:
    """What Prefect's server gets: its environment, and what deploy/prefect.sh adds to it from the secrets."""
    folder = installation / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "python").write_text("#!/bin/sh\nexec env\n")
    (folder / "python").chmod(0o755)
    env = env_of(found["prefect"]) | {
        "PATH": f"{folder}:{os.defpath}",
        "SECRETS_FOLDER": str(installation / "secrets"),
    }
    done = subprocess.run([ROOT / "deploy" / "prefect.sh"], env=env, capture_output=True, text=True, check=True)
    lines = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in lines if name.startswith("PREFECT_") or name == "DO_NOT_TRACK"}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files that Compose reads, and secrets drawn for the demonstration."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "deploy").mkdir()
    shutil.copy(FILE, folder)
    shutil.copy(ROOT / "deploy" / "new-env", folder / "deploy")
    subprocess.run([folder / "deploy" / "new-env", "demo"], capture_output=True, check=True)
    return folder


@pytest.fixture(scope="module")
def found(installation: Path) -> dict[str, Any]:
    """The services as Compose understands them."""
    done = config(installation, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]
