"""The disk that holds PostgreSQL's tables is full. It is a small one in memory, which only the administrator may make."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import chown

import psycopg
import pytest

from rxpulse import postgres
from tests.conftest import RunningStack
from tests.disks import fill, small_disk
from tests.faults.conftest import EVENTS
from tests.faults.proof import prove
from tests.faults.trial import Trial

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


@dataclass(frozen=True, slots=True)
class Small:
    """A disk of PostgreSQL's, empty at first."""

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
    trial.hire()
    for _ in range(3 if trial.full else 2):
        trial.forget_to_verify(1)
        trial.feed(trial.total // 6)
        trial.progress()
        disk.fill()
        trial.feed(trial.total // 6)
        for _ in range(2):
            trial.await_end()
        disk.make_room()
        trial.tending(trial.applied)
    trial.settle()
    assert trial.said("DiskFull") and set(trial.codes) == {1}, trial.told()
    prove(trial)
