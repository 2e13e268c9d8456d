"""When a silent feed speaks again: what was kept back meanwhile, and is still true, is told as one page (semantics 19)."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from psycopg import Connection, Cursor

from models.escalation import Telling, told_when
from models.policy import Ladder
from models.signals import Signal
from models.store.desk import SIGNAL, Desk, gather_by_ladder, ladder_of_summary, started
from models.store.grouping import HELD
from models.store.history import announce
from models.store.quiet import silent_since, spoke_at
from models.store.rows import signal_of

_MOST = 500


def look_again(connection: "Connection[Any]", desk: Desk) -> int:
    """Tells what feeds that speak again had kept back; returns how many signals that were."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {SIGNAL}, now() FROM signals WHERE cleared IS NULL AND told = 'held' AND NOT attention"
            " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
            [_MOST],
        )
        rows = cursor.fetchall()
        free = [one for *about, _ in rows if silent_since(cursor, started(one := signal_of(about))) is None]
        if free:
            _tell(cursor, desk, free, rows[0][-1])
            announce(cursor, "signal", [one.id for one in free])
    return len(free)


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
