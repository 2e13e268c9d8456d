"""What the store knows of its own health, for whoever looks after it: positions, feeds, records that were refused, late
outcomes, the types that each site has sent, and size."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from models.event_types import STANDING
from models.store.connecting import asking
from models.store.ledger import AFTER_CLOSE
from models.store.quality import RECENT
from models.store.vigil import recent_dead_letters


@dataclass(frozen=True, slots=True)
class Place:
    """One partition of the events as far as it is applied. `beat` is when the worker last wrote about it, `judged` the
    instant up to which it listened to silence there; `owner` is the worker that holds it, None for nobody; `received` is when
    the broker received the record before `position`, None where that is not known."""

    partition: int
    cluster: str
    position: int
    beat: datetime | None
    id_reused: int
    rejected: int
    rerouted: int
    judged: datetime | None = None
    owner: str | None = None
    received: datetime | None = None


@dataclass(frozen=True, slots=True)
class Spoke:
    """When a feed last had something to say (`recorded`)."""

    source: str
    site: str
    last: datetime


@dataclass(frozen=True, slots=True)
class Trials:
    """The outcomes of the last eight weeks of a rate at a site: those counted in time, and those that became known too late
    for its test."""

    site: str
    rate: str
    clean: int
    errors: int
    late_clean: int
    late_errors: int

    @property
    def late(self) -> int:
        return self.late_clean + self.late_errors

    @property
    def total(self) -> int:
        return self.clean + self.errors + self.late


@dataclass(frozen=True, slots=True)
class Blocked:
    """A connection of a worker that has been waiting for a lock for `seconds`; `by` names those who hold it."""

    name: str
    seconds: float
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Soundness:
    """As of the database's `now`. `seen` has the types of event that each site ever sent; `size` is the database's in
    bytes; `spans` is how far apart the first and the last hour lie in which a site had something recorded, of the last
    nine weeks; `refused` counts the records received in this hour or the last one that could not be taken, by reason;
    `ahead` is how far the clock of each worker's host was ahead when it was measured within the last minute; `after_close`
    counts by site the events recorded in the last seven days whose case was over and had left before."""

    now: datetime
    places: tuple[Place, ...]
    feeds: tuple[Spoke, ...]
    trials: tuple[Trials, ...]
    seen: Mapping[str, frozenset[str]]
    size: int
    spans: Mapping[str, timedelta]
    blocked: tuple[Blocked, ...] = ()
    refused: Mapping[str, int] = field(default_factory=dict[str, int])
    ahead: Mapping[str, timedelta] = field(default_factory=dict[str, timedelta])
    after_close: Mapping[str, int] = field(default_factory=dict[str, int])


def soundness(database_url: str) -> Soundness | None:
    """How the store is; None where the database has no tables yet. Raises DatabaseAway."""
    with asking(database_url, "rxpulse doctor") as connection:
        there = connection.execute("SELECT to_regclass('seen_types'), now(), pg_database_size(current_database())")
        table, now, size = there.fetchall()[0]
        if table is None:
            return None
        places = connection.execute(
            "SELECT partition, cluster, position, beat, id_reused, rejected, rerouted, judged, owner, received"
            " FROM positions ORDER BY partition"
        )
        feeds = connection.execute(
            "SELECT source, site, max(last_recorded) FROM feeds GROUP BY source, site ORDER BY source, site"
        )
        trials = connection.execute(
            "SELECT site, rate, sum(clean)::int8, sum(errors)::int8, sum(late_clean)::int8, sum(late_errors)::int8"
            f" FROM outcomes WHERE {RECENT} GROUP BY site, rate ORDER BY site, rate"
        )
        return Soundness(
            now,
            tuple(Place(*row) for row in places),
            tuple(Spoke(*row) for row in feeds),
            tuple(Trials(*row) for row in trials),
            _seen(connection),
            size,
            dict(connection.execute("SELECT site, max(hour) - min(hour) FROM feed_hours GROUP BY site").fetchall()),
            tuple(Blocked(name, seconds, tuple(by or ())) for name, seconds, by in connection.execute(_BLOCKED)),
            recent_dead_letters(connection),
            dict(connection.execute(_AHEAD).fetchall()),
            dict(connection.execute(_AFTER_CLOSE, [AFTER_CLOSE, sorted(STANDING)]).fetchall()),
        )


_BLOCKED = """
SELECT a.application_name, extract(epoch FROM clock_timestamp() - a.query_start)::float8,
    (SELECT array_agg(coalesce(nullif(b.application_name, ''), b.usename, 'somebody') || ', process ' || b.pid)
     FROM pg_stat_activity b WHERE b.pid = ANY(pg_blocking_pids(a.pid)))
FROM pg_stat_activity a
WHERE a.wait_event_type = 'Lock' AND a.application_name ~ '^(worker-|reads for worker-|judges for )'
ORDER BY a.query_start
"""
_AHEAD = (
    "SELECT worker, ahead * interval '1 microsecond' FROM worker_clocks WHERE measured > now() - interval '1 minute'"
)


# By the hour in which they were recorded: what somebody sends once more is as old as it was.
_AFTER_CLOSE = """
SELECT site, sum(count)::int8 FROM doubts WHERE kind = %s AND reason <> ALL(%s) AND hour > now() - interval '7 days'
GROUP BY site ORDER BY site
"""


def _seen(connection: "Connection[Any]") -> dict[str, frozenset[str]]:
    rows = connection.execute("SELECT site, array_agg(type) FROM seen_types GROUP BY site ORDER BY site")
    return {site: frozenset(types) for site, types in rows}
