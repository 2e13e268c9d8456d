"""Connections to PostgreSQL, all alike: in UTC, under a name that an administrator can read, given up when the server's
machine is gone."""

from typing import Any

import psycopg
from psycopg import Connection, OperationalError
from psycopg.conninfo import make_conninfo

from models.errors import OurFault

_ALIVE = {
    **{"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "connect_timeout": 5},
    # What was sent into a link that is cut would be repeated for a quarter of an hour, ever more rarely.
    "tcp_user_timeout": 15_000,
}


class DatabaseAway(OurFault):
    """The database does not answer."""


def connect(database_url: str, name: str, *, autocommit: bool = False) -> "Connection[Any]":
    """A connection under the name `name`. Raises DatabaseAway."""
    try:
        return psycopg.connect(conninfo(database_url, name), autocommit=autocommit)
    except OperationalError as fault:
        raise DatabaseAway(f"the database does not answer: {fault}") from fault


def conninfo(database_url: str, name: str) -> str:
    """What libpq needs to connect as we do. `name` is cut to the 63 bytes that the server keeps."""
    return make_conninfo(database_url, application_name=name[:63], options="-c timezone=UTC", **_ALIVE)
