"""What the board shows: where work waits, what is wrong, who was told, and how old all of that is.

Everything here is read only and answers for the present by the clock of the database. Lists are in the order of time,
newest first, and come in pages: `next` of a page is what the next one begins after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, LiteralString, TypeVar

from psycopg import Connection

from models.errors import CallerFault
from models.policy import Severity
from models.store.briefs import BRIEF, WITH_CASE, Brief, brief
from models.store.queues import EVERY_CASE, OF_CASES, Cases
from models.store.rights import EVERYTHING, Rights

T = TypeVar("T")
LARGEST_PAGE = 500
RECENT = timedelta(days=7)
"""So long an open signal stands on the board though nobody was told (semantics 16)."""
BEHIND = timedelta(seconds=10)
"""A partition whose silence was last listened to longer ago than this has events left to read, or no worker."""
ALIVE = timedelta(seconds=60)
"""A worker that gave no sign of life for longer reads nothing."""
_BETWEEN_TICKS = timedelta(seconds=3)
"""Between listening and writing down that it was listened, on a busy machine."""
_OLD = timedelta(hours=1)
"""What became known longer ago than this is history and no delay on its way."""


class Shown(StrEnum):
    """Which entries a list shows. CURRENT: open, and told or newer than RECENT; UNTOLD: the other open ones; of escalations
    CURRENT are all that are not resolved."""

    CURRENT = "current"
    UNTOLD = "untold"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is asked for. An empty choice of `sites`, `kinds` or `severities` (S1 to S4) asks for all, an empty
    `name` or `case` for any; `of` narrows it to what is about these cases, or about none. Who asks sees no more than
    `rights` allow, whatever he asks for."""

    shown: Shown = Shown.CURRENT
    sites: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    name: str = ""
    case: str = ""
    rights: Rights = EVERYTHING
    of: Cases = EVERY_CASE

    def values(self) -> dict[str, Any]:
        """The parameters of the questions below. Raises CallerFault for a severity that does not exist."""
        unknown = [one for one in self.severities if one not in Severity.__members__]
        if unknown:
            raise CallerFault(f"severity is '{unknown[0]}': give {', '.join(Severity.__members__)}")
        return {
            "sites": list(self.sites),
            "kinds": list(self.kinds),
            "severities": [int(Severity[one]) for one in self.severities],
            "name": self.name,
            "case": self.case,
            "scope": _scope(self.rights),
            **self.of.values(),
        }


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


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message that reached a person here, on the console. `message` is what his webhook would have got."""

    key: str
    escalation: str
    person: str
    type: str
    at: datetime
    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Urgent:
    """The most urgent escalations that are not over. `waiting` counts all that nobody has, shown or not; `more`: there are
    others."""

    items: tuple[EscalationItem, ...]
    waiting: int
    more: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next` None: there is no more."""

    items: tuple[T, ...]
    next: str | None


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


def signals(
    connection: "Connection[Any]", asked: Asked = Asked(), limit: int = 100, after: str | None = None
) -> Page[SignalItem]:
    """A page of signals, newest first. `limit` is 1 to LARGEST_PAGE. Raises CallerFault for an `after` that is no
    page's `next`, and for a severity that does not exist."""
    where: dict[Shown, LiteralString] = {Shown.CURRENT: _CURRENT, Shown.UNTOLD: _UNTOLD, Shown.ALL: "true"}
    query = (
        f"{_SIGNAL} WHERE {where[asked.shown]} AND {_AT} AND {_CHOSEN} AND {_AFTER_SIGNAL}"
        " ORDER BY raised DESC, id DESC LIMIT %(limit)s"
    )
    rows = connection.execute(query, asked.values() | _window(limit, after) | {"recent": RECENT}).fetchall()
    return _page([_signal(row) for row in rows], limit)


def untold(connection: "Connection[Any]", asked: Asked = Asked()) -> int:
    """How many open signals of those asked for are recorded and not on the board."""
    query: LiteralString = f"SELECT count(*) FROM signals {WITH_CASE} WHERE {_UNTOLD} AND {_AT} AND {_CHOSEN}"
    [count] = connection.execute(query, asked.values() | {"recent": RECENT}).fetchone() or (0,)
    return count


def escalations(
    connection: "Connection[Any]", asked: Asked = Asked(), limit: int = 100, after: str | None = None
) -> Page[EscalationItem]:
    """A page of escalations, newest first; as `signals`. UNTOLD shows none: an escalation is about telling."""
    where: dict[Shown, LiteralString] = {Shown.CURRENT: "state <> 'resolved'", Shown.UNTOLD: "false", Shown.ALL: "true"}
    query = (
        f"{_ESCALATION} WHERE {where[asked.shown]} AND {_AT_ONE_OF} AND {_CHOSEN} AND {_AFTER_ESCALATION}"
        " ORDER BY opened DESC, id DESC LIMIT %(limit)s"
    )
    rows = connection.execute(query, asked.values() | _window(limit, after)).fetchall()
    return _page([_escalation(row) for row in rows], limit)


def urgent(connection: "Connection[Any]", asked: Asked = Asked(), limit: int = 40) -> Urgent:
    """What needs somebody: what nobody answered first, then what nobody has, then what is taken on; of each the most severe
    first, of these the oldest."""
    rows = connection.execute(_URGENT, asked.values() | {"limit": limit}).fetchall()
    waiting, total = rows[0][-2:] if rows else (0, 0)
    return Urgent(tuple(_escalation(row[:-2]) for row in rows), waiting, total > len(rows))


def waiting(connection: "Connection[Any]", rights: Rights = EVERYTHING) -> int:
    """How many escalations nobody has, whatever they are about."""
    query: LiteralString = f"SELECT count(*) FROM escalations WHERE state IN ('open', 'exhausted') AND {_IN_SCOPE}"
    [count] = connection.execute(query, {"scope": _scope(rights)}).fetchone() or (0,)
    return count


def signals_of(connection: "Connection[Any]", ids: Sequence[str]) -> list[SignalItem]:
    """The signals of these ids as they now stand, in no order; those that are gone are left out."""
    return [_signal(row) for row in connection.execute(f"{_SIGNAL} WHERE id = ANY(%s)", [list(ids)])]


def escalations_of(connection: "Connection[Any]", ids: Sequence[str]) -> list[EscalationItem]:
    """As `signals_of`, for escalations."""
    return [_escalation(row) for row in connection.execute(f"{_ESCALATION} WHERE id = ANY(%s)", [list(ids)])]


def members(connection: "Connection[Any]", escalation: str, rights: Rights) -> Members:
    """What is told under one escalation about several signals, worst first."""
    query = f"{_SIGNAL} WHERE id IN (SELECT signal FROM grouped WHERE escalation = %s) ORDER BY severity, raised, id"
    found = [_signal(row) for row in connection.execute(query, [escalation])]
    mine = tuple(one for one in found if rights.at(one.site))
    return Members(mine, len(found) - len(mine))


def inbox(connection: "Connection[Any]", limit: int = 20, rights: Rights = EVERYTHING) -> list[InboxMessage]:
    """The latest messages that were accepted by the inbox, newest first."""
    return [InboxMessage(*row) for row in connection.execute(_INBOX, {"limit": limit, "scope": _scope(rights)})]


_IN_SCOPE: LiteralString = "(%(scope)s::text[] IS NULL OR site = ANY(%(scope)s) OR site = '*')"
_AT: LiteralString = "(cardinality(%(sites)s::text[]) = 0 OR site = ANY(%(sites)s))"
# What concerns several sites belongs to the list of each that it concerns.
_AT_ONE_OF: LiteralString = """(cardinality(%(sites)s::text[]) = 0 OR site = ANY(%(sites)s) OR site = '*' AND EXISTS (
    SELECT FROM grouped g JOIN signals s ON s.id = g.signal WHERE g.escalation = escalations.id
    AND s.site = ANY(%(sites)s) AND (%(scope)s::text[] IS NULL OR s.site = ANY(%(scope)s))))"""
_CHOSEN: LiteralString = f"""(cardinality(%(kinds)s::text[]) = 0 OR kind = ANY(%(kinds)s))
    AND (cardinality(%(severities)s::int[]) = 0 OR severity = ANY(%(severities)s))
    AND (%(name)s::text = '' OR name = %(name)s) AND (%(case)s::text = '' OR case_id = %(case)s) AND {OF_CASES}
    AND {_IN_SCOPE}"""
_SIGNAL: LiteralString = f"""
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
_ESCALATION: LiteralString = f"""
SELECT id, kind, name, severity, site, case_id, state, opened, title, signal, ladder, acknowledged_by, expires, resolved,
    {BRIEF} FROM escalations {WITH_CASE}"""
# What a summary told, and what a person was told and ended, stays on the board like any other (semantics 16, 24).
_TOLD: LiteralString = "coalesce(told IN ('yes', 'summary', 'resolved'), false)"
_URGENT: LiteralString = f"""
SELECT e.*, count(*) FILTER (WHERE state <> 'acknowledged') OVER (), count(*) OVER ()
FROM ({_ESCALATION} WHERE state <> 'resolved' AND {_AT_ONE_OF} AND {_CHOSEN}) e
ORDER BY array_position(ARRAY['exhausted', 'open', 'acknowledged'], state), severity, opened, id DESC LIMIT %(limit)s
"""
_CURRENT: LiteralString = f"cleared IS NULL AND ({_TOLD} OR raised > now() - %(recent)s)"
_UNTOLD: LiteralString = f"cleared IS NULL AND NOT {_TOLD} AND raised <= now() - %(recent)s"
_AFTER_SIGNAL: LiteralString = "(%(at)s::timestamptz IS NULL OR (raised, id) < (%(at)s, %(id)s))"
_AFTER_ESCALATION: LiteralString = "(%(at)s::timestamptz IS NULL OR (opened, id) < (%(at)s, %(id)s))"
_INBOX: LiteralString = f"""
SELECT key, escalation, person, type, coalesce(last_attempt, made), message FROM deliveries d
WHERE channel = 'inbox' AND state = 'sent'
    AND (%(scope)s::text[] IS NULL OR d.escalation = ''
        OR EXISTS (SELECT FROM escalations e WHERE e.id = d.escalation AND {_IN_SCOPE}))
ORDER BY coalesce(last_attempt, made) DESC, key LIMIT %(limit)s
"""


def _scope(rights: Rights) -> list[str] | None:
    """None: everywhere."""
    return None if rights.sites is None else list(rights.sites)


def _now(connection: "Connection[Any]") -> datetime:
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    return row[0]


def _window(limit: int, after: str | None) -> dict[str, Any]:
    """One row more than asked for tells whether there is a next page."""
    at, ref = (None, "") if after is None else _read_mark(after)
    return {"limit": min(max(limit, 1), LARGEST_PAGE) + 1, "at": at, "id": ref}


def _page(items: "list[Any]", limit: int) -> "Page[Any]":
    held = min(max(limit, 1), LARGEST_PAGE)
    last = items[held - 1] if len(items) > held else None
    return Page(tuple(items[:held]), None if last is None else f"{last.opened.isoformat()}~{last.id}")


def _read_mark(after: str) -> tuple[datetime, str]:
    at, _, ref = after.partition("~")
    try:
        # A plus sign that was not encoded in the address arrives as a space.
        instant = datetime.fromisoformat(at.replace(" ", "+"))
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None or not ref:
        raise CallerFault(f"after is '{after}': give what `next` of the page before said, or leave it out")
    return instant, ref


def _signal(row: "tuple[Any, ...]") -> SignalItem:
    ref, kind, name, severity, *rest = row[:-4]
    return SignalItem(ref, kind, name, Severity(severity).name, *rest, work=brief(*row[-4:]))


def _escalation(row: "tuple[Any, ...]") -> EscalationItem:
    ref, kind, name, severity, *rest = row[:-4]
    return EscalationItem(ref, kind, name, Severity(severity).name, *rest, work=brief(*row[-4:]))
