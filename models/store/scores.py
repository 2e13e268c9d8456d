"""What is kept of rates: which were touched, their checkpoints, their minutes, and the shifts that were issued."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Cursor

from models.event import Site
from models.policy import Rate
from models.rates import MINUTE, Checkpoint, Course, Score, Shift, Trials, minute_of
from models.signals import Cleared
from models.store.writing import columns

HISTORY = timedelta(days=1)
"""While what every partition has read lies further back than this, history is being read: its open minutes, of which one
partition may have seen all and another one nothing, wait until they are closed. Nobody is paged for them anyway."""
_START = Checkpoint()


class Key(NamedTuple):
    """A rate at a site under one wording of its test."""

    site: Site
    rate: str
    entry: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How far there is something to judge: every partition has read up to `read`, and it is `now`."""

    read: datetime
    now: datetime

    @property
    def history(self) -> bool:
        return self.now - self.read > HISTORY

    def closed(self, rate: Rate) -> datetime:
        """The end of the minutes of a rate to which no trial in time comes any more, unless it is a correction."""
        return minute_of(min(self.read, self.now) - rate.late_after)

    def until(self, rate: Rate) -> datetime:
        """The end of the minutes to be followed: those closed, or those that have begun."""
        return self.closed(rate) if self.history else minute_of(self.now) + MINUTE


@dataclass(frozen=True, slots=True)
class Task:
    """What has to be followed again: from a checkpoint on, up to and without `until`."""

    key: Key
    rate: Rate
    since: datetime
    until: datetime
    start: Checkpoint = _START

    @property
    def reissued_from(self) -> datetime:
        """The earliest `since` of a shift that may come out otherwise."""
        return self.start.score.lifted or self.start.folded


@dataclass(frozen=True, slots=True)
class Issued:
    shift: Shift
    revision: int


def reach(cursor: "Cursor[Any]") -> Reach | None:
    """None while a partition was never read."""
    cursor.execute(
        "SELECT CASE WHEN bool_and(coalesce(recorded, judged) IS NOT NULL) THEN min(greatest(recorded, judged)) END,"
        " now() FROM positions"
    )
    row = cursor.fetchone()
    assert row is not None
    return None if row[0] is None else Reach(*row)


def taken(cursor: "Cursor[Any]", tasks: Sequence[Task]) -> list[Task]:
    """The tasks, with what the worker has touched up to this moment; its word is taken away."""
    cursor.execute(
        "DELETE FROM touched t USING unnest(%s::text[], %s::text[], %s::text[]) k(site, rate, entry)"
        " WHERE (t.site, t.rate, t.entry) = (k.site, k.rate, k.entry) RETURNING t.site, t.rate, t.entry, t.since",
        columns((task.key for task in tasks), 3),
    )
    since = {task.key: task.since for task in tasks}
    for *about, touched in cursor:
        key = Key(*about)
        since[key] = min(since[key], touched)
    return [replace(task, since=since[task.key]) for task in tasks]


def started(cursor: "Cursor[Any]", tasks: Sequence[Task]) -> list[Task]:
    """The tasks, each from the last checkpoint that holds."""
    cursor.execute(
        "SELECT DISTINCT ON (s.site, s.rate, s.entry) s.site, s.rate, s.entry, folded, value, lifted, raised"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) k(site, rate, entry, since)"
        " JOIN rate_states s ON (s.site, s.rate, s.entry) = (k.site, k.rate, k.entry) AND s.folded <= k.since"
        " ORDER BY s.site, s.rate, s.entry, folded DESC",
        columns(((*task.key, task.since) for task in tasks), 4),
    )
    starts = {Key(*row[:3]): Checkpoint(row[3], Score(*row[4:])) for row in cursor}
    return [replace(task, start=starts.get(task.key, task.start)) for task in tasks]


def trials(cursor: "Cursor[Any]", tasks: Sequence[Task], reach: Reach) -> Mapping[Key, list[Trials]]:
    """The trials in time of every minute from the checkpoints on; while history is read only of those that are closed."""
    last = datetime.max.replace(tzinfo=reach.now.tzinfo)
    wanted = ((*task.key, task.start.folded, task.until if reach.history else last) for task in tasks)
    cursor.execute(
        "SELECT o.site, o.rate, o.entry, o.minute, sum(o.clean)::int8, sum(o.errors)::int8"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])"
        " k(site, rate, entry, begins, ends)"
        " JOIN outcomes o ON (o.site, o.rate, o.entry) = (k.site, k.rate, k.entry)"
        " AND o.minute >= k.begins AND o.minute < k.ends"
        " GROUP BY 1, 2, 3, 4 HAVING sum(o.clean) + sum(o.errors) > 0 ORDER BY 1, 2, 3, 4",
        columns(wanted, 5),
    )
    found: dict[Key, list[Trials]] = defaultdict(list)
    for *about, minute, clean, errors in cursor.fetchall():
        found[Key(*about)].append(Trials(minute, clean, errors))
    return found


def issued(cursor: "Cursor[Any]", tasks: Sequence[Task]) -> Mapping[Key, dict[datetime, Issued]]:
    """The shifts issued that may come out otherwise, by rate and the minute from which they date."""
    cursor.execute(
        "SELECT s.site, s.rate, s.entry, s.since, raised, cleared, reason, revision"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) k(site, rate, entry, since)"
        " JOIN shifts s ON (s.site, s.rate, s.entry) = (k.site, k.rate, k.entry) AND s.since >= k.since",
        columns(((*task.key, task.reissued_from) for task in tasks), 4),
    )
    found: dict[Key, dict[datetime, Issued]] = defaultdict(dict)
    for *about, since, raised, cleared, reason, revision in cursor:
        shift = Shift(since, raised, cleared, None if reason is None else Cleared(reason))
        found[Key(*about)][since] = Issued(shift, revision)
    return found


def keep(cursor: "Cursor[Any]", task: Task, course: Course, closed: datetime) -> None:
    """Leaves the checkpoints, in place of those that hold no more and of the newest of before."""
    cursor.execute(
        "DELETE FROM rate_states WHERE (site, rate, entry) = (%s, %s, %s) AND"
        " (folded > %s OR folded < %s AND folded <> date_trunc('day', folded, 'UTC'))",
        [*task.key, task.since, closed if course.checkpoints else task.start.folded],
    )
    cursor.execute(
        "INSERT INTO rate_states (site, rate, entry, folded, value, lifted, raised)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::float8[], %s::timestamptz[],"
        " %s::timestamptz[]) ON CONFLICT DO NOTHING",
        columns(((*task.key, one.folded, *astuple(one.score)) for one in course.checkpoints), 7),
    )


def note(cursor: "Cursor[Any]", key: Key, changes: Sequence[Issued]) -> None:
    """Remembers what is issued now."""
    # Not by executemany: after a pipeline PostgreSQL 15 does not end a session that stands still in its transaction.
    rows = (
        (*key, one.since, one.raised, one.cleared, None if one.reason is None else one.reason.value, revision)
        for one, revision in ((change.shift, change.revision) for change in changes)
    )
    cursor.execute(
        "INSERT INTO shifts (site, rate, entry, since, raised, cleared, reason, revision)"
        " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[],"
        " %s::timestamptz[], %s::text[], %s::int2[])"
        " ON CONFLICT (site, rate, entry, since) DO UPDATE SET raised = excluded.raised, cleared = excluded.cleared,"
        " reason = excluded.reason, revision = excluded.revision",
        columns(rows, 8),
    )


def touch(cursor: "Cursor[Any]", key: Key, since: datetime) -> None:
    """Leaves word for the next time that a rate is to be followed from `since` on."""
    cursor.execute("INSERT INTO touched (site, rate, entry, since) VALUES (%s, %s, %s, %s)", [*key, since])
