"""A signal and an escalation as lists show them, and the questions by which the store tells them one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from models.policy import Severity
from models.store.briefs import BRIEF, WITH_CASE, Brief, brief
from models.store.rights import Rights


@dataclass(frozen=True, slots=True)
class SignalItem:
    """A signal as interfaces 9 lists it. `severity` is S1 to S4, `state` open or cleared, `opened` the instant (UTC) from
    which it is true; `told` is yes or why nobody was told, None while that is not judged; `ended_by` is who ended it or its
    telling by hand, with the reason's `code` and a `note` (None without one), None while nobody did; `work` says what its case
    is, None where it is about none or that is gone."""

    id: str
    kind: str
    name: str
    severity: str
    site: str
    case: str | None
    state: str
    opened: datetime
    told: str | None
    cleared: datetime | None
    reason: str | None
    ended_by: str | None = None
    code: str | None = None
    note: str | None = None
    work: Brief | None = None


@dataclass(frozen=True, slots=True)
class EscalationItem:
    """An escalation as interfaces 9 lists it. `state` is open, acknowledged, exhausted or resolved; `expires` is until when
    (UTC) the acknowledgement holds, None where it does not expire or there is none; `work` is as of a signal."""

    id: str
    kind: str
    name: str
    severity: str
    site: str
    case: str | None
    state: str
    opened: datetime
    title: str
    signal: str | None
    ladder: str
    acknowledged_by: str | None
    expires: datetime | None
    resolved: datetime | None
    work: Brief | None = None


@dataclass(frozen=True, slots=True)
class Members:
    """The signals under a summary that may be seen, and how many there are `elsewhere`, at sites of others."""

    signals: tuple[SignalItem, ...]
    elsewhere: int


def signals_of(connection: "Connection[Any]", ids: Sequence[str]) -> list[SignalItem]:
    """The signals of these ids as they now stand, in no order; those that are gone are left out."""
    return [signal_item(row) for row in connection.execute(f"{SIGNAL} WHERE id = ANY(%s)", [list(ids)])]


def escalations_of(connection: "Connection[Any]", ids: Sequence[str]) -> list[EscalationItem]:
    """As `signals_of`, for escalations."""
    return [escalation_item(row) for row in connection.execute(f"{ESCALATION} WHERE id = ANY(%s)", [list(ids)])]


def members(connection: "Connection[Any]", escalation: str, rights: Rights) -> Members:
    """What is told under one escalation about several signals, worst first."""
    query = f"{SIGNAL} WHERE id IN (SELECT signal FROM grouped WHERE escalation = %s) ORDER BY severity, raised, id"
    found = [signal_item(row) for row in connection.execute(query, [escalation])]
    mine = tuple(one for one in found if rights.at(one.site))
    return Members(mine, len(found) - len(mine))


def signal_item(row: "tuple[Any, ...]") -> SignalItem:
    """A signal from a row of SIGNAL."""
    ref, kind, name, severity, *rest = row[:-4]
    return SignalItem(ref, kind, name, Severity(severity).name, *rest, work=brief(*row[-4:]))


def escalation_item(row: "tuple[Any, ...]") -> EscalationItem:
    """An escalation from a row of ESCALATION."""
    ref, kind, name, severity, *rest = row[:-4]
    return EscalationItem(ref, kind, name, Severity(severity).name, *rest, work=brief(*row[-4:]))


SIGNAL: LiteralString = f"""
SELECT id, kind, name, severity, site, case_id, CASE WHEN cleared IS NULL THEN 'open' ELSE 'cleared' END, raised, told,
    cleared, reason, coalesce(cleared_by, hand_person), coalesce(code, hand_code),
    coalesce(note, CASE WHEN cleared_by IS NULL OR (cleared_by, code) = (hand_person, hand_code) THEN hand_note END),
    {BRIEF}
FROM signals {WITH_CASE} LEFT JOIN LATERAL (
    SELECT a.entry->>'person' AS hand_person, a.entry->>'code' AS hand_code, a.entry->>'note' AS hand_note
    FROM escalations e JOIN escalation_entries a ON a.escalation = e.id
    WHERE e.signal = signals.id AND a.entry->>'entry' = 'resolved' AND a.entry->>'code' IS NOT NULL
    ORDER BY a.at DESC LIMIT 1
) hand ON true"""
ESCALATION: LiteralString = f"""
SELECT id, kind, name, severity, site, case_id, state, opened, title, signal, ladder, acknowledged_by, expires, resolved,
    {BRIEF} FROM escalations {WITH_CASE}"""
