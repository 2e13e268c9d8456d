"""When a silent feed speaks again: what was kept back meanwhile, and is still true, is told as one page (semantics 19)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection, Cursor

from models.escalation import Telling, told_when
from models.policy import Ladder
from models.signals import Signal
from models.store.desk import SIGNAL, Desk, gather_by_ladder, ladder_of_summary, started
from models.store.grouping import HELD
from models.store.history import announce
from models.store.quiet import keep_feed, silences, silent_feed, spoke_at
from models.store.rows import signal_of

_SPOKEN: LiteralString = f"""
SELECT {SIGNAL}, feed, now() FROM signals
WHERE cleared IS NULL AND told = 'held' AND NOT attention AND NOT EXISTS (SELECT FROM silences s
    WHERE s.source = signals.feed AND s.site = signals.site AND s.worker IS NULL AND s.cleared IS NULL)
ORDER BY id FOR UPDATE SKIP LOCKED
"""


def look_again(connection: "Connection[Any]", desk: Desk) -> int:
    """Tells what feeds that speak again had kept back; returns how many signals that were."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(_SPOKEN)
        rows = cursor.fetchall()
        if not rows:
            return 0
        free = _free(cursor, [(signal_of(about), feed) for *about, feed, _ in rows])
        if free:
            _tell(cursor, desk, free, rows[0][-1])
            announce(cursor, "signal", [one.id for one in free])
    return len(free)


def _free(cursor: "Cursor[Any]", held: Sequence[tuple[Signal, str | None]]) -> list[Signal]:
    """Those that no silence keeps back any more. Where it is not written down whose silence did, as after the facts were
    made again, that is found out now, once."""
    now = silences(cursor)
    free: list[Signal] = []
    for signal, feed in held:
        silent = None if feed is not None else silent_feed(cursor, started(signal), now)
        if silent is None:
            free.append(signal)
        else:
            keep_feed(cursor, signal.id, silent.feed)
    return free


def _tell(cursor: "Cursor[Any]", desk: Desk, free: Iterable[Signal], now: datetime) -> None:
    """One page a ladder: what became late while nobody could know is no news one by one."""
    together: list[tuple[Ladder, Signal]] = []
    for signal in free:
        spoke = spoke_at(cursor, started(signal)) or signal.known
        verdict, ladder = told_when(now, spoke, desk.policy.tell_within), ladder_of_summary(desk.policy, signal)
        if verdict is Telling.YES and ladder is None:
            verdict = Telling.NOBODY
        elif verdict is Telling.YES and ladder is not None:
            verdict = Telling.SUMMARY
            together.append((ladder, signal))
        cursor.execute("UPDATE signals SET told = %s WHERE id = %s", [verdict.value, signal.id])
    title = "Kept back while their feed was silent"
    gather_by_ladder(cursor, desk, together, HELD, f"{HELD} {now.isoformat()}", now, title)
