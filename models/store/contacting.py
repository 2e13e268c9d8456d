"""Test messages: a person is reached as a page would reach him, by the same hands, and it is written down like one.

Nothing is wrong when it comes: its type and its title say TEST.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from models.escalation import reachable
from models.policy import Channel, Policy
from models.store.messages import Voice
from models.wire import stamp

TYPE = "rx.contact.test"
GIVES_UP = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Tried:
    """How a test message stands: its delivery's state, and what the channel answered (None: nothing yet)."""

    key: str
    channel: str
    state: str
    answer: str | None

    @property
    def ended(self) -> bool:
        return self.state not in ("pending", "sending")


@dataclass(frozen=True, slots=True)
class Test:
    """A test message as lists show it; as Tried. `made` is UTC."""

    person: str
    channel: str
    state: str
    answer: str | None
    made: datetime


def ways(policy: Policy, person: str) -> list[Channel]:
    """The channels by which the policy knows how to reach a person."""
    return [channel for channel in Channel if reachable(policy, person, channel)]


def send_test(
    connection: "Connection[Any]", voice: Voice, policy: Policy, person: str, channels: Iterable[Channel]
) -> list[str]:
    """Has the dispatcher send a test message by each channel; returns the keys of the deliveries."""
    with connection.transaction():
        row = connection.execute("SELECT now()").fetchone()
        assert row is not None
        return [_add(connection, voice, policy, person, channel, row[0]) for channel in channels]


def tried(connection: "Connection[Any]", keys: Iterable[str]) -> list[Tried]:
    """How the test messages with these keys stand, by channel."""
    rows = connection.execute(
        "SELECT key, channel, state, answer FROM deliveries WHERE key = ANY(%s) ORDER BY channel", [list(keys)]
    )
    return [Tried(*row) for row in rows]


def tests(connection: "Connection[Any]", limit: int = 12) -> list[Test]:
    """The latest test messages, newest first."""
    rows = connection.execute(
        "SELECT person, channel, state, answer, made FROM deliveries WHERE escalation = '' AND type = 'test'"
        " ORDER BY made DESC, channel LIMIT %s",
        [limit],
    )
    return [Test(*row) for row in rows]


def _add(
    connection: "Connection[Any]", voice: Voice, policy: Policy, person: str, channel: Channel, now: datetime
) -> str:
    key = secrets.token_hex(16)
    connection.execute(
        "INSERT INTO deliveries (key, escalation, type, loop, step, person, channel, state, made, gives_up, due, message)"
        " VALUES (%s, '', 'test', 0, 0, %s, %s, 'pending', %s, %s, %s, %s)",
        [key, person, channel.value, now, now + GIVES_UP, now, Jsonb(_message(voice, policy, person, key, now))],
    )
    return key


def _message(voice: Voice, policy: Policy, person: str, key: str, now: datetime) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": key,
        "source": "/rxpulse",
        "type": TYPE,
        "time": stamp(now),
        "subject": person,
        "datacontenttype": "application/json",
        "data": {
            **{"escalation": None, "signal": None, "site": None, "late_seconds": None, "step": 0, "loop": 0},
            "title": f"TEST: RxPulse reaches {policy.people[person].name}. Nothing is wrong",
            "person": person,
            "link": f"{voice.public_url}/board",
        },
    }
