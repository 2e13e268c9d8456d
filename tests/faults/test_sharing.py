"""Several workers: one that was frozen and comes back, and workers that come and go while events flow."""

import signal
from collections import Counter

import psutil
import pytest

from streams.faultpoints import VARIABLE
from tests.faults.proof import prove
from tests.faults.trial import Trial
from tests.live import PARTITIONS, Worker, until

pytestmark = pytest.mark.timeout(600)


def owners(trial: Trial) -> Counter[str]:
    """How many partitions each worker holds."""
    rows = trial.rows("SELECT owner FROM positions WHERE owner IS NOT NULL")
    return Counter(owner.split("-")[1] for (owner,) in rows)


def test_a_frozen_worker_that_comes_back_writes_nothing_and_ends_itself(trial: Trial) -> None:
    """It stops still just before a transaction, for longer than its session lasts; another one takes over and goes on;
    then it wakes, with a batch in its hand that has been written by the other one since."""
    point = trial.chance.choice(["before transaction", "after transaction", "before load"])
    zombie = trial.worker("w0", **{VARIABLE: f"{point}:{trial.chance.randint(2, 4)}:STOP"})
    for _ in range(6):
        trial.feed(trial.total // 12)
        until(lambda: _frozen(zombie) or trial.applied(), why=trial.told)
    until(lambda: _frozen(zombie), why=trial.told)
    trial.surprised = True
    trial.hire("w1")
    trial.forget_to_verify(3)
    until(lambda: owners(trial) == Counter(w1=PARTITIONS) and trial.applied(), why=trial.told)
    trial.database.execute(_WHO_WRITES)
    zombie.process.send_signal(signal.SIGCONT)
    assert zombie.ended() in (1, 4), zombie.said()
    trial.settle()
    assert {who.split("-")[1] for (who,) in trial.rows("SELECT DISTINCT who FROM wrote")} == {"w1"}
    prove(trial)


_WHO_WRITES = """
CREATE TABLE wrote (who text);
CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN INSERT INTO wrote VALUES (current_setting('application_name')); RETURN NULL; END $$;
CREATE TRIGGER written AFTER UPDATE ON positions FOR EACH ROW EXECUTE FUNCTION write_down();
"""
"""From now on every session that moves a position is written down by its name. Epochs would not tell: a woken worker may
ask the group for partitions once more before it ends, and each sharing out is a new epoch."""


def _frozen(worker: Worker) -> bool:
    return psutil.Process(worker.process.pid).status() == psutil.STATUS_STOPPED


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
