"""The one-machine stack with its real parts: fetched, started, killed, stopped; and nothing is left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest

from models.errors import CallerFault
from models.settings import Settings
from rxpulse import home as homes
from rxpulse import keys, plan, ports
from rxpulse.home import PartState, StackState
from rxpulse.parts import Part, fetch, intact, read_lock
from rxpulse.questions import http_answers, kafka_cluster, postgres_answers
from rxpulse.running import with_running_stack
from rxpulse.supervisor import NotReady, Phase
from tests.conftest import require_program
from tests.spec.test_alerts import RULES

SMALL = next(part for part in read_lock() if part.name == "slf4j-simple")


class Up:
    """`rxpulse` commands on one home, and the `up` that runs there."""

    def __init__(self, home: Path) -> None:
        self.home, self.log = home, home.parent / "up.log"
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")}
        self.env |= {"RXPULSE_HOME": str(home), "RXPULSE_PORTS": "auto"}
        if cache := os.environ.get("RXPULSE_CACHE"):
            self.env["RXPULSE_CACHE"] = cache
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "rxpulse", *arguments]
        return subprocess.run(argv, env=self.env | env, capture_output=True, text=True, timeout=120, check=False)

    def start(self, *only: str, **env: str) -> "Up":
        argv = [sys.executable, "-m", "rxpulse", "up", *(word for part in only for word in ("--only", part))]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(argv, env=self.env | env, stdout=out, stderr=out, start_new_session=True)
        return self

    def until(self, holds: Callable[[StackState], bool], within: float = 90.0) -> StackState:
        assert self.process is not None
        give_up = time.monotonic() + within
        while time.monotonic() < give_up:
            assert self.process.poll() is None, self.log.read_text()
            state = homes.read_state(self.home)
            if state is not None and state.pid == self.process.pid and holds(state):
                return state
            time.sleep(0.02)
        raise AssertionError(f"not within {within} s:\n{self.log.read_text()}")

    def until_up(self) -> StackState:
        return self.until(lambda state: state.complete)

    def send(self, kind: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(kind)
        return self.process.wait(90)

    def processes(self) -> list[psutil.Process]:
        """All that were started for this home and still live."""
        found = []
        for process in psutil.process_iter():
            try:
                ours = process.environ().get("RXPULSE_HOME") == str(self.home)
                ours = ours or any(str(self.home) in word for word in process.cmdline())
                if ours and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def until_nothing_left(self, within: float = 20.0) -> None:
        give_up = time.monotonic() + within
        while (left := self.processes()) and time.monotonic() < give_up:
            time.sleep(0.05)
        assert left == []


@pytest.fixture
def up(own_home: Path) -> Iterator[Up]:
    """An `Up` on a home of its own, ended whatever happened."""
    running = Up(own_home)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.send(signal.SIGTERM)
    running.until_nothing_left()


def part(state: StackState, name: str) -> PartState:
    return next(part for part in state.parts if part.name == name)


def pid(state: StackState, name: str) -> int:
    found = part(state, name).pid
    assert found is not None
    return found


# The parts


def test_a_truncated_jar_is_fetched_again(tmp_path: Path) -> None:
    [jar] = fetch([SMALL], tmp_path)
    whole = jar.read_bytes()
    jar.write_bytes(whole[:1000])
    said: list[str] = []
    fetch([SMALL], tmp_path, say=said.append)
    assert jar.read_bytes() == whole
    assert said == [f"fetching 1 files into {tmp_path} (once)"]


def test_a_full_cache_needs_no_network(tmp_path: Path) -> None:
    fetch([SMALL], tmp_path)
    said: list[str] = []
    assert fetch([SMALL], tmp_path, mirror="http://127.0.0.1:9", say=said.append) == [SMALL.path(tmp_path)]
    assert said == []


def test_a_file_that_is_not_the_locked_one_is_refused_and_not_kept(tmp_path: Path) -> None:
    other = Part(SMALL.coordinate, "0" * 64)
    with pytest.raises(CallerFault, match="its checksum is not the locked one"):
        fetch([other], tmp_path)
    assert not intact(SMALL, tmp_path)


def test_without_network_the_message_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CallerFault, match=r"cannot fetch org.slf4j:slf4j-simple.*set RXPULSE_MAVEN to a mirror"):
        fetch([SMALL], tmp_path, mirror="http://127.0.0.1:9")


# The questions


@pytest.mark.anyio
async def test_kafka_names_its_cluster(stack: Any) -> None:
    host, _, port = stack.kafka.partition(":")
    state = homes.read_state(stack.home)
    assert state is not None and await kafka_cluster(host, int(port)) == state.cluster


@pytest.mark.anyio
async def test_a_question_to_the_wrong_program_is_answered_with_no(stack: Any) -> None:
    kafka, database = int(stack.kafka.partition(":")[2]), urlsplit(stack.database_url).port
    assert database is not None
    for question in (
        kafka_cluster("127.0.0.1", database),
        postgres_answers("127.0.0.1", kafka),
        http_answers(f"http://127.0.0.1:{database}/readyz"),
    ):
        with pytest.raises((NotReady, OSError)):
            await question


# The database


def test_the_database_lets_nobody_in_without_the_password(stack: Any) -> None:
    found = urlsplit(stack.database_url)
    for wrong in ("postgres", "postgres:guessed", "rxpulse:guessed"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://{wrong}@{found.hostname}:{found.port}/postgres")


def test_each_role_has_its_own_database_and_no_other(stack: Any) -> None:
    found, held = urlsplit(stack.database_url), keys.ensure(stack.home)
    where = f"{found.hostname}:{found.port}"
    with psycopg.connect(f"postgresql://{plan.PREFECT}:{held.prefect}@{where}/{plan.PREFECT}") as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")  # the first thing that Prefect does
    with psycopg.connect(f"postgresql://{plan.OWNER}:{held.owner}@{where}/{plan.OWNER}") as connection:
        connection.execute("CREATE TABLE here (n int)")
        connection.rollback()
    with psycopg.connect(f"postgresql://{plan.READER}:{held.reader}@{where}/{plan.OWNER}") as connection:
        assert connection.execute("SHOW default_transaction_read_only").fetchone() == ("on",)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"postgresql://{plan.READER}:{held.reader}@{where}/{plan.PREFECT}")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"postgresql://{plan.OWNER}:{held.owner}@{where}/{plan.PREFECT}")


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_fresh_database(database_url: str, turn: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE only_here (n int)")


# Start and stop


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stopping_leaves_no_process_and_is_no_failure(up: Up, kind: signal.Signals) -> None:
    up.start("postgres").until_up()
    assert up.send(kind) == 0
    up.until_nothing_left(within=0)
    state = homes.read_state(up.home)
    assert state is not None and not state.running and state.failure is None


def test_a_second_start_on_one_home_is_told_who_runs(up: Up) -> None:
    up.start("postgres").until_up()
    second = up.command("up")
    assert second.returncode == 1
    assert up.process is not None and f"already running as pid {up.process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_second_start_after_a_stop_uses_what_is_there(up: Up) -> None:
    up.start("postgres").until_up()
    up.send(signal.SIGINT)
    first = (homes.read_state(up.home), (up.home / "keys" / "pseudonym.key").read_text())
    again = up.start("postgres").until_up()
    assert first[0] is not None and again.base == first[0].base
    assert (up.home / "keys" / "pseudonym.key").read_text() == first[1]
    assert "fetching" not in up.log.read_text()


def test_a_taken_port_moves_the_whole_block_by_ten(up: Up) -> None:
    base = ports.choose("auto", "127.0.0.1", None)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", base + 6))
        stranger.listen()
        state = up.start("postgres", RXPULSE_PORTS=str(base)).until_up()
    assert state.base > base and (state.base - base) % 10 == 0
    assert f"{base} and up are taken: the block from {state.base} on is used" in up.log.read_text()


def test_no_secret_is_an_argument_of_any_process(up: Up) -> None:
    up.start("kafka", "postgres").until_up()
    held = [path.read_text().strip() for path in (up.home / "keys").iterdir()]
    arguments = "\n".join(word for process in up.processes() for word in process.cmdline())
    assert len(held) == 7 and str(up.home) in arguments
    assert not [secret for secret in held if secret in arguments]


def test_the_keys_are_readable_by_their_owner_alone(up: Up) -> None:
    up.start("postgres").until_up()
    assert {path.stat().st_mode & 0o777 for path in (up.home / "keys").iterdir()} == {0o600}


def test_data_of_another_postgresql_is_refused_and_untouched(up: Up) -> None:
    homes.open_home(up.home)
    (up.home / "postgres").mkdir()
    (up.home / "postgres" / "PG_VERSION").write_text("17\n")
    refused = up.command("up", "--only", "postgres")
    assert refused.returncode == 1
    assert "holds data of PostgreSQL 17, and this RxPulse runs PostgreSQL 18" in refused.stderr
    assert [path.name for path in (up.home / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_folder_that_is_not_ours_is_neither_used_nor_deleted(up: Up) -> None:
    up.home.mkdir()
    (up.home / "thesis.txt").write_text("years of work")
    for command in (("up", "--only", "postgres"), ("reset", "--yes")):
        refused = up.command(*command)
        assert refused.returncode == 1 and "no home of RxPulse" in refused.stderr
    assert (up.home / "thesis.txt").read_text() == "years of work"


def test_a_running_stack_is_not_reset_and_a_stopped_one_is(up: Up) -> None:
    up.start("postgres").until_up()
    assert "already running" in up.command("reset", "--yes").stderr
    up.send(signal.SIGINT)
    assert up.command("reset", "--yes").returncode == 0
    assert not up.home.exists()


def test_status_and_down_find_a_detached_stack(up: Up) -> None:
    started = up.command("up", "--detach", "--only", "postgres")
    assert started.returncode == 0, started.stderr
    assert "(`rxpulse down` stops everything)" in started.stderr and "Ctrl-C" not in started.stderr
    status = up.command("status", "--json")
    document = json.loads(status.stdout)
    [shown] = document["parts"]
    assert status.returncode == 0 and document["healthy"] is True
    assert (shown["name"], shown["healthy"], shown["url"].startswith("postgresql://rxpulse@")) == (
        "postgres",
        True,
        True,
    )
    assert up.command("down").returncode == 0
    up.until_nothing_left(within=0)
    rest = up.command("status", "--json")
    assert rest.returncode == 1 and json.loads(rest.stdout)["healthy"] is False


# Mishaps


def test_a_killed_database_is_started_again(up: Up) -> None:
    first = pid(up.start("postgres").until_up(), "postgres")
    os.kill(first, signal.SIGKILL)
    again = up.until(lambda state: part(state, "postgres").healthy and pid(state, "postgres") != first)
    assert part(again, "postgres").restarts == 1
    assert "was ended by SIGKILL; started again in 0.5 s" in up.log.read_text()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux ends children with their parent; elsewhere they are reaped"
)
def test_a_killed_supervisor_leaves_nothing(up: Up) -> None:
    up.start("kafka", "postgres").until_up()
    assert len(up.processes()) >= 3
    up.send(signal.SIGKILL)
    up.until_nothing_left()


def test_what_a_killed_supervisor_left_is_ended_by_the_next_start(up: Up) -> None:
    # A process tethered to nobody stands for what is left where the system has no tether.
    env = up.env | {"RXPULSE_HOME": str(up.home)}
    left = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], env=env, start_new_session=True)
    stranger = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
    try:
        homes.open_home(up.home)
        born = homes.born(left.pid)
        parts = (
            PartState(name="worker", phase="healthy", healthy=True, pid=left.pid, born=born),
            # A pid that was given to somebody else in the meantime.
            PartState(name="console", phase="healthy", healthy=True, pid=stranger.pid, born="a while ago"),
        )
        homes.write_state(up.home, StackState(pid=2**22 + 1, born="a while ago", base=7400, parts=parts))
        up.start("postgres").until_up()
        assert left.wait(10) == -signal.SIGTERM
        assert stranger.poll() is None
        assert "ended what a killed stack left behind: worker" in up.log.read_text()
    finally:
        for process in (left, stranger):
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_killed_broker_is_started_again(up: Up) -> None:
    first = pid(up.start("kafka").until_up(), "kafka")
    os.kill(first, signal.SIGKILL)
    up.until(lambda state: part(state, "kafka").healthy and pid(state, "kafka") != first)


@pytest.mark.slow
def test_a_broker_that_cannot_start_ends_the_stack_with_the_reason(up: Up) -> None:
    up.start("kafka").until_up()
    up.send(signal.SIGINT)
    up.start("kafka", JAVA_TOOL_OPTIONS="-XX:+NoSuchFlag")
    assert up.process is not None and up.process.wait(120) == 1
    said = up.log.read_text()
    assert "kafka exited with 1 (6 starts in a row without health)" in said
    assert "Unrecognized VM option 'NoSuchFlag'" in said and "Traceback" not in said
    state = homes.read_state(up.home)
    assert state is not None and state.failure is not None and "NoSuchFlag" in state.failure


@pytest.mark.slow
def test_a_worker_that_refuses_the_topic_stays_down_and_the_others_go_on(up: Up) -> None:
    """Six starts in vain would end everything, with the way out of it: who is paged, the board, and the servers that
    `rxpulse reset --facts` needs."""
    parts = ("kafka", "postgres", "worker", "dispatcher")
    state = up.start(*parts).until_up()
    settings = with_running_stack(Settings.from_env(up.env), up.env)
    with psycopg.connect(settings.required_database_url(), autocommit=True) as database:
        database.execute("UPDATE positions SET cluster = 'another'")
    os.kill(pid(state, "worker"), signal.SIGKILL)
    state = up.until(lambda state: part(state, "worker").phase == Phase.STAYS_DOWN)
    assert part(state, "worker").restarts == 1 and "rxpulse reset --facts" in part(state, "worker").detail
    assert all(part(state, name).healthy for name in parts if name != "worker")
    assert "stopped on purpose (exit 3)" in up.command("doctor").stdout
    done = up.command("reset", "--facts", "--yes")
    assert done.returncode == 0 and "it has stopped on purpose: start it by `rxpulse down`" in done.stderr, done.stderr
    assert up.send(signal.SIGINT) == 0
    up.start(*parts).until_up()


@pytest.mark.slow
def test_the_whole_stack_starts_answers_and_stops(up: Up) -> None:
    up.start().until_up()
    document = json.loads(up.command("status", "--json").stdout)
    assert document["healthy"] is True
    assert {"kafka", "postgres", "prefect"} <= {shown["name"] for shown in document["parts"]}
    assert up.command("doctor").returncode == 0
    assert up.send(signal.SIGINT) == 0
    up.until_nothing_left(within=0)


@pytest.mark.slow
def test_a_prometheus_on_the_path_runs_beside_the_stack_and_never_counts(up: Up) -> None:
    require_program("prometheus", "prometheus")
    state = up.start().until(lambda state: state.complete and part(state, "prometheus").healthy)
    address = part(state, "prometheus").url
    assert address == f"http://127.0.0.1:{state.base + 9}" and address in up.log.read_text()

    def scraped(_: StackState) -> bool:
        found = httpx.get(f"{address}/api/v1/query", params={"query": "up == 1"}).json()["data"]["result"]
        return {one["metric"]["role"] for one in found} == {"worker", "dispatcher", "reports", "console", "intake"}

    up.until(scraped)
    known = httpx.get(f"{address}/api/v1/rules").json()["data"]["groups"][0]["rules"]
    assert [rule["name"] for rule in known] == [rule["alert"] for rule in RULES]
    os.kill(pid(state, "prometheus"), signal.SIGSTOP)
    document = json.loads(up.command("status", "--json").stdout)
    assert document["healthy"] is True and {shown["name"] for shown in document["parts"]} == set(plan.PARTS)
    assert up.send(signal.SIGINT) == 0
    up.until_nothing_left(within=0)
