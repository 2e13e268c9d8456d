"""Every version of the policy, with the instant from which it is in force and who made it.

The store is the truth: the file that a stack starts with becomes the first version of an empty store, in force from the
beginning of time. Later versions are appended, never changed; a version that is taken back is appended again. One takes
effect at a whole minute, far enough ahead that no worker can read an event that it judges without knowing it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from psycopg import Connection

from models.errors import CallerFault, UsageFault
from models.policy import BEGINNING, Policies
from models.policy_text import Fault, Parsed, PolicyFault, parse_dump, read
from models.policy_text.cautions import cautions
from models.policy_text.faults import dotted
from models.store.auditing import record
from models.store.connecting import asking, connect

_LOCK = 0x52785076
AHEAD = timedelta(minutes=6)
"""A new version takes effect this much later at least: `recorded` may run five minutes ahead (`semantics.md` 23)."""


class TooSoon(UsageFault):
    """`earliest` is the first instant from which the version could be in force."""

    def __init__(self, wanted: datetime, earliest: datetime, why: str) -> None:
        super().__init__(f"--effective {_said(wanted)}: {why}; give {_said(earliest)} or a whole minute after it")
        self.earliest = earliest


@dataclass(frozen=True, slots=True)
class Version:
    """One version as it was recorded. `effective` None: from the beginning of time."""

    number: int
    version: str
    effective: datetime | None
    author: str
    made: datetime


@dataclass(frozen=True, slots=True)
class Recorded:
    """All versions, oldest first, as the database's clock read `now`."""

    versions: tuple[Version, ...]
    now: datetime

    @property
    def in_force(self) -> Version:
        """The one that judges what happens now."""
        return [one for one in self.versions if one.effective is None or one.effective <= self.now][-1]

    @property
    def latest(self) -> Version:
        return self.versions[-1]


def begin(database_url: str, first: Parsed, author: str) -> bool:
    """Makes `first` the first version where the store has none yet, and returns whether it did."""
    with connect(database_url, "rxpulse policy") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if connection.execute("SELECT 1 FROM policies LIMIT 1").fetchone():
            return False
        append(connection, first, None, author)
        return True


def enact(
    database_url: str,
    version: Parsed,
    effective: datetime | None,
    author: str,
    *,
    after: int | None = None,
    by: str | None = None,
) -> Version:
    """Records one version more, in force from `effective` on (None: as soon as can be), and in the audit that it was made
    `by` somebody (None: the author). `after`: only if the latest one is still that of this number. Raises TooSoon where
    `effective` is less than six minutes ahead, no whole minute, or before a version already recorded takes effect;
    CallerFault where somebody else was quicker."""
    with connect(database_url, "rxpulse policy") as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        if after is not None and (last := history(connection)[-1]).number != after:
            raise CallerFault(
                f"{last.author} made version {last.number} of the policy meanwhile: look at it, then try again"
            )
        # The transaction began before it waited for the lock: the clock is read again.
        rows = connection.execute("SELECT clock_timestamp(), max(effective) FROM policies").fetchall()
        [(now, latest)] = rows
        since = checked(effective, now, latest)
        append(connection, version, since, author)
        made = history(connection)[-1]
        record(connection, by or author, "policy version", str(made.number))
        return made


def checked(effective: datetime | None, now: datetime, latest: datetime | None) -> datetime:
    """The instant from which a version recorded at `now` is in force; `latest` is when the last one takes effect, None:
    from the beginning. Raises TooSoon."""
    earliest = _whole_minute(now + AHEAD)
    if latest is not None and latest > earliest:
        if effective is not None and effective < latest:
            raise TooSoon(effective, latest, "a version recorded before takes effect after that")
        earliest = latest
    if effective is None:
        return earliest
    if effective < earliest:
        raise TooSoon(effective, earliest, "that is less than 6 minutes ahead, and events of then may be under way")
    if effective != _whole_minute(effective):
        raise TooSoon(effective, _whole_minute(effective), "that is no whole minute")
    return effective


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


def recorded(database_url: str) -> Recorded | None:
    """All versions; None where the store holds none, or no tables. Raises DatabaseAway."""
    with asking(database_url, "rxpulse policy") as connection:
        there = connection.execute("SELECT to_regclass('policies'), now()").fetchone()
        assert there is not None
        versions = history(connection) if there[0] is not None else []
        return Recorded(tuple(versions), there[1]) if versions else None


def latest(connection: "Connection[Any]") -> Version | None:
    """The version recorded last; None where there is none."""
    row = connection.execute(
        "SELECT number, version, effective, author, made FROM policies ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return None if row is None else Version(*row)


def file_differs(file: Path, last: Version) -> str | None:
    """A sentence with the remedy where a file is another policy than the version recorded last, which is what holds."""
    try:
        if read(file).policy.version == last.version:
            return None
    except PolicyFault as fault:
        return f"{file} cannot be used ({len(fault.faults)} faults): `rxpulse policy check` names them"
    return (
        f"{file} differs from version {last.number} of the policy, which is in the store and holds:"
        f" `rxpulse policy apply {file}` makes it the next version"
    )


def stored(database_url: str, number: int) -> Parsed:
    """The version of that number. Raises UsageFault where there is none."""
    with asking(database_url, "rxpulse policy") as connection:
        row = connection.execute("SELECT dump FROM policies WHERE number = %s", [number]).fetchone()
    if row is None:
        raise UsageFault(f"there is no version {number} of the policy: `rxpulse policy history` lists them")
    policy, file = parse_dump(row[0]), f"version {number}"
    found = tuple(Fault(file, None, dotted(path), message) for path, message in cautions(policy))
    return Parsed(policy=policy, dump=row[0], cautions=found)


def _with(known: Policies | None, rows: Sequence[tuple[str, datetime | None]]) -> Policies:
    effective = [] if known is None else list(known.effective)
    versions = [] if known is None else list(known.versions)
    for dump, since in rows:
        effective.append(since or BEGINNING)
        versions.append(parse_dump(dump))
    return Policies(tuple(effective), tuple(versions))


def _whole_minute(instant: datetime) -> datetime:
    """The first whole minute at or after an instant."""
    cut = instant.replace(second=0, microsecond=0)
    return cut if cut == instant else cut + timedelta(minutes=1)


def _said(instant: datetime) -> str:
    return (
        instant.astimezone(UTC).isoformat(timespec="minutes" if not instant.second else "auto").replace("+00:00", "Z")
    )
