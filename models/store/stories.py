"""The story of one escalation: what happened to it, line by line, and what became of every message.

This is what somebody reads afterwards who has to know who knew what, and when.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from models.escalation import Entry, from_row
from models.store.items import EscalationItem, Members, SignalItem, escalations_of, members, signals_of
from models.store.rights import Rights


@dataclass(frozen=True, slots=True)
class Happened:
    """One line of the history, numbered from 1. `note` is what the person said with it, `code` the reason for which he ended
    it; both empty for nothing."""

    number: int
    at: datetime
    entry: Entry
    note: str
    code: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one person by one channel. `state` is pending, sending, sent, refused, gave_up or cancelled; `answer`
    is what the channel said last. UTC."""

    key: str
    escalation: str
    type: str
    loop: int
    step: int
    person: str
    channel: str
    state: str
    attempts: int
    made: datetime
    first_attempt: datetime | None
    last_attempt: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Story:
    """An escalation with all that happened to it, oldest first. `signal` None: it is about several, or it is gone;
    `members` are those several."""

    escalation: EscalationItem
    signal: SignalItem | None
    members: Members
    history: tuple[Happened, ...]
    messages: tuple[Message, ...]
    now: datetime


def story(connection: "Connection[Any]", escalation: str, rights: Rights) -> Story | None:
    """The story of this escalation; None where there is none at any site of `rights`."""
    found = escalations_of(connection, [escalation])
    if not found or not rights.at(found[0].site):
        return None
    about = [] if found[0].signal is None else signals_of(connection, [found[0].signal])
    entries = connection.execute(
        "SELECT number, at, entry FROM escalation_entries WHERE escalation = %s ORDER BY number", [escalation]
    ).fetchall()
    history = tuple(
        Happened(number, at, from_row(row), row.get("note", ""), row.get("code", "")) for number, at, row in entries
    )
    now = connection.execute("SELECT now()").fetchall()[0][0]
    among = members(connection, escalation, rights)
    return Story(found[0], about[0] if about else None, among, history, tuple(messages(connection, [escalation])), now)


def messages(connection: "Connection[Any]", escalations: Sequence[str]) -> list[Message]:
    """All messages of these escalations, in the order in which they were made."""
    return [Message(*row) for row in connection.execute(_MESSAGES, [list(escalations)])]


_MESSAGES: LiteralString = """
SELECT key, escalation, type, loop, step, person, channel, state, attempts, made, first_attempt, last_attempt, answer
FROM deliveries WHERE escalation = ANY(%s) ORDER BY made, loop, step, person, channel
"""
