"""Whether people are told in time, as the store knows it, for the figures that the dispatcher shows.

The dispatcher is asked rather than the worker, because a worker that is dead shows nothing. Everything here is a standing
of this moment and not a count of what went by: after a start or a replay it is right at once.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection, OperationalError

from models.store.connecting import DatabaseAway
from models.store.ledger import DEAD_LETTER
from models.store.watchman import LISTENED

STATES = ("open", "acknowledged", "exhausted")
"""Those of an escalation that is not resolved."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A feed: when (UTC) its latest event was recorded, and whether it is judged to be silent."""

    source: str
    site: str
    last: datetime
    silent: bool


@dataclass(frozen=True, slots=True)
class Followed:
    """A partition of the events: the offset up to which it is applied, how often a worker took it over, and how often one
    that lived lost it without having given it back."""

    partition: int
    position: int
    claims: int
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Vigil:
    """`escalations` counts by each of STATES; `overdue_seconds` is 0 where nothing is overdue, `unheard_seconds` how long the
    signal that has waited longest for the dispatcher to look at it has waited, 0 where none does; `failed` counts the
    messages of the last hour by channel, a channel without one left out. `beat` and `listened` are of the partition that
    is furthest behind, UTC; while the facts are made again, the instant up to which every partition was listened to before; None
    while an empty store is filled for the first time. `dead_letters` counts the records received in this hour or
    the last one that could not be taken, by reason, a reason without one left out."""

    escalations: dict[str, int]
    overdue_seconds: float
    failed: dict[str, int]
    feeds: tuple[Heard, ...]
    beat: datetime | None
    listened: datetime | None
    followed: tuple[Followed, ...] = ()
    dead_letters: dict[str, int] = field(default_factory=dict[str, int])
    unheard_seconds: float = 0.0


def vigil(connection: "Connection[Any]") -> Vigil:
    """How things stand by the database's clock now. Raises DatabaseAway."""
    try:
        return _vigil(connection)
    except OperationalError as fault:
        raise DatabaseAway(f"the database does not answer: {fault}") from fault


def _vigil(connection: "Connection[Any]") -> Vigil:
    counted = dict(connection.execute(_ESCALATIONS).fetchall())
    overdue, unheard = connection.execute(_OVERDUE).fetchone() or (0.0, 0.0)
    beat, listened = connection.execute(_WORKERS).fetchone() or (None, None)
    return Vigil(
        escalations={state: counted.get(state, 0) for state in STATES},
        overdue_seconds=overdue,
        failed=dict(connection.execute(_FAILED).fetchall()),
        feeds=tuple(Heard(*row) for row in connection.execute(_FEEDS)),
        beat=beat,
        listened=listened,
        followed=tuple(Followed(*row) for row in connection.execute(_FOLLOWED)),
        dead_letters=recent_dead_letters(connection),
        unheard_seconds=unheard,
    )


def recent_dead_letters(connection: "Connection[Any]") -> dict[str, int]:
    """The records received in this hour or the last one that could not be taken, by reason."""
    return dict(connection.execute(_DEAD_LETTERS, [DEAD_LETTER]).fetchall())


_ESCALATIONS = "SELECT state, count(*) FROM escalations WHERE state <> 'resolved' GROUP BY state"
# A message that is under way is due again when its lease is over, so one under way is not overdue.
_OVERDUE = """
SELECT coalesce(extract(epoch FROM greatest(now() - least(
    (SELECT min(due) FROM escalations), (SELECT min(due) FROM deliveries)), interval '0')), 0)::float8,
    coalesce(extract(epoch FROM greatest(now() - (SELECT min(changed) FROM signals WHERE attention), interval '0')), 0)::float8
"""
_FAILED = """
SELECT channel, count(*) FROM deliveries
WHERE state IN ('refused', 'gave_up') AND last_attempt > now() - interval '1 hour' GROUP BY channel
"""
_FEEDS = """
SELECT f.source, f.site, max(f.last_recorded), EXISTS (SELECT 1 FROM silences s WHERE s.cleared IS NULL
    AND s.worker IS NULL AND s.source = f.source AND s.site = f.site)
FROM feeds f GROUP BY f.source, f.site ORDER BY f.source, f.site
"""
_FOLLOWED = "SELECT partition, position, epoch, losses FROM positions ORDER BY partition"
# By the hour of receipt: what a replay meets again is as old as it was.
_DEAD_LETTERS = """
SELECT reason, sum(count)::int8 FROM doubts WHERE kind = %s AND hour > now() - interval '2 hours' GROUP BY reason
"""
_WORKERS: LiteralString = (
    "SELECT coalesce(CASE WHEN bool_and(beat IS NOT NULL) THEN min(beat) END, (SELECT live_until FROM watch)),"
    f" {LISTENED} FROM positions"
)
