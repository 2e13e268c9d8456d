"""A few connections to the store that all pages share: each question borrows one and gives it back.

While the database is away every question says so at once, and the next one tries again.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg import Connection

from models.store import desk
from models.store.pool import Pool

CONNECTIONS = 6


class Lending:
    """Lends connections. Every method raises DatabaseAway while the database does not answer; all may be called from several
    threads at once."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._pool = Pool(database_url, "rxpulse console", CONNECTIONS)

    def close(self) -> None:
        """Gives all connections back to the database."""
        self._pool.close()

    def now(self) -> datetime:
        """The database's clock, UTC."""
        with self._pool.connection() as connection:
            return desk.now(connection)

    @contextmanager
    def _snapshot(self) -> "Generator[Connection[Any]]":
        """A connection that sees the store as of one instant."""
        with self._pool.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection
