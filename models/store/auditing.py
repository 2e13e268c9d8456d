"""Who looked something up, did something, or tried to come in: one line each, never changed and never taken away.

What it was about stands there as a hash: whoever has a case in hand can find out who looked at it, and whoever reads the
list learns no case from it.
"""

from hashlib import sha256
from typing import Any

from psycopg import Connection

_DIGITS = 32


def record(connection: "Connection[Any]", person: str, what: str, ref: str | None = None) -> None:
    """Adds a line. `person` is an account, a person of the policy, or what stands for several; `ref` is what it was
    about."""
    hashed = None if ref is None else ref_of(ref)
    connection.execute("INSERT INTO audit (person, what, ref) VALUES (%s, %s, %s)", [person, what, hashed])


def ref_of(about: str) -> str:
    """What stands in the list for the thing with this id: 32 hexadecimal digits."""
    return sha256(about.encode()).hexdigest()[:_DIGITS]
