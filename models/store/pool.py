"""A few connections that the threads of one process share."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from psycopg import Connection, OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from models.store.connecting import DatabaseAway, conninfo

_SECONDS = 5.0


class Pool:
    """At most `size` connections under the name `name`, made when they are needed and mended when they break."""

    def __init__(self, database_url: str, name: str, size: int) -> None:
        self._pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            conninfo(database_url, name),
            kwargs={"autocommit": True},
            min_size=1,
            max_size=size,
            timeout=_SECONDS,
            check=ConnectionPool.check_connection,
            open=True,
        )

    @contextmanager
    def connection(self) -> "Generator[Connection[Any]]":
        """One connection, in autocommit. Raises DatabaseAway, also where the database goes away meanwhile or takes nothing."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except PoolTimeout as fault:
            raise DatabaseAway(f"the database gave no connection within {_SECONDS:g} s") from fault
        except OperationalError as fault:
            raise DatabaseAway(f"the database does not answer: {fault}") from fault

    def close(self) -> None:
        """Closes all of them."""
        self._pool.close()
