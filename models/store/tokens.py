"""Keys that feeds and scripts bring along: each reads the console at its sites, and sends events of its sources there.

A token is a random number of 256 bits with a prefix that a search for leaked secrets can find. It is given out once and
only its hash is kept, so that whoever reads the database can use none. A name stands for one token for good: what it did
stays its own, even when it is taken back.
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from psycopg import Connection

from models.errors import CallerFault
from models.event import Site, Source
from models.store.auditing import OPERATOR, record
from models.store.connecting import connect

PREFIX = "rxp_"


@dataclass(frozen=True, slots=True)
class Token:
    """What a token may do: read the console at its `sites`, and send events of its `sources` there, where it has any."""

    name: str
    sources: frozenset[Source]
    sites: frozenset[Site]

    def may_send(self, source: Source, site: Site) -> bool:
        return source in self.sources and site in self.sites


@dataclass(frozen=True, slots=True)
class Kept:
    """A token as it is kept. UTC; `revoked` None: it is good."""

    token: Token
    made: datetime
    revoked: datetime | None


def add(database_url: str, token: Token, by: str = OPERATOR) -> str:
    """Keeps a new token and returns its text, which nobody can ask for again. Raises CallerFault for a name that was
    given before, DatabaseAway."""
    text = PREFIX + secrets.token_urlsafe(32)
    with connect(database_url, "rxpulse token") as connection:
        added = connection.execute(
            "INSERT INTO tokens (name, hash, sources, sites) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [token.name, hashed(text), sorted(token.sources), sorted(token.sites)],
        )
        if added.rowcount == 0:
            raise CallerFault(f"a token was called {token.name} before: choose another name")
        record(connection, by, "token added", token.name)
    return text


def revoke(database_url: str, name: str, by: str = OPERATOR) -> bool:
    """Takes a token back, and returns whether it was still good. Raises CallerFault for an unknown name, DatabaseAway."""
    with connect(database_url, "rxpulse token") as connection:
        if connection.execute("SELECT 1 FROM tokens WHERE name = %s", [name]).fetchone() is None:
            raise CallerFault(f"no token is called {name}: there are {', '.join(_names(connection)) or 'none'}")
        taken = connection.execute("UPDATE tokens SET revoked = now() WHERE name = %s AND revoked IS NULL", [name])
        record(connection, by, "token revoked", name)
        return taken.rowcount == 1


def listed(connection: "Connection[Any]") -> list[Kept]:
    """Every token that was ever given out, by name."""
    rows = connection.execute("SELECT name, sources, sites, made, revoked FROM tokens ORDER BY name")
    return [
        Kept(Token(name, _sources(sources), frozenset(map(Site, sites))), made, revoked)
        for name, sources, sites, made, revoked in rows
    ]


def standing(connection: "Connection[Any]") -> Mapping[str, Token]:
    """Every token that is good, by its hash."""
    rows = connection.execute("SELECT hash, name, sources, sites FROM tokens WHERE revoked IS NULL")
    return {key: Token(name, _sources(sources), frozenset(map(Site, sites))) for key, name, sources, sites in rows}


def hashed(text: str) -> str:
    """The form in which a token is kept and looked up. A plain hash is enough: the token itself cannot be guessed."""
    return sha256(text.encode()).hexdigest()


def _sources(named: Iterable[str]) -> frozenset[Source]:
    return frozenset(map(Source, named))


def _names(connection: "Connection[Any]") -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM tokens WHERE revoked IS NULL ORDER BY name")]
