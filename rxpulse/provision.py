"""Makes the roles and databases of the stack's own PostgreSQL, where they are missing.

Each database belongs to a role of its own, which has no other right in the server, and nobody else may connect to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import asyncpg

from models.settings import Secret


@dataclass(frozen=True, slots=True)
class Owner:
    """A role and the database of the same name that it owns."""

    name: str
    password: Secret = field(repr=False)


async def provision(host: str, port: int, admin: str, password: Secret, owners: Iterable[Owner]) -> None:
    """Logs in as `admin` and makes what is missing; what is there is left as it is. Raises OSError or
    asyncpg.PostgresError."""
    # asyncpg takes exactly str, no subclass.
    connection = await asyncpg.connect(host=host, port=port, user=admin, password=str(password), database="postgres")
    try:
        for owner in owners:
            await _ensure_role(connection, owner)
            await _ensure_database(connection, owner.name)
    finally:
        await connection.close()


async def _ensure_role(connection: asyncpg.Connection, owner: Owner) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", owner.name):
        create = "SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)"
        await connection.execute(await connection.fetchval(create, owner.name, str(owner.password)))


async def _ensure_database(connection: asyncpg.Connection, name: str) -> None:
    if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        create = "SELECT format('CREATE DATABASE %I OWNER %I', $1::text, $1::text)"
        await connection.execute(await connection.fetchval(create, name))
    await connection.execute(
        await connection.fetchval("SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', $1::text)", name)
    )
