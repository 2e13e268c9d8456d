"""PostgreSQL is restarted, killed, full of connections, too slow, and refuses a transaction.

Seen red when positions were written in a transaction of their own, before the rest (a restart and kill -9 too) or behind it,
and when a worker gave up at once where no connection was left.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.faults.moments import feed_and_read
from tests.faults.owning import await_waiting, nothing_is_written
from tests.faults.proof import prove
from tests.faults.servers import Servers, pass_time
from tests.faults.trial import Trial
from tests.live import until

pytestmark = pytest.mark.timeout(900)


@contextmanager
def setting(trial: Trial, name: str, value: str) -> Iterator[None]:
    """Whoever connects within the block has this setting."""
    database = urlsplit(trial.database_url).path[1:]
    trial.database.execute(f"ALTER DATABASE {database} SET {name} = '{value}'")  # type: ignore[arg-type]
    try:
        yield
    finally:
        trial.database.execute(f"ALTER DATABASE {database} RESET {name}")  # type: ignore[arg-type]


def test_the_database_is_restarted_and_killed(trial: Trial, servers: Servers) -> None:
    """A fast shutdown in the middle of a transaction; then its main process is killed in the next one."""
    trial.may_end = (1,)
    trial.hire()
    for ends, how in enumerate((signal.SIGINT, signal.SIGKILL), 1):
        trial.forget_to_verify(2)
        feed_and_read(trial, 6)
        with nothing_is_written(trial):
            trial.feed(trial.portion(6))
            await_waiting(trial)
            servers.end("postgres", how)
        trial.tending(lambda ends=ends: len(trial.codes) >= ends)
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_the_server_process_of_the_writer_is_killed(trial: Trial) -> None:
    """kill -9 of one backend amid its transaction: PostgreSQL throws everybody out and recovers."""
    trial.may_end = (1,)
    trial.hire()
    for _ in range(3):
        trial.forget_to_verify(1)
        feed_and_read(trial, 8)
        with nothing_is_written(trial):
            trial.feed(trial.portion(8))
            await_waiting(trial)
            os.kill(trial.one("SELECT backend FROM positions WHERE backend IS NOT NULL LIMIT 1"), signal.SIGKILL)
            trial.await_end()
    trial.settle()
    prove(trial)


@pytest.mark.slow
def test_a_statement_takes_longer_than_it_may(trial: Trial) -> None:
    """Somebody locks the cases, and the database ends whatever waits for a second."""
    trial.may_end = (1,)
    with setting(trial, "statement_timeout", "1s"):
        trial.hire()
        trial.forget_to_verify(2)
        feed_and_read(trial, 4)
        for _ in range(2):
            with psycopg.connect(trial.database_url) as other:
                other.execute("SET statement_timeout = 0")
                other.execute("LOCK TABLE cases IN ACCESS EXCLUSIVE MODE")
                trial.feed(trial.portion(4))
                trial.await_end()
    trial.settle()
    assert trial.said("QueryCanceled"), trial.told()
    prove(trial)


def test_a_transaction_is_refused_because_another_one_came_between(trial: Trial) -> None:
    """A serialisation failure: the stricter isolation refuses to write over what another one has just written."""
    trial.may_end = (1,)
    with setting(trial, "default_transaction_isolation", "repeatable read"):
        trial.hire()
        trial.forget_to_verify(2)
        for _ in range(2):
            trial.feed(trial.portion(4))
            trial.tending(trial.applied)
            with psycopg.connect(trial.database_url) as other:
                other.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                other.execute("UPDATE positions SET beat = beat")
                trial.feed(trial.portion(8))
                await_waiting(trial)
            trial.await_end()
    trial.settle()
    assert trial.said("SerializationFailure"), trial.told()
    prove(trial)


_OF_WORKERS = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ 'worker-|judges for'"
)


@pytest.mark.slow
def test_no_connection_is_left_for_a_worker_that_starts(trial: Trial) -> None:
    """It has none, asks again and again, and does not give up within the time that a restart of the database takes."""
    trial.hire()
    trial.forget_to_verify(2)
    feed_and_read(trial, 2)
    everybody = list(taken(trial.database_url))
    try:
        assert len(everybody) > 10
        before = trial.said("BatchService")
        trial.crew.pop("w0").kill()
        until(lambda: not trial.rows(_OF_WORKERS))
        everybody += taken(trial.database_url)
        worker = trial.hire()
        trial.feed(trial.portion(4))
        until(lambda: trial.said("BatchService") > before)
        pass_time(3.0)
        assert not trial.rows(_OF_WORKERS), "somebody let it in"
        assert worker.alive()
    finally:
        for one in everybody:
            one.close()
    trial.settle()
    prove(trial)


def taken(database_url: str) -> "Iterator[psycopg.Connection[object]]":
    """Every connection that the server has left."""
    while True:
        try:
            yield psycopg.connect(database_url)
        except psycopg.OperationalError:
            return
