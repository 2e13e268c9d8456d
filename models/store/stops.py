"""After a stop: what happened while nobody listened is told once somebody listens again.

While every partition is listened to, the store is live, and the instant up to which it was is kept. When it is live again
after longer than news stays news, what became true in between was recorded as old and nobody was told. Late orders that
still matter are then told one by one, and everything else that is still open in one summary (semantics 17).
A store that is loaded for the first time was never live before, so its history tells nobody anything.

A stop of the dispatcher alone is told of in the same way: the worker judged meanwhile, and what it found is no older for that.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, Cursor

from models.escalation import Telling, told_after_stop
from models.policy import Ladder
from models.signals import Signal
from models.store.desk import OVERLOOKED, SIGNAL, Desk, gather_by_ladder, ladder_of, ladder_of_summary, open_escalation
from models.store.grouping import SUMMARY
from models.store.history import announce
from models.store.rows import signal_of

LIVE = timedelta(seconds=10)
"""A partition to which nobody has listened for longer is not live."""
_STEP = timedelta(seconds=5)
"""The mark is moved when it has this far to go."""


def look_back(connection: "Connection[Any]", desk: Desk) -> int:
    """Tells what a stop kept back, if one has just ended; returns how many signals that were."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO watch (seat) VALUES (1) ON CONFLICT DO NOTHING")
        cursor.execute("SELECT live_until, now() FROM watch WHERE seat = 1 FOR UPDATE SKIP LOCKED")
        row = cursor.fetchone()
        listened = None if row is None else _listened(cursor)
        if row is None or listened is None or row[1] - listened > LIVE:
            return 0
        was, now = row
        kept: list[Signal] = []
        if was is not None and listened - was > max(desk.policy.tell_within, LIVE):
            kept = _kept_back(cursor, was)
            _tell(cursor, desk, kept, was, now)
        if was is None or listened - was > _STEP:
            cursor.execute("UPDATE watch SET live_until = %s WHERE seat = 1", [listened])
        announce(cursor, "signal", [one.id for one in kept])
    return len(kept)


def catch_up(connection: "Connection[Any]", desk: Desk) -> int:
    """Tells what was judged in time while no dispatcher was there to tell it, as after a stop of the store; returns how many
    signals that were."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {SIGNAL}, now() FROM signals WHERE attention AND {OVERLOOKED} ORDER BY id FOR UPDATE",
            [desk.policy.tell_within],
        )
        rows = cursor.fetchall()
        if not rows:
            return 0
        found, now = [signal_of(about) for *about, _ in rows], rows[0][-1]
        _tell(cursor, desk, found, now, now)
        names = [one.id for one in found]
        cursor.execute("UPDATE signals SET attention = false WHERE id = ANY(%s)", [names])
        announce(cursor, "signal", names)
    return len(found)


def _listened(cursor: "Cursor[Any]") -> datetime | None:
    """The instant up to which every partition was listened to; None where one never was."""
    cursor.execute("SELECT CASE WHEN bool_and(judged IS NOT NULL) THEN min(judged) END FROM positions")
    row = cursor.fetchone()
    return None if row is None else row[0]


def _kept_back(cursor: "Cursor[Any]", was: datetime) -> list[Signal]:
    """What became true after the store was last live, was found to be old, and is still so."""
    cursor.execute(
        f"SELECT {SIGNAL} FROM signals WHERE cleared IS NULL AND told = 'old' AND NOT attention AND known > %s"
        " ORDER BY id FOR UPDATE",
        [was],
    )
    return [signal_of(about) for about in cursor.fetchall()]


def _tell(cursor: "Cursor[Any]", desk: Desk, kept: Iterable[Signal], was: datetime, now: datetime) -> None:
    together: list[tuple[Ladder, Signal]] = []
    for signal in kept:
        alone = told_after_stop(signal, now) is Telling.YES
        ladder = ladder_of(desk.policy, signal) if alone else ladder_of_summary(desk.policy, signal)
        if ladder is None:
            verdict = Telling.NOBODY
        elif alone:
            verdict = Telling.YES
            open_escalation(cursor, desk.policy, signal, ladder, now)
        else:
            verdict = Telling.SUMMARY
            together.append((ladder, signal))
        cursor.execute("UPDATE signals SET told = %s WHERE id = %s", [verdict.value, signal.id])
    gather_by_ladder(cursor, desk, together, SUMMARY, f"{SUMMARY} {was.isoformat()}", now, "Still open after a stop")
