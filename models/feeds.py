"""When a feed has gone silent: for longer than its policy allows, or than it ever usually is at that hour of the week.

A feed that sends an order every minute on Monday noon may rest for an hour on Sunday night. So where nobody said how long
it may be silent, that is learned from its own gaps: three times a gap that only one in a hundred exceeds, among the gaps
that began in the same hour of the week during the last eight weeks, and never less than ten minutes. Time in which the
site is closed does not count as silence.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from models.elapsed import net, when_net_exceeds
from models.event import Site, Source
from models.hours import WorkingTime
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
_KNOWN_FOR = timedelta(weeks=1)
_TIMES = 3
_MINUTE = timedelta(minutes=1)


def spoken(hours: Iterable[tuple[datetime, int]]) -> list[datetime]:
    """The minutes (UTC) in which something was recorded. `hours` are beginnings of hours in order, each with a bit for
    every minute, bit 0 being the first."""
    return [hour + _MINUTE * minute for hour, bits in hours for minute in range(60) if bits >> minute & 1]


def learned(minutes: Sequence[datetime], last: datetime, working: WorkingTime) -> timedelta | None:
    """How long a feed may be silent after `last`, judged by its own minutes up to then, in order. Gaps are told to the
    minute, and what lies within a minute is none. Where no gap ever began in that hour of the week, all gaps are asked.
    None during the feed's first week, and where it has no gap at all."""
    if not minutes or last - minutes[0] < _KNOWN_FOR:
        return None
    recent = [(begins, ends) for begins, ends in pairwise(minutes) if last - begins <= REMEMBERED and ends <= last]
    alike = [gap for gap in recent if _hour_of_week(gap[0], working) == _hour_of_week(last, working)]
    lengths = sorted(net(begins, ends, holes=(), working=working) for begins, ends in alike or recent)
    return max(LEAST, _TIMES * _p99(lengths)) if lengths else None


def _hour_of_week(instant: datetime, working: WorkingTime) -> tuple[int, int]:
    local = instant.astimezone(ZoneInfo(working.timezone))
    return local.weekday(), local.hour


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
