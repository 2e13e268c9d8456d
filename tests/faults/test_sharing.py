"""Several workers: one that was frozen and comes back, and workers that come and go while events flow.

Seen red when who is asked for partitions gave them back without writing what it had read, or kept its cases in mind; when
who leaves wrote nothing more; and when a woken worker met neither the end of its connection nor the compare-and-set (either
one alone holds); and when who takes over touched a position before it had ended who stood still in a transaction.
"""

import signal
from collections import Counter

import pytest

from streams.faultpoints import VARIABLE
from tests.faults.owning import (
    await_giving_back,
    await_stopping,
    await_waiting,
    feed_while_it_waits,
    holdings,
    movers,
    nothing_is_written,
    owners,
    reads_on,
    write_down_who_writes,
    writers,
)
from tests.faults.proof import prove
from tests.faults.trial import Trial
from tests.live import PARTITIONS, Worker, until

pytestmark = pytest.mark.timeout(600)


def wakes_too_late(trial: Trial, zombie: Worker) -> None:
    """It comes back when `w1` has everything: it ends itself, and only `w1` writes."""
    write_down_who_writes(trial)
    zombie.process.send_signal(signal.SIGCONT)
    assert zombie.ended() in (1, 4), zombie.said()
    trial.settle()
    assert writers(trial) == {"w1"}
    prove(trial)


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
    wakes_too_late(trial, zombie)


@pytest.mark.slow
def test_a_worker_that_freezes_inside_a_transaction_holds_up_nobody(trial: Trial) -> None:
    """It stands still while the database does what it was asked, and with all the locks of that: whoever takes over does not
    wait for it, and what it had begun is undone."""
    zombie = trial.worker("w0")
    trial.feed(100)
    until(trial.applied, why=trial.told)
    with nothing_is_written(trial):
        trial.feed(100)
        await_waiting(trial)
        zombie.process.send_signal(signal.SIGSTOP)
    trial.surprised = True
    trial.hire("w1")
    until(lambda: owners(trial) == Counter(w1=PARTITIONS) and trial.applied(), 30.0, why=trial.told)
    wakes_too_late(trial, zombie)


def test_workers_join_and_leave_in_mid_flow(trial: Trial) -> None:
    """One, two, then three workers (in the short form two), then one after the other leaves; nothing is lost. The rebalance is
    cooperative: whoever has a partition and keeps it is not asked to give it back."""
    most = 3 if trial.full else 2
    share = trial.total // 6
    for count in range(1, most + 1):
        before = holdings(trial)
        trial.hire(f"w{count}")
        trial.feed(share)
        trial.forget_to_verify(1)
        trial.tending(lambda n=count: len(owners(trial)) == n)
        stayed = before & holdings(trial)
        assert len(stayed) >= PARTITIONS - PARTITIONS // count or not before, (
            "only what who comes is given changes hands"
        )
    for name in [f"w{number}" for number in range(1, most)]:
        trial.feed(share)
        trial.dismiss(name)
    trial.settle()
    assert not trial.codes
    prove(trial)


@pytest.mark.slow
def test_who_gives_partitions_back_to_another_has_written_all_that_it_read(trial: Trial) -> None:
    """Its transaction waits for a lock, it reads on, and another worker asks for partitions. Once the lock is gone it writes
    all of that before it gives back: the other one has nothing to do again, and nobody is shut out. When the other one
    leaves, it goes on with the cases as they are by then."""
    giving = reads_on(trial)
    with nothing_is_written(trial):
        feed_while_it_waits(trial, giving)
        trial.hire("w2")
        await_giving_back(trial, giving)
    trial.tending(lambda: len(owners(trial)) == 2)
    assert not trial.codes, trial.told()
    assert movers(trial).keys() == {"w1"}, movers(trial)
    trial.feed(trial.total // 4)
    trial.tending(trial.applied)
    trial.dismiss("w2")
    trial.settle()
    assert not trial.codes
    prove(trial)


@pytest.mark.slow
def test_who_leaves_has_written_all_that_it_read(trial: Trial) -> None:
    """As above, and instead of another worker that comes it is told to stop."""
    leaving = reads_on(trial)
    with nothing_is_written(trial):
        feed_while_it_waits(trial, leaving)
        leaving.process.send_signal(signal.SIGTERM)
        await_stopping(trial, "w1")
    assert leaving.ended() == 0, leaving.said()
    assert trial.applied(), trial.told()
    del trial.crew["w1"]
    trial.hire("w2")
    trial.settle()
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
