"""Kafka's broker is restarted, killed, frozen, and gone for a minute.

Seen red when silence was judged by ends of partitions that were asked for before, and when the publish mark moved before the
broker had confirmed; after a restart when who asks for those ends was not made anew, after a session when reading began at
Kafka's offsets, after a minute also when a worker did not wait for the broker; and when the broker's word for what was put
aside or sent on was not waited for.
"""

import signal
from contextlib import ExitStack
from datetime import timedelta

import pytest

from streams.faultpoints import VARIABLE
from tests.faults.feeding import Sent
from tests.faults.owning import feed_while_it_waits, nothing_is_written, reads_on
from tests.faults.proof import prove
from tests.faults.servers import Servers, pass_time
from tests.faults.trial import Trial
from tests.live import PARTITIONS, until

pytestmark = pytest.mark.timeout(900)
SESSION = 12.0
"""Seconds after which a worker's session with the group is over."""
MINUTE = 60.0
DUE = timedelta(seconds=8)
"""Time enough to apply an order before it falls due."""


def begun(trial: Trial) -> None:
    """A worker in mid-flow: a third of the feed is with the broker, and not all of it is applied."""
    trial.hire()
    trial.forget_to_verify(2)
    trial.feed(trial.total // 3)
    trial.progress()


def test_the_broker_is_stopped_and_killed_and_comes_back(trial: Trial, servers: Servers) -> None:
    begun(trial)
    for how in (signal.SIGTERM, signal.SIGKILL) if trial.full else (signal.SIGKILL,):
        servers.end("kafka", how)
        trial.feed(trial.total // 4)
        trial.forget_to_verify(1)
        trial.progress()
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_the_broker_stands_still_for_longer_than_a_session(trial: Trial, servers: Servers) -> None:
    begun(trial)
    with servers.frozen("kafka", SESSION):
        trial.tend()
    trial.feed(trial.total // 4)
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_silence_is_not_judged_while_the_broker_stands_still(trial: Trial, servers: Servers) -> None:
    """An order falls due meanwhile. Whether it was verified nobody can know, so nobody hears of it before the broker is
    back."""
    begun(trial)
    trial.tending(trial.applied)
    trial.tending(lambda: len(trial.late_signals()) == len(trial.late))
    known = trial.late_signals()
    trial.forget_to_verify(1, due=DUE)
    trial.tending(trial.applied)
    with servers.frozen("kafka", SESSION):
        pass_time(DUE.total_seconds() + SESSION)
        assert trial.late_signals() == known
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_the_broker_is_gone_for_a_minute(trial: Trial, servers: Servers) -> None:
    """With its session the worker ends; the next one is started meanwhile, and waits until the broker is back."""
    begun(trial)
    with servers.away("kafka", MINUTE - SESSION):
        trial.await_end()
    trial.feed(trial.total // 4)
    trial.settle()
    assert trial.codes == [1], trial.told()
    prove(trial)


@pytest.mark.slow
def test_the_worker_is_killed_with_facts_on_their_way_to_a_broker_that_is_gone(trial: Trial, servers: Servers) -> None:
    """Two transactions are written, and of what they found nothing has reached the broker: whoever comes next sends it. (One
    that only stands still finds it in its sockets when it wakes.)"""
    worker = reads_on(trial)
    with ExitStack() as lock:
        lock.enter_context(nothing_is_written(trial))
        feed_while_it_waits(trial, worker)
        ends = sum(trial.ends().values())
        with servers.away("kafka", 0.0):
            lock.close()
            until(lambda: trial.position() == ends, why=trial.told)
            worker.kill()
    trial.hire("w1")
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_what_is_put_aside_and_sent_on_while_the_broker_is_gone_is_not_lost(trial: Trial, servers: Servers) -> None:
    """A worker has read records that can be no events, or lie where they do not belong, and the broker goes before it looks
    at them: as long as they lie nowhere else it does not count them as read."""
    trial.feed(trial.total // 2)
    trial.give([Sent(None, b"poison in the end %d" % number, None, number) for number in range(PARTITIONS)])
    worker = trial.worker("w1", **{VARIABLE: "before decode:1:STOP"})
    until(worker.frozen, why=trial.told)
    with servers.away("kafka", 0.0):
        worker.process.send_signal(signal.SIGCONT)
        assert worker.ended() == 1, worker.said()
    trial.hire("w2")
    trial.settle()
    prove(trial)
