"""The judge of rates in the database: which counts changed, what follows from them, and what of it is news.

The worker counts trials minute by minute and leaves word of what it touched. From the last checkpoint before that the
minutes are followed again, those that are still open as they stand, so that an alert need not wait; what was issued
before and follows no more is taken back. So a rate's signals follow from its counts alone, in whatever order they came.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from psycopg import Connection, Cursor

from models.event import Site
from models.policy import Policies, Rate
from models.rates import (
    MINUTE,
    Checkpoint,
    Course,
    Score,
    Shift,
    Trials,
    design_of,
    follow,
    minute_of,
    rate_at,
    signal,
    terms,
)
from models.signals import Cleared, Signal
from models.store.writing import columns

HISTORY = timedelta(days=1)
"""While what every partition has read lies further back than this, history is being read: its open minutes, of which one
partition may have seen all and another one nothing, wait until they are closed. Nobody is paged for them anyway."""
_AT_ONCE = 8
"""Rates followed between two looks at the time."""
_DAY = timedelta(days=1)
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
class _Task:
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
class _Issued:
    shift: Shift
    revision: int


def judge_rates(cursor: "Cursor[Any]", policies: Policies, more: Callable[[], bool]) -> list[Signal]:
    """What is new about rates, in the transaction of `cursor`. Stops early, at a whole number of rates, once `more` says
    no; the rest waits for the next time."""
    reach = _reach(cursor)
    if reach is None:
        return []
    found: list[Signal] = []
    waiting = _waiting(cursor, policies, reach)
    for at in range(0, len(waiting), _AT_ONCE):
        found += _judge(cursor, waiting[at : at + _AT_ONCE], policies, reach)
        if not more():
            break
    return found


def waiting_rates(connection: "Connection[Any]") -> int:
    """How many rates have counts that the judge has not followed yet: while there are any, the signals may be older than
    the counts."""
    row = connection.execute("SELECT count(DISTINCT (site, rate, entry)) FROM touched WHERE since <= now()").fetchone()
    assert row is not None
    return row[0]


def expected_shifts(connection: "Connection[Any]", policies: Policies) -> list[Signal]:
    """Every signal of a rate as it follows from the counts of the store and nothing else, whatever was issued; each under
    revision 1. A signal of the store whose reason is disproof has no match here."""
    row = connection.execute("SELECT now()").fetchone()
    assert row is not None
    now: datetime = row[0]
    rows = connection.execute(
        "SELECT site, rate, entry, minute, sum(clean)::int8, sum(errors)::int8 FROM outcomes WHERE minute <= %s"
        " GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        [now],
    )
    found: list[Signal] = []
    for about, minutes in groupby(rows, itemgetter(0, 1, 2)):
        key = Key(*about)
        rate = rate_at(policies, key.rate, key.entry, now)
        if rate is not None:
            course = _follow(_Task(key, rate, now, now), (Trials(*one[3:]) for one in minutes), policies, (), now)
            found += (_signal(policies, key, shift, 1) for shift in course.shifts.values())
    return found


def _reach(cursor: "Cursor[Any]") -> Reach | None:
    cursor.execute(
        "SELECT CASE WHEN bool_and(coalesce(recorded, judged) IS NOT NULL) THEN min(greatest(recorded, judged)) END,"
        " now() FROM positions"
    )
    row = cursor.fetchone()
    assert row is not None
    return None if row[0] is None else Reach(*row)


def _waiting(cursor: "Cursor[Any]", policies: Policies, reach: Reach) -> list[_Task]:
    """What was touched, and what a version of the policy has dropped meanwhile; longest waiting first."""
    cursor.execute("SELECT site, rate, entry, min(since) FROM touched GROUP BY 1, 2, 3 ORDER BY min(number)")
    touched = [(Key(*key), since) for *key, since in cursor]
    cursor.execute("SELECT site, rate, entry, since FROM shifts WHERE cleared IS NULL ORDER BY since")
    standing = [(Key(*key), since) for *key, since in cursor]
    begun = (_Task(key, rate, since, reach.until(rate)) for key, rate, since in _known(touched, policies, reach))
    tasks = {task.key: task for task in begun if task.since < task.until}
    for key, rate, since in _known(standing, policies, reach):
        ended = next((term.ends for term in terms(policies, *key) if term.holds(since)), None)
        if ended is not None and ended <= min(reach.until(rate), reach.now):
            task = tasks.get(key) or _Task(key, rate, ended, reach.until(rate))
            tasks[key] = replace(task, since=min(task.since, ended))
    return list(tasks.values())


def _known(
    rates: Iterable[tuple[Key, datetime]], policies: Policies, reach: Reach
) -> Iterable[tuple[Key, Rate, datetime]]:
    for key, since in rates:
        rate = rate_at(policies, key.rate, key.entry, reach.now)
        if rate is not None:
            yield key, rate, since


def _judge(cursor: "Cursor[Any]", tasks: Sequence[_Task], policies: Policies, reach: Reach) -> list[Signal]:
    tasks = _started(cursor, _taken(cursor, tasks))
    minutes, issued = _minutes(cursor, tasks, reach), _issued(cursor, tasks)
    found: list[Signal] = []
    for task in tasks:
        key, closed = task.key, reach.closed(task.rate)
        now = [one for one in minutes[key] if one.minute < task.until]
        later = minutes[key][len(now) :]
        course = _course(task, now, policies, reach)
        if any(_rash(shift, reach.now) for shift in course.shifts.values()):
            later = [now.pop(), *later]
            course = _course(task, now, policies, reach)
        changes = list(_changes(course, issued[key], reach.now))
        _keep(cursor, task, course, closed)
        _note(cursor, key, changes)
        found += (_signal(policies, key, one.shift, one.revision) for one in changes)
        if reach.history or later:
            _touch(cursor, key, later[0].minute if later else closed)
    return found


def _course(task: _Task, minutes: Sequence[Trials], policies: Policies, reach: Reach) -> Course:
    marks = _marks(minutes, reach.closed(task.rate))
    return _follow(task, minutes, policies, marks, min(task.until, reach.now))


def _rash(shift: Shift, now: datetime) -> bool:
    """Whether a shift would be over by a minute that is still running: an alert need not wait for its end, the end of an
    alert must, for errors may yet come."""
    return shift.cleared is not None and shift.cleared > now


def _follow(
    task: _Task, minutes: Iterable[Trials], policies: Policies, marks: Sequence[datetime], now: datetime
) -> Course:
    in_force = terms(policies, *task.key)
    return follow(task.start, minutes, design_of(task.rate), in_force, marks=marks, now=now)


def _marks(minutes: Sequence[Trials], closed: datetime) -> list[datetime]:
    """Where to leave checkpoints: after each day with trials, and after the last closed minute."""
    days = {one.minute.replace(hour=0, minute=0) + _DAY for one in minutes if one.minute < closed}
    return sorted({day for day in days if day <= closed} | ({closed} if days else set()))


def _changes(course: Course, issued: Mapping[datetime, _Issued], now: datetime) -> Iterable[_Issued]:
    """What has to be issued so that what was issued says what follows."""
    for since, shift in course.shifts.items():
        before = issued.get(since)
        if before is None or before.shift != shift:
            yield _Issued(shift, 1 if before is None else before.revision + 1)
    for since, before in issued.items():
        if since not in course.shifts and before.shift.reason is not Cleared.DISPROOF:
            denied = replace(before.shift, cleared=max(now, before.shift.raised), reason=Cleared.DISPROOF)
            yield _Issued(denied, before.revision + 1)


def _signal(policies: Policies, key: Key, shift: Shift, revision: int) -> Signal:
    rate = rate_at(policies, key.rate, key.entry, shift.since)
    assert rate is not None
    return replace(signal(rate, key.site, shift), revision=revision)


def _taken(cursor: "Cursor[Any]", tasks: Sequence[_Task]) -> list[_Task]:
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


def _started(cursor: "Cursor[Any]", tasks: Sequence[_Task]) -> list[_Task]:
    cursor.execute(
        "SELECT DISTINCT ON (s.site, s.rate, s.entry) s.site, s.rate, s.entry, folded, value, lifted, raised"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) k(site, rate, entry, since)"
        " JOIN rate_states s ON (s.site, s.rate, s.entry) = (k.site, k.rate, k.entry) AND s.folded <= k.since"
        " ORDER BY s.site, s.rate, s.entry, folded DESC",
        columns(((*task.key, task.since) for task in tasks), 4),
    )
    starts = {Key(*row[:3]): Checkpoint(row[3], Score(*row[4:])) for row in cursor}
    return [replace(task, start=starts.get(task.key, task.start)) for task in tasks]


def _minutes(cursor: "Cursor[Any]", tasks: Sequence[_Task], reach: Reach) -> Mapping[Key, list[Trials]]:
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


def _issued(cursor: "Cursor[Any]", tasks: Sequence[_Task]) -> Mapping[Key, dict[datetime, _Issued]]:
    cursor.execute(
        "SELECT s.site, s.rate, s.entry, s.since, raised, cleared, reason, revision"
        " FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[]) k(site, rate, entry, since)"
        " JOIN shifts s ON (s.site, s.rate, s.entry) = (k.site, k.rate, k.entry) AND s.since >= k.since",
        columns(((*task.key, task.reissued_from) for task in tasks), 4),
    )
    found: dict[Key, dict[datetime, _Issued]] = defaultdict(dict)
    for *about, since, raised, cleared, reason, revision in cursor:
        shift = Shift(since, raised, cleared, None if reason is None else Cleared(reason))
        found[Key(*about)][since] = _Issued(shift, revision)
    return found


def _keep(cursor: "Cursor[Any]", task: _Task, course: Course, closed: datetime) -> None:
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


def _note(cursor: "Cursor[Any]", key: Key, changes: Sequence[_Issued]) -> None:
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


def _touch(cursor: "Cursor[Any]", key: Key, since: datetime) -> None:
    cursor.execute("INSERT INTO touched (site, rate, entry, since) VALUES (%s, %s, %s, %s)", [*key, since])
