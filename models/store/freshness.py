"""How old the board is: how far each partition of the events is read, and up to when silence was listened to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

BEHIND = timedelta(seconds=10)
"""A partition whose silence was last listened to longer ago than this has events left to read, or no worker."""
ALIVE = timedelta(seconds=60)
"""A worker that gave no sign of life for longer reads nothing."""
AWAY = timedelta(seconds=10)
"""Where no worker gave a sign of life for longer, none judges: one that works gives several a second."""
_BETWEEN_TICKS = timedelta(seconds=3)
"""Between listening and writing down that it was listened, on a busy machine."""
_OLD = timedelta(hours=1)
"""What became known longer ago than this is history and no delay on its way."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far one partition of the events is read: `judged` is the instant up to which silence was listened to, `beat`
    the last sign of life of its worker, `recorded` when the latest of what is read became known; None before the first
    one. UTC."""

    partition: int
    judged: datetime | None
    beat: datetime | None
    recorded: datetime | None = None

    def behind(self, now: datetime) -> bool:
        """Whether it is still read: silence is listened to twice a second wherever nothing is left to read."""
        if self.judged is None or now - self.judged > BEHIND:
            return True
        # What was read meanwhile is old: it happened before, and there is more of it.
        reading = self.beat is not None and self.beat - self.judged > _BETWEEN_TICKS
        return reading and self.recorded is not None and self.judged - self.recorded > _OLD


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the board is. `now` is the database's; `judged` the oldest of all partitions, None while there is none or
    one of them was never judged; `age_seconds` goes from there to now. `behind`: events are left to read, or nobody reads;
    `read_to` is then up to when what happened is read (UTC), None where that is not known."""

    now: datetime
    judged: datetime | None
    age_seconds: float | None
    partitions: tuple[Reading, ...]
    behind: bool = False
    read_to: datetime | None = None

    def away_since(self) -> datetime | None:
        """The last sign of life of any worker (UTC) where that is more than AWAY ago; None while one works, or before the
        first."""
        last = max((one.beat for one in self.partitions if one.beat is not None), default=None)
        return last if last is not None and self.now - last > AWAY else None


def freshness(connection: "Connection[Any]") -> Freshness:
    """How old what the board shows is."""
    rows = connection.execute("SELECT partition, judged, beat, recorded FROM positions ORDER BY partition").fetchall()
    return read_so_far(_now(connection), tuple(Reading(*row) for row in rows))


def read_so_far(now: datetime, partitions: tuple[Reading, ...]) -> Freshness:
    """How old a board is whose partitions are read so far at `now`."""
    late = [one for one in partitions if one.behind(now)]
    alive = [one for one in late if one.beat is not None and now - one.beat < ALIVE]
    read_to = min((one.recorded for one in alive if one.recorded is not None), default=None)
    behind = not partitions or bool(late)
    judged = [one.judged for one in partitions if one.judged is not None]
    if not partitions or len(judged) < len(partitions):
        return Freshness(now, None, None, partitions, behind, read_to)
    oldest = min(judged)
    return Freshness(now, oldest, max((now - oldest).total_seconds(), 0.0), partitions, behind, read_to)


def _now(connection: "Connection[Any]") -> datetime:
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    return row[0]
