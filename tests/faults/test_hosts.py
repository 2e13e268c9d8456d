"""Three hosts with real addresses: Kafka and PostgreSQL on one, a worker on each of the others; a link is cut and healed."""

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from models import store
from streams.faultpoints import VARIABLE
from tests.conftest import running_stack
from tests.faults.conftest import EVENTS, SEED
from tests.faults.hosts import ONE, SERVERS, TWO, Hosts, three_hosts
from tests.faults.owning import owners, write_down_who_writes, writers
from tests.faults.proof import prove
from tests.faults.servers import pass_time
from tests.faults.trial import Trial, trying
from tests.live import PARTITIONS, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
BLINK = 4.0
"""Seconds that a session outlasts."""
MEANWHILE = 2_500
"""Records that are sent within a second or two: a short cut is to stay one in the long form too."""


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with three_hosts() as made:
        yield made


@pytest.fixture
def trial(hosts: Hosts, tmp_path: Path) -> Iterator[Trial]:
    """Over servers of its own; `w1` and `w2` each run on another host."""
    address = hosts.address(SERVERS)
    program = sys.executable, "-m", "tests.faults.elsewhere", address
    with running_stack(*hosts.command(SERVERS), *program) as running:
        there = replace(
            running,
            kafka=running.kafka.replace("127.0.0.1", address),
            database_url=running.database_url.replace("127.0.0.1", address),
        )
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
    cut_off = trial.worker("w1", **{VARIABLE: f"before transaction:{trial.chance.randint(1, 3)}:STOP"})
    trial.feed(trial.total // 8)
    until(cut_off.frozen, why=trial.told)
    hosts.cut(ONE)
    trial.surprised = True
    cut_off.process.send_signal(signal.SIGCONT)
    trial.feed(trial.total // 4)
    trial.forget_to_verify(2)
    trial.tending(lambda: owners(trial) == Counter(w2=PARTITIONS) and trial.applied())
    write_down_who_writes(trial)
    hosts.heal(ONE)
    assert cut_off.ended(60.0) in (1, 4), cut_off.said()
    trial.feed(trial.total // 8)
    trial.tending(trial.applied)
    assert writers(trial) == {"w2"}
    trial.hire("w1")
    trial.tending(lambda: len(owners(trial)) == 2)
    trial.settle()
    prove(trial)
