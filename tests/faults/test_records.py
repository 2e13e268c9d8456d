"""Records that can hardly be taken, or cannot: the largest, thousands of poison in a row, a format of the future.

Seen red when a worker that came back did not know what had been put aside before.
"""

import json
import re
import signal

import pytest

from models.wire import encode
from streams.deadletter import ENTIRE
from streams.faultpoints import VARIABLE
from tests.faults.feeding import Sent
from tests.faults.proof import prove
from tests.faults.trial import Trial
from tests.live import now, stat

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
LARGEST = 1 << 20
"""Bytes of a record at most (`semantics.md` 8)."""


def padded(trial: Trial, number: int, size: int) -> Sent:
    """An event whose record has exactly so many bytes; what pads it is dropped."""
    whole = stat(number, now())
    record = encode(whole)[:-1] + b',"x":"'
    value = record + b"x" * (size - len(record) - 2) + b'"}'
    return Sent(whole.subject.encode(), value, whole if size <= LARGEST else None)


def test_the_largest_record_is_taken_and_a_larger_one_put_aside(trial: Trial) -> None:
    trial.hire()
    trial.feed(trial.portion(2))
    trial.give([padded(trial, 1001, LARGEST), padded(trial, 1002, LARGEST + 1)])
    with pytest.raises(AssertionError, match="MSG_SIZE_TOO_LARGE"):
        trial.produce([(None, trial.chance.randbytes(LARGEST + (8 << 10)), 0)])
    trial.settle()
    assert trial.rows("SELECT id FROM cases WHERE id IN ('order/1001', 'order/1002')") == [("order/1001",)]
    prove(trial)


def test_ten_thousand_poison_records_in_a_row(trial: Trial) -> None:
    """The worker stops on purpose and stays down; who has looked lets it put aside the rest at one go. Killed before it has
    written what it put aside, it knows of that when it comes back."""
    trial.feed(trial.portion(2))
    trial.give([Sent(None, b"poison in a row %d" % number, None, 0) for number in range(10_000)])
    worker = trial.worker()
    assert worker.ended(60) == 3
    assert re.search(
        rf"101 of the last 1000 records cannot be events.*RXPULSE_DEADLETTER_LIMIT={ENTIRE}", worker.said()
    )
    entire = {"RXPULSE_DEADLETTER_LIMIT": str(ENTIRE)}
    killed = trial.worker(**entire, **{VARIABLE: "before transaction:1:KILL"})
    assert killed.ended(60) == -signal.SIGKILL
    trial.hire(**entire)
    trial.settle()
    assert trial.codes == []
    prove(trial)


def test_a_format_of_the_future(trial: Trial) -> None:
    """Records of a version that nobody here knows are put aside with the reason; everything else goes on."""
    trial.hire()
    trial.feed(trial.portion(2))
    future = [{"specversion": "2.0", "id": str(n), "envelope": {"subject": "order/1"}} for n in range(50)]
    trial.give([Sent(b"order/1", json.dumps(one).encode(), None) for one in future])
    trial.settle()
    reasons = [dict(letter.headers() or [])["reason"] for letter in trial.topic("rx.deadletter")]
    assert reasons.count(b"specversion") == 50
    prove(trial)
