"""How good what the feeds send is: what came twice, what nobody knows, what was dropped, what came too late.

Figures are those of all time since the facts were last made. Who looks after some sites only sees their feeds; what is
counted for all sites together (records that no site could be told of) is for those who look after all.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from models.store.rights import Rights


@dataclass(frozen=True, slots=True)
class FeedQuality:
    """What a source sent of a site. `unknown_types` are events of a type that this release does not know, `dropped_fields`
    fields that are on no list, `clock_skew` events recorded before they happened. `last_recorded` is when it was last
    heard of; `silent` since when it is silent, None while it speaks. UTC."""

    source: str
    site: str
    events: int
    duplicates: int
    unknown_types: int
    dropped_fields: int
    clock_skew: int
    last_time: datetime
    last_recorded: datetime
    silent: datetime | None


@dataclass(frozen=True, slots=True)
class LateShare:
    """The outcomes of a rate at a site: `late` of `total` became known too late for its test."""

    site: str
    rate: str
    total: int
    late: int

    @property
    def share(self) -> float:
        return self.late / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Records:
    """All records of the topic. `rejected` could not be read (dead letters), `id_reused` claimed an id that another content
    has, `rerouted` lay in a partition that is not their case's."""

    accepted: int
    duplicates: int
    id_reused: int
    rejected: int
    rerouted: int


@dataclass(frozen=True, slots=True)
class Quality:
    """As of `now` (UTC). `records` None: for those who look after all sites only."""

    now: datetime
    feeds: tuple[FeedQuality, ...]
    late: tuple[LateShare, ...]
    records: Records | None


def quality(connection: "Connection[Any]", rights: Rights) -> Quality:
    """How good the data is, at the sites of `rights`."""
    scope = {"scope": None if rights.sites is None else list(rights.sites)}
    feeds = connection.execute(_FEEDS, scope).fetchall()
    late = connection.execute(_LATE, scope).fetchall()
    records = connection.execute(_RECORDS).fetchall()[0] if rights.sites is None else None
    now = connection.execute("SELECT now()").fetchall()[0][0]
    return Quality(
        now,
        tuple(FeedQuality(*row) for row in feeds),
        tuple(LateShare(*row) for row in late),
        None if records is None else Records(*records),
    )


_IN_SCOPE: LiteralString = "(%(scope)s::text[] IS NULL OR site = ANY(%(scope)s))"
_FEEDS: LiteralString = f"""
SELECT source, site, sum(events)::int8, sum(duplicates)::int8, sum(unknown_types)::int8, sum(dropped_fields)::int8,
    sum(clock_skew)::int8, max(last_time), max(last_recorded),
    (SELECT min(s.since) FROM silences s
        WHERE s.source = f.source AND s.site = f.site AND s.worker IS NULL AND s.cleared IS NULL)
FROM feeds f WHERE {_IN_SCOPE} GROUP BY source, site ORDER BY site, source
"""
_LATE: LiteralString = f"""
SELECT site, rate, sum(clean + errors + late_clean + late_errors)::int8, sum(late_clean + late_errors)::int8
FROM outcomes WHERE {_IN_SCOPE} GROUP BY site, rate ORDER BY site, rate
"""
_RECORDS: LiteralString = """
SELECT coalesce(sum(accepted), 0)::int8, coalesce(sum(duplicates), 0)::int8, coalesce(sum(id_reused), 0)::int8,
    coalesce(sum(rejected), 0)::int8, coalesce(sum(rerouted), 0)::int8 FROM positions
"""
