"""Connections to PostgreSQL, all alike: in UTC, under a name that an administrator can read, given up when the server's
machine is gone."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import Connection, OperationalError, errors
from psycopg.conninfo import make_conninfo

from models.errors import OurFault

_ALIVE = {
    **{"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "connect_timeout": 5},
    # What was sent into a link that is cut would be repeated for a quarter of an hour, ever more rarely.
    "tcp_user_timeout": 15_000,
}
# PostgreSQL gives a code with everything but what refuses a log-in; there are only its words.
_FATAL = re.compile(r"FATAL: +(.+)")
_FULL = re.compile(r"too many (clients|connections)|connection slots are reserved")


class DatabaseAway(OurFault):
    """The database does not answer, or lets nobody in."""

    @property
    def reason(self) -> str:
        """Why, in one line: the server's own words where it said any."""
        said = _FATAL.findall(str(self))
        return said[-1] if said else " ".join(str(self).removeprefix("the database does not answer: ").split())


def says_full(words: str) -> bool:
    """Whether a server (one that speaks English) says that it, or a role in it, has no connection left."""
    return _FULL.search(words) is not None


def in_words(fault: BaseException) -> str | None:
    """What a fault of the database means, for whoever reads a log; None where there are no words for it. Not the server's own
    words, for they may quote what a row says."""
    match fault:
        case errors.DiskFull():
            return "the database has no room left on its disk"
        case errors.AdminShutdown() | errors.CrashShutdown() | errors.CannotConnectNow():
            return "the database ended the connection: it stops, it starts again, or somebody else took over"
        case errors.IdleInTransactionSessionTimeout():
            return "it stood still inside a transaction for longer than the database waits"
        case errors.QueryCanceled() | errors.LockNotAvailable():
            return "a statement took longer than the database allows"
        case errors.SerializationFailure() | errors.DeadlockDetected():
            return "the database refused the transaction, because another one came between"
        case OperationalError() if fault.sqlstate is None:
            return "the database does not answer any more"
        case _:
            return None


def connect(database_url: str, name: str, *, autocommit: bool = False) -> "Connection[Any]":
    """A connection under the name `name`. Raises DatabaseAway."""
    try:
        return psycopg.connect(conninfo(database_url, name), autocommit=autocommit)
    except OperationalError as fault:
        raise DatabaseAway(f"the database does not answer: {fault}") from fault


@contextmanager
def asking(database_url: str, name: str) -> "Generator[Connection[Any]]":
    """A connection for a few questions, each a transaction of its own. Raises DatabaseAway, also where the database goes
    away meanwhile."""
    with connect(database_url, name, autocommit=True) as connection:
        try:
            yield connection
        except OperationalError as fault:
            raise DatabaseAway(f"the database does not answer: {fault}") from fault


def conninfo(database_url: str, name: str) -> str:
    """What libpq needs to connect as we do. `name` is cut to the 63 bytes that the server keeps."""
    return make_conninfo(database_url, application_name=name[:63], options="-c timezone=UTC", **_ALIVE)
