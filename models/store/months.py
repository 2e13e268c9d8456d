"""The months in which turnaround times lie, as PostgreSQL keeps them: each a partition of the table of intervals.

What lies in no month lies in the rest, so that a worker never waits for a month to be made. Months are made, and leave, a
moment at a time: whoever is at work goes first, and is asked again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import sleep
from typing import Any, LiteralString

from psycopg import Connection, sql
from psycopg.errors import DeadlockDetected, LockNotAvailable

from models.errors import CallerFault
from models.keeping import Month, horizon, to_leave, to_make
from models.store.auditing import record
from models.store.connecting import asking, connect

LEFT = "turnaround times of a month left"
"""What the audit calls it; it is about the month, such as `2023-11`."""
WHO = "housekeeping"
_NAME = "rxpulse housekeeping"
TRIES, APART = 20, 1.0
"""How often a free moment is looked for, and the seconds in between, in which whoever waited behind goes on."""
_FEW = 10_000
"""With fewer rows any plan will do."""
_WAIT: LiteralString = "SET LOCAL lock_timeout = '200ms'"
"""Shorter than anybody notices who waits behind it."""


@dataclass(frozen=True, slots=True)
class Drawer:
    """A month and about how many rows it holds, as the database last counted them."""

    month: Month
    rows: int


@dataclass(frozen=True, slots=True)
class Kept:
    """As of the database's `now`. `since`: from when on turnaround times are kept, None: from the beginning on. `done` is
    when housekeeping was done last, None: never. `months` are in order; `rest` counts, by month, the rows that lie in none.
    `counted` is how many rows there were when the database last looked at all months together, -1: never. `newest` is the
    last month that holds a row, None: none does. All instants are UTC."""

    now: datetime
    since: datetime | None
    done: datetime | None
    months: tuple[Drawer, ...]
    rest: dict[Month, int]
    counted: int = -1
    newest: Month | None = None

    @property
    def missing(self) -> list[Month]:
        """The months that are to be made."""
        return to_make([one.month for one in self.months], self.rest.keys(), self.now, self.since)

    @property
    def outgrown(self) -> bool:
        """Whether the database plans questions by a picture of far fewer rows than there are."""
        rows = sum(one.rows for one in self.months) + sum(self.rest.values())
        return rows > max(2 * self.counted, _FEW)

    def horizon(self, keep: timedelta | None) -> datetime | None:
        """From when on turnaround times would be kept if housekeeping were done now; None: all are. A clock that runs years
        ahead must not let go what cannot come back, so it counts no further than the last month in which something happened."""
        by = self.now if self.newest is None else min(self.now, self.newest.ends)
        return horizon(by, keep, self.since)

    def leaving(self, keep: timedelta | None) -> list[Drawer]:
        """The months that would leave if housekeeping were done now."""
        gone = set(to_leave([one.month for one in self.months], self.horizon(keep)))
        return [one for one in self.months if one.month in gone]


def kept(connection: "Connection[Any]") -> Kept:
    """How the months stand."""
    now, since, done, counted = connection.execute(_SEAT).fetchall()[0]
    drawers = _drawers(connection)
    return Kept(now, since, done, drawers, _rest(connection), counted, _newest(connection, drawers))


def kept_since(connection: "Connection[Any]") -> datetime | None:
    """From when on (UTC) turnaround times are kept; None: from the beginning on."""
    [since] = connection.execute("SELECT since FROM housekeeping").fetchone() or (None,)
    return since


def look(database_url: str) -> Kept | None:
    """How the months stand; None where the database has no tables yet. Raises DatabaseAway."""
    with asking(database_url, _NAME) as connection:
        there = connection.execute("SELECT to_regclass('housekeeping') IS NOT NULL").fetchone()
        return kept(connection) if there and there[0] else None


def make_months(database_url: str) -> list[Month]:
    """Makes the months that are missing, and brings the rows of the rest that belong there; returns those made. Needs the
    owner of the tables. Raises CallerFault where they are in use for half a minute, DatabaseAway."""
    with connect(database_url, _NAME) as connection:
        missing = kept(connection).missing
        connection.rollback()
        for month in missing:
            _at_a_free_moment(connection, lambda month=month: _make(connection, month))
    return missing


def let_leave(database_url: str, keep: timedelta | None) -> list[Month]:
    """Lets the months leave that are older than `keep` (None: none), with an audit line each, and notes that housekeeping
    was done; returns them. As `make_months`."""
    with connect(database_url, _NAME) as connection:
        now = kept(connection)
        connection.rollback()
        gone = [one.month for one in now.leaving(keep)]
        _at_a_free_moment(connection, lambda: _leave(connection, gone, now, now.horizon(keep)))
    return gone


def count_again(database_url: str) -> None:
    """Has the database look at all months together. It does so by itself for each of them, never for the whole, and plans
    questions for the whole by what it saw last. Needs the owner of the tables. Raises DatabaseAway."""
    with connect(database_url, _NAME) as connection:
        connection.execute("ANALYZE (SKIP_LOCKED) intervals")


def _drawers(connection: "Connection[Any]") -> tuple[Drawer, ...]:
    found = (
        (Month.parse(name.removeprefix("intervals_")), rows)
        for name, rows in connection.execute(_PARTITIONS).fetchall()
    )
    return tuple(sorted((Drawer(month, rows) for month, rows in found if month), key=lambda one: one.month))


def _newest(connection: "Connection[Any]", drawers: Sequence[Drawer]) -> Month | None:
    for drawer in reversed(drawers):
        if connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(_table(drawer.month))).rowcount:
            return drawer.month
    return None


def _rest(connection: "Connection[Any]") -> dict[Month, int]:
    return {Month.of(month): rows for month, rows in connection.execute(_RESTING).fetchall()}


def _at_a_free_moment(connection: "Connection[Any]", do: Callable[[], None]) -> None:
    for _ in range(TRIES):
        try:
            with connection.transaction():
                connection.execute(_WAIT)
                # One at a time: the role's start, its schedule and an upgrade may come together.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('rxpulse housekeeping'))")
                do()
                return
        except (LockNotAvailable, DeadlockDetected):
            sleep(APART)
    raise CallerFault("the table of turnaround times is in use all the time (an export?): it is tried again later")


def _make(connection: "Connection[Any]", month: Month) -> None:
    """Made beside the table and then put in. Whoever writes waits outside meanwhile: a row that was on its way to the rest
    would be refused there, once its month is somewhere else."""
    table = _table(month)
    if connection.execute("SELECT to_regclass(%s)", [f"months.{_name(month)}"]).fetchone() != (None,):
        return
    connection.execute("LOCK TABLE ONLY intervals IN SHARE ROW EXCLUSIVE MODE")
    connection.execute("LOCK TABLE months.intervals_rest IN ACCESS EXCLUSIVE MODE")
    connection.execute(sql.SQL("CREATE TABLE {} (LIKE intervals)").format(table))
    moved = sql.SQL("WITH moved AS (DELETE FROM months.intervals_rest WHERE {} RETURNING *) INSERT INTO {} TABLE moved")
    connection.execute(moved.format(_within(month), table))
    attach = sql.SQL("ALTER TABLE intervals ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
    connection.execute(attach.format(table, sql.Literal(month.begins), sql.Literal(month.ends)))


def _leave(connection: "Connection[Any]", gone: Sequence[Month], was: Kept, since: datetime | None) -> None:
    late = 0
    if since is not None:
        _take_along(connection, since)
        late = connection.execute("DELETE FROM months.intervals_rest WHERE stopped < %s", [since]).rowcount
    for month in gone:
        # Not CONCURRENTLY: PostgreSQL does that only for tables without a rest.
        connection.execute(sql.SQL("ALTER TABLE intervals DETACH PARTITION {}").format(_table(month)))
        connection.execute(sql.SQL("DROP TABLE {}").format(_table(month)))
        record(connection, WHO, LEFT, month.label)
    # Where nothing has left, nothing is said to have.
    connection.execute(_DONE, [since if gone or late else was.since])


def _take_along(connection: "Connection[Any]", since: datetime) -> None:
    """What late evidence moved into the time that leaves takes along what it put right: else the reading that was wrong
    would count again."""
    moved = connection.execute(_MOVED, {"since": since}).fetchall()
    for site, name, revision in moved:
        connection.execute(
            "DELETE FROM intervals WHERE stopped >= %s AND site = %s AND id = %s AND revision < %s",
            [since, site, name, revision],
        )


def _name(month: Month) -> str:
    return f"intervals_{month.label.replace('-', '_')}"


def _table(month: Month) -> sql.Identifier:
    return sql.Identifier("months", _name(month))


def _within(month: Month) -> sql.Composed:
    bounds = sql.SQL("stopped >= {} AND stopped < {}")
    return bounds.format(sql.Literal(month.begins), sql.Literal(month.ends))


_PARTITIONS: LiteralString = """
SELECT c.relname, greatest(c.reltuples, 0)::int8 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = 'intervals'::regclass
"""
_SEAT: LiteralString = """
SELECT now(), since, done, (SELECT reltuples::int8 FROM pg_class WHERE oid = 'intervals'::regclass)
FROM (SELECT) one LEFT JOIN housekeeping ON true
"""
_RESTING: LiteralString = """
SELECT date_trunc('month', stopped, 'UTC'), count(*) FROM months.intervals_rest GROUP BY 1
"""
# Of those that leave, the revisions whose predecessor does not lie in the same stretch of time.
_MOVED: LiteralString = """
SELECT n.site, n.id, n.revision FROM intervals n WHERE n.stopped < %(since)s AND n.revision > 1
AND NOT EXISTS (SELECT FROM intervals p WHERE p.stopped < %(since)s AND p.site = n.site AND p.id = n.id
    AND p.revision = n.revision - 1)
"""
_DONE: LiteralString = """
INSERT INTO housekeeping (seat, since, done) VALUES (0, %s, now())
ON CONFLICT (seat) DO UPDATE SET since = excluded.since, done = excluded.done
"""
