"""Messages on their way: who takes which to send, and how it ended.

A delivery is taken under a lease: whoever takes it and dies gives it back when the lease is over, and it goes out again
under the same key, by which the receiver tells a repetition. A channel that asks for patience is tried again; one that
refuses, or stays away until the delivery gives up, ends it, and the escalation goes on to whoever comes next. So does one
over which several senders died, and whose time to give up has come: it is not taken once more.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection, Cursor
from psycopg.types.json import Jsonb

from models.escalation import EscalationId, Outcome, Settled, to_row

LEASE = timedelta(seconds=20)
"""A delivery that was taken and not answered for is taken again after this."""
_NOBODY_SAID = "gave up: whoever sent it stopped before an answer was written down"
_ABANDONED: LiteralString = "state = 'sending' AND gives_up <= now() AND attempts >= 3"
"""Nobody answers for it, and it may be what ended those who sent it. A first sender may have been ended by anything."""
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=1), timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Taken:
    """One delivery to send now. `attempt` counts from 1."""

    key: str
    escalation: EscalationId
    person: str
    channel: str
    attempt: int
    message: dict[str, Any]


def take(connection: "Connection[Any]", limit: int = 20) -> list[Taken]:
    """Takes deliveries that are due, under a lease. Ends those over which several senders died and whose time to give up has
    come; what was never taken, or once, goes out however late it is."""
    _end_abandoned(connection, limit)
    with connection.transaction():
        rows = connection.execute(
            "UPDATE deliveries d SET state = 'sending', attempts = attempts + 1, due = now() + %s, last_attempt = now(),"
            " first_attempt = coalesce(first_attempt, now()) FROM (SELECT key FROM deliveries WHERE due <= now()"
            f" AND NOT ({_ABANDONED}) ORDER BY due, key LIMIT %s FOR UPDATE SKIP LOCKED) due"
            " WHERE d.key = due.key"
            " RETURNING d.key, d.escalation, d.person, d.channel, d.attempts, d.message",
            [LEASE, limit],
        ).fetchall()
    return [Taken(key, EscalationId(escalation), *rest) for key, escalation, *rest in rows]


def accepted(connection: "Connection[Any]", key: str, answer: str) -> None:
    """The receiver took it."""
    _end(connection, key, Outcome.SENT, answer)


def refused(connection: "Connection[Any]", key: str, answer: str) -> None:
    """The receiver never will."""
    _end(connection, key, Outcome.REFUSED, answer)


def try_again(connection: "Connection[Any]", key: str, attempt: int, answer: str, after: timedelta | None) -> None:
    """The receiver asks for patience (`after`; None: as long as is usual), or did not answer to this attempt. Nothing where
    somebody else has taken it since, as after a lease that was over: what became of it is his to say."""
    with connection.transaction(), connection.cursor() as cursor:
        escalation, now = _locked(cursor, key)
        cursor.execute(
            "SELECT gives_up FROM deliveries WHERE key = %s AND state = 'sending' AND attempts = %s FOR UPDATE",
            [key, attempt],
        )
        row = cursor.fetchone()
        if row is None:
            return
        due = now + (after if after is not None else back_off(attempt))
        if due >= row[0]:
            _settle(cursor, escalation, key, Outcome.GAVE_UP, answer, now)
        else:
            cursor.execute(
                "UPDATE deliveries SET state = 'pending', due = %s, answer = %s WHERE key = %s",
                [due, _kept(answer), key],
            )


def _kept(answer: str) -> str:
    """As much of an answer as is kept. PostgreSQL keeps no NUL."""
    return answer[:500].replace("\0", " ")


def back_off(attempts: int) -> timedelta:
    """How long to wait after so many attempts: 1, 2, 4 s and so on, at most 30."""
    return min(_FIRST_WAIT * 2 ** min(attempts - 1, 10), _LONGEST_WAIT)


def _end_abandoned(connection: "Connection[Any]", limit: int) -> None:
    abandoned = connection.execute(
        f"SELECT key FROM deliveries WHERE due <= now() AND {_ABANDONED} ORDER BY due, key LIMIT %s", [limit]
    )
    for (key,) in abandoned.fetchall():
        _end(connection, key, Outcome.GAVE_UP, _NOBODY_SAID)


def _end(connection: "Connection[Any]", key: str, outcome: Outcome, answer: str) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        escalation, now = _locked(cursor, key)
        _settle(cursor, escalation, key, outcome, answer, now)


def _locked(cursor: "Cursor[Any]", key: str) -> tuple[EscalationId | None, datetime]:
    """The escalation of a delivery, locked before anything of it is touched, as everywhere; None for a test message."""
    cursor.execute(
        "SELECT e.id, now() FROM escalations e JOIN deliveries d ON d.escalation = e.id WHERE d.key = %s FOR UPDATE OF e",
        [key],
    )
    row = cursor.fetchone()
    if row is not None:
        return EscalationId(row[0]), row[1]
    cursor.execute("SELECT now()")
    now = cursor.fetchone()
    assert now is not None
    return None, now[0]


def _settle(
    cursor: "Cursor[Any]", escalation: EscalationId | None, key: str, outcome: Outcome, answer: str, now: datetime
) -> None:
    """Ends a delivery; its escalation hears of it and decides what follows."""
    cursor.execute(
        "UPDATE deliveries SET state = %s, due = NULL, answer = %s WHERE key = %s AND state IN ('pending', 'sending')",
        [outcome.value, _kept(answer), key],
    )
    if escalation is None or cursor.rowcount == 0:
        return
    entry = to_row(Settled(at=now, key=key, outcome=outcome))
    cursor.execute(
        "INSERT INTO escalation_entries (escalation, number, at, entry) SELECT %s, coalesce(max(number), 0) + 1, %s, %s"
        " FROM escalation_entries WHERE escalation = %s",
        [escalation, now, Jsonb(entry), escalation],
    )
    cursor.execute("UPDATE escalations SET due = %s WHERE id = %s", [now, escalation])
