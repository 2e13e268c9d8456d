"""One case, read back whole: what happened to it, what that means today, and who was told about it.

A case is kept as its events alone, so reading it folds them again by the policies in force at each of them. Whoever asks
for a case of a site that he does not look after learns no more than that it is not there.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from models.event import CaseId, Site
from models.policy import Policies
from models.store.items import EscalationItem, SignalItem
from models.store.lists import Asked, Shown, escalations, signals
from models.store.records import unpack
from models.store.rights import Rights
from models.tracking import Watched

_MOST = 100


@dataclass(frozen=True, slots=True)
class Casefile:
    """`kind` to `finished` are as the board shows them; `now` is the database's clock, `judged` the instant up to which
    silence was listened to in the case's partition, None before the first. All instants are UTC. `signals` and
    `escalations` are newest first, at most 100 of each."""

    case: Watched
    site: Site
    kind: str
    priority: str
    waits: str | None
    since: datetime
    opened: datetime
    finished: datetime | None
    pace: str
    now: datetime
    judged: datetime | None
    signals: tuple[SignalItem, ...]
    escalations: tuple[EscalationItem, ...]


def casefile(connection: "Connection[Any]", case: str, policies: Policies, rights: Rights) -> Casefile | None:
    """The case of this id; None where there is none at any site of `rights`."""
    row = connection.execute(
        "SELECT site, kind, priority, waits, since, opened, finished, pace, now(), judged, body"
        " FROM cases LEFT JOIN positions USING (partition) WHERE id = %s",
        [case],
    ).fetchone()
    if row is None or not rights.at(row[0]):
        return None
    *about, body = row
    watched, _ = unpack(CaseId(case), body, policies)
    asked = Asked(Shown.ALL, case=case, rights=rights)
    return Casefile(
        watched,
        *about,
        signals=signals(connection, asked, _MOST).items,
        escalations=escalations(connection, asked, _MOST).items,
    )


@dataclass(frozen=True, slots=True)
class PutAway:
    """A case that has left the hot store: when it ended, and when it left (UTC)."""

    site: Site
    finished: datetime
    departed: datetime


def put_away(connection: "Connection[Any]", case: str, rights: Rights) -> PutAway | None:
    """The case of this id that has left; None where none has at any site of `rights`."""
    row = connection.execute("SELECT site, finished, departed FROM departures WHERE case_id = %s", [case]).fetchone()
    return PutAway(*row) if row is not None and rights.at(row[0]) else None


def known(connection: "Connection[Any]", keys: "list[str]", rights: Rights) -> list[str]:
    """Those of these ids that are cases at the sites of `rights`, newest first; those that have left the store too."""
    rows = connection.execute(
        "SELECT id, site, opened FROM cases WHERE id = ANY(%s) UNION ALL SELECT case_id, site, opened FROM departures"
        " WHERE case_id = ANY(%s) ORDER BY opened DESC, id",
        [keys, keys],
    )
    return [case for case, site, _ in rows if rights.at(site)]
