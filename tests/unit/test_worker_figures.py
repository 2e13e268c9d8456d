"""What the worker shows of its work."""

from datetime import timedelta

import pytest

from metrics import catalog
from metrics.recorder import MemoryRecorder
from models.store.ledger import Advance, Batch, IntervalFact, SignalFact, Tally
from models.tracking import Step, track
from streams.backlog import Backlog, Unread
from streams.draft import Partition
from streams.laps import Doing, Laps
from streams.watching import Watch
from tests.heart import ONE, at, event, last, watch


def written(*steps: Step) -> MemoryRecorder:
    """What is shown after a batch with everything that the steps led to."""
    intervals = [IntervalFact(0, 0, 0, one) for step in steps for one in step.intervals]
    signals = [SignalFact(0, 0, 0, None, one) for step in steps for one in step.signals]
    recorder = MemoryRecorder()
    advance = Advance(0, 1, 0, 2, 0, 0, Tally(accepted=2, duplicates=1, after_close=4), judged=at(9))
    Watch(recorder).done(Batch([advance], intervals=intervals, signals=signals), 0.25)
    return recorder


def test_a_batch_is_shown_with_its_time_its_outcomes_and_its_facts() -> None:
    shown = written(last(event("order.entered", 0), event("order.verified", 6)))
    assert shown.observed[catalog.BATCH_SECONDS.name, ()] == [0.25]
    assert shown.values[catalog.EVENTS.name, ("accepted",)] == 2
    assert shown.values[catalog.EVENTS.name, ("duplicates",)] == 1
    assert shown.values[catalog.EVENTS.name, ("after_close",)] == 4
    assert shown.values[catalog.FACTS.name, ("interval",)] == 1
    assert shown.values[catalog.JUDGED.name, ()] == at(9).timestamp()
    assert shown.values[catalog.CORRECTIONS.name, ("interval",)] == 0
    assert shown.values[catalog.CORRECTIONS.name, ("signal",)] == 0


def test_what_late_evidence_changes_is_shown_as_corrected() -> None:
    entered = event("order.entered", 0, priority="stat")
    earlier = last(entered, event("order.verified", 4), event("order.verified", 3))
    changed = {one.clock for one in earlier.intervals}
    late = watch(entered, now=15)
    assert late.signals and late.progress is not None, "it was late as long as nothing was known"
    proven = track(late, event("order.verified", 3), ONE)
    shown = written(earlier, proven)
    assert changed == {"stat-verified", "order-to-verified"}
    assert shown.values[catalog.CORRECTIONS.name, ("interval",)] == len(changed)
    assert shown.values[catalog.CORRECTIONS.name, ("signal",)] == 1


def test_what_is_left_to_read_is_as_old_as_the_last_look_at_the_end() -> None:
    backlog = Backlog()
    read, slow = Partition(0, 1, 5, 0, 5), Partition(1, 1, 9, 0, 9, end=10)
    assert backlog.look(at(0), {0: 5, 1: 10}, [read, slow]) == Unread(0, timedelta())
    assert backlog.look(at(1), {0: 8, 1: 10}, [read, slow]) == Unread(3, timedelta(minutes=1))
    assert backlog.look(at(2), {0: 8, 1: 14}, [read, slow]) == Unread(7, timedelta(minutes=2))
    read.position, read.received = 7, at(1.5)
    assert backlog.look(at(3), {0: 8, 1: 10}, [read, slow]) == Unread(1, timedelta(minutes=1.5)), (
        "younger than what was read"
    )


def test_after_a_start_it_is_as_old_as_what_the_store_knows_and_a_first_load_has_no_age() -> None:
    stopped, empty = Partition(0, 1, 5, 0, 5, judged=at(-60)), Partition(1, 1, 0, 0, 0)
    assert Backlog().look(at(0), {0: 8}, [stopped]) == Unread(3, timedelta(hours=1))
    assert Backlog().look(at(0), {1: 8}, [empty]) == Unread(8, timedelta())


def test_a_partition_that_came_back_is_not_judged_by_what_was_known_of_it_before() -> None:
    backlog = Backlog()
    backlog.look(at(0), {0: 5}, [Partition(0, 1, 5, 0, 5)])
    backlog.look(at(1), {}, [])
    assert backlog.look(at(2), {0: 8}, [Partition(0, 3, 5, 0, 5, judged=at(1.5))]) == Unread(3, timedelta(seconds=30))


def test_time_is_told_by_what_it_was_spent_on_and_not_one_by_one() -> None:
    told: list[dict[Doing, float]] = []
    ticks = iter([0.0, 0.1, 0.3, 5.0, 5.1])
    laps = Laps(lambda seconds: told.append(dict(seconds)), lambda: next(ticks))
    laps.end(Doing.POLL)
    laps.end(Doing.DECODE)
    assert told == []
    laps.begin()
    laps.end(Doing.POLL)
    assert told == [{Doing.POLL: pytest.approx(0.2), Doing.DECODE: pytest.approx(0.2)}]


def test_what_the_loop_says_becomes_figures() -> None:
    recorder = MemoryRecorder()
    watch_ = Watch(recorder)
    watch_.spent({Doing.LOAD: 0.25})
    watch_.spent({Doing.LOAD: 0.25, Doing.TRACK: 1.0})
    watch_.refolded(3)
    watch_.behind(Unread(7, timedelta(seconds=90)))
    assert recorder.values[catalog.STEP_SECONDS.name, ("load",)] == 0.5
    assert recorder.values[catalog.REFOLDS.name, ()] == 3
    assert (recorder.values[catalog.LAG.name, ()], recorder.values[catalog.UNREAD.name, ()]) == (7, 90)
    watch_.owns(0)
    assert (recorder.values[catalog.LAG.name, ()], recorder.values[catalog.UNREAD.name, ()]) == (0, 0)
