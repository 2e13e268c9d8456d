"""Who looked something up, did something, or tried to come in: one line each, never changed and never taken away.

What it was about stands there as a hash: whoever has a case in hand can find out who looked at it, and whoever reads the
list learns no case from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any, LiteralString

from psycopg import Connection

OPERATOR = "operator"
"""Who gives commands on the machine itself."""
_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Line:
    """One line; `at` is UTC, `ref` the hash of what it was about, None for nothing in particular."""

    number: int
    at: datetime
    person: str
    what: str
    ref: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are asked for; what is empty or None asks for any. `about` is the id itself, not its hash; `since` and
    `until` are days of the time zone `zone`, both inclusive; `before` is the number of the line after which older ones
    follow."""

    person: str = ""
    what: str = ""
    about: str = ""
    since: date | None = None
    until: date | None = None
    before: int | None = None
    zone: str = "UTC"


def record(connection: "Connection[Any]", person: str, what: str, ref: str | None = None) -> None:
    """Adds a line. `person` is an account, a person of the policy, or what stands for several; `ref` is what it was
    about."""
    hashed = None if ref is None else ref_of(ref)
    connection.execute("INSERT INTO audit (person, what, ref) VALUES (%s, %s, %s)", [person, what, hashed])


def record_each(connection: "Connection[Any]", person: str, what: str, refs: Sequence[str]) -> None:
    """Adds a line for each of the things that it was about."""
    connection.execute(
        "INSERT INTO audit (person, what, ref) SELECT %s, %s, unnest(%s::text[])",
        [person, what, [ref_of(one) for one in refs]],
    )


@dataclass(frozen=True, slots=True)
class Done:
    """When (UTC) something was last done about each thing, by its hash."""

    by_ref: Mapping[str, datetime]

    def when(self, about: str) -> datetime | None:
        """When it was last done about the thing with this id; None: never."""
        return self.by_ref.get(ref_of(about))


def done(connection: "Connection[Any]", what: str) -> Done:
    """About what it was done, and when."""
    rows = connection.execute("SELECT ref, max(at) FROM audit WHERE what = %s AND ref IS NOT NULL GROUP BY ref", [what])
    return Done(dict(rows.fetchall()))


def lines(connection: "Connection[Any]", wanted: Wanted, limit: int) -> list[Line]:
    """Up to `limit` lines, newest first."""
    asked = {
        "person": wanted.person,
        "what": wanted.what,
        "ref": ref_of(wanted.about) if wanted.about else "",
        "since": wanted.since,
        "until": wanted.until,
        "before": wanted.before,
        "zone": wanted.zone,
        "limit": limit,
    }
    return [Line(*row) for row in connection.execute(_LINES, asked)]


def kinds(connection: "Connection[Any]") -> list[str]:
    """Everything that was ever done, by name."""
    return [what for (what,) in connection.execute("SELECT DISTINCT what FROM audit ORDER BY what")]


def ref_of(about: str) -> str:
    """What stands in the list for the thing with this id: 32 hexadecimal digits."""
    return sha256(about.encode()).hexdigest()[:_DIGITS]


_LINES: LiteralString = """
SELECT number, at, person, what, ref FROM audit
WHERE (%(person)s::text = '' OR person = %(person)s) AND (%(what)s::text = '' OR what = %(what)s)
    AND (%(ref)s::text = '' OR ref = %(ref)s)
    AND (%(since)s::date IS NULL OR at >= %(since)s::date::timestamp AT TIME ZONE %(zone)s)
    AND (%(until)s::date IS NULL OR at < (%(until)s::date + 1)::timestamp AT TIME ZONE %(zone)s)
    AND (%(before)s::int8 IS NULL OR number < %(before)s)
ORDER BY number DESC LIMIT %(limit)s
"""
