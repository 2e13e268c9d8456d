"""When a feed is silent, over a real database: longer than its policy or its own past allows, and only while somebody has
listened to every partition up to now."""

from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
from msgspec import structs

from models.policy import Kind, Severity
from models.rates import minute_of
from models.signals import Cleared
from models.store.figures import figures
from models.store.seat import Seat
from models.store.silences import silent_feeds
from models.store.soundness import soundness
from tests.hearing import LEARNED, PIS, Ear
from tests.judging import always, told


def test_a_feed_is_silent_from_the_instant_at_which_its_policy_allows_no_more(ear: Ear) -> None:
    ear.hear(-5, 0, -3)
    ear.until(19.5)
    ear.hear()
    assert ear.judge() == []
    ear.until(21)
    ear.hear()
    [silent] = ear.judge()
    assert (silent.kind, silent.name, silent.site, silent.severity) == (Kind.FEED, *PIS, Severity.S2)
    assert silent.raised == silent.known == ear.at(20)
    with psycopg.connect(ear.url) as connection:
        assert silent_feeds(connection) == {PIS: ear.at(0)}
        assert connection.execute("SELECT told, attention FROM signals").fetchall() == [(None, True)]
    assert alarms(ear) == {PIS: True}
    ear.until(22)
    ear.hear()
    assert ear.judge() == []


def alarms(ear: Ear) -> dict[tuple[str, str], bool]:
    """What `rxpulse status` says of each feed."""
    found = figures(ear.url)
    assert found is not None
    return {(one.source, one.site): one.alarm for one in found.feeds}


def test_a_silent_feed_is_cleared_by_its_next_event_and_the_next_silence_is_another_signal(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear()
    [silent] = ear.judge()
    ear.until(25)
    ear.hear(25)
    assert ear.judge() == [structs.replace(silent, cleared=ear.at(25), reason=Cleared.SPOKE, revision=2)]
    with psycopg.connect(ear.url) as connection:
        assert silent_feeds(connection) == {}
    assert alarms(ear) == {PIS: False}
    ear.until(46)
    ear.hear()
    [again] = ear.judge()
    assert again.id != silent.id and again.raised == ear.at(45)


def test_no_feed_is_silent_while_a_partition_has_not_been_read_up_to_now(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear(judged=[0, 1])
    assert ear.judge() == []
    ear.hear(judged=[2])
    assert len(ear.judge()) == 1


def test_no_feed_is_silent_while_a_partition_was_never_read(ear: Ear) -> None:
    ear.hear(0, judged=[0, 1])
    ear.until(21)
    ear.hear(judged=[0, 1])
    assert ear.judge() == []


def test_no_feed_is_silent_while_nobody_listens_any_more(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear()
    ear.until(21.5)
    assert ear.judge() == []


def test_a_restarted_judge_still_knows_who_is_silent(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear()
    [silent] = ear.judge()
    with closing(Seat(ear.url, "w0")) as after:
        ear.hear()
        assert [change.signal for change in told(after.judge(None, always))] == [silent]
        ear.hear(21)
        assert [change.signal.reason for change in told(after.judge(1, always))] == [Cleared.SPOKE]


@pytest.mark.parametrize("ear", [LEARNED], indirect=True)
def test_how_long_a_feed_may_be_silent_is_learned_over_all_partitions(ear: Ear) -> None:
    """An event every 20 minutes, each on another partition than the one before."""
    ear.begins = minute_of(ear.begins)
    ear.hear(*(-20.0 * at for at in range(14 * 72)))
    ear.until(59)
    ear.hear()
    assert ear.judge() == []
    ear.until(61)
    ear.hear()
    assert [one.raised for one in ear.judge()] == [ear.at(60)]


@pytest.mark.parametrize("ear", [LEARNED], indirect=True)
def test_in_its_first_week_a_feed_without_a_policy_is_never_silent(ear: Ear) -> None:
    ear.hear(*(-20.0 * at for at in range(6 * 72)))
    ear.until(600)
    ear.hear()
    assert ear.judge() == []


def test_what_feeds_are_learned_from_is_kept_for_nine_weeks(ear: Ear) -> None:
    week = 7 * 24 * 60.0
    ear.hear(-10 * week, -9 * week - 60, -8 * week, 0)
    ear.judge()
    with psycopg.connect(ear.url) as connection:
        rows = connection.execute("SELECT hour FROM feed_hours ORDER BY hour").fetchall()
    assert [hour > ear.at(-9 * week - 60) for (hour,) in rows] == [True, True]
    found = soundness(ear.url)
    assert found is not None and list(found.spans.values()) == [timedelta(weeks=8)]
