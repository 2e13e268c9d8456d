"""Makes the roles and databases of the stack's own PostgreSQL, where they are missing.

Each database belongs to a role of its own, which has no other right in the server, and nobody else may connect to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection, sql

from models.settings import Secret
from models.store.connecting import connect


@dataclass(frozen=True, slots=True)
class Owner:
    """A role and the database of the same name that it owns."""

    name: str
    password: Secret = field(repr=False)


def provision(admin_url: str, owners: Iterable[Owner]) -> None:
    """Makes what is missing, as the administrator of `admin_url`; what is there is left as it is. Raises DatabaseAway."""
    with connect(admin_url, "rxpulse provision", autocommit=True) as connection:
        for owner in owners:
            _ensure_role(connection, owner)
            _ensure_database(connection, owner.name)


def _ensure_role(connection: "Connection[Any]", owner: Owner) -> None:
    if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [owner.name]).fetchone() is None:
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        connection.execute(create.format(sql.Identifier(owner.name), sql.Literal(str(owner.password))))


def _ensure_database(connection: "Connection[Any]", name: str) -> None:
    database = sql.Identifier(name)
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, database))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
