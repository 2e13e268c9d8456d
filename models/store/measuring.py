"""What a measurement asks the store: how far it has come, and which signals stand there already.

Questions are asked many times a second while the store is at work, so each is answered by an index or a handful of rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, cast

from models.store.changes import ATTENTION
from models.store.connecting import connect

LATE_SECONDS = 5.0
"""After which what silence says should be written: the margin of the ticks, and some time."""
RAISED_CHANNEL: str = ATTENTION
"""What PostgreSQL announces, at the commit, when a signal that somebody may have to be told is written."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with the bytes on the disk, indexes and parts included."""

    name: str
    rows: int
    bytes: int


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

    def overdue(self) -> int:
        """Of how many cases silence has still to be judged, though its time passed LATE_SECONDS ago."""
        return int(self._one(_OVERDUE, [LATE_SECONDS])[0])

    def tables(self) -> list[Table]:
        """Every table that holds something, the largest first."""
        found = self._connection.execute(_SIZES).fetchall()
        return [Table(name, self._count(name), size) for name, size in found if size]

    def log_bytes(self) -> int:
        """How much was ever written ahead: what a backup or a second server would have to take over."""
        return int(self._one("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::int8")[0])

    def _count(self, table: str) -> int:
        # The name comes from the catalogue.
        return int(self._one(cast("LiteralString", f'SELECT count(*) FROM "{table}"'))[0])

    def _one(self, query: Any, values: Sequence[object] = ()) -> tuple[Any, ...]:
        row = self._connection.execute(query, values).fetchone()
        assert row is not None
        return row


_OVERDUE = """
SELECT coalesce(sum(d.cases), 0)::int8 FROM positions p CROSS JOIN LATERAL (
    SELECT count(*) AS cases FROM cases c WHERE c.partition = p.partition AND c.look < now() - %s * interval '1 s') d
"""
_SIZES = """
SELECT c.relname, (pg_total_relation_size(c.oid) + coalesce(
    (SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits i WHERE i.inhparent = c.oid), 0))::int8 AS size
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
ORDER BY size DESC
"""
