"""Finished cases leave, as a worker lets them go: Kafka and PostgreSQL, stopped, killed and started again."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from models import policy_text
from models.event import Event
from models.store.facts import snapshot
from rxpulse.cli import main
from streams.verify import uncounted, verify
from tests.conftest import RunningStack
from tests.live import Live, living, now, stat, until

SHIPPED = policy_text.shipped_default()


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, SHIPPED) as one:
        yield one


def differences(live: Live) -> list[object]:
    with snapshot(live.database_url) as facts:
        return list(verify(live.settings, facts, uncounted).examples)


def order(number: int, at: datetime) -> list[Event]:
    """An order that was verified in time, and taken back before its dose was due."""
    told = (("order.entered", 0), ("order.verified", 5), ("order.discontinued", 6))
    return [stat(number, at + timedelta(minutes=minutes), what) for what, minutes in told]


def worked_off(live: Live, *events: Event) -> None:
    worker = live.worker()
    live.send(*events)
    live.await_applied()
    assert worker.stop() == 0


def rest(live: Live, days: int, *cases: str) -> None:
    """Nothing was applied to these cases for so long."""
    live.rows(
        "UPDATE cases SET applied = now() - %s WHERE id = ANY(%s) RETURNING id", timedelta(days=days), list(cases)
    )


def left(live: Live) -> set[str]:
    return {case for (case,) in live.rows("SELECT case_id FROM departures")}


def test_a_case_that_is_over_leaves_after_90_days_and_what_comes_then_changes_nothing(live: Live) -> None:
    long_ago = now() - timedelta(days=100)
    gone, waits, fresh = order(1, long_ago), order(2, long_ago)[:2], order(3, long_ago)
    worked_off(live, *gone, *waits, *fresh)
    rest(live, 91, "order/1", "order/2")
    rest(live, 89, "order/3")
    facts = "SELECT id, revision FROM intervals UNION ALL SELECT id, revision FROM signals ORDER BY 1"
    before = live.rows(facts)
    assert before

    worker = live.worker()
    until(lambda: left(live) == {"order/1"}, why=live.told)
    assert {case for (case,) in live.rows("SELECT id FROM cases")} == {"order/2", "order/3"}
    again = stat(1, long_ago + timedelta(minutes=1), "order.verified")
    live.send(gone[1], again)  # the worker has it in mind
    live.await_applied()
    worker.kill()
    worker = live.worker()
    live.send(gone[0], again, fresh[0])  # and has to ask the store
    live.await_applied()
    assert worker.stop() == 0

    assert live.rows("SELECT sum(accepted), sum(duplicates), sum(after_close) FROM positions") == [(8, 1, 4)]
    assert live.rows(facts) == before
    assert {case for (case,) in live.rows("SELECT id FROM cases")} == {"order/2", "order/3"}
    assert differences(live) == []


def test_a_worker_that_was_away_for_long_reads_what_waits_before_a_case_leaves(live: Live) -> None:
    told = order(1, now() - timedelta(days=100))
    worked_off(live, told[0], told[2])
    rest(live, 91, "order/1")
    live.send(told[1])
    worker = live.worker()
    live.await_applied()
    assert live.rows("SELECT sum(accepted), sum(after_close) FROM positions") == [(3, 0)]
    assert left(live) == set()
    assert worker.stop() == 0
    assert differences(live) == []


@pytest.mark.slow
def test_facts_that_are_made_again_hold_what_had_left(live: Live) -> None:
    told = order(1, now() - timedelta(days=100))
    worked_off(live, *told)
    rest(live, 91, "order/1")
    worker = live.worker()
    until(lambda: left(live), why=live.told)
    live.send(told[1])
    live.await_applied()
    assert worker.stop() == 0
    assert live.one("SELECT sum(after_close) FROM positions") == 1
    done = CliRunner().invoke(main, ["reset", "--facts", "--yes"], env=live.env)
    assert done.exit_code == 0, done.output
    worked_off(live)
    assert left(live) == set()
    assert live.rows("SELECT sum(accepted), sum(duplicates), sum(after_close) FROM positions") == [(3, 1, 0)]
    assert differences(live) == []
