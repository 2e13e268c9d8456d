"""The judge of rates in the database: which counts changed, what follows from them, and what of it is news.

The worker counts trials minute by minute and leaves word of what it touched. From the last checkpoint before that the
minutes are followed again, those that are still open as they stand, so that an alert need not wait; what was issued
before and follows no more is taken back. So a rate's signals follow from its counts alone, in whatever order they came.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from msgspec import structs
from psycopg import Connection, Cursor

from models.policy import Policies, Rate
from models.rates import Course, Shift, Trials, design_of, follow, rate_at, signal, terms
from models.signals import Cleared, Signal
from models.store import scores
from models.store.scores import Issued, Key, Reach, Task

_AT_ONCE = 8
"""Rates followed between two looks at the time."""
_DAY = timedelta(days=1)


def judge_rates(cursor: "Cursor[Any]", policies: Policies, more: Callable[[], bool]) -> list[Signal]:
    """What is new about rates, in the transaction of `cursor`. Stops early, at a whole number of rates, once `more` says
    no; the rest waits for the next time."""
    reach = scores.reach(cursor)
    if reach is None:
        return []
    found: list[Signal] = []
    waiting = _waiting(cursor, policies, reach)
    for at in range(0, len(waiting), _AT_ONCE):
        found += _judge(cursor, waiting[at : at + _AT_ONCE], policies, reach)
        if not more():
            break
    return found


def unjudged(connection: "Connection[Any]") -> set[tuple[str, str]]:
    """The (site, rate) that have counts which the judge has not followed yet: their signals may be older than the counts."""
    rows = connection.execute("SELECT DISTINCT site, rate FROM touched WHERE since <= now()")
    return {(site, rate) for site, rate in rows}


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
            course = _follow(Task(key, rate, now, now), (Trials(*one[3:]) for one in minutes), policies, (), now)
            found += (_signal(policies, key, shift, 1) for shift in course.shifts.values())
    return found


def _waiting(cursor: "Cursor[Any]", policies: Policies, reach: Reach) -> list[Task]:
    """What was touched, and what a version of the policy has dropped meanwhile; longest waiting first."""
    cursor.execute("SELECT site, rate, entry, min(since) FROM touched GROUP BY 1, 2, 3 ORDER BY min(number)")
    touched = [(Key(*key), since) for *key, since in cursor]
    cursor.execute("SELECT site, rate, entry, since FROM shifts WHERE cleared IS NULL ORDER BY since")
    standing = [(Key(*key), since) for *key, since in cursor]
    begun = (Task(key, rate, since, reach.until(rate)) for key, rate, since in _known(touched, policies, reach))
    tasks = {task.key: task for task in begun if task.since < task.until}
    for key, rate, since in _known(standing, policies, reach):
        ended = next((term.ends for term in terms(policies, *key) if term.holds(since)), None)
        if ended is not None and ended <= min(reach.until(rate), reach.now):
            task = tasks.get(key) or Task(key, rate, ended, reach.until(rate))
            tasks[key] = replace(task, since=min(task.since, ended))
    return list(tasks.values())


def _known(
    rates: Iterable[tuple[Key, datetime]], policies: Policies, reach: Reach
) -> Iterable[tuple[Key, Rate, datetime]]:
    for key, since in rates:
        rate = rate_at(policies, key.rate, key.entry, reach.now)
        if rate is not None:
            yield key, rate, since


def _judge(cursor: "Cursor[Any]", tasks: Sequence[Task], policies: Policies, reach: Reach) -> list[Signal]:
    tasks = scores.started(cursor, scores.taken(cursor, tasks))
    minutes, issued = scores.trials(cursor, tasks, reach), scores.issued(cursor, tasks)
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
        scores.keep(cursor, task, course, closed)
        scores.note(cursor, key, changes)
        found += (_signal(policies, key, one.shift, one.revision) for one in changes)
        if reach.history or later:
            scores.touch(cursor, key, later[0].minute if later else closed)
    return found


def _course(task: Task, minutes: Sequence[Trials], policies: Policies, reach: Reach) -> Course:
    marks = _marks(minutes, reach.closed(task.rate))
    return _follow(task, minutes, policies, marks, min(task.until, reach.now))


def _rash(shift: Shift, now: datetime) -> bool:
    """Whether a shift would be over by a minute that is still running: an alert need not wait for its end, the end of an
    alert must, for errors may yet come."""
    return shift.cleared is not None and shift.cleared > now


def _follow(
    task: Task, minutes: Iterable[Trials], policies: Policies, marks: Sequence[datetime], now: datetime
) -> Course:
    in_force = terms(policies, *task.key)
    return follow(task.start, minutes, design_of(task.rate), in_force, marks=marks, now=now)


def _marks(minutes: Sequence[Trials], closed: datetime) -> list[datetime]:
    """Where to leave checkpoints: after each day with trials, and after the last closed minute."""
    days = {one.minute.replace(hour=0, minute=0) + _DAY for one in minutes if one.minute < closed}
    return sorted({day for day in days if day <= closed} | ({closed} if days else set()))


def _changes(course: Course, issued: Mapping[datetime, Issued], now: datetime) -> Iterable[Issued]:
    """What has to be issued so that what was issued says what follows."""
    for since, shift in course.shifts.items():
        before = issued.get(since)
        if before is None or before.shift != shift:
            yield Issued(shift, 1 if before is None else before.revision + 1)
    for since, before in issued.items():
        if since not in course.shifts and before.shift.reason is not Cleared.DISPROOF:
            denied = replace(before.shift, cleared=max(now, before.shift.raised), reason=Cleared.DISPROOF)
            yield Issued(denied, before.revision + 1)


def _signal(policies: Policies, key: Key, shift: Shift, revision: int) -> Signal:
    rate = rate_at(policies, key.rate, key.entry, shift.since)
    assert rate is not None
    return structs.replace(signal(rate, key.site, shift), revision=revision)
