"""What a measurement asks the store: how far it has come, and which signals stand there already.

Questions are asked many times a second while the store is at work, so each is answered by an index or a handful of rows.
"""

from collections.abc import Sequence
from typing import Any

from models.store.changes import ATTENTION
from models.store.connecting import connect

RAISED_CHANNEL: str = ATTENTION
"""What PostgreSQL announces, at the commit, when a signal that somebody may have to be told is written."""


class Gauge:
    """One connection for one thread. Raises DatabaseAway where the database does not answer."""

    def __init__(self, database_url: str) -> None:
        self._connection = connect(database_url, "rxpulse bench", autocommit=True)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def applied(self) -> int:
        """Records of `rx.events` whose effects are committed, over all partitions."""
        return int(self._one("SELECT coalesce(sum(position), 0) FROM positions")[0])

    def accepted(self) -> int:
        """Distinct events that are in the store, over all partitions."""
        return int(self._one("SELECT coalesce(sum(accepted), 0) FROM positions")[0])

    def unattended(self) -> int:
        """Signals that the dispatcher has not looked at yet."""
        return int(self._one("SELECT count(*) FROM signals WHERE attention")[0])

    def raised(self, cases: Sequence[str]) -> list[tuple[str, str, str]]:
        """(signal, name of its clock or rule, case) of the signals that stand on any of these cases."""
        query = "SELECT id, name, case_id FROM signals WHERE case_id = ANY(%s)"
        return self._connection.execute(query, [list(cases)]).fetchall()

    def _one(self, query: Any) -> tuple[Any, ...]:
        row = self._connection.execute(query).fetchone()
        assert row is not None
        return row
