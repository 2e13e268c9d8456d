"""Moves a test's database through time: every statement that asks for `now()` is answered by the test's clock."""

from datetime import timedelta

import psycopg
from psycopg import sql


class MovedClock:
    """`now()` of one database, as far ahead as the test wants it. Set up before other connections are made."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url, autocommit=True)
        name = sql.Identifier(self._connection.info.dbname)
        self._connection.execute(
            "CREATE SCHEMA moved; CREATE TABLE moved.clock (ahead interval NOT NULL);"
            "INSERT INTO moved.clock VALUES ('0');"
            "CREATE FUNCTION moved.now() RETURNS timestamptz LANGUAGE sql STABLE AS"
            " 'SELECT pg_catalog.now() + ahead FROM moved.clock'"
        )
        self._connection.execute(sql.SQL("ALTER DATABASE {} SET search_path = moved, public, pg_catalog").format(name))

    def forward(self, **by: float) -> None:
        """So much later, as for a timedelta."""
        self._connection.execute("UPDATE moved.clock SET ahead = ahead + %s", [timedelta(**by)])

    def close(self) -> None:
        self._connection.close()
