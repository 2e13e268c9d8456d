"""The worker is killed: at every gap between two of its steps, and at random.

Seen red when facts were sent before the transaction that writes them, and when positions were written in a transaction of
their own.
"""

import signal
import time

import pytest

from streams.faultpoints import POINTS, STEPS, VARIABLE
from tests.faults.proof import prove
from tests.faults.trial import Trial
from tests.live import until

pytestmark = pytest.mark.timeout(600)


def test_killed_before_and_after_every_step(trial: Trial) -> None:
    """A worker that dies at each point in turn, at a passing that the seed decides, and is started again. In the short
    form: at one side of each step, which the seed decides too."""
    points = POINTS if trial.full else [f"{trial.chance.choice(['before', 'after'])} {step}" for step in STEPS]
    share = trial.total // (len(points) + 1)
    for point in points:
        trial.forget_to_verify(1)
        worker = trial.worker(**{VARIABLE: f"{point}:{trial.chance.randint(1, 3)}:KILL"})
        for _ in range(4):
            trial.feed(share // 4)
            until(lambda w=worker: not w.alive() or trial.applied(), why=trial.told)
        assert worker.ended() == -signal.SIGKILL
    trial.hire()
    trial.settle()
    prove(trial)


def test_killed_at_random(trial: Trial) -> None:
    """kill -9 whenever it comes, also while the worker starts."""
    for _ in range(kills := 20 if trial.full else 3):
        trial.hire()
        trial.feed(trial.total // (kills + 1))
        trial.forget_to_verify(1)
        give_up = time.monotonic() + trial.chance.uniform(1.0, 4.0)
        until(lambda at=give_up: time.monotonic() > at)
        trial.crew["w0"].kill()
    trial.hire()
    trial.settle()
    prove(trial)
