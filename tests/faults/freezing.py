"""Workers that stand still at work, with records in their hand."""

from streams.faultpoints import VARIABLE, points
from tests.faults.owning import owners
from tests.faults.trial import Trial
from tests.live import Worker, until

AT_WORK = points("decode", "load", "transaction", "produce")
"""Where a worker may hold records, or what followed from them."""
WRITTEN = ("after transaction", *points("produce"))
"""Where what it held is applied, and perhaps not sent."""
TRIES = 8
"""Workers at most of which one must have held records when it froze."""
PORTIONS = 6


def frozen_at_work(trial: Trial, name: str, point: str) -> Worker:
    """A worker that stands still at a point, at a passing that the seed decides, with records in its hand."""
    for _ in range(TRIES):
        worker = trial.worker(name, **{VARIABLE: f"{point}:{trial.chance.randint(1, 4)}:STOP"})
        if _held(trial, name, point, worker):
            return worker
        worker.kill()
    raise AssertionError(f"none of {TRIES} workers held records {point}")


def _held(trial: Trial, name: str, point: str, worker: Worker) -> bool:
    """Waits until the worker stands still. Whether it holds records: the words that partitions end, and silence, are batches
    too."""
    until(lambda: worker.frozen() or owners(trial)[name], why=trial.told)
    before, held = 0, False
    for _ in range(PORTIONS):
        before = trial.position()
        trial.feed(trial.portion(24))
        held = not worker.frozen()
        until(lambda: worker.frozen() or trial.applied(), why=trial.told)
        if worker.frozen():
            break
    until(worker.frozen, why=trial.told)
    # What it was about to write is not applied; what it was about to send is.
    return held and (trial.position() > before if point in WRITTEN else not trial.applied())
