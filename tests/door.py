"""A test's database goes away and comes back, while its server goes on for others."""

import psycopg
from psycopg import sql


class Door:
    """Of one database, open at first."""

    def __init__(self, database_url: str) -> None:
        server, _, self._name = database_url.rpartition("/")
        self._connection = psycopg.connect(f"{server}/postgres", autocommit=True)

    def shut(self) -> None:
        """Whoever was in is thrown out, and nobody gets in."""
        self._let(False)
        self._connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [self._name]
        )

    def open(self) -> None:
        """It is there again."""
        self._let(True)

    def close(self) -> None:
        self.open()
        self._connection.close()

    def _let(self, allowed: bool) -> None:
        change = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        self._connection.execute(change.format(sql.Identifier(self._name), sql.Literal(allowed)))
