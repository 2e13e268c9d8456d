"""What is told while a feed is silent, and what waits until it speaks again (semantics 19).

An order is late on paper when the system that would report its verification says nothing. Nobody may sleep through a STAT
order because of that, so urgent ones are told all the same, with the remark that the feed is silent. The rest is kept back
until the feed speaks: most of it turns out to have been done in time.
"""

from collections.abc import Iterable
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


def kept_back(severity: Severity, silent: datetime | None) -> bool:
    """Whether a clock's signal waits for its feed; `silent` is since when that is silent, None while it speaks."""
    return silent is not None and severity > Severity.S2


def silent_since(cursor: "Cursor[Any]", about: Started) -> datetime | None:
    """Since when the feed says nothing that started the clock; None while it speaks, and where the case is no longer held."""
    cursor.execute(
        "SELECT source, since FROM silences WHERE site = %s AND worker IS NULL AND cleared IS NULL", [about.site]
    )
    silent = {Source(source): since for source, since in cursor.fetchall()}
    source = _source(cursor, about) if silent else None
    return None if source is None else silent.get(source)


def spoke_at(cursor: "Cursor[Any]", about: Started) -> datetime | None:
    """When the feed that started the clock last spoke after a silence; None where it never fell silent."""
    source = _source(cursor, about)
    cursor.execute("SELECT max(cleared) FROM silences WHERE site = %s AND source = %s", [about.site, source])
    row = cursor.fetchone()
    return None if row is None else row[0]


def _source(cursor: "Cursor[Any]", about: Started) -> Source | None:
    cursor.execute("SELECT body FROM cases WHERE id = %s", [about.case])
    row = cursor.fetchone()
    return None if row is None else started_by(about, evidence_of(about.case, row[0]).standing)


def started_by(about: Started, events: Iterable[Event]) -> Source | None:
    """The feed whose event started the clock; None where it is not among the case's events."""
    return next(
        (one.source for one in events if signal_id(Kind.CLOCK, instance_id(about.clock, one)) == about.signal), None
    )
