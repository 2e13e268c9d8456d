"""What is told while a feed is silent, and what waits until it speaks again (semantics 19).

An order is late on paper when the system that would report its verification says nothing. Nobody may sleep through a STAT
order because of that, so urgent ones are told all the same, with the remark that the feed is silent. The rest is kept back
until the feed speaks: most of it turns out to have been done in time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from models.clocks import instance_id
from models.event import CaseId, Event, Site, Source
from models.policy import Kind, Severity
from models.signals import SignalId, signal_id
from models.store.records import evidence_of


@dataclass(frozen=True, slots=True)
class Started:
    """What a clock's signal is about: enough to find the event that started the clock."""

    signal: SignalId
    clock: str
    site: Site
    case: CaseId


@dataclass(frozen=True, slots=True)
class Silent:
    """A feed that says nothing since `since` (UTC)."""

    feed: Source
    since: datetime


Silences = Mapping[tuple[Source, Site], datetime]
"""The feeds that say nothing now, each since when (UTC)."""


def silences(cursor: "Cursor[Any]") -> Silences:
    """The feeds that are silent now."""
    cursor.execute("SELECT source, site, since FROM silences WHERE worker IS NULL AND cleared IS NULL")
    return {(Source(source), Site(site)): since for source, site, since in cursor}


def kept_back(severity: Severity, silent: Silent | None) -> bool:
    """Whether a clock's signal waits for its feed; `silent` is that feed, None while it speaks."""
    return silent is not None and severity > Severity.S2


def silent_feed(cursor: "Cursor[Any]", about: Started, now: Silences) -> Silent | None:
    """The feed that started the clock, if it is silent; None while it speaks, and where the case is no longer held."""
    if all(site != about.site for _, site in now):
        return None
    feed = feed_of(cursor, about)
    since = None if feed is None else now.get((feed, about.site))
    return None if feed is None or since is None else Silent(feed, since)


def spoke_at(cursor: "Cursor[Any]", about: Started) -> datetime | None:
    """When the feed that started the clock last spoke after a silence; None where it never fell silent."""
    feed = feed_of(cursor, about)
    cursor.execute("SELECT max(cleared) FROM silences WHERE site = %s AND source = %s", [about.site, feed])
    row = cursor.fetchone()
    return None if row is None else row[0]


def keep_feed(cursor: "Cursor[Any]", signal: SignalId, feed: Source) -> None:
    """Writes down beside the signal, which must be locked, whose silence keeps it back: its case need not be read again."""
    cursor.execute("UPDATE signals SET feed = %s WHERE id = %s", [feed, signal])


def feed_of(cursor: "Cursor[Any]", about: Started) -> Source | None:
    """The feed whose event started the clock, as it was written down, else by what the case holds; None where that is no
    longer held."""
    cursor.execute("SELECT feed FROM signals WHERE id = %s", [about.signal])
    row = cursor.fetchone()
    if row is not None and row[0] is not None:
        return Source(row[0])
    cursor.execute("SELECT body FROM cases WHERE id = %s", [about.case])
    row = cursor.fetchone()
    return None if row is None else started_by(about, evidence_of(about.case, row[0]).standing)


def started_by(about: Started, events: Iterable[Event]) -> Source | None:
    """The feed whose event started the clock; None where it is not among the case's events."""
    return next(
        (one.source for one in events if signal_id(Kind.CLOCK, instance_id(about.clock, one)) == about.signal), None
    )
