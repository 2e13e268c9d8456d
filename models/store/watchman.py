"""The watchman is watched: a worker that is dead, stuck, behind or stopped on purpose is itself a signal.

A worker that does not listen notices no late order, and that looks like a quiet pharmacy. So the dispatcher, which lives
by itself, looks at the worker's own marks in the store and raises a signal for every site, to be cleared by the next tick
(semantics 18). It has no Kafka: what it found stands among what the judge found, who sends it to the public topic as soon as
a worker is there again.
"""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from msgspec import structs
from psycopg import Connection, Cursor

from models.event import Site
from models.feeds import WORKER, not_judging
from models.policy import Kind, Policy
from models.signals import Cleared, Signal
from models.store.changes import append_changes, stage_changes
from models.store.desk import SIGNAL, Desk
from models.store.ledger import SignalFact
from models.store.rows import signal_of
from models.store.seat import PARTITION

SILENT = timedelta(seconds=60)
"""A heartbeat older than this is a worker that is dead or stuck."""
BEHIND = timedelta(minutes=5)
"""A worker that has not read up to the present for so long is behind."""


def watch(connection: "Connection[Any]", desk: Desk) -> int:
    """Raises or clears the signals about the worker; returns how many."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO watch (seat) VALUES (1) ON CONFLICT DO NOTHING")
        cursor.execute("SELECT now() FROM watch WHERE seat = 1 FOR UPDATE SKIP LOCKED")
        row = cursor.fetchone()
        if row is None:
            return 0
        now: datetime = row[0]
        found = _found(cursor, desk, now)
        first = _numbered(cursor, len(found)) if found else None
        if first is None:
            return 0
        _prepare(connection)
        facts = [SignalFact(PARTITION, first + place, 0, now, one) for place, one in enumerate(found)]
        append_changes(cursor, facts, desk.policy.tell_within)
    return len(found)


def _numbered(cursor: "Cursor[Any]", count: int) -> int | None:
    """The first of so many numbers among the judge's; None while a judge is at work, who may stand still: then the next look
    finds the same."""
    cursor.execute("INSERT INTO judge (seat) VALUES (1) ON CONFLICT DO NOTHING")
    row = cursor.execute("SELECT sequence FROM judge WHERE seat = 1 FOR UPDATE SKIP LOCKED").fetchone()
    if row is None:
        return None
    first: int = row[0]
    cursor.execute("UPDATE judge SET sequence = %s WHERE seat = 1", [first + count])
    return first


def _found(cursor: "Cursor[Any]", desk: Desk, now: datetime) -> list[Signal]:
    beat, judged = cursor.execute(_MARKS).fetchone() or (None, None)
    # While an empty store is filled for the first time, that the worker lives is all that can be asked of it.
    last: datetime | None = judged or beat
    if last is None:
        return []
    standing = _standing(cursor)
    if standing:
        spoke = last > max(one.raised for one in standing)
        return [_cleared(one, last) for one in standing] if spoke else []
    raised = due(beat, judged, desk.started)
    if raised is None or raised > now:
        return []
    return [not_judging(site, last, raised) for site in _sites(desk.policy)]


LISTENED: LiteralString = (
    "coalesce(CASE WHEN bool_and(judged IS NOT NULL) THEN min(judged) END, (SELECT live_until FROM watch))"
)
"""Of `positions`: the instant up to which every partition was listened to. Where the facts are made again that of before counts
on: nobody looks for missed deadlines until all is read again. Null while an empty store is filled for the first time."""
_MARKS: LiteralString = f"SELECT coalesce(max(beat), (SELECT live_until FROM watch)), {LISTENED} FROM positions"


def due(beat: datetime | None, judged: datetime | None, started: datetime) -> datetime | None:
    """When a worker that goes on like this has been away for too long; None where there never was one. `beat` is its
    latest sign of life, `judged` the instant up to which it listened (None: it is still loading). Whoever has only just
    `started` to look gives it the same time to begin."""
    marks = ((beat, SILENT), (judged, BEHIND))
    return min((max(mark, started) + allowed for mark, allowed in marks if mark is not None), default=None)


def _standing(cursor: "Cursor[Any]") -> list[Signal]:
    cursor.execute(
        f"SELECT {SIGNAL} FROM signals WHERE kind = %s AND name = %s AND cleared IS NULL ORDER BY id FOR UPDATE",
        [Kind.FEED.value, WORKER],
    )
    return [signal_of(about) for about in cursor.fetchall()]


def _cleared(signal: Signal, at: datetime) -> Signal:
    return structs.replace(signal, cleared=at, reason=Cleared.SPOKE, revision=signal.revision + 1)


def _sites(policy: Policy) -> tuple[Site, ...]:
    return tuple(policy.sites) or (policy.default_site.site,)


def _prepare(connection: "Connection[Any]") -> None:
    row = connection.execute("SELECT to_regclass('pg_temp.staged_signal_changes')").fetchone()
    if row is None or row[0] is None:
        stage_changes(connection)
