"""Three hosts with real addresses: Kafka and PostgreSQL on one, a worker on each of the others; links are cut and healed.

A worker that does not reach one of the servers, or neither, writes nothing later, and keeps nobody waiting for longer than it
takes to notice.

Seen red when what had been sent to the database might go without an answer for a quarter of an hour.
"""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from models import store
from tests.conftest import RunningStack, running_stack
from tests.faults.conftest import EVENTS, SEED
from tests.faults.freezing import frozen_at_work
from tests.faults.hosts import ONE, SERVERS, TWO, Hosts, three_hosts
from tests.faults.owning import FASTEST, flowing, owners, write_down_who_writes, writers
from tests.faults.proof import prove
from tests.faults.sending import Sender
from tests.faults.servers import SESSION, Servers, pass_time
from tests.faults.trial import Trial, trying
from tests.live import PARTITIONS, Worker, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
BLINK = 4.0
"""Seconds that a session outlasts."""
NOTICED = 45.0
"""Seconds within which a worker that does not reach a server has ended, and another one has what it had: one that does not reach
the database notices after 15 s, and its session lasts for 10 s more."""
WINDOW = (0.05, 0.5)
"""Seconds between which a worker is killed."""
MEANWHILE = 2_500
"""Records that are sent within a second or two: a short cut is to stay one in the long form too."""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with three_hosts() as made:
        yield made


@pytest.fixture
def there(hosts: Hosts) -> Iterator[RunningStack]:
    """Kafka and PostgreSQL on a host of their own."""
    address = hosts.address(SERVERS)
    program = sys.executable, "-m", "tests.faults.elsewhere", address
    with running_stack(*hosts.command(SERVERS), *program) as running:
        yield replace(
            running,
            kafka=running.kafka.replace("127.0.0.1", address),
            database_url=running.database_url.replace("127.0.0.1", hosts.second(SERVERS)),
        )


@pytest.fixture
def trial(hosts: Hosts, there: RunningStack, tmp_path: Path) -> Iterator[Trial]:
    """`w1` and `w2` each run on another host."""
    with psycopg.connect(there.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE trial")
    store.migrate(there.url_of("trial"))
    with trying(there.kafka, there.url_of("trial"), tmp_path, SEED, EVENTS) as one:
        one.hosts = {"w1": hosts.command(ONE), "w2": hosts.command(TWO)}
        yield one


def test_the_link_of_a_worker_is_cut_and_healed(hosts: Hosts, trial: Trial) -> None:
    """A short cut goes unnoticed. After one that outlasts its session another host's worker has taken over; the one that
    is back, with a transaction on its way since the cut, writes nothing and ends itself."""
    trial.hire("w1")
    trial.hire("w2")
    trial.tending(lambda: len(owners(trial)) == 2)
    trial.feed(trial.total // 4)
    trial.progress()
    hosts.cut(ONE)
    trial.feed(min(trial.total // 8, MEANWHILE))
    pass_time(BLINK)
    hosts.heal(ONE)
    trial.forget_to_verify(2)
    trial.tending(trial.applied)
    assert not trial.codes and len(owners(trial)) == 2
    trial.dismiss("w1")
    cut_off = frozen_at_work(trial, "w1", "before transaction")
    hosts.cut(ONE)
    the_other_takes_over(trial, cut_off)
    hosts.heal(ONE)
    assert cut_off.ended(60.0) in (1, 4), cut_off.said()
    comes_back(trial)


def the_other_takes_over(trial: Trial, cut_off: Worker) -> None:
    """`w1` wakes where it is, and goes on with its batch; `w2` has everything within the time it takes to notice. From then on
    it is known who writes."""
    trial.surprised = True
    cut_off.process.send_signal(signal.SIGCONT)
    trial.feed(trial.total // 4)
    trial.forget_to_verify(2)
    trial.tending(lambda: owners(trial) == Counter(w2=PARTITIONS) and trial.applied(), NOTICED)
    write_down_who_writes(trial)


def comes_back(trial: Trial) -> None:
    """The way is free again, and the worker that was cut off is dead: nothing of it came later. Another `w1` has its share."""
    trial.feed(trial.total // 8)
    trial.tending(trial.applied)
    assert writers(trial) == {"w2"}
    trial.hire("w1")
    trial.tending(lambda: len(owners(trial)) == 2)
    trial.settle()
    assert not trial.codes, trial.told()
    prove(trial)


def both_at_work(trial: Trial) -> Worker:
    """Two workers share the partitions; `w1` stands still with a batch in its hand."""
    trial.hire("w2")
    trial.feed(trial.total // 8)
    trial.progress()
    held = frozen_at_work(trial, "w1", "before transaction")
    assert len(owners(trial)) == 2
    return held


@pytest.mark.parametrize("server", ["postgres", "kafka"])
def test_a_worker_reaches_one_server_and_not_the_other(hosts: Hosts, trial: Trial, server: str) -> None:
    """What it and the other one send each other vanishes, for longer than its session lasts; it has a batch to write meanwhile.
    Before that is mended the worker has ended itself, for all that it still reaches, and another one has its share."""
    cut_off = both_at_work(trial)
    hosts.part(ONE, server)
    the_other_takes_over(trial, cut_off)
    assert cut_off.ended(NOTICED) in (1, 4), cut_off.said()
    again = trial.worker("w1")
    trial.feed(trial.total // 8)
    pass_time(SESSION)
    assert owners(trial) == Counter(w2=PARTITIONS) and trial.applied(), "one that starts meanwhile takes nothing away"
    again.kill()
    hosts.join(ONE, server)
    comes_back(trial)


def ended(trial: Trial) -> int:
    """How many workers have ended by themselves; each is started again. The store is not asked: nobody reaches it now."""
    trial.tend()
    return len(trial.codes)


def test_the_servers_are_cut_off_from_everybody(hosts: Hosts, trial: Trial) -> None:
    """For longer than a session, and than a connection is believed in: workers end and start again until they are back, and
    what senders had no word of they send again."""
    trial.may_end, trial.surprised = (1, 4), True
    trial.hire("w1")
    trial.hire("w2")
    trial.tending(lambda: len(owners(trial)) == 2)
    trial.forget_to_verify(2)
    trial.feed(trial.total // 4)
    trial.progress()
    sender = Sender(trial)
    hosts.cut(SERVERS)
    sender.send(trial.take(trial.total // 4))
    until(lambda: ended(trial) >= 2, why="the end of both workers")
    kept = sender.kept()
    assert not sender.confirmed
    hosts.heal(SERVERS)
    trial.give(kept)
    trial.forget_to_verify(2)
    trial.tending(lambda: trial.applied() and len(owners(trial)) == 2)
    trial.settle()
    prove(trial)


def test_workers_and_servers_end_and_come_back_on_three_hosts(there: RunningStack, trial: Trial) -> None:
    """What happens on one machine, with a network between: a worker is killed while records come in, both stop in turn and come
    back, and each server is killed as soon as records came in."""
    servers, both = Servers(there.home), ("w1", "w2")
    for name in both:
        trial.hire(name)
    trial.tending(lambda: len(owners(trial)) == 2)
    trial.forget_to_verify(1)
    with flowing(trial, FASTEST, trial.crew["w1"]):
        pass_time(trial.chance.uniform(*WINDOW))
        trial.kill("w1")
    for name in both:
        trial.tending(lambda: trial.applied() and len(owners(trial)) == 2)
        trial.feed(trial.portion(8))
        trial.dismiss(name)
        trial.hire(name)
    assert not trial.codes, trial.told()
    trial.may_end = (1, 4)
    for part in ("postgres", "kafka"):
        trial.tending(lambda: trial.applied() and len(owners(trial)) == 2)
        trial.forget_to_verify(1)
        trial.feed(trial.portion(8))
        servers.end(part, signal.SIGKILL)
    trial.settle()
    prove(trial)
