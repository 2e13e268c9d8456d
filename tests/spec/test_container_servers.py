"""The servers in their containers are set up as those of the one-machine stack: Kafka, PostgreSQL, Prefect and Prometheus."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from models.settings import Settings
from rxpulse import kafka, keys, plan, postgres, services
from rxpulse.services import ROLES
from tests.conftest import require_program
from tests.containers import ROOT, env_of, env_of_prefect


def test_kafka_is_set_up_as_on_one_machine(found: dict[str, Any]) -> None:
    env = env_of(found["kafka"])
    lines = kafka.properties(Path("/x"), 1, 2, Settings.from_env({}).kafka_flush_records).splitlines()
    wanted = {
        f"KAFKA_{name.upper().replace('.', '_')}": value for name, _, value in (line.partition("=") for line in lines)
    }
    places = {"KAFKA_CONTROLLER_QUORUM_VOTERS", "KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_LOG_DIRS"}
    assert {name: env.get(name) for name in wanted.keys() - places} == {
        name: value for name, value in wanted.items() if name not in places
    }
    assert env["KAFKA_LOG_DIRS"] in {one["target"] for one in found["kafka"]["volumes"]}


def test_the_drawn_cluster_is_one_that_kafka_takes(found: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_]{21}[AQgw]", env_of(found["kafka"])["CLUSTER_ID"])


def test_postgresql_is_set_up_as_on_one_machine(found: dict[str, Any]) -> None:
    mine = dict(word.partition("=")[::2] for word in postgres.argv(Path("/p"), Path("/h"), 1) if "=" in word)
    theirs = dict(word.removeprefix("-c").partition("=")[::2] for word in found["postgres"]["command"][1:])
    places = {"listen_addresses", "port", "unix_socket_directories"}
    assert theirs == {name: value for name, value in mine.items() if name not in places}


def test_prefect_is_set_up_as_on_one_machine(
    installation: Path, found: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import Settings as PrefectSettings

    chosen = Settings.from_env({}, home=tmp_path)
    mine = services._prefect_server(plan.decide(chosen, keys.ensure(tmp_path), 7400, None, {}))
    theirs = env_of_prefect(installation, found)
    assert set(mine) - set(theirs) == {"PREFECT_HOME"}  # the image's
    alike = [
        name
        for name in mine
        if "POOL" in name or "OVERFLOW" in name or "VACUUM" in name or mine[name] in ("true", "false")
    ]
    assert len(alike) >= 5 and {name: theirs[name] for name in alike} == {name: mine[name] for name in alike}
    given = {name: value for name, value in theirs.items() if name.startswith("PREFECT_")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    understood = PrefectSettings().to_environment_variables(exclude_unset=True, include_aliases=True)
    assert set(given) <= set(understood)


def test_a_secret_of_prefect_that_is_missing_ends_its_start(installation: Path, tmp_path: Path) -> None:
    env = {"PATH": os.defpath, "SECRETS_FOLDER": str(tmp_path)}
    done = subprocess.run([ROOT / "deploy" / "prefect.sh"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and f"{tmp_path}/prefect_auth" in done.stderr


def test_prometheus_scrapes_every_role_by_its_name_with_the_key(found: dict[str, Any]) -> None:
    folder = ROOT / "deploy" / "prometheus"
    argv = [require_program("promtool", "prometheus"), "check", "config", "--syntax-only", "containers.yml"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [job] = yaml.safe_load((folder / "containers.yml").read_text("utf-8"))["scrape_configs"]
    targets = {one["labels"]["role"]: one["targets"] for one in job["static_configs"]}
    assert targets == {role: [f"{role}:8080"] for role in ROLES}
    [secret] = found["prometheus"]["secrets"]
    assert job["authorization"]["credentials_file"] == f"/run/secrets/{secret['source']}"
