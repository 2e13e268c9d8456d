"""When a feed has gone silent: for longer than its policy allows, or than it ever usually is at that hour of the week.

A feed that sends an order every minute on Monday noon may rest for an hour on Sunday night. So where nobody said how long
it may be silent, that is learned from its own gaps of the last eight weeks: three times a gap that only one in a hundred
exceeds, and never less than ten minutes. One in a hundred is known from a hundred gaps or more, so a feed that seldom
speaks is asked about that hour of any day and then about its whole week, and one that spoke less than that is not judged.
Time in which the site is closed does not count as silence (`docs/decisions/0008-silence-is-learned-from-a-hundred-gaps.md`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from models.elapsed import net, when_net_exceeds
from models.event import Site, Source
from models.hours import Span, WorkingTime
from models.policy import Kind, Policy, Severity
from models.signals import Signal, signal_id

LEAST = timedelta(minutes=10)
"""The shortest silence that is ever learned to be one (`semantics.md` 19)."""
REMEMBERED = timedelta(weeks=8)
"""How far back gaps are learned from (`semantics.md` 19)."""
CLOCKS = "clocks"
"""The name of the signal about a worker whose host's clock is astray."""
WORKER = "worker"
"""The name of the signal about a worker that does not judge."""
ENOUGH = 100
"""A gap that one in a hundred exceeds is known from this many gaps or more."""
_KNOWN_FOR = timedelta(weeks=1)
_TIMES, _TIMES_LONGEST = 3, 2
_MINUTE = timedelta(minutes=1)


def spoken(hours: Iterable[tuple[datetime, int]]) -> list[datetime]:
    """The minutes (UTC) in which something was recorded. `hours` are beginnings of hours in order, each with a bit for
    every minute, bit 0 being the first."""
    return [hour + _MINUTE * minute for hour, bits in hours for minute in range(60) if bits >> minute & 1]


def learned(minutes: Sequence[datetime], last: datetime, working: WorkingTime) -> timedelta | None:
    """How long a feed may be silent after `last`, judged by its own minutes up to then, in order. Gaps are told to the
    minute, and what lies within a minute is none. Asked are those of that hour of the week; where they are fewer than
    ENOUGH, those of that hour on any day; then all. It is at least twice the second longest of the days' longest gaps
    that began within an hour of that time. None during the feed's first week, and where it has fewer than ENOUGH gaps
    at all."""
    if not minutes or last - minutes[0] < _KNOWN_FOR:
        return None
    zone = ZoneInfo(working.timezone)
    local = last.astimezone(zone)
    recent = list(pairwise(minutes[bisect_left(minutes, last - REMEMBERED) : bisect_right(minutes, last)]))
    begun = ((begins.astimezone(zone), ends) for begins, ends in recent)
    near = [gap for gap in begun if _near(gap[0], local)]
    daily = [gap for gap in near if gap[0].hour == local.hour]
    weekly = [gap for gap in daily if gap[0].weekday() == local.weekday()]
    for asked in (weekly, daily, recent):
        if len(asked) >= ENOUGH:
            usual = _p99(sorted(_open(gap, working) for gap in asked))
            return max(LEAST, _TIMES * usual, _TIMES_LONGEST * _longest_but_one(near, working))
    return None


def _near(one: datetime, other: datetime) -> bool:
    """Whether the clock on the wall shows hours that are the same or next to each other."""
    return (one.hour - other.hour + 1) % 24 <= 2


def _open(gap: Span, working: WorkingTime) -> timedelta:
    return net(*gap, holes=(), working=working)


def _longest_but_one(gaps: Iterable[Span], working: WorkingTime) -> timedelta:
    """The second longest of the longest gaps of each local day. What comes in bursts has a long gap a day, lost among the
    short ones; but the one day of a real outage must not hide the next."""
    longest = dict[date, timedelta]()
    for begins, ends in gaps:
        day = begins.date()
        longest[day] = max(longest.get(day, timedelta()), _open((begins, ends), working))
    return sorted(longest.values())[-2] if len(longest) > 1 else timedelta()


def _p99(ordered: Sequence[timedelta]) -> timedelta:
    """Type 7 of Hyndman and Fan, The American Statistician 1996;50:361."""
    whole, part = divmod(99 * (len(ordered) - 1), 100)
    return ordered[whole] + (ordered[min(whole + 1, len(ordered) - 1)] - ordered[whole]) * part / 100


def silent_since(last: datetime, allowed: timedelta, working: WorkingTime) -> datetime | None:
    """The instant at which a feed that was last heard of at `last` has been silent for longer than allowed, counted in
    open hours; None where the site does not open long enough."""
    return when_net_exceeds(last, allowed, holes=(), working=working)


def silence(source: Source, site: Site, last: datetime, raised: datetime, policy: Policy) -> Signal:
    """The signal of a feed that was last heard of at `last` and too long silent from `raised` on."""
    feed = policy.feeds.get(source)
    return _signal(source, site, Severity.S2 if feed is None else feed.severity, raised, source, site, last.isoformat())


def astray(worker: str, site: Site, measured: datetime) -> Signal:
    """The signal, at one site, of a worker whose host's clock was found too far from the database's at `measured`:
    it judges no silence, so nobody is paged for a missed deadline."""
    return _signal(CLOCKS, site, Severity.S2, measured, CLOCKS, worker, site, measured.isoformat())


def not_judging(site: Site, since: datetime, raised: datetime) -> Signal:
    """The signal, at one site, that no silence has been judged since `since`, too long from `raised` on."""
    return _signal(WORKER, site, Severity.S2, raised, WORKER, site, since.isoformat())


def _signal(name: str, site: Site, severity: Severity, raised: datetime, *about: str) -> Signal:
    return Signal(
        id=signal_id(Kind.FEED, *about),
        kind=Kind.FEED,
        name=name,
        severity=severity,
        site=site,
        case=None,
        raised=raised,
        known=raised,
    )
