"""Shifted rates over a real database: a signal is raised, cleared and denied as the counts alone say, in whatever order they
came, and a running worker does so within seconds."""

import json
import random
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from models.rates import MINUTE, minute_of
from models.signals import Cleared
from models.store import policies as versions
from models.store.changes import ATTENTION
from models.store.judging import expected_shifts, unjudged
from models.store.policies import read_policies
from models.store.seat import PARTITION, Round, Seat
from models.store.sql import SqlLedger
from streams.topics import SIGNALS
from tests.clockwork import MovedClock
from tests.conftest import RunningStack
from tests.judging import DAY, FIRST, PARTITIONS, Counts, Floor, always, bad_hour, dose, now, stand, told
from tests.live import living, until


def test_a_shift_is_raised_from_minutes_that_are_still_open(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 8 * MINUTE
    floor.count({(begins + MINUTE * minute, 0): (5, 5) for minute in range(8)}, begins)
    with psycopg.connect(floor.url, autocommit=True) as dispatcher:
        dispatcher.execute(f"LISTEN {ATTENTION}")
        [change] = told(seat.judge(None, always))
        assert [notice.channel for notice in dispatcher.notifies(timeout=10, stop_after=1)] == [ATTENTION]
    assert (change.partition, change.sequence) == (PARTITION, 0)
    assert change.signal.open and change.signal.known == change.signal.raised
    assert [stand(shift) for shift in floor.expected()] == floor.signals()
    assert floor.row("SELECT count(*) FROM rate_states") == 0


def test_what_nobody_touched_is_not_followed_again(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    assert len(told(seat.judge(None, always))) == 1
    assert unjudged(seat._connection) == set()
    assert told(seat.judge(1, always)) == []


def weeks(seed: int, begins: datetime) -> Counts:
    """Four days of doses on three partitions, the second of them bad."""
    dice = random.Random(seed)
    counts: Counts = {}
    for number in range(4 * 24 * 60):
        if dice.random() < 0.3:
            errors = sum(dice.random() < (0.15 if 1440 <= number < 2880 else 0.03) for _ in range(3))
            counts[begins + MINUTE * number, dice.randrange(PARTITIONS)] = (3 - errors, errors)
    return counts


def portions(counts: Counts, sizes: random.Random) -> Iterable[Counts]:
    rows = list(counts.items())
    at = 0
    while at < len(rows):
        size = sizes.randrange(1, 400)
        yield dict(rows[at : at + size])
        at += size


@pytest.mark.parametrize("seed", range(3))
def test_the_shifts_are_the_same_whatever_order_the_counts_came_in(floor: Floor, seat: Seat, seed: int) -> None:
    dice = random.Random(seed)
    begins = minute_of(now(floor)) - 4 * DAY
    counts = weeks(seed, begins)
    # Some trials are counted twice at first, and the second time is taken back.
    twice = dict(dice.sample(sorted(counts.items()), 200))
    rows = list(counts.items())
    dice.shuffle(rows)
    read, mark = begins, None
    for portion in portions(dict(rows), dice):
        floor.count(portion | {key: (2 * a, 2 * b) for key, (a, b) in portion.items() if key in twice}, read)
        found = seat.judge(mark, always)
        assert isinstance(found, Round)
        mark = found.published + len(found.changes)
        read += dice.choice((DAY, timedelta(hours=2)))
        read = min(read, begins + 4 * DAY)
    floor.count({key: (-a, -b) for key, (a, b) in twice.items()}, begins + 4 * DAY)
    seat.judge(mark, always)
    expected = [stand(shift) for shift in floor.expected()]
    assert len(expected) >= 1 and floor.signals() == expected
    with psycopg.connect(floor.url) as connection:
        policies = read_policies(connection, None)
        assert policies is not None
        assert sorted((s.raised, s.cleared, s.reason) for s in expected_shifts(connection, policies)) == expected


def test_a_raise_that_its_counts_deny_is_cleared_as_disproof(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    [raised] = told(seat.judge(None, always))
    floor.count(dict.fromkeys(bad_hour(begins), (0, -1)), begins)
    [denied] = told(seat.judge(1, always))
    assert denied.signal.id == raised.signal.id
    assert (denied.signal.reason, denied.signal.revision) == (Cleared.DISPROOF, 2)
    floor.count(dict.fromkeys(bad_hour(begins), (0, 1)), begins)
    [again] = told(seat.judge(2, always))
    assert (again.signal.open, again.signal.revision) == (True, 3)
    assert floor.row("SELECT cleared FROM signals") is None


def test_the_running_minute_may_raise_a_signal_and_only_when_it_is_over_clear_it(database_url: str) -> None:
    clock = MovedClock(database_url)
    versions.begin(database_url, FIRST, "a test")
    with closing(SqlLedger(database_url, "w0")) as ledger, closing(Seat(database_url, "w0")) as seat:
        ledger.claim("a-cluster", range(PARTITIONS), "w0")
        floor = Floor(database_url, ledger)
        clock.forward(seconds=70 - ledger.now().second)
        running = minute_of(ledger.now())
        floor.count({(running, 0): (0, 12)}, running)
        [raised] = told(seat.judge(None, always))
        assert raised.signal.raised == running + MINUTE
        clock.forward(minutes=1)
        floor.count({(running + MINUTE, 1): (200, 0)}, running)
        assert told(seat.judge(1, always)) == []
        assert len(unjudged(seat._connection)) == 1
        clock.forward(minutes=1)
        [cleared] = told(seat.judge(1, always))
        assert (cleared.signal.cleared, cleared.signal.reason) == (running + 2 * MINUTE, Cleared.SCORE)
    clock.close()


def test_a_worker_raises_a_shifted_rate_within_seconds_and_clears_it_when_doses_are_given_again(
    stack: RunningStack, database_url: str, tmp_path: Path
) -> None:
    with living(stack.kafka, database_url, tmp_path, FIRST) as live:
        live.worker()
        begins = datetime.now(UTC) - 5 * MINUTE
        live.send(*(dose("not_given", number, begins) for number in range(12)))
        [raised] = until(lambda: live.rows("SELECT id, name, site FROM signals WHERE kind = 'rate'"), why=live.told)
        assert raised[1:] == ("not-given", "mercy")
        live.send(*(dose("administered", number, begins) for number in range(200)))
        until(
            lambda: live.rows("SELECT 1 FROM signals WHERE id = %s AND cleared IS NOT NULL", raised[0]), why=live.told
        )

        def said() -> list[str]:
            records = (one.value() for one in live.topic(SIGNALS) if one.key() == raised[0].encode())
            return [json.loads(record or b"")["type"] for record in records]

        # What is in the store is sent a moment later.
        until(lambda: said()[-1:] == ["rx.signal.cleared"], why=live.told)
        assert said()[0] == "rx.signal.raised"
        assert live.one("SELECT ahead FROM worker_clocks WHERE worker = 'w0'") is not None
        assert live.workers[0].stop() == 0
