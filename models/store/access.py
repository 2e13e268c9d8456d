"""Who may come in: links that sign in once, and the sessions that they open.

A link or a cookie is a random number of 256 bits; only its hash is kept, so that whoever reads the database can neither
use a link nor take over a session. A link works once and for half an hour; a session ends after twelve idle hours, and
after twenty-four in any case. All of it goes by the clock of the database.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from psycopg import Connection

from models.store.connecting import connect
from models.store.rights import Rights, Role

LINK_HOLDS = timedelta(minutes=30)
IDLE = timedelta(hours=12)
LONGEST = timedelta(hours=24)
_SEEN_EVERY = timedelta(minutes=1)
_KEPT = timedelta(days=7)
"""How long used and expired links and sessions are kept, to be looked at."""


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in. `person` is a person of the policy, empty where nobody said who it is; `csrf` stands in every
    form of this session; `expires` (UTC) is its end however busy it is."""

    person: str
    csrf: str
    expires: datetime
    rights: Rights


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that begins, and the cookie that is its key: it is given out here and never again."""

    cookie: str
    session: Session


def mint_first_link(database_url: str, public_url: str) -> str:
    """An address `{public_url}/enter?link=…` that signs in once, within LINK_HOLDS. Raises DatabaseAway."""
    token = secrets.token_urlsafe(32)
    with connect(database_url, "rxpulse sign-in") as connection:
        connection.execute("DELETE FROM links WHERE expires < now() - %s", [_KEPT])
        connection.execute("INSERT INTO links (hash, expires) VALUES (%s, now() + %s)", [_hash(token), LINK_HOLDS])
    return f"{public_url.rstrip('/')}/enter?{urlencode({'link': token})}"


def link_holds(connection: "Connection[Any]", token: str) -> bool:
    """Whether a link would sign in now; it is not used up by asking."""
    asked = "SELECT 1 FROM links WHERE hash = %s AND used IS NULL AND expires > now()"
    return connection.execute(asked, [_hash(token)]).fetchone() is not None


def enter(connection: "Connection[Any]", token: str, person: str = "") -> Opened | None:
    """Uses a link up and opens a session, in the transaction of `connection`; None for a link that is used, over or none
    of ours. Of two that use it at once, one gets in. Who says who he is has the machine's word for it and may do
    everything; a screen that several people use may respond."""
    using = "UPDATE links SET used = now() WHERE hash = %s AND used IS NULL AND expires > now()"
    if connection.execute(using, [_hash(token)]).rowcount == 0:
        return None
    return open_session(connection, person, role=Role.ADMIN if person else Role.RESPONDER)


def open_session(
    connection: "Connection[Any]", person: str, *, account: str | None = None, role: Role | None = None
) -> Opened:
    """A new session of an account, or with a role of its own."""
    connection.execute("DELETE FROM sessions WHERE expires < now() - %s", [_KEPT])
    cookie, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    connection.execute(
        "INSERT INTO sessions (hash, person, csrf, expires, account, role) VALUES (%s, %s, %s, now() + %s, %s, %s)",
        [_hash(cookie), person, csrf, LONGEST, account, None if role is None else role.value],
    )
    opened = session(connection, cookie)
    assert opened is not None
    return Opened(cookie, opened)


def session(connection: "Connection[Any]", cookie: str, *, touch: bool = True) -> Session | None:
    """The session of a cookie; None where it is over, its account disabled, or none of ours. With `touch` it counts as busy
    from now. What it may do is what its account says now."""
    row = connection.execute(
        "SELECT s.person, s.csrf, s.expires, coalesce(a.role, s.role), a.sites, now() - s.seen > %s FROM sessions s"
        " LEFT JOIN accounts a ON a.name = s.account WHERE s.hash = %s AND s.expires > now() AND s.seen > now() - %s"
        " AND (s.account IS NULL OR (a.name IS NOT NULL AND a.disabled IS NULL))",
        [_SEEN_EVERY, _hash(cookie), IDLE],
    ).fetchone()
    if row is None:
        return None
    person, csrf, expires, role, sites, stale = row
    if touch and stale:
        connection.execute("UPDATE sessions SET seen = now() WHERE hash = %s", [_hash(cookie)])
    return Session(person, csrf, expires, Rights(Role(role), None if sites is None else tuple(sites)))


def leave(connection: "Connection[Any]", cookie: str) -> None:
    """Ends a session; its cookie is worth nothing from now on."""
    connection.execute("DELETE FROM sessions WHERE hash = %s", [_hash(cookie)])


def _hash(token: str) -> str:
    return sha256(token.encode()).hexdigest()
