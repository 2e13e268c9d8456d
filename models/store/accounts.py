"""Accounts of the console: a name, a password, a role, and the sites that it is bound to.

Of a password only a salted hash is kept, at a cost that makes guessing dear (`passwords`). Ten wrong passwords in a quarter
of an hour close the door to that account for the rest of it; a one-time link still opens.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from models.errors import CallerFault
from models.store import passwords
from models.store.access import Opened, open_session
from models.store.auditing import OPERATOR, record
from models.store.connecting import connect
from models.store.rights import Rights, Role

SHORTEST, LONGEST = 12, 128
"""Characters of a password."""
TRIES = 10
WINDOW = timedelta(minutes=15)
_REFUSED, _LET_IN = "sign-in refused", "sign-in"


@dataclass(frozen=True, slots=True)
class Account:
    """`disabled` None: it may sign in. UTC."""

    name: str
    rights: Rights
    made: datetime
    disabled: datetime | None


@dataclass(frozen=True, slots=True)
class Wrong:
    """No such account, it is disabled, or the password is another."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Too many wrong passwords: try again after so long."""

    after: timedelta


def add(database_url: str, name: str, rights: Rights, password: str, by: str = OPERATOR) -> None:
    """Makes an account. Raises CallerFault for a name that is taken and a password that will not do, DatabaseAway."""
    _check(name, password)
    kept = passwords.keep(password)
    with connect(database_url, "rxpulse user") as connection:
        added = connection.execute(
            "INSERT INTO accounts (name, role, sites, salt, hash, cost) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            [name, rights.role.value, _sites(rights), kept.salt, kept.made, kept.way],
        )
        if added.rowcount == 0:
            raise CallerFault(
                f"there is an account {name} already: `rxpulse user password {name}` gives it another password"
            )
        record(connection, by, "account added", name)


def change_password(database_url: str, name: str, password: str, by: str = OPERATOR) -> None:
    """Gives an account another password, lets it sign in again if it was disabled, and ends its sessions. Raises
    CallerFault, DatabaseAway."""
    _check(name, password)
    kept = passwords.keep(password)
    with connect(database_url, "rxpulse user") as connection:
        changed = connection.execute(
            "UPDATE accounts SET salt = %s, hash = %s, cost = %s, disabled = NULL WHERE name = %s",
            [kept.salt, kept.made, kept.way, name],
        )
        if changed.rowcount == 0:
            raise _no_account(connection, name)
        connection.execute("DELETE FROM sessions WHERE account = %s", [name])
        record(connection, by, "password changed", name)


def change_rights(database_url: str, name: str, rights: Rights, by: str = OPERATOR) -> None:
    """Gives an account another role or other sites, which holds for its open sessions too. Raises CallerFault,
    DatabaseAway."""
    with connect(database_url, "rxpulse user") as connection:
        changed = connection.execute(
            "UPDATE accounts SET role = %s, sites = %s WHERE name = %s", [rights.role.value, _sites(rights), name]
        )
        if changed.rowcount == 0:
            raise _no_account(connection, name)
        record(connection, by, "account changed", name)


def disable(database_url: str, name: str, by: str = OPERATOR) -> bool:
    """Ends an account and its sessions at once, and returns whether it was open. Raises CallerFault, DatabaseAway."""
    with connect(database_url, "rxpulse user") as connection:
        if not connection.execute("SELECT 1 FROM accounts WHERE name = %s", [name]).fetchone():
            raise _no_account(connection, name)
        ended = connection.execute("UPDATE accounts SET disabled = now() WHERE name = %s AND disabled IS NULL", [name])
        connection.execute("DELETE FROM sessions WHERE account = %s", [name])
        record(connection, by, "account disabled", name)
        return ended.rowcount == 1


def listed(connection: "Connection[Any]") -> list[Account]:
    """Every account, by name."""
    rows = connection.execute("SELECT name, role, sites, made, disabled FROM accounts ORDER BY name")
    return [Account(name, rights_of(role, sites), made, disabled) for name, role, sites, made, disabled in rows]


def sign_in(connection: "Connection[Any]", name: str, password: str) -> Opened | Wrong | Closed:
    """Opens a session for an account. It takes as long whether there is such an account or not. Several tries for one
    account go one after the other. A password that is kept otherwise than it would be now is kept anew."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('rxpulse sign-in ' || %s))", [name])
        row = connection.execute("SELECT salt, hash, cost, disabled FROM accounts WHERE name = %s", [name]).fetchone()
        if row is not None and (closed := _closed(connection, name)):
            return closed
        kept = passwords.Kept(*row[:3]) if row else passwords.nobody()
        right, disabled = passwords.fits(kept, password[:LONGEST]), row[3] if row else None
        if row is None or not right or disabled is not None:
            # A name that is none may be a password in the wrong field: it is not kept.
            record(connection, name if row else "", _REFUSED)
            return Wrong()
        if passwords.outdated(kept):
            anew = passwords.keep(password[:LONGEST])
            connection.execute(
                "UPDATE accounts SET salt = %s, hash = %s, cost = %s WHERE name = %s",
                [anew.salt, anew.made, anew.way, name],
            )
        record(connection, name, _LET_IN)
        return open_session(connection, person=name, account=name)


def rights_of(role: str, sites: "list[str] | None") -> Rights:
    """The rights of a row."""
    return Rights(Role(role), None if sites is None else tuple(sites))


def _closed(connection: "Connection[Any]", name: str) -> Closed | None:
    row = connection.execute(
        "SELECT count(*), min(at) + %(window)s - now() FROM audit WHERE person = %(name)s AND what = %(refused)s"
        " AND at > now() - %(window)s AND at > coalesce((SELECT max(at) FROM audit WHERE person = %(name)s"
        " AND what = %(let_in)s), '-infinity')",
        {"window": WINDOW, "name": name, "refused": _REFUSED, "let_in": _LET_IN},
    ).fetchall()[0]
    return Closed(row[1]) if row[0] >= TRIES else None


def _sites(rights: Rights) -> list[str] | None:
    return None if rights.sites is None else list(rights.sites)


def _check(name: str, password: str) -> None:
    if not SHORTEST <= len(password) <= LONGEST:
        raise CallerFault(
            f"the password has {len(password)} characters: give {SHORTEST} to {LONGEST}, such as four words"
        )
    if name.casefold() in password.casefold() and len(password) < SHORTEST + len(name):
        raise CallerFault("the password is little more than the name: give another one")


def _no_account(connection: "Connection[Any]", name: str) -> CallerFault:
    known = ", ".join(one.name for one in listed(connection)) or "none"
    return CallerFault(f"there is no account {name}: there are {known}")
