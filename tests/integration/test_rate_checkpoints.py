"""How far the judge of rates has followed the counts, as a database keeps it: old minutes are folded into checkpoints, and a
late count is followed from the checkpoint before it."""

from datetime import datetime, timedelta

import psycopg

from models.rates import MINUTE, minute_of
from models.store.seat import Seat
from tests.judging import DAY, Floor, always, bad_hour, good, now, stand, told


def kept(floor: Floor) -> list[datetime]:
    with psycopg.connect(floor.url) as connection:
        return [at for (at,) in connection.execute("SELECT folded FROM rate_states ORDER BY folded")]


def test_history_is_followed_only_as_far_as_every_partition_has_read(floor: Floor, seat: Seat) -> None:
    # Not across midnight, where a checkpoint is kept of its own.
    begins = (minute_of(now(floor)) - 10 * DAY).replace(hour=3)
    bad = begins + timedelta(hours=1)
    floor.count(good(begins, 60) | bad_hour(bad), begins)
    assert told(seat.judge(None, always)) == []
    assert kept(floor) == []
    floor.count({}, bad + timedelta(minutes=10))
    assert told(seat.judge(0, always)) == []
    assert kept(floor) == [bad]
    floor.count({}, bad + timedelta(hours=1, minutes=10))
    [change] = told(seat.judge(0, always))
    assert change.signal.raised == floor.expected()[0].raised
    assert floor.row("SELECT told FROM signals") == "old"


def test_a_late_count_for_a_folded_minute_is_followed_from_the_checkpoint_before_it(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)).replace(hour=0, minute=0) - 3 * DAY
    floor.count(good(begins, 3 * 1440), begins + 3 * DAY)
    assert told(seat.judge(None, always)) == []
    folded = [begins + DAY * day for day in (1, 2)]
    assert [at for at in kept(floor) if at.hour == 0 and at.minute == 0][:2] == folded
    floor.count(bad_hour(begins + 2.5 * DAY, partition=2), begins + 3 * DAY)
    # Were it followed from the very first minute, this would show.
    with psycopg.connect(floor.url) as connection:
        connection.execute("UPDATE rate_states SET value = 0.5 WHERE folded = %s", [folded[1]])
    found = told(seat.judge(0, always))
    assert [change.signal.open for change in found] == [False]
    assert found[0].signal.raised > begins + 2.5 * DAY
    assert kept(floor)[:2] == folded


def test_a_checkpoint_that_late_counts_overtook_is_left_anew(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)).replace(hour=0, minute=0) - 3 * DAY
    midnight = begins + 2 * DAY
    floor.count(good(begins, 3 * 1440), begins + 3 * DAY)
    seat.judge(None, always)
    floor.count({(midnight - MINUTE * before, 0): (0, 1) for before in range(1, 20)}, begins + 3 * DAY)
    seat.judge(0, always)
    floor.count({(midnight + 10 * MINUTE, 0): (0, 3)}, begins + 3 * DAY)
    seat.judge(0, always)
    assert [stand(shift) for shift in floor.expected()] == floor.signals()
    assert floor.signals()[0][0] < midnight < floor.signals()[0][1]


def test_what_is_counted_between_the_look_and_the_following_is_not_lost(floor: Floor, seat: Seat) -> None:
    """More sites than are followed at once: while the first are, a late count comes for the last."""
    begins = minute_of(now(floor)) - 3 * DAY
    sites = [f"site-{number}" for number in range(9)]
    for site in sites:
        floor.count({(begins, 0): (1, 0)}, begins + 3 * DAY, site=site)
    seat.judge(None, always)
    for site in sites:
        floor.count({(begins + 3 * DAY, 0): (1, 0)}, begins + 3 * DAY, site=site)
    calls: list[int] = []

    def meanwhile() -> bool:
        if not calls:
            floor.count(bad_hour(begins + MINUTE), begins + 3 * DAY, site=sites[-1])
        calls.append(1)
        return True

    found = [*told(seat.judge(0, meanwhile)), *told(seat.judge(0, always))]
    assert len(calls) == 2 and found[0].signal.site == sites[-1]
