"""Every version of the policy, with the instant from which it is in force and who made it.

The store is the truth: the file that a stack starts with becomes the first version of an empty store, in force from the
beginning of time. Later versions are appended, never changed; a version that is taken back is appended again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from models.policy import BEGINNING, Policies
from models.policy_text import Parsed, parse_dump
from models.store.connecting import connect

_LOCK = 0x52785076


@dataclass(frozen=True, slots=True)
class Version:
    """One version as it was recorded. `effective` None: from the beginning of time."""

    number: int
    version: str
    effective: datetime | None
    author: str
    made: datetime


def begin(database_url: str, first: Parsed, author: str) -> bool:
    """Makes `first` the first version where the store has none yet, and returns whether it did."""
    with connect(database_url, "rxpulse policy") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if connection.execute("SELECT 1 FROM policies LIMIT 1").fetchone():
            return False
        append(connection, first, None, author)
        return True


def append(connection: "Connection[Any]", version: Parsed, effective: datetime | None, author: str) -> None:
    """One version more, in the transaction of `connection`."""
    connection.execute(
        "INSERT INTO policies (version, dump, effective, author) VALUES (%s, %s, %s, %s)",
        [version.policy.version, version.dump, effective, author],
    )


def read_policies(connection: "Connection[Any]", known: Policies | None) -> Policies | None:
    """Every version; None where there are no more than `known` holds. Versions known stay the same objects. Raises
    PolicyFault for a version that this release cannot use."""
    held = 0 if known is None else len(known.versions)
    rows = connection.execute("SELECT dump, effective FROM policies ORDER BY number OFFSET %s", [held]).fetchall()
    if not rows:
        return None
    return _with(known, rows)


def history(connection: "Connection[Any]") -> list[Version]:
    """What was recorded, oldest first."""
    rows = connection.execute("SELECT number, version, effective, author, made FROM policies ORDER BY number")
    return [Version(*row) for row in rows]


def _with(known: Policies | None, rows: Sequence[tuple[str, datetime | None]]) -> Policies:
    effective = [] if known is None else list(known.effective)
    versions = [] if known is None else list(known.versions)
    for dump, since in rows:
        effective.append(since or BEGINNING)
        versions.append(parse_dump(dump))
    return Policies(tuple(effective), tuple(versions))
