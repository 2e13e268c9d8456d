"""What `doctor` says of a worker that is slow, stuck or kept waiting, and what to do about each."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from metrics import catalog
from metrics.exporter import PrometheusRecorder
from models.store.soundness import Blocked, Place, Soundness
from rxpulse.findings import Finding, Level, Log
from rxpulse.worker_examination import Glance, deaf, pace, spent, steps, unread, waiting
from streams.condition import Condition
from streams.feed import Extent
from streams.laps import Doing

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HERE = Place(0, "ours", 10, NOW, 0, 0, 0, NOW, "worker-w0-7")
STORE = Soundness(NOW, (HERE, replace(HERE, partition=1)), (), (), {}, 0, {})
TOPICS = Condition("ours", {0: Extent(0, 10), 1: Extent(0, 10)}, frozenset(), 0, None)
IDLE = dict.fromkeys(Doing, 0.0)


def looks(applied: int, came: int, spent: dict[Doing, float] | None = None) -> list[Finding]:
    """Two looks, 3 s apart, at a worker that is 9,000 events behind at the first."""
    before = {str(doing): 5.0 for doing in Doing}
    after = None if spent is None else {str(doing): 5.0 + spent.get(doing, 0.0) for doing in Doing}
    first = Glance(100.0, {0: 1_000, 1: 4_000}, {0: 10_000, 1: 4_000}, before)
    second = Glance(103.0, {0: 1_000 + applied, 1: 4_000}, {0: 10_000 + came, 1: 4_000}, after)
    return list(pace(first, second))


def test_a_worker_that_catches_up_is_said_with_how_long_it_takes() -> None:
    [found] = looks(applied=3_000, came=300)
    assert found.level is Level.WARNING and found.remedy == "wait"
    assert found.what == (
        "the worker is 6300 events behind and catches up: it applies 1000 a second, 100 come: about 7 s to go"
    )


def test_a_worker_that_has_caught_up_meanwhile_is_fine() -> None:
    [found] = looks(applied=9_000, came=600)
    assert found.level is Level.GOOD and found.what.endswith("just caught up, at 3000 events a second; 600 are left")


def test_a_worker_that_falls_back_is_said_with_what_takes_its_time() -> None:
    [found] = looks(applied=300, came=3_000, spent={Doing.TRANSACTION: 2.7, Doing.POLL: 2.8})
    assert "11700 events behind and falls back: it applies 100 a second, 1000 come" in found.what
    assert found.what.endswith("it waits for the database to write") and "locks" in found.remedy


def test_a_worker_that_stands_is_a_fault() -> None:
    [found] = looks(applied=0, came=0, spent={Doing.LISTEN: 0.1, Doing.LOAD: 2.9})
    assert found.level is Level.FAULT and "has applied none for 3 s" in found.what
    assert "waits for the database to give it cases" in found.what
    [unasked] = looks(applied=0, came=0)
    assert "waits" not in unasked.what and unasked.remedy and unasked.where == Log("worker")


@pytest.mark.parametrize(
    ("spent", "said"),
    [
        ({Doing.POLL: 2.0, Doing.TRACK: 0.9}, "waits for Kafka to give it records"),
        ({Doing.POLL: 0.1, Doing.TRACK: 2.4, Doing.TRANSACTION: 1.5}, "following cases"),
        ({Doing.DECODE: 2.4, Doing.TRACK: 0.4}, "reading what events say"),
        ({Doing.POLL: 2.9, Doing.PRODUCE: 2.8}, "Kafka to take what it found"),
        ({Doing.POLL: 2.9, Doing.CONFIRM: 2.2, Doing.TRANSACTION: 0.5}, "confirm dead letters"),
    ],
)
def test_each_step_that_holds_up_the_rest_has_words_of_its_own(spent: dict[Doing, float], said: str) -> None:
    [found] = looks(applied=1, came=900, spent=spent)
    assert said in found.what and found.remedy


def test_the_steps_are_read_as_the_worker_shows_them() -> None:
    recorder = PrometheusRecorder("worker")
    recorder.add(catalog.STEP_SECONDS, 1.5, "load")
    recorder.add(catalog.STEP_SECONDS, 0.25, "track")
    assert steps(recorder.text().decode()) == {"load": 1.5, "track": 0.25}
    assert spent("http://127.0.0.1:9/metrics") is None


def test_who_keeps_the_worker_waiting_is_named() -> None:
    blocked = (
        Blocked("worker-w0-7", 12.2, ("psql, process 123",)),
        Blocked("worker-w0-8", 0.4, ("worker-w0-7, process 9",)),
    )
    [found] = waiting(replace(STORE, blocked=blocked))
    assert found.what == "worker-w0-7 has waited for 12 s for a lock in the database, held by psql, process 123"
    assert found.level is Level.FAULT and "pg_terminate_backend" in found.remedy


def test_a_partition_that_nobody_reads_is_named() -> None:
    topics = replace(TOPICS, extents={0: Extent(0, 10), 1: Extent(0, 14), 2: Extent(3, 9)})
    free = replace(STORE, places=(HERE, replace(HERE, partition=1, owner=None)))
    assert [(one.what, one.where) for one in unread(free, topics)] == [
        ("nobody reads it, and 4 events wait there", "partition 1 of rx.events"),
        ("nobody reads it, and 6 events wait there", "partition 2 of rx.events"),
    ]
    assert list(unread(free, TOPICS)) == [], "nothing waits there"
    asleep = replace(STORE, places=(replace(HERE, owner=None),))
    assert list(unread(asleep, topics)) == [], "without any worker something else is said"


def test_a_partition_whose_worker_is_gone_while_others_live_is_named() -> None:
    gone = replace(HERE, partition=1, beat=NOW - timedelta(minutes=2), owner="worker-w1-9")
    topics = replace(TOPICS, extents={0: Extent(0, 10), 1: Extent(0, 14)})
    [found] = unread(replace(STORE, places=(HERE, gone)), topics)
    assert "worker-w1-9 has written nothing there since 2026-11-25T11:58:00Z, and 4 events wait" in found.what
    assert list(unread(STORE, topics)) == [], "it only has more to do"
    assert list(unread(replace(STORE, places=(replace(gone, partition=0), gone)), topics)) == [], "then all stand"


def test_a_worker_that_reads_and_does_not_look_for_missed_deadlines_is_said_with_why() -> None:
    old = replace(STORE, places=(HERE, replace(HERE, partition=1, judged=NOW - timedelta(minutes=9))))
    [found] = deaf(old, TOPICS)
    assert "not been looked for since 2026-11-25T11:51:00Z, though all is read" in found.what
    assert "Kafka does not say" in found.remedy
    [clocks] = deaf(replace(old, ahead={"w0": timedelta(seconds=-95)}), TOPICS)
    assert "the clock of w0's host and the database's differ by 95 s" in clocks.what and "NTP" in clocks.remedy
    quiet = replace(old, places=tuple(replace(one, beat=NOW - timedelta(minutes=9)) for one in old.places))
    assert list(deaf(quiet, TOPICS)) == [], "it may be gone"
    assert list(deaf(replace(quiet, ahead={"w0": timedelta(seconds=-95)}), TOPICS)) == [clocks]
    [kafka] = deaf(replace(quiet, ahead={"w0": timedelta(0)}), TOPICS)
    assert "Kafka does not say" in kafka.remedy
    assert list(deaf(STORE, TOPICS)) == []
    assert list(deaf(old, replace(TOPICS, extents={0: Extent(0, 10), 1: Extent(0, 11)}))) == [], "it is only behind"
