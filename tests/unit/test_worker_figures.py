"""What the worker shows of its work."""

from metrics import catalog
from metrics.recorder import MemoryRecorder
from models.store.ledger import Advance, Batch, IntervalFact, SignalFact, Tally
from models.tracking import Step, track
from streams.app import Watch
from tests.heart import ONE, at, event, last, watch


def written(*steps: Step) -> MemoryRecorder:
    """What is shown after a batch with everything that the steps led to."""
    intervals = [IntervalFact(0, 0, 0, one) for step in steps for one in step.intervals]
    signals = [SignalFact(0, 0, 0, None, one) for step in steps for one in step.signals]
    recorder = MemoryRecorder()
    advance = Advance(0, 1, 0, 2, 0, 0, Tally(accepted=2, duplicates=1), judged=at(9))
    Watch(recorder).done(Batch([advance], intervals=intervals, signals=signals), 0.25)
    return recorder


def test_a_batch_is_shown_with_its_time_its_outcomes_and_its_facts() -> None:
    shown = written(last(event("order.entered", 0), event("order.verified", 6)))
    assert shown.observed[catalog.BATCH_SECONDS.name, ()] == [0.25]
    assert shown.values[catalog.EVENTS.name, ("accepted",)] == 2
    assert shown.values[catalog.EVENTS.name, ("duplicates",)] == 1
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
