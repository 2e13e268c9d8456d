"""Signals that stood open when facts were forgotten, and did not come again: they are taken back.

Whoever reads the public topic, and whoever was told, takes such a signal for open; nothing else would ever close it. So
what is open is written down as the facts are forgotten. Once everything that lay in the topic by then is read again and
listened to, what has come again is struck off and the rest is cleared, under a revision below all that is made again:
evidence that comes later raises it as if nothing had been.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from msgspec import structs
from psycopg import Connection, Cursor

from models.policy import Kind
from models.signals import Cleared, Signal, SignalId
from models.store.rows import signal_of

# What may not have been sent is written down too: a reader may not know yet that it is over. Of signals that the
# dispatcher or the judge raised it is the same.
_WRITE_DOWN = """
INSERT INTO forgotten (id, kind, name, severity, site, case_id, raised, known, at)
SELECT DISTINCT ON (s.id) s.id, s.kind, s.name, s.severity, s.site, s.case_id, s.raised, s.known,
    clock_timestamp()
FROM signals s JOIN signal_changes c ON c.id = s.id AND c.revision = s.revision
WHERE c.cleared IS NULL OR s.id IN (
    SELECT u.id FROM positions p JOIN signal_changes u ON u.partition = p.partition AND u.sequence >= p.published
    UNION ALL SELECT u.id FROM judge j JOIN signal_changes u ON u.partition = -1 AND u.sequence >= j.published)
ORDER BY s.id
ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, site = excluded.site, raised = excluded.raised,
    known = excluded.known, at = excluded.at
"""
_READ_AGAIN = """
SELECT count(*) > 0 AND bool_and(coalesce(judged >= (SELECT max(at) FROM forgotten), false)), now() FROM positions
"""
# A shift of a rate comes again once the judge has followed its minutes.
_STRIKE_OFF = """
DELETE FROM forgotten f WHERE f.kind <> 'rate'
    OR NOT EXISTS (SELECT FROM touched t WHERE (t.site, t.rate) = (f.site, f.name) AND t.since <= f.raised)
RETURNING id, kind, name, severity, site, case_id, raised, known, NULL::timestamptz, NULL::text, 0,
    EXISTS (SELECT FROM signals s WHERE s.id = f.id)
"""


def write_down(connection: "Connection[Any]") -> None:
    """Keeps what is open, in the transaction of `connection`, which empties the tables afterwards."""
    connection.execute(_WRITE_DOWN)


def taken_back(cursor: "Cursor[Any]", found: Collection[SignalId]) -> list[Signal]:
    """What was written down and does not come again, each cleared; empty until that can be said. `found` are being written
    in the same transaction. Whoever makes a signal waits until that ends."""
    if cursor.execute("SELECT FROM forgotten LIMIT 1").fetchone() is None:
        return []
    row = cursor.execute(_READ_AGAIN).fetchone()
    if row is None or not row[0]:
        return []
    cursor.execute("LOCK TABLE signals IN SHARE ROW EXCLUSIVE MODE")
    left = [signal_of(about) for *about, again in cursor.execute(_STRIKE_OFF) if not again]
    return [_cleared(one, row[1]) for one in left if one.id not in found]


def let_go(cursor: "Cursor[Any]", signals: Iterable[Signal]) -> None:
    """What was told of signals that were taken back is over with them: raised again they are news. To be called after they
    are written."""
    cursor.execute("DELETE FROM remembered WHERE signal = ANY(%s)", [[one.id for one in signals]])


def _cleared(signal: Signal, now: datetime) -> Signal:
    """A feed has spoken, or will be missed under another id; anything else never was."""
    reason = Cleared.SPOKE if signal.kind is Kind.FEED else Cleared.DISPROOF
    return structs.replace(signal, cleared=max(now, signal.raised), reason=reason)
