"""Several signals told as one page: what a stop had kept back, and a worker that does not judge, at however many sites.

A group has one escalation, which is taken on, expires and repeats as one, and is resolved when the last of its signals
clears. A signal of it that gets worse is told by itself from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Cursor

from models.escalation import Escalation, EscalationId, Resolved, escalation_from_row, escalation_id
from models.event import Site
from models.policy import Kind, Ladder, Severity
from models.signals import Signal, SignalId
from models.store.history import enter, happen

SUMMARY = "summary"
"""The name of the escalation of what a stop kept back."""
HELD = "held"
"""The name of the escalation of what a silent feed kept back."""
LISTED = 50
"""So many ids of its signals a message holds at most."""


@dataclass(frozen=True, slots=True)
class Members:
    """The open signals of a group: how many, the first of their ids, and since when the oldest is true."""

    count: int
    signals: tuple[str, ...]
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Membership:
    """The group by which a signal is told, and the severity at which it is."""

    escalation: Escalation
    severity: Severity


def gather(
    cursor: "Cursor[Any]",
    about: str,
    kind: Kind | None,
    name: str,
    setting: str,
    ladder: Ladder,
    signals: Sequence[Signal],
    now: datetime,
    title: str,
) -> None:
    """Opens a group of signals, told by `ladder`, of the highest severity among them. `about` and the ladder are what it
    is: opening it twice changes nothing."""
    sites = {one.site for one in signals}
    group = Escalation(
        id=escalation_id(about, ladder.key),
        signal=None,
        kind=kind,
        name=name,
        severity=min(one.severity for one in signals),
        site=sites.pop() if len(sites) == 1 else None,
        setting=setting,
        case=None,
        opened=now,
        ladder=ladder,
    )
    enter(cursor, group, title)
    for one in signals:
        _belongs(cursor, group.id, one)


def join(cursor: "Cursor[Any]", kind: Kind, name: str, ladder: Ladder, signal: Signal) -> bool:
    """Adds a signal to the group about the same that is being told by this ladder; False where there is none."""
    cursor.execute(
        "SELECT id FROM escalations WHERE signal IS NULL AND kind = %s AND name = %s AND ladder = %s"
        " AND state <> 'resolved' ORDER BY opened LIMIT 1 FOR UPDATE",
        [kind.value, name, ladder.key],
    )
    row = cursor.fetchone()
    if row is None:
        return False
    cursor.execute(
        "UPDATE escalations SET site = '*', about = jsonb_set(about, '{site}', 'null') WHERE id = %s AND site <> %s",
        [row[0], signal.site],
    )
    _belongs(cursor, EscalationId(row[0]), signal)
    return True


def membership(cursor: "Cursor[Any]", signal: SignalId) -> Membership | None:
    """The group by which a signal is being told, locked; None: none."""
    cursor.execute(
        "SELECT e.about, g.severity FROM grouped g JOIN escalations e ON e.id = g.escalation"
        " WHERE g.signal = %s AND e.state <> 'resolved' FOR UPDATE OF e",
        [signal],
    )
    row = cursor.fetchone()
    return None if row is None else Membership(escalation_from_row(row[0]), Severity(row[1]))


def leave(cursor: "Cursor[Any]", group: Escalation, now: datetime) -> None:
    """One of its signals has cleared: with the last of them the group is over."""
    if members(cursor, group.id).count == 0:
        happen(cursor, group, Resolved(at=now), now)


def members(cursor: "Cursor[Any]", group: EscalationId) -> Members:
    """The signals of a group that are open."""
    cursor.execute(
        "SELECT s.id, s.raised FROM grouped g JOIN signals s ON s.id = g.signal WHERE g.escalation = %s"
        " AND s.cleared IS NULL ORDER BY s.severity, s.raised, s.id",
        [group],
    )
    rows = cursor.fetchall()
    names = tuple(name for name, _ in rows[:LISTED])
    return Members(len(rows), names, min((raised for _, raised in rows), default=None))


def site_of(escalation: Escalation) -> Site:
    """The site under which lists show an escalation: `*` for several."""
    return escalation.site or Site("*")


def _belongs(cursor: "Cursor[Any]", group: EscalationId, signal: Signal) -> None:
    cursor.execute(
        "INSERT INTO grouped (escalation, signal, severity) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        [group, signal.id, int(signal.severity)],
    )
