"""The links in messages as the store keeps them: the secret that signs them, and which were used.

Whoever follows a link is shown what it is about and asked; only his answer takes the escalation on, once. Programs that
open every link in a mail change nothing.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, Rollback

from models.links import Link, LinkFault, read
from models.policy import Severity
from models.store.answering import Over, Standing, Unknown, acknowledge
from models.store.auditing import record
from models.store.briefs import Brief, brief_of

_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Spent:
    """The link to this escalation was used at `used` (UTC); it works once."""

    escalation: str
    used: datetime


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link offers: `person` may take `escalation` on, which is titled `title` and stands in `state`, held by
    `acknowledged_by` (None: nobody). `site` is where it belongs, None for several; `severity` is S1 to S4; `work` says
    what its case is."""

    escalation: str
    person: str
    title: str
    site: str | None
    state: str
    acknowledged_by: str | None
    kind: str
    name: str
    severity: str
    work: Brief | None


def signing_key(connection: "Connection[Any]") -> bytes:
    """The secret that signs links, made by whoever asks first."""
    connection.execute(
        "INSERT INTO signing_key (seat, secret) VALUES (1, %s) ON CONFLICT DO NOTHING", [secrets.token_bytes(_LENGTH)]
    )
    row = connection.execute("SELECT secret FROM signing_key").fetchone()
    assert row is not None
    return row[0]


def offer(connection: "Connection[Any]", token: str) -> Offer | LinkFault | Spent | Unknown:
    """What the link with this token offers, or why it opens nothing. Changes nothing."""
    link = _read(connection, token)
    if isinstance(link, LinkFault):
        return link
    used = connection.execute("SELECT used FROM used_links WHERE nonce = %s", [link.nonce]).fetchone()
    if used is not None:
        return Spent(link.escalation, used[0])
    row = connection.execute(
        "SELECT case_id, title, about->>'site', state, acknowledged_by, kind, name, severity FROM escalations"
        " WHERE id = %s",
        [link.escalation],
    ).fetchone()
    if row is None:
        return Unknown()
    case, *about, severity = row
    with connection.cursor() as cursor:
        work = brief_of(cursor, case)
    return Offer(link.escalation, link.person, *about, severity=Severity(severity).name, work=work)


def acknowledge_by_link(
    connection: "Connection[Any]", token: str, note: str = ""
) -> Standing | Over | Unknown | LinkFault | Spent:
    """The person of the link takes its escalation on, as it now stands; a link does so once. One whose escalation is over
    is not used up."""
    link = _read(connection, token)
    if isinstance(link, LinkFault):
        return link
    with connection.transaction() as transaction:
        # What ran out is refused by its own date; there is no need to remember it.
        connection.execute("DELETE FROM used_links WHERE expires < now()")
        used = connection.execute(
            "INSERT INTO used_links (nonce, expires) VALUES (%s, %s) ON CONFLICT DO NOTHING", [link.nonce, link.expires]
        )
        if used.rowcount == 0:
            row = connection.execute("SELECT used FROM used_links WHERE nonce = %s", [link.nonce]).fetchone()
            assert row is not None
            return Spent(link.escalation, row[0])
        answer = acknowledge(connection, link.escalation, link.person, note)
        if not isinstance(answer, Standing):
            raise Rollback(transaction)
        record(connection, link.person, "acknowledge by link", link.escalation)
    return answer


def _read(connection: "Connection[Any]", token: str) -> Link | LinkFault:
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    return read(signing_key(connection), token, row[0])
