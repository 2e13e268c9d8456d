"""Addresses that said they are gone for good (HTTP 410): nothing more is sent there, so somebody has to give another one.

It is read off what was delivered. An address counts as gone until a message to its person was taken again, by a test as a
rule, or until the policy names another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, LiteralString
from urllib.parse import urlsplit

from psycopg import Connection

from models.policy import Person


@dataclass(frozen=True, slots=True)
class Gone:
    """The webhook of `person` (his key) said so, last at `since` (UTC). `host` is as much of its address as may be shown:
    the rest may hold a secret."""

    person: str
    host: str
    since: datetime


def gone_answer(address: str) -> str:
    """The answer that is kept of an address that said 410: which one by a mark, for the address itself may hold a secret."""
    return f"HTTP 410, gone (address {sha256(address.encode()).hexdigest()[:8]})"


def gone(connection: "Connection[Any]", person: Person) -> Gone | None:
    """That the webhook of this person is gone; None where it is not, or he has none."""
    if person.webhook is None:
        return None
    row = connection.execute(_GONE, [person.key, gone_answer(person.webhook)]).fetchone()
    since = None if row is None else row[0]
    return None if since is None else Gone(person.key, urlsplit(person.webhook).hostname or "its address", since)


def all_gone(connection: "Connection[Any]", people: Iterable[Person]) -> list[Gone]:
    """Those of these people whose webhook is gone."""
    found = (gone(connection, one) for one in people)
    return [one for one in found if one is not None]


_WEBHOOK: LiteralString = "channel = 'webhook'"
_GONE: LiteralString = f"""
SELECT max(said.last_attempt) FROM deliveries said
WHERE said.state IN ('refused', 'gave_up') AND said.{_WEBHOOK} AND said.person = %s AND said.answer = %s
    AND NOT EXISTS (SELECT FROM deliveries later WHERE later.state = 'sent' AND later.{_WEBHOOK}
        AND later.person = said.person AND later.last_attempt > said.last_attempt)
"""
