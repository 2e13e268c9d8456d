"""How good what the feeds send is: what came twice, what nobody knows, what was dropped, what came too late.

Figures are those of all time since the facts were last made. Who looks after some sites only sees their feeds; what is
counted for all sites together (records that no site could be told of) is for those who look after all.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from models.store.ledger import AFTER_CLOSE, DEAD_LETTER
from models.store.months import kept_since
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
    """The outcomes of the last eight weeks of a rate at a site: `late` of `total` became known too late for its test."""

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
    has, `rerouted` lay in a partition that is not their case's, `after_close` came after their case, or the part of it they
    belong to, had left the store."""

    accepted: int
    duplicates: int
    id_reused: int
    rejected: int
    rerouted: int
    after_close: int


@dataclass(frozen=True, slots=True)
class Conflicts:
    """What cannot be, in all cases that began at a site: work verified before it was entered and never again after
    (`negative_interval`), a step that may not follow the one before it, events before the one that opens their case, one
    id with two contents, events recorded well before they happened."""

    site: str
    negative_interval: int
    impossible_transition: int
    before_case: int
    id_reused: int
    clock_skew: int


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Records that were put aside for one reason; the latest was received within the hour that begins at `last` (UTC)."""

    reason: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Quality:
    """As of `now` (UTC). `records` None and no `dead_letters`: those are for those who look after all sites only.
    `conflicts` are of the sites that have any, `dead_letters` by reason, the most frequent first. Turnaround times are kept
    from `kept_since` on, null: from the beginning on."""

    now: datetime
    feeds: tuple[FeedQuality, ...]
    late: tuple[LateShare, ...]
    records: Records | None
    conflicts: tuple[Conflicts, ...]
    dead_letters: tuple[DeadLetters, ...]
    kept_since: datetime | None = None


def quality(connection: "Connection[Any]", rights: Rights) -> Quality:
    """How good the data is, at the sites of `rights`."""
    scope = {"scope": None if rights.sites is None else list(rights.sites)}
    feeds = connection.execute(_FEEDS, scope).fetchall()
    late = connection.execute(_LATE, scope).fetchall()
    records = connection.execute(_RECORDS).fetchall()[0] if rights.sites is None else None
    conflicts = connection.execute(_CONFLICTS, scope).fetchall()
    dead = connection.execute(_DEAD, [DEAD_LETTER]).fetchall() if rights.sites is None else []
    now = connection.execute("SELECT now()").fetchall()[0][0]
    return Quality(
        now,
        tuple(FeedQuality(*row) for row in feeds),
        tuple(LateShare(*row) for row in late),
        None if records is None else Records(*records),
        tuple(Conflicts(*row) for row in conflicts),
        tuple(DeadLetters(*row) for row in dead),
        kept_since(connection),
    )


RECENT: LiteralString = "minute >= now() - interval '56 days'"
"""Of the outcomes: those of the last eight weeks, as far as a report looks back. How late a feed is says what it does now."""
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
FROM outcomes WHERE {RECENT} AND {_IN_SCOPE} GROUP BY site, rate ORDER BY site, rate
"""
_RECORDS: LiteralString = """
SELECT coalesce(sum(accepted), 0)::int8, coalesce(sum(duplicates), 0)::int8, coalesce(sum(id_reused), 0)::int8,
    coalesce(sum(rejected), 0)::int8, coalesce(sum(rerouted), 0)::int8, coalesce(sum(after_close), 0)::int8
FROM positions
"""
_CONFLICTS: LiteralString = f"""
SELECT site,
    coalesce(sum(count) FILTER (WHERE kind = 'negative_interval'), 0)::int8,
    coalesce(sum(count) FILTER (WHERE kind = 'impossible_transition'), 0)::int8,
    coalesce(sum(count) FILTER (WHERE kind = 'before_case'), 0)::int8,
    coalesce(sum(count) FILTER (WHERE kind = 'id_reused'), 0)::int8,
    coalesce(sum(count) FILTER (WHERE kind = 'clock_skew'), 0)::int8
FROM doubts WHERE site <> '' AND kind <> '{AFTER_CLOSE}' AND {_IN_SCOPE} GROUP BY site HAVING sum(count) > 0 ORDER BY site
"""
_DEAD: LiteralString = """
SELECT reason, sum(count)::int8, max(hour) FROM doubts WHERE site = '' AND kind = %s GROUP BY reason
ORDER BY 2 DESC, reason
"""
