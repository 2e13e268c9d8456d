"""Ever more cases are open at once, and the worker needs no more memory for it: what it has in mind is bounded."""

from collections.abc import Iterator
from itertools import islice

import psutil
import pytest

from models.event import CaseId, Event
from models.wire import encode
from tests.faults.feeding import Sent
from tests.faults.proof import prove, recomputed
from tests.faults.trial import Trial
from tests.heart import event
from tests.live import now

pytestmark = [pytest.mark.timeout(3600), pytest.mark.slow]
CASES, CASES_LONG = 60_000, 2_000_000
"""In the long form too many for the oracle, which keeps them all: there `verify` alone says that they are right."""
STAGES, AT_ONCE = 4, 5_000
FLAT = 1.3
"""What is in mind is full after half of the cases; from then on it may need so many times as much at most."""


def orders(count: int) -> Iterator[Sent]:
    """Routine orders of now, of which nobody has heard more."""
    for number in range(count):
        said = event("order.entered", 0, key=f"open-{number}", case=CaseId(f"order/open-{number}"), priority="routine")
        order = Event(said.id, said.source, said.type, now(), now(), said.subject, said.data)
        yield Sent(order.subject.encode(), encode(order), order)


def peak(trial: Trial) -> float:
    """The most that the worker needed until everything sent was applied, in MiB."""
    worker = psutil.Process(trial.crew["w0"].process.pid)
    most = 0.0

    def applied() -> bool:
        nonlocal most
        most = max(most, worker.memory_info().rss / 2**20)
        return trial.applied()

    trial.tending(applied, 600.0)
    return most


def test_ever_more_open_cases_need_no_more_memory(trial: Trial) -> None:
    long = trial.total > 2 * CASES
    count = CASES_LONG if long else CASES
    left = orders(count)
    trial.hire()
    peaks: list[float] = []
    for _ in range(STAGES):
        for _ in range(count // STAGES // AT_ONCE):
            some = list(islice(left, AT_ONCE))
            if long:
                trial.produce((one.key, one.value, one.partition) for one in some)
            else:
                trial.give(some)
        peaks.append(peak(trial))
    assert trial.one("SELECT count(*) FROM cases WHERE finished IS NULL") == count
    assert max(peaks) <= FLAT * peaks[STAGES // 2 - 1], peaks
    assert not trial.codes
    if long:
        trial.rest()
        recomputed(trial)
    else:
        trial.settle()
        prove(trial)
