"""Makes the roles and databases of a PostgreSQL, where they are missing.

Each database belongs to a role of its own, which has no other right in the server, and nobody else may connect to it: but
one that only reads, and that only the views made for dashboards, which name no case and no person.
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


@dataclass(frozen=True, slots=True)
class Reader:
    """A role that reads the views of `database`, with at most `connections` at once."""

    name: str
    password: Secret = field(repr=False)
    database: str
    connections: int


def provision(admin_url: str, owners: Iterable[Owner], reader: Reader | None = None) -> None:
    """Makes what is missing, as the administrator of `admin_url`; what is there is left as it is, but the reader gets the
    password given. Raises DatabaseAway."""
    with connect(admin_url, "rxpulse provision", autocommit=True) as connection:
        for owner in owners:
            _ensure_role(connection, owner.name, owner.password)
            _ensure_database(connection, owner.name)
        if reader:
            _ensure_reader(connection, reader)


def let_read(database_url: str, name: str) -> bool:
    """Lets the role `name` read the views, as the owner of the database does; returns whether there is such a role.
    Raises DatabaseAway."""
    with connect(database_url, "rxpulse migrate") as connection:
        if not _known(connection, name):
            return False
        role = sql.Identifier(name)
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA grafana TO {}").format(role))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA grafana TO {}").format(role))
    return True


def _known(connection: "Connection[Any]", name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone() is not None


def _ensure_role(connection: "Connection[Any]", name: str, password: Secret) -> None:
    if not _known(connection, name):
        create = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}")
        connection.execute(create.format(sql.Identifier(name), sql.Literal(str(password))))


def _ensure_reader(connection: "Connection[Any]", reader: Reader) -> None:
    _ensure_role(connection, reader.name, reader.password)
    role, database = sql.Identifier(reader.name), sql.Identifier(reader.database)
    for statement in (
        sql.SQL("ALTER ROLE {} PASSWORD {} CONNECTION LIMIT {}").format(
            role, sql.Literal(str(reader.password)), sql.Literal(reader.connections)
        ),
        # A dashboard that asks for years must not hold the store up.
        sql.SQL("ALTER ROLE {} SET statement_timeout = '20s'").format(role),
        sql.SQL("ALTER ROLE {} SET default_transaction_read_only = on").format(role),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role),
    ):
        connection.execute(statement)


def _ensure_database(connection: "Connection[Any]", name: str) -> None:
    database = sql.Identifier(name)
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, database))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
