"""Several workers: one that was frozen and comes back, one that is killed, and workers that come and go while events flow.

Seen red when who is asked for partitions gave them back without writing what it had read, or kept its cases in mind; when
who leaves wrote nothing more; when a woken worker met neither the end of its connection nor the compare-and-set (either
one alone holds); when who takes over touched a position before it had ended who stood still in a transaction; and when
positions were written in a transaction of their own.
"""

import signal
from collections import Counter

import pytest

from tests.faults.freezing import AT_WORK, frozen_at_work
from tests.faults.owning import (
    FASTEST,
    await_giving_back,
    await_stopping,
    await_waiting,
    feed_while_it_waits,
    flowing,
    found_waiting,
    holdings,
    left_behind,
    left_to_do,
    lives,
    movers,
    nothing_is_written,
    owners,
    reads_on,
    write_down_who_claims,
    write_down_who_writes,
    writers,
)
from tests.faults.proof import prove
from tests.faults.servers import pass_time
from tests.faults.trial import Trial
from tests.live import PARTITIONS, Worker, now, until

pytestmark = pytest.mark.timeout(600)
WINDOW = (0.05, 0.2)
"""Seconds between which one of two is killed."""
JOINING = 10.0
"""Seconds within which a fifth of the feed comes in while a worker joins: it takes about four."""


def wakes_too_late(trial: Trial, zombie: Worker) -> None:
    """`w1` has everything by then. It comes back and ends itself, and only `w1` writes."""
    write_down_who_writes(trial)
    # Now and then it claims its partitions back before it ends, and then shuts `w1` out.
    trial.may_end = (1, 4)
    zombie.process.send_signal(signal.SIGCONT)
    assert zombie.ended() in (1, 4), zombie.said()
    trial.feed(trial.portion(24))
    trial.tending(trial.applied)
    assert writers(trial) == {"w1"}


def test_a_frozen_worker_that_comes_back_writes_nothing_and_ends_itself(trial: Trial) -> None:
    """It stands still between two of its steps, for longer than its session lasts; another one takes over and goes on; then it
    wakes, with a batch in its hand that has been written, or sent, by the other one since. So at several steps in turn, which
    the seed decides, in the short form at one."""
    trial.surprised = True
    for point in trial.chance.sample(AT_WORK, 3 if trial.full else 1):
        zombie = frozen_at_work(trial, "w0", point)
        trial.hire("w1")
        trial.forget_to_verify(3)
        trial.tending(lambda: owners(trial) == Counter(w1=PARTITIONS) and trial.applied())
        wakes_too_late(trial, zombie)
        trial.dismiss("w1")
    trial.hire("w1")
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_a_worker_that_freezes_inside_a_transaction_holds_up_nobody(trial: Trial) -> None:
    """It stands still while the database does what it was asked, and with all the locks of that: whoever takes over does not
    wait for it, and what it had begun is undone."""
    zombie = trial.worker("w0")
    trial.feed(trial.portion(6))
    until(trial.applied, why=trial.told)
    with nothing_is_written(trial):
        trial.feed(trial.portion(6))
        await_waiting(trial)
        zombie.process.send_signal(signal.SIGSTOP)
    assert not trial.applied()
    trial.surprised = True
    trial.hire("w1")
    trial.tending(lambda: owners(trial) == Counter(w1=PARTITIONS) and trial.applied(), 30.0)
    wakes_too_late(trial, zombie)
    trial.settle()
    prove(trial)


def test_workers_join_and_leave_in_mid_flow(trial: Trial) -> None:
    """One, two, then three workers (in the short form two), then one after the other leaves; events come in all the while, and
    nothing is lost. The rebalance is cooperative: whoever has a partition and keeps it is not asked to give it back."""
    most = 3 if trial.full else 2
    trial.hire("w1")
    trial.tending(lambda: len(owners(trial)) == 1)
    write_down_who_claims(trial)
    for count in range(2, most + 1):
        before = holdings(trial)
        trial.forget_to_verify(1)
        newcomer = trial.hire(f"w{count}")
        with flowing(trial, trial.portion(5) / JOINING, newcomer):
            trial.tending(lambda n=count: len(owners(trial)) == n)
        stayed = before & holdings(trial)
        assert len(stayed) >= PARTITIONS - PARTITIONS // count, "only what who comes is given changes hands"
        assert found_waiting(trial)[f"w{count}"] > 0, "nothing was left to do for who comes"
    for name in [f"w{number}" for number in range(1, most)]:
        trial.feed(trial.portion(6))
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
    trial.feed(trial.portion(4))
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


def killed_beside_another(trial: Trial, name: str) -> bool:
    """One of two workers is killed while records come in, within a moment that the seed decides. Whether it left something to
    do that was sent before it died."""
    worker, before = trial.crew.pop(name), trial.position()
    # Whatever came in before, both are at work then.
    trial.forget_to_verify(1)
    trial.tending(lambda: trial.position() > before)
    with flowing(trial, FASTEST, worker):
        pass_time(trial.chance.uniform(*WINDOW))
        died = now().timestamp()
        worker.kill()
    return left_behind(trial, name, died) > 0


@pytest.mark.slow
def test_one_of_two_workers_is_killed_while_the_other_lives(trial: Trial) -> None:
    """Each in turn, while both are at work. The other one goes on with its own meanwhile; it takes over the rest where the first
    does not come back within its session, which the seed decides, but each of them does once at least."""
    deaths = [(name, back) for name in ("w1", "w2") for back in ((True, False) * (2 if trial.full else 1))]
    trial.chance.shuffle(deaths)
    for name in ("w1", "w2"):
        trial.hire(name)
    trial.tending(lambda: len(owners(trial)) == 2)
    at_work = 0
    for name, comes_back in deaths:
        before = lives(trial)
        at_work += killed_beside_another(trial, name)
        [other] = trial.crew
        trial.feed(trial.portion(6 * len(deaths)))
        trial.tending(lambda who=other: left_to_do(trial, who) == 0)
        if not comes_back:
            trial.tending(lambda who=other: owners(trial) == Counter({who: PARTITIONS}) and trial.applied())
        trial.hire(name)
        trial.tending(lambda were=before: len(owners(trial)) == 2 and len(lives(trial) & were) == 1)
    trial.settle()
    assert at_work >= len(deaths) / 2, f"{at_work} of {len(deaths)} deaths left something to do"
    assert not trial.codes, trial.told()
    prove(trial)


@pytest.mark.slow
def test_a_rolling_restart(trial: Trial) -> None:
    """Each worker in turn stops and comes back, as in an update."""
    for name in ("w0", "w1"):
        trial.hire(name)
    for name in ("w0", "w1"):
        trial.tending(lambda: len(owners(trial)) == 2)
        trial.forget_to_verify(2)
        trial.feed(trial.portion(3))
        trial.dismiss(name)
        trial.hire(name)
    trial.settle()
    assert not trial.codes
    prove(trial)
