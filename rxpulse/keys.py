"""The secrets of a one-machine stack, made on its first start and kept in its home for good.

Each lies in a file of its own below `keys/`, readable by its owner alone, and is never overwritten. The passwords of
the database and of Prefect open nothing outside this home. The pseudonym key is different: from it come the
pseudonyms of cases and people, so whoever loses it can no longer tell that tomorrow's order is the one of today, and
nobody can make it again. Keep a copy of `keys/pseudonym.key` apart from the data, as safe as the data.
"""

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import CallerFault
from models.settings import Secret

FOLDER = "keys"
API_KEY = "api.key"
PSEUDONYM_KEY = "pseudonym.key"
PREFECT_AUTH = "prefect.auth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What the home holds: `admin`, `owner`, `prefect` and `reader` are passwords of PostgreSQL's roles; `prefect_auth`
    is user:password."""

    folder: Path
    api: Secret = field(repr=False)
    pseudonym: Secret = field(repr=False)
    admin: Secret = field(repr=False)
    owner: Secret = field(repr=False)
    prefect: Secret = field(repr=False)
    reader: Secret = field(repr=False)
    prefect_auth: Secret = field(repr=False)


def ensure(home: Path) -> Keys:
    """The keys of `home`; makes those that are not there yet. Raises CallerFault for one that cannot be read."""
    folder = home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return Keys(
        folder=folder,
        api=_kept(folder / API_KEY, lambda: secrets.token_urlsafe(32)),
        pseudonym=_kept(folder / PSEUDONYM_KEY, lambda: secrets.token_hex(32)),
        admin=_kept(folder / "postgres-admin.password", lambda: secrets.token_urlsafe(24)),
        owner=_kept(folder / "postgres-rxpulse.password", lambda: secrets.token_urlsafe(24)),
        prefect=_kept(folder / "postgres-prefect.password", lambda: secrets.token_urlsafe(24)),
        reader=_kept(folder / "postgres-reader.password", lambda: secrets.token_urlsafe(24)),
        prefect_auth=_kept(folder / PREFECT_AUTH, lambda: f"rxpulse:{secrets.token_urlsafe(24)}"),
    )


def pseudonym_of(home: Path) -> Secret | None:
    """The key for pseudonyms of the stack that runs or last ran in `home`; None where there never was one. Raises
    CallerFault for one that cannot be read."""
    path = home / FOLDER / PSEUDONYM_KEY
    try:
        known = path.exists()
    except OSError as error:
        raise CallerFault(f"{path} cannot be read ({error.strerror}): run this as the user who started it") from error
    return _read(path) if known else None


def _kept(path: Path, make: Callable[[], str]) -> Secret:
    if not path.exists():
        write_new(path, make())
    return _read(path)


def _read(path: Path) -> Secret:
    try:
        value = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CallerFault(f"{path} cannot be read ({error}): start the stack as the user who made it") from error
    if not value:
        raise CallerFault(f"{path} is empty: put its copy back; for a new home, `rxpulse reset`")
    return Secret(value)


def write_new(path: Path, value: str) -> None:
    """The whole file appears at once, or not at all; one that is there stays."""
    half = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(value + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(half, path)
    finally:
        half.unlink()
