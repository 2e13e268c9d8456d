"""The judge's seat: of all workers one at a time judges what concerns no single case, the rates and the feeds.

The seat is a row. Who takes a round locks it, for the length of one transaction; the others pass it by. A judge that
stands still inside its transaction is ended by the database, and one that was not seen for some seconds loses the seat to
whoever asks next. What was found is numbered and kept, so that the next judge can send what may not have been sent; what the
watchman finds about the worker is numbered among it, and goes with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import Cursor

from models.policy import Policies
from models.store.changes import append_changes, signal_changes, stage_changes
from models.store.connecting import connect
from models.store.forgotten import let_go, taken_back
from models.store.judging import judge_rates
from models.store.ledger import SignalFact
from models.store.policies import read_policies
from models.store.revisions import REVISION_BASE
from models.store.silences import Memory, judge_feeds, measure

PARTITION = -1
"""The number under which changes found by the judge or by the watchman stand beside those of the partitions."""
LOST_AFTER = timedelta(seconds=5)
"""A judge not seen for so long has left its seat."""
_FREEZE = "5s"


@dataclass(frozen=True, slots=True)
class Round:
    """A round was judged: these changes of signals are committed and not yet given to be sent. `published`: everything before
    this number has been sent before. `revision_base` is added to their revisions on the public topic."""

    beat: datetime
    published: int
    changes: list[SignalFact]
    revision_base: int = 0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Somebody else judges; his last round was at `beat` (None: nobody ever did)."""

    beat: datetime | None


class Seat:
    """One worker's claim to the seat. `holder` names the worker, the same after a restart. Times are the database's."""

    def __init__(self, database_url: str, holder: str) -> None:
        self._holder = holder
        self._connection = connect(database_url, f"judges for {holder}", autocommit=True)
        self._connection.execute("INSERT INTO judge (seat) VALUES (1) ON CONFLICT DO NOTHING")
        self._connection.execute(f"SET idle_in_transaction_session_timeout = '{_FREEZE}'")
        stage_changes(self._connection)
        self._policies: Policies | None = None
        self._memory = Memory()
        self._given = 0

    def close(self) -> None:
        """Ends the connection; what was not committed is undone."""
        self._connection.close()

    def measure(self, ahead: timedelta) -> None:
        """Keeps how far this worker's host is ahead of the database, for whoever judges."""
        measure(self._connection, self._holder, ahead)

    def judge(self, published: int | None, more: Callable[[], bool]) -> Round | Elsewhere:
        """Takes the seat, if it is free, and judges once, for as long as `more` says yes. `published`: everything before
        this number is known to have been sent; None by whoever did not hold the seat before: then the changes are all
        that may not have been sent."""
        self._policies = read_policies(self._connection, self._policies) or self._policies
        with self._connection.transaction(), self._connection.cursor() as cursor:
            row = cursor.execute(_TAKE, [self._holder, LOST_AFTER]).fetchone()
            if row is None or self._policies is None:
                seen = cursor.execute("SELECT beat FROM judge").fetchone()
                return Elsewhere(seen[0] if seen else None)
            sequence, sent, now, revision_base = row
            found = [*judge_feeds(cursor, self._policies, self._memory), *judge_rates(cursor, self._policies, more)]
            back = taken_back(cursor, {one.id for one in found})
            found += back
            new = [SignalFact(PARTITION, sequence + place, 0, now, signal) for place, signal in enumerate(found)]
            append_changes(cursor, new, self._policies.at(now).tell_within)
            if back:
                let_go(cursor, back)
            mark = sent if published is None else max(sent, published)
            end = sequence + len(new)
            cursor.execute(_RISE, [self._holder, end, mark])
            changes = _from(cursor, mark if published is None else self._given, end)
        self._given = end
        return Round(now, mark, changes, revision_base)


_TAKE: LiteralString = f"""
SELECT sequence, published, now(), {REVISION_BASE} FROM judge
WHERE seat = 1 AND (holder IS NULL OR holder = %s OR beat < now() - %s) FOR UPDATE SKIP LOCKED
"""
_RISE = "UPDATE judge SET holder = %s, sequence = %s, published = %s, beat = now() WHERE seat = 1"


def _from(cursor: "Cursor[Any]", first: int, end: int) -> list[SignalFact]:
    """The changes from number `first` up to and without `end`."""
    if first >= end:
        return []
    found = signal_changes(cursor, "partition = %s AND sequence >= %s", [PARTITION, first])
    return sorted(found, key=lambda change: change.sequence)
