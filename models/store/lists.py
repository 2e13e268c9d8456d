"""The lists of signals and of escalations: what is asked for, and the pages in which the answer comes.

Everything here is read only and answers for the present by the clock of the database. Lists are in the order of time,
newest first, and come in pages: `next` of a page is what the next one begins after.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, LiteralString, TypeVar

from psycopg import Connection

from models.errors import CallerFault
from models.policy import Severity
from models.store.briefs import WITH_CASE
from models.store.items import ESCALATION, SIGNAL, EscalationItem, SignalItem, escalation_item, signal_item
from models.store.queues import EVERY_CASE, OF_CASES, Cases
from models.store.rights import EVERYTHING, Rights

T = TypeVar("T")
LARGEST_PAGE = 500
RECENT = timedelta(days=7)
"""So long an open signal stands on the board though nobody was told (semantics 16)."""


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
            "scope": scope(self.rights),
            **self.of.values(),
        }


WHAT_IS_CURRENT = Asked()


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; `next` None: there is no more."""

    items: tuple[T, ...]
    next: str | None


def signals(
    connection: "Connection[Any]", asked: Asked = WHAT_IS_CURRENT, limit: int = 100, after: str | None = None
) -> Page[SignalItem]:
    """A page of signals, newest first. `limit` is 1 to LARGEST_PAGE. Raises CallerFault for an `after` that is no
    page's `next`, and for a severity that does not exist."""
    where: dict[Shown, LiteralString] = {Shown.CURRENT: _CURRENT, Shown.UNTOLD: _UNTOLD, Shown.ALL: "true"}
    query = (
        f"{SIGNAL} WHERE {where[asked.shown]} AND {AT} AND {CHOSEN} AND {_AFTER_SIGNAL}"
        " ORDER BY raised DESC, id DESC LIMIT %(limit)s"
    )
    rows = connection.execute(query, asked.values() | _window(limit, after) | {"recent": RECENT}).fetchall()
    return _page([signal_item(row) for row in rows], limit)


def untold(connection: "Connection[Any]", asked: Asked = WHAT_IS_CURRENT) -> int:
    """How many open signals of those asked for are recorded and not on the board."""
    query: LiteralString = f"SELECT count(*) FROM signals {WITH_CASE} WHERE {_UNTOLD} AND {AT} AND {CHOSEN}"
    [count] = connection.execute(query, asked.values() | {"recent": RECENT}).fetchone() or (0,)
    return count


def escalations(
    connection: "Connection[Any]", asked: Asked = WHAT_IS_CURRENT, limit: int = 100, after: str | None = None
) -> Page[EscalationItem]:
    """A page of escalations, newest first; as `signals`. UNTOLD shows none: an escalation is about telling."""
    where: dict[Shown, LiteralString] = {Shown.CURRENT: "state <> 'resolved'", Shown.UNTOLD: "false", Shown.ALL: "true"}
    query = (
        f"{ESCALATION} WHERE {where[asked.shown]} AND {AT_ONE_OF} AND {CHOSEN} AND {_AFTER_ESCALATION}"
        " ORDER BY opened DESC, id DESC LIMIT %(limit)s"
    )
    rows = connection.execute(query, asked.values() | _window(limit, after)).fetchall()
    return _page([escalation_item(row) for row in rows], limit)


IN_SCOPE: LiteralString = "(%(scope)s::text[] IS NULL OR site = ANY(%(scope)s) OR site = '*')"
AT: LiteralString = "(cardinality(%(sites)s::text[]) = 0 OR site = ANY(%(sites)s))"
# What concerns several sites belongs to the list of each that it concerns.
AT_ONE_OF: LiteralString = """(cardinality(%(sites)s::text[]) = 0 OR site = ANY(%(sites)s) OR site = '*' AND EXISTS (
    SELECT FROM grouped g JOIN signals s ON s.id = g.signal WHERE g.escalation = escalations.id
    AND s.site = ANY(%(sites)s) AND (%(scope)s::text[] IS NULL OR s.site = ANY(%(scope)s))))"""
CHOSEN: LiteralString = f"""(cardinality(%(kinds)s::text[]) = 0 OR kind = ANY(%(kinds)s))
    AND (cardinality(%(severities)s::int[]) = 0 OR severity = ANY(%(severities)s))
    AND (%(name)s::text = '' OR name = %(name)s) AND (%(case)s::text = '' OR case_id = %(case)s) AND {OF_CASES}
    AND {IN_SCOPE}"""
# What a summary told, and what a person was told and ended, stays on the board like any other (semantics 16, 24).
_TOLD: LiteralString = "coalesce(told IN ('yes', 'summary', 'resolved'), false)"
_CURRENT: LiteralString = f"cleared IS NULL AND ({_TOLD} OR raised > now() - %(recent)s)"
_UNTOLD: LiteralString = f"cleared IS NULL AND NOT {_TOLD} AND raised <= now() - %(recent)s"
_AFTER_SIGNAL: LiteralString = "(%(at)s::timestamptz IS NULL OR (raised, id) < (%(at)s, %(id)s))"
_AFTER_ESCALATION: LiteralString = "(%(at)s::timestamptz IS NULL OR (opened, id) < (%(at)s, %(id)s))"


def scope(rights: Rights) -> list[str] | None:
    """The sites of `rights` as the parameter of IN_SCOPE; None: everywhere."""
    return None if rights.sites is None else list(rights.sites)


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
