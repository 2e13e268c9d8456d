"""What a person does about an escalation: takes it on, gives it back, passes it on, ends it.

Each answer is one transaction and one more line in the history; what follows from it, further pages or word to whoever
was told, is decided by the dispatcher right after. A signal is locked before its escalation, as the dispatcher does.
"""

import re
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, Cursor

from models.errors import UsageFault
from models.escalation import (
    Acknowledged,
    Entry,
    Escalation,
    PassedOn,
    Released,
    Resolved,
    State,
    Status,
    escalation_from_row,
    fold,
)
from models.event import Site
from models.policy import Kind
from models.store.history import add, announce, history, write

_QUIET = """
UPDATE signals SET quiet = true
WHERE cleared IS NULL AND (id = %s OR id IN (SELECT signal FROM grouped WHERE escalation = %s))
"""
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")


@dataclass(frozen=True, slots=True)
class Standing:
    """What an acknowledgement by `person` led to: who has the escalation now, and until when (None: for good). Who had it
    before has it still. `site` None: it is one page about several sites."""

    escalation: str
    state: str
    acknowledged_by: str
    expires: datetime | None
    person: str
    site: Site | None


@dataclass(frozen=True, slots=True)
class Moved:
    """It was given back or passed on: the next page goes out at once."""

    escalation: str
    state: str


@dataclass(frozen=True, slots=True)
class Ended:
    """`cleared`: its signal is over too; else only the telling is, and the signal stays on the board. `escalation` None:
    nobody was being told; `signal` None: a summary."""

    escalation: str | None
    signal: str | None
    cleared: bool


@dataclass(frozen=True, slots=True)
class Free:
    """Nobody has it, so there is nothing to give back."""


@dataclass(frozen=True, slots=True)
class Stranger:
    """The policy knows no such person."""

    person: str


@dataclass(frozen=True, slots=True)
class Has:
    """He has it already: passed on to him it would only end his acknowledgement and page him."""

    person: str


@dataclass(frozen=True, slots=True)
class NotByHand:
    """A signal that a person cannot clear, because of what it is about."""

    reason: str


@dataclass(frozen=True, slots=True)
class Over:
    """It has ended: there is nothing to do about it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """There is no such escalation or signal."""


def acknowledge(
    connection: "Connection[Any]", escalation: str, person: str, note: str = ""
) -> Standing | Over | Unknown:
    """`person` takes an escalation on. By somebody else while one stands it is recorded and takes nothing over."""
    with _running(connection, escalation) as found:
        if not isinstance(found, Running):
            return found
        after = found.happens(Acknowledged(at=found.now, person=person), note=note)
    assert after.holder is not None
    return Standing(escalation, after.status.value, after.holder, after.expires, person, found.escalation.site)


def release(
    connection: "Connection[Any]", escalation: str, person: str, note: str = ""
) -> Moved | Free | Over | Unknown:
    """`person` gives an escalation back: the next loop begins at once."""
    with _running(connection, escalation) as found:
        if not isinstance(found, Running):
            return found
        if found.state().hold is None:
            return Free()
        after = found.happens(Released(at=found.now, person=person), note=note)
    return Moved(escalation, after.status.value)


def pass_on(
    connection: "Connection[Any]",
    escalation: str,
    person: str,
    to: str | None,
    people: Collection[str],
    note: str = "",
) -> Moved | Stranger | Has | Over | Unknown:
    """`person` sends an escalation on: to the next step, or there to the person `to`, one of the policy's `people` and
    nobody who has it. It ends an acknowledgement and is none."""
    if to is not None and to not in people:
        return Stranger(to)
    with _running(connection, escalation) as found:
        if not isinstance(found, Running):
            return found
        if to is not None and found.state().holder == to:
            return Has(to)
        after = found.happens(PassedOn(at=found.now, person=person, to=to), note=note)
    return Moved(escalation, after.status.value)


def resolve(
    connection: "Connection[Any]", escalation: str, person: str, code: str, note: str = ""
) -> Ended | Over | Unknown:
    """`person` ends an escalation with a reason code. A rule's signal is cleared by it; any other stays on the board until
    it clears, and its later rises are not told. Raises UsageFault for a code of other than 1 to 64 of
    `[A-Za-z0-9_.:/-]`."""
    _check(code)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT signal FROM escalations WHERE id = %s", [escalation])
        row = cursor.fetchone()
        if row is None:
            return Unknown()
        kind = _lock_members(cursor, escalation) if row[0] is None else _lock_signal(cursor, row[0])[0]
        found = _lock(cursor, escalation)
        if not isinstance(found, Running):
            return found
        return _end(cursor, found, kind, person, code, note)


def resolve_signal(
    connection: "Connection[Any]", signal: str, person: str, code: str, note: str = ""
) -> Ended | NotByHand | Over | Unknown:
    """As `resolve`, by the signal. One that nobody is being told of can be cleared if it is a rule's. Raises UsageFault."""
    _check(code)
    with connection.transaction(), connection.cursor() as cursor:
        kind, cleared = _lock_signal(cursor, signal)
        if kind is None:
            return Unknown()
        if cleared:
            return Over("the signal has cleared")
        cursor.execute("SELECT id FROM escalations WHERE signal = %s AND state <> 'resolved'", [signal])
        row = cursor.fetchone()
        found = None if row is None else _lock(cursor, row[0])
        if isinstance(found, Running):
            return _end(cursor, found, kind, person, code, note)
        if kind is not Kind.RULE:
            return NotByHand(f"a signal of a {kind.value} clears by itself, and nobody is being told of it")
        _clear(cursor, signal, person, code, note)
        announce(cursor, "signal", [signal])
        return Ended(None, signal, cleared=True)


def resolve_many(
    connection: "Connection[Any]", signals: Iterable[str], person: str, code: str, note: str = ""
) -> dict[str, Ended | NotByHand | Over | Unknown]:
    """`resolve_signal` for each, by signal; only rules' signals are ended so. Each stands by itself: what one is refused
    for keeps nothing from the others. Raises UsageFault."""
    _check(code)
    wanted = list(dict.fromkeys(signals))
    rows = connection.execute("SELECT id FROM signals WHERE id = ANY(%s) AND kind <> 'rule'", [wanted]).fetchall()
    others = {name for (name,) in rows}
    only = NotByHand("only signals of rules are resolved many at once: resolve this one by itself")
    return {one: only if one in others else resolve_signal(connection, one, person, code, note) for one in wanted}


@dataclass(slots=True)
class Running:
    """An escalation that has not ended, locked, with its history."""

    cursor: "Cursor[Any]"
    escalation: Escalation
    known: list[Entry]
    now: datetime

    def state(self) -> State:
        return fold(self.escalation, self.known)

    def happens(self, entry: Entry, **said: str) -> State:
        """Adds an entry and has the dispatcher look at what follows."""
        add(self.cursor, self.escalation.id, self.known, entry, **said)
        after = self.state()
        write(self.cursor, self.escalation.id, after, self.now)
        announce(self.cursor, "escalation", [self.escalation.id])
        return after


@contextmanager
def _running(connection: "Connection[Any]", escalation: str) -> Generator[Running | Over | Unknown]:
    with connection.transaction(), connection.cursor() as cursor:
        yield _lock(cursor, escalation)


def _lock(cursor: "Cursor[Any]", escalation: str) -> Running | Over | Unknown:
    cursor.execute("SELECT about, now(), state FROM escalations WHERE id = %s FOR UPDATE", [escalation])
    row = cursor.fetchone()
    if row is None:
        return Unknown()
    about, now, state = row
    if state == Status.RESOLVED:
        return Over("it is resolved: what it was about is over, or somebody ended the telling")
    whole = escalation_from_row(about)
    return Running(cursor, whole, history(cursor, whole.id), now)


def _lock_signal(cursor: "Cursor[Any]", signal: str) -> tuple[Kind | None, bool]:
    """What it is about, None where it is not in the store, and whether it has cleared."""
    cursor.execute("SELECT kind, cleared IS NOT NULL FROM signals WHERE id = %s FOR UPDATE", [signal])
    row = cursor.fetchone()
    return (None, False) if row is None else (Kind(row[0]), row[1])


def _lock_members(cursor: "Cursor[Any]", escalation: str) -> None:
    """The signals that are told as one, in the order in which everybody locks them."""
    cursor.execute(
        "SELECT 1 FROM signals WHERE id IN (SELECT signal FROM grouped WHERE escalation = %s) ORDER BY id FOR UPDATE",
        [escalation],
    )


def _end(cursor: "Cursor[Any]", running: Running, kind: Kind | None, person: str, code: str, note: str) -> Ended:
    """Announcing takes the last lock, so everything else is written first."""
    signal, rule = running.escalation.signal, kind is Kind.RULE
    if signal is not None and rule:
        _clear(cursor, signal, person, code, note)
    else:
        cursor.execute(_QUIET, [signal, running.escalation.id])
    running.happens(Resolved(at=running.now, person=person), code=code, note=note)
    if signal is not None:
        announce(cursor, "signal", [signal])
    return Ended(running.escalation.id, signal, cleared=rule)


def _clear(cursor: "Cursor[Any]", signal: str, person: str, code: str, note: str) -> None:
    cursor.execute(
        "UPDATE signals SET cleared = greatest(now(), raised), reason = 'person', cleared_by = %s, code = %s,"
        " note = %s, changed = now(), attention = true WHERE id = %s AND cleared IS NULL",
        [person, code, note or None, signal],
    )


def _check(code: str) -> None:
    if _CODE.fullmatch(code) is None:
        raise UsageFault(f"the reason code '{code[:64]}': give 1 to 64 letters, digits or _ . : / -, such as seen")
