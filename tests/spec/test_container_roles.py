"""The roles in their containers: the command line and the settings take what stands in the file, the image asks a role
whether it is ready and runs as nobody in particular, and a worker that stops on purpose stays down."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

from models.settings import Settings, unknown_names
from rxpulse import cli, plan, postgres, services
from rxpulse.services import ROLES
from tests.containers import FILE, OURS, ROOT, config, drawn, env_of, env_of_prefect


@pytest.mark.parametrize("name", [one for one in OURS if one != "worker"])
def test_the_command_of_a_role_is_one_that_the_command_line_takes(found: dict[str, Any], name: str) -> None:
    assert found[name].get("entrypoint") is None
    group: click.Command = cli.main
    context, words = click.Context(cli.main), list(found[name]["command"])
    while isinstance(group, click.Group):
        word = words.pop(0)
        command = group.get_command(context, word)
        assert command is not None, word
        group, context = command, click.Context(command, parent=context, info_name=word)
    assert group.make_context(words[0] if words else "", words, parent=context).params is not None


@pytest.mark.parametrize("name", OURS)
def test_a_role_takes_the_settings_that_it_gets(
    installation: Path, found: dict[str, Any], name: str, tmp_path: Path
) -> None:
    env = env_of(found[name], installation / "secrets")
    policy = env.pop("RXPULSE_POLICY", "")
    assert policy in ("", "/etc/rxpulse/demo.toml")
    assert unknown_names(env) == []
    settings = Settings.from_env(env, home=tmp_path)
    assert settings.required_kafka() == "kafka:9092" and settings.required_port() == 8080
    assert urlsplit(settings.required_database_url()).hostname == "postgres"
    assert settings.api_key and settings.pseudonym_key and settings.prefect_auth and settings.public_url
    settings.check_exposure()


PAGE = (ROOT / "docs" / "operations" / "containers.md").read_text("utf-8")
READ_BY: dict[str, dict[str, int | float]] = {
    "topics": {"partitions": 32, "retention_days": 30},
    "worker": {"deadletter_limit": 1_000_000, "deadletter_window": 500, "tick_margin_seconds": 2.5},
    "intake": {"intake_max_lag_seconds": 60.0},
    "reports": {"keep_facts_days": 2192},
}
"""What may stand in .env, by the service that reads it."""
IN_ENV = {name: value for chosen in READ_BY.values() for name, value in chosen.items()}


@pytest.mark.parametrize("empty", [False, True], ids=["set", "empty"])
def test_what_stands_in_env_reaches_the_service_that_reads_it_and_no_other(
    installation: Path, tmp_path: Path, empty: bool
) -> None:
    folder = tmp_path / "installation"
    shutil.copytree(installation, folder)
    with (folder / ".env").open("a", encoding="utf-8") as file:
        file.writelines(f"RXPULSE_{name.upper()}={'' if empty else value}\n" for name, value in IN_ENV.items())
    done = config(folder, "--format", "json")
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    usual = Settings.from_env({}, home=tmp_path)
    for name in OURS:
        env = env_of(services[name], folder / "secrets") | {"RXPULSE_POLICY": ""}
        settings = Settings.from_env(env, home=tmp_path)
        chosen = {} if empty else READ_BY.get(name, {})
        wanted = {field: chosen.get(field, getattr(usual, field)) for field in IN_ENV}
        assert {field: getattr(settings, field) for field in IN_ENV} == wanted, name


def test_a_second_worker_made_as_the_page_says_differs_from_the_first_by_its_name_alone(
    installation: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "installation"
    shutil.copytree(installation, folder)
    (folder / "docker-compose.override.yml").write_text(PAGE.partition("```yaml\n")[2].partition("```")[0], "utf-8")
    done = config(folder, "--format", "json")
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    first, second = services["worker"], services["worker1"]
    names = [one["environment"].pop("RXPULSE_WORKER_INSTANCE") for one in (first, second)]
    assert names == ["w0", "w1"] and first == second


def test_the_page_names_what_may_stand_in_env() -> None:
    named = set(re.findall(r"RXPULSE_\w+", PAGE.partition("- **Settings**")[2].partition("\n- **")[0]))
    # The cluster's own id is drawn.
    taken = set(re.findall(r"\$\{(RXPULSE_\w+)", FILE.read_text("utf-8"))) - {"RXPULSE_KAFKA_CLUSTER"}
    assert named == taken >= {f"RXPULSE_{name.upper()}" for name in IN_ENV}


def test_the_first_policy_of_the_demonstration_is_the_demos_and_lies_in_the_image(found: dict[str, Any]) -> None:
    from rxpulse.commands.demo import POLICY

    assert env_of(found["migrate"])["RXPULSE_POLICY"] == "/etc/rxpulse/demo.toml"
    assert f"{POLICY.relative_to(ROOT)} /etc/rxpulse/demo.toml" in (ROOT / "deploy" / "Dockerfile").read_text("utf-8")


def test_what_is_made_in_the_database_is_what_the_others_use(installation: Path, found: dict[str, Any]) -> None:
    held = drawn(installation)
    made = Settings.from_env(env_of(found["provision"], installation / "secrets"))
    theirs = env_of_prefect(installation, found)
    prefect = urlsplit(theirs["PREFECT_API_DATABASE_CONNECTION_URL"])
    assert (prefect.username, prefect.password, prefect.path) == (
        plan.PREFECT,
        made.prefect_password,
        f"/{plan.PREFECT}",
    )
    assert held["reader_password"] == made.reader_password
    assert theirs["PREFECT_SERVER_API_AUTH_STRING"] == made.prefect_auth
    assert urlsplit(str(made.admin_url)).password == held["admin_password"]
    [_, _, words] = found["grafana"]["entrypoint"]
    assert words == (
        "RXPULSE_READER_PASSWORD=$$(cat /run/secrets/reader_password); export RXPULSE_READER_PASSWORD; exec /run.sh"
    )
    store = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/rxpulse.yml").read_text("utf-8"))
    [reading] = [one for one in store["datasources"] if one["uid"] == "rxpulse-store"]
    assert (reading["user"], reading["jsonData"]["database"]) == (plan.READER, plan.OWNER)


def test_provision_makes_them_from_these_settings_alone(installation: Path, found: dict[str, Any]) -> None:
    from rxpulse.commands.provision import _elsewhere

    admin, owners, reader = _elsewhere(Settings.from_env(env_of(found["provision"], installation / "secrets")))
    assert urlsplit(admin).username == postgres.ADMIN and [one.name for one in owners] == [plan.OWNER, plan.PREFECT]
    assert reader == drawn(installation)["reader_password"]


# The image


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A role that says whether it is ready."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_question_of_a_role_tells_ready_from_not_ready(found: dict[str, Any], status: int, code: int) -> None:
    questions = {tuple(found[role]["healthcheck"]["test"]) for role in ROLES}
    [question] = questions
    said = json.dumps(question[1:])
    assert said in re.sub(r"\s+", " ", (ROOT / "deploy" / "Dockerfile").read_text("utf-8")), "the image asks otherwise"
    with answering(status) as port:
        env = os.environ | {"RXPULSE_PORT": str(port)}
        argv = [sys.executable, *question[2:]]
        assert subprocess.run(argv, env=env, capture_output=True, check=False).returncode == code


def test_the_image_runs_as_nobody_in_particular_and_takes_no_secret_along() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001:10001"]
    assert all(
        re.fullmatch(r"python:3\.\d+-slim-\w+", image) for image in re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    )
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    taken = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored and ".env" not in taken
    for script in re.findall(r"^COPY \S+ (deploy/\S+) ", text, re.MULTILINE):
        assert script in taken and os.access(ROOT / script, os.X_OK), script
    packages = re.findall(r"^packages = \[(.+)\]$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[0]
    assert {name.strip(' "') for name in packages.split(",")} <= taken
    assert all((ROOT / name).exists() for name in taken)


# The worker that stops on purpose


def started(folder: Path, script: str) -> "subprocess.Popen[str]":
    """deploy/worker.sh with a program of that text in the place of the worker."""
    program = folder / "rxpulse"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    env = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    argv = [str(ROOT / "deploy" / "worker.sh")]
    return subprocess.Popen(argv, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.parametrize("code", [0, 1, 137])
def test_a_worker_that_ends_ends_its_container_which_is_started_again(
    found: dict[str, Any], tmp_path: Path, code: int
) -> None:
    # Also after the machine was: that asks for a policy other than on-failure.
    assert found["worker"]["restart"] == "unless-stopped"
    worker = started(tmp_path, f'[ "$1" = worker ] && exit {code}')
    worker.communicate(timeout=20)
    assert worker.returncode == code


def test_after_a_stop_on_purpose_the_container_stays_without_a_worker_until_it_is_stopped(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    with started(tmp_path, f"echo one >> {starts}; exit {services.STOPPED_ON_PURPOSE}") as container:
        assert container.stderr is not None and "stays down" in container.stderr.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            container.wait(0.5)
        container.send_signal(signal.SIGTERM)
        # What waits there ends with it: it holds both pipes.
        container.communicate(timeout=20)
    assert container.returncode == 0 and starts.read_text() == "one\n"


def test_who_is_asked_to_stop_passes_it_on_and_waits(tmp_path: Path) -> None:
    with started(tmp_path, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done") as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "up\n"
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=20)
    assert (worker.returncode, said) == (0, "bye\n")
