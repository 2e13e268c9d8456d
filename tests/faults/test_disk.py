"""A disk is full: the one that holds PostgreSQL's tables alone, the one that holds all it has, or Kafka's. It is a small one in
memory, which only the administrator may make.

Seen red when a worker that met a full disk stopped on purpose, when positions were written before the rest, and when facts
counted as published before Kafka had confirmed them.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import chown

import psycopg
import pytest

from models import store
from rxpulse import home as homes
from rxpulse import postgres
from tests.conftest import RunningStack, running_stack
from tests.disks import fill, small_disk
from tests.faults.conftest import EVENTS, SEED
from tests.faults.moments import feed_and_read
from tests.faults.proof import prove
from tests.faults.sending import Sender
from tests.faults.servers import Servers
from tests.faults.trial import Trial, trying
from tests.live import until

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Small:
    """A disk of a server's, empty at first."""

    folder: Path

    def hold(self, trial: Trial) -> None:
        """From now on all tables of the trial lie on it."""
        for things in ("TABLE", "INDEX"):
            trial.database.execute(f"ALTER {things} ALL IN TABLESPACE pg_default SET TABLESPACE small")  # type: ignore[arg-type]

    def fill(self) -> None:
        fill(self.folder)

    def make_room(self) -> None:
        (self.folder / "filling").unlink()


@pytest.fixture
def disk(stack: RunningStack) -> Iterator[Small]:
    """To be asked for before the trial: it goes when the trial's database has gone."""
    with small_disk(64 + EVENTS // 50) as folder, psycopg.connect(stack.database_url, autocommit=True) as connection:
        tables = folder / "tables"
        tables.mkdir()
        account = postgres.account()
        if account is not None:
            chown(tables, account)
        connection.execute(f"CREATE TABLESPACE small LOCATION '{tables}'")  # type: ignore[arg-type]
        try:
            yield Small(folder)
        finally:
            connection.execute("DROP TABLESPACE small")


def test_the_disk_of_the_database_is_full(disk: Small, trial: Trial) -> None:
    """The worker ends and starts again until there is room; what was half written is undone."""
    disk.hold(trial)
    trial.may_end = (1,)
    trial.hire()
    for _ in range(3 if trial.full else 2):
        trial.forget_to_verify(1)
        feed_and_read(trial, 6)
        disk.fill()
        trial.feed(trial.portion(6))
        for _ in range(2):
            trial.await_end()
        disk.make_room()
        trial.tending(trial.applied)
    trial.settle()
    assert trial.said("DiskFull"), trial.told()
    prove(trial)


@dataclass(frozen=True, slots=True)
class Apart:
    """A trial over servers of its own; all that one of them writes (`part`), but what it says, lies on a small disk."""

    trial: Trial
    disk: Small
    home: Path
    part: str

    def starts(self) -> int:
        """How often that server was started again."""
        state = homes.read_state(self.home)
        assert state is not None and state.running, "the stack has ended"
        return next(part.restarts for part in state.parts if part.name == self.part)

    def ends_in_vain(self) -> None:
        """Waits until it has been started twice more."""
        goal = self.starts() + 2
        self.trial.tending(lambda: self.starts() >= goal)

    def said(self) -> str:
        return (self.home / "logs" / f"{self.part}.log").read_text()

    def recover(self) -> None:
        """There is room again, and it comes back by itself."""
        self.disk.make_room()
        until(lambda: Servers(self.home).pid(self.part))


def use_up(trial: Trial) -> None:
    """Others write on, until the log of the transactions has no room either and PostgreSQL ends."""
    with pytest.raises(psycopg.OperationalError), psycopg.connect(trial.database_url, autocommit=True) as other:
        for _ in range(_PIECES):
            other.execute("SELECT pg_create_restore_point('full'), pg_switch_wal()")


_PIECES = 128
"""Twice as many pieces of its log as PostgreSQL keeps for later."""


@contextmanager
def apart(part: str, mib: int, folder: Path) -> Iterator[Apart]:
    """`folder` is for what the trial says; the server's disk has so many MiB."""
    with (
        small_disk(mib) as disk,
        running_stack(sys.executable, "-m", "tests.faults.apart", part, str(disk)) as running,
    ):
        with psycopg.connect(running.database_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE trial")
        store.migrate(running.url_of("trial"))
        with trying(running.kafka, running.url_of("trial"), folder, SEED, EVENTS) as trial:
            yield Apart(trial, Small(disk), running.home, part)


@pytest.fixture
def postgres_apart(tmp_path: Path) -> Iterator[Apart]:
    with apart("postgres", 256 + EVENTS // 50, tmp_path) as made:
        yield made


@pytest.fixture
def kafka_apart(tmp_path: Path) -> Iterator[Apart]:
    with apart("kafka", 128 + EVENTS // 200, tmp_path) as made:
        yield made


def test_the_disk_of_everything_that_the_database_writes_is_full(postgres_apart: Apart) -> None:
    """PostgreSQL ends, and again whenever it is started, until there is room; then it comes back by itself, and the worker."""
    database, trial = postgres_apart, postgres_apart.trial
    trial.may_end = (1,)
    trial.hire()
    trial.forget_to_verify(2)
    feed_and_read(trial, 3)
    database.disk.fill()
    trial.feed(trial.portion(3))
    trial.await_end()
    use_up(trial)
    database.ends_in_vain()
    assert "PANIC" in database.said() and "No space left on device" in database.said()
    database.recover()
    trial.settle()
    prove(trial)


def test_the_disk_of_the_broker_is_full(kafka_apart: Apart) -> None:
    """It fills up while events are on their way. What Kafka confirmed lies there afterwards; what it did not, its sender has and
    sends again. Kafka ends, and again whenever it is started, until there is room; then it comes back by itself, and the worker
    goes on."""
    broker, trial = kafka_apart, kafka_apart.trial
    trial.may_end = (1,)
    trial.hire()
    trial.forget_to_verify(2)
    feed_and_read(trial, 3)
    sender, records = Sender(trial), trial.take(trial.portion(3))
    room = trial.chance.randint(1, len(records) // 2)
    sender.send(records[:room])
    sender.begun()
    broker.disk.fill()
    sender.send(records[room:])
    kept = sender.kept()
    assert kept, "there was room for all"
    broker.ends_in_vain()
    assert "No space left on device" in broker.said()
    broker.recover()
    trial.give(kept)
    trial.settle()
    assert sender.lost() == set()
    prove(trial)
