"""Several workers: one that was frozen and comes back, and workers that come and go while events flow."""

import signal
from collections import Counter

import pytest

from streams.faultpoints import VARIABLE
from tests.faults.owning import owners, write_down_who_writes, writers
from tests.faults.proof import prove
from tests.faults.trial import Trial
from tests.live import PARTITIONS, until

pytestmark = pytest.mark.timeout(600)


def test_a_frozen_worker_that_comes_back_writes_nothing_and_ends_itself(trial: Trial) -> None:
    """It stops still just before a transaction, for longer than its session lasts; another one takes over and goes on;
    then it wakes, with a batch in its hand that has been written by the other one since."""
    point = trial.chance.choice(["before transaction", "after transaction", "before load"])
    zombie = trial.worker("w0", **{VARIABLE: f"{point}:{trial.chance.randint(2, 4)}:STOP"})
    for _ in range(6):
        trial.feed(trial.total // 12)
        until(lambda: zombie.frozen() or trial.applied(), why=trial.told)
    until(zombie.frozen, why=trial.told)
    trial.surprised = True
    trial.hire("w1")
    trial.forget_to_verify(3)
    until(lambda: owners(trial) == Counter(w1=PARTITIONS) and trial.applied(), why=trial.told)
    write_down_who_writes(trial)
    zombie.process.send_signal(signal.SIGCONT)
    assert zombie.ended() in (1, 4), zombie.said()
    trial.settle()
    assert writers(trial) == {"w1"}
    prove(trial)


def test_workers_join_and_leave_in_mid_flow(trial: Trial) -> None:
    """One, two, then three workers (in the short form two), then one after the other leaves; nothing is lost."""
    most = 3 if trial.full else 2
    share = trial.total // 6
    for count in range(1, most + 1):
        trial.hire(f"w{count}")
        trial.feed(share)
        trial.forget_to_verify(1)
        trial.tending(lambda n=count: len(owners(trial)) == n)
    for name in [f"w{number}" for number in range(1, most)]:
        trial.feed(share)
        trial.dismiss(name)
    trial.settle()
    assert not trial.codes
    prove(trial)


@pytest.mark.slow
def test_a_rolling_restart(trial: Trial) -> None:
    """Each worker in turn stops and comes back, as in an update."""
    for name in ("w0", "w1"):
        trial.hire(name)
    for name in ("w0", "w1"):
        trial.tending(lambda: len(owners(trial)) == 2)
        trial.forget_to_verify(2)
        trial.feed(trial.total // 3)
        trial.dismiss(name)
        trial.hire(name)
    trial.settle()
    assert not trial.codes
    prove(trial)
