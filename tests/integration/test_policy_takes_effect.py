"""A version of the policy that no longer asks for a clock, as a real worker takes it: what runs is cleared at its instant."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from models.store.policies import append
from tests.conftest import RunningStack
from tests.integration.test_policy_versions import FIRST, LONGER, WITHOUT, parsed
from tests.live import Live, living, now, stat, until


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, parsed(FIRST)) as one:
        yield one


def soon(live: Live, text: str, effective: datetime | None = None) -> datetime:
    """Records a version that is in force in a moment: sooner than the command allows."""
    effective = effective or now() + timedelta(seconds=3)
    with psycopg.connect(live.database_url) as connection:
        append(connection, parsed(text), effective, "a test")
    return effective


def late(live: Live) -> list[tuple[object, ...]]:
    return live.rows("SELECT cleared, reason FROM signals WHERE name = 'stat-verified'")


def test_a_late_clock_that_a_version_ends_is_cleared_by_policy_at_that_instant(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=30)))
    until(lambda: late(live) == [(None, None)], why=live.told)
    effective = soon(live, WITHOUT)
    until(lambda: late(live) == [(effective, "policy")], why=live.told)


def test_a_version_that_came_while_no_worker_ran_is_heard_by_the_next_one(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=30)))
    until(lambda: late(live) == [(None, None)], why=live.told)
    live.workers[0].kill()
    effective = soon(live, WITHOUT)
    until(lambda: now() > effective)
    live.worker()
    until(lambda: late(live) == [(effective, "policy")], why=live.told)


def test_a_clock_that_stays_is_not_touched(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=30)), stat(2, now() - timedelta(minutes=30)))
    until(lambda: late(live) == [(None, None)] * 2, why=live.told)
    effective = soon(live, LONGER)
    until(lambda: live.judged() > effective, why=live.told)
    assert late(live) == [(None, None)] * 2


def test_a_version_that_is_taken_back_before_it_holds_changes_nothing(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=30)))
    until(lambda: late(live) == [(None, None)], why=live.told)
    # Time enough for a slow worker to take it and for taking it back, before it holds.
    effective = soon(live, WITHOUT, now() + timedelta(seconds=20))
    until(lambda: live.rows("SELECT 1 FROM cases WHERE look = %s", effective), within=15, why=live.told)
    soon(live, LONGER, effective)
    until(lambda: live.judged() > effective, why=live.told)
    assert late(live) == [(None, None)]
    assert live.rows("SELECT 1 FROM cases WHERE look <= %s", effective) == []
