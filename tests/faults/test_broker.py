"""Kafka's broker is restarted, killed, frozen, and gone for a minute.

Seen red when silence was judged by ends of partitions that were asked for before, and when the publish mark moved before the
broker had confirmed; after a restart when who asks for those ends was not made anew, after a session when reading began at
Kafka's offsets, after a minute also when a worker did not wait for the broker; and when the broker's word for what was put
aside or sent on was not waited for.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import pytest

from streams.faultpoints import VARIABLE
from tests.faults.feeding import Sent
from tests.faults.owning import feed_while_it_waits, nothing_is_written, reads_on, unsent
from tests.faults.proof import prove
from tests.faults.servers import SESSION, Servers, pass_time
from tests.faults.trial import Trial
from tests.live import PARTITIONS, until

pytestmark = pytest.mark.timeout(900)
MINUTE = 60.0
"""Seconds for which the broker is gone."""


def begun(trial: Trial) -> None:
    """A worker `w1` that has applied some of the feed, and two late orders. With its session it may end."""
    trial.may_end = (1,)
    trial.forget_to_verify(2)
    reads_on(trial)


def at_home(trial: Trial) -> None:
    """Waits until the worker has its session with a broker that came back, or is another one that has: with a session that was
    over by then it would end a little later."""
    again = trial.one("SELECT clock_timestamp()") + timedelta(seconds=SESSION)
    trial.tending(lambda: trial.judged() > again)


@contextmanager
def in_mid_flow(trial: Trial) -> Iterator[Callable[[], None]]:
    """Within the block the worker has a transaction on its way that waits, and has read what came after it. What the block is
    given lets it write all of that; where the broker does not answer by then, nothing of what it found is sent."""
    with ExitStack() as lock:
        lock.enter_context(nothing_is_written(trial))
        feed_while_it_waits(trial, trial.crew["w1"])
        ends = sum(trial.ends().values())

        def write() -> None:
            assert trial.position() < ends
            lock.close()
            until(lambda: trial.position() == ends, why=trial.told)

        yield write


def test_the_broker_is_stopped_and_killed_and_comes_back(trial: Trial, servers: Servers) -> None:
    """Amid a transaction, and with records that are read and not written."""
    begun(trial)
    for number, how in enumerate((signal.SIGTERM, signal.SIGKILL) if trial.full else (signal.SIGKILL,)):
        if number > 0:
            at_home(trial)
        trial.forget_to_verify(1)
        with in_mid_flow(trial) as write:
            before = until(lambda: servers.pid("kafka"))
            os.kill(before, how)
            write()
            until(lambda gone=before: servers.pid("kafka") not in (0, gone), 120.0)
        trial.tending(trial.applied)
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_the_broker_stands_still_for_longer_than_a_session(trial: Trial, servers: Servers) -> None:
    """What is written meanwhile is not sent, the worker ends with its session, and the next one sends it."""
    begun(trial)
    with in_mid_flow(trial) as write, servers.frozen("kafka", 0.0):
        write()
        waiting = unsent(trial)
        trial.await_end()
        assert unsent(trial) >= waiting > 0
    trial.settle()
    assert trial.codes == [1], trial.told()
    prove(trial)


@pytest.mark.slow
def test_silence_is_not_judged_while_the_broker_stands_still(trial: Trial, servers: Servers) -> None:
    """An order falls due meanwhile. Whether it was verified nobody can know, so nobody hears of it before the broker is
    back."""
    begun(trial)
    trial.tending(lambda: len(trial.late_signals()) == len(trial.late))
    known = trial.late_signals()
    # Time enough to apply the order before it falls due, and so that it does while the worker's session lasts.
    due = trial.chance.uniform(6.0, 9.0)
    trial.forget_to_verify(1, due=timedelta(seconds=due))
    trial.tending(trial.applied)
    with servers.frozen("kafka", 0.0):
        over = time.monotonic() + due + SESSION
        trial.tending(lambda: time.monotonic() > over)
        assert trial.late_signals() == known
    trial.settle()
    assert trial.codes == [1], trial.told()
    prove(trial)


@pytest.mark.slow
def test_the_broker_is_gone_for_a_minute(trial: Trial, servers: Servers) -> None:
    """With its session the worker ends; the next one is started meanwhile, and waits until the broker is back."""
    begun(trial)
    with in_mid_flow(trial) as write, servers.away("kafka", 0.0):
        back = time.monotonic() + MINUTE
        write()
        waiting = unsent(trial)
        trial.await_end()
        assert unsent(trial) >= waiting > 0
        pass_time(back - time.monotonic())
    trial.settle()
    assert trial.codes == [1], trial.told()
    prove(trial)


@pytest.mark.slow
def test_the_worker_is_killed_with_facts_on_their_way_to_a_broker_that_is_gone(trial: Trial, servers: Servers) -> None:
    """Two transactions are written, and of what they found nothing has reached the broker: whoever comes next sends it. (One
    that only stands still finds it in its sockets when it wakes.)"""
    worker = reads_on(trial)
    with in_mid_flow(trial) as write, servers.away("kafka", 0.0):
        write()
        worker.kill()
        assert unsent(trial) > 0
    trial.hire("w1")
    trial.settle()
    assert not trial.codes
    prove(trial)


@pytest.mark.slow
def test_what_is_put_aside_and_sent_on_while_the_broker_is_gone_is_not_lost(trial: Trial, servers: Servers) -> None:
    """A worker has read records that can be no events, or lie where they do not belong, and the broker goes before it looks
    at them: as long as they lie nowhere else it does not count them as read."""
    trial.feed(trial.portion(2))
    trial.give([Sent(None, b"poison in the end %d" % number, None, number) for number in range(PARTITIONS)])
    worker = trial.worker("w1", **{VARIABLE: "before decode:1:STOP"})
    until(worker.frozen, why=trial.told)
    with servers.away("kafka", 0.0):
        worker.process.send_signal(signal.SIGCONT)
        assert worker.ended() == 1, worker.said()
    trial.hire("w2")
    trial.settle()
    prove(trial)
