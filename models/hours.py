"""A site's own time: opening hours, holidays, business days, and what the clock on its wall shows.

A promise of "four open hours" does not run at night, and "two business days" does not run over a holiday. Everything
here is exact over the change to and from daylight saving: a site is open while the clock on its wall shows an opening
time, so an hour that the clock shows twice counts twice and one that it skips does not count.

Every instant is an aware datetime, given back in UTC. A span is half-open: it holds its first instant and not its last.
The years are 1900 to 2299; `OPEN_END` as the end of a span says that it goes on for good.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.holidays import us_federal_holidays

Span = tuple[datetime, datetime]
"""[from, to), both UTC, from < to."""
Opening = tuple[int, int]
"""(from, to) in minutes of the wall clock's day, 0 <= from < to <= 1440."""
Weekly = tuple[tuple[Opening, ...], ...]
"""Seven entries, Monday to Sunday, each in order and without overlap; an empty one is a closed day."""

OPEN_END = datetime.max.replace(tzinfo=UTC)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_SEARCH = timedelta(days=731)
_LAST_ORDINAL = date.max.toordinal() - 2


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingTime:
    """A site's time. `timezone` is an IANA name; `weekly` None is open always, and then holidays do not close;
    `holidays` are explicit local dates; `us_federal` adds those of `us_federal_holidays` in every year.

    Raises ValueError for a time zone that does not exist."""

    timezone: str
    weekly: Weekly | None
    holidays: frozenset[date]
    us_federal: bool

    def __post_init__(self) -> None:
        _zone(self.timezone)

    def __hash__(self) -> int:
        # A string keeps its hash, so that the caches below find a site's days without hashing its holidays each time.
        return hash(self.timezone)


def parse_opening(value: str | Mapping[str, str | list[str]]) -> Weekly | None:
    """The `open` of a site: "always" gives None, a table such as {mon-fri = "08:00-21:00"} the week.

    Raises ValueError with the key and the remedy: an unknown day, a day in two keys, a bad time, a closing time not
    after its opening time, openings that overlap, a week without any opening."""
    if isinstance(value, str):
        if value != "always":
            raise ValueError(f'open = "{value}": write "always" or a table such as {{ mon-fri = "08:00-21:00" }}')
        return None
    week: dict[int, tuple[Opening, ...]] = {}
    for key, times in value.items():
        openings = _openings(key, times)
        for day in _days(key):
            if day in week:
                raise ValueError(f"open.{key}: {DAYS[day]} stands in two keys; name each day once")
            week[day] = openings
    if not any(week.values()):
        raise ValueError('open: no day has an opening; name at least one, or write open = "always"')
    return tuple(week.get(day, ()) for day in range(7))


def _days(key: str) -> tuple[int, ...]:
    first, dash, last = key.partition("-")
    if first not in DAYS or (dash and last not in DAYS):
        raise ValueError(f"open.{key}: not a day; write one of {', '.join(DAYS)}, or a range such as mon-fri")
    begin = DAYS.index(first)
    length = (DAYS.index(last) - begin) % 7 if dash else 0
    return tuple((begin + step) % 7 for step in range(length + 1))


def _openings(key: str, times: object) -> tuple[Opening, ...]:
    listed = cast("list[object]", times) if isinstance(times, list) else [times]
    openings = sorted(_opening(key, text) for text in listed)
    joined: list[Opening] = []
    for begin, finish in openings:
        if joined and begin < joined[-1][1]:
            raise ValueError(f"open.{key}: two openings overlap; write them one after the other")
        if joined and begin == joined[-1][1]:
            begin = joined.pop()[0]
        joined.append((begin, finish))
    return tuple(joined)


def _opening(key: str, text: object) -> Opening:
    found = re.fullmatch(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)", text, re.ASCII) if isinstance(text, str) else None
    if found is None:
        raise ValueError(f'open.{key} = {text!r}: write times as "08:00-21:00"')
    hour, minute, to_hour, to_minute = map(int, found.groups())
    begin, finish = hour * 60 + minute, to_hour * 60 + to_minute
    if finish > 1440:
        raise ValueError(f'open.{key} = "{text}": a day ends at 24:00; past midnight is an entry of the next day')
    if finish <= begin:
        raise ValueError(f'open.{key} = "{text}": closes before it opens; past midnight is two entries, cut at 24:00')
    return begin, finish


def is_holiday(wt: WorkingTime, day: date) -> bool:
    """Whether the local date is one of the site's holidays."""
    return day in wt.holidays or (wt.us_federal and day in us_federal_holidays(day.year))


@lru_cache(maxsize=4096)
def is_business_day(wt: WorkingTime, day: date) -> bool:
    """Monday to Friday in the site's time zone except its holidays, whatever its opening hours. A date that the zone
    left out (as Samoa did with 30 December 2011) is none."""
    return day.weekday() < 5 and not is_holiday(wt, day) and day_end(wt, day - _DAY) < day_end(wt, day)


def local_instant(zone: str, wall: datetime) -> datetime:
    """The instant (UTC) at which the clock of `zone` shows the naive `wall`. One that comes twice means the first; one
    that the clock change skips means the first instant after the gap. Raises ValueError for an unknown zone."""
    aware = wall.replace(tzinfo=_zone(zone), fold=0)
    instant = aware.astimezone(UTC)
    if instant.astimezone(aware.tzinfo).replace(tzinfo=None) == wall:
        return instant
    return _change(zone, aware.replace(fold=1).astimezone(UTC), instant)


def day_end(wt: WorkingTime, day: date) -> datetime:
    """24:00 site time of the local date, in UTC."""
    return local_instant(wt.timezone, datetime.combine(day + _DAY, time()))


def local_date(wt: WorkingTime, instant: datetime) -> date:
    """The date that the site's calendar shows at the instant."""
    return instant.astimezone(_zone(wt.timezone)).date()


def open_spans(wt: WorkingTime, start: datetime, end: datetime) -> Iterator[Span]:
    """The open time within [start, end), in order, each span as long as it goes. `end` may be `OPEN_END`."""
    start, end = _utc(start), _utc(end)
    if wt.weekly is None:
        if start < end:
            yield start, end
        return
    begin = finish = start
    for opens, closes in open_pieces(wt, start, end):
        if opens > finish:
            if begin < finish:
                yield begin, finish
            begin = opens
        finish = closes
    if begin < finish:
        yield begin, finish


def open_pieces(wt: WorkingTime, start: datetime, end: datetime) -> Iterator[Span]:
    """The open time within [start, end) of a site that has a week, in order, cut at every midnight of UTC."""
    start, end = _utc(start), _utc(end)
    if not any(wt.weekly or ()):
        return
    for ordinal in range(start.toordinal(), min(end.toordinal(), _LAST_ORDINAL) + 1):
        for begin, finish in _open_in(wt, ordinal):
            if begin < end and start < finish:
                yield (begin if start < begin else start), (finish if finish < end else end)


def is_open(wt: WorkingTime, instant: datetime) -> bool:
    """Whether the site's wall clock shows an opening time at the instant."""
    instant = _utc(instant)
    return wt.weekly is None or any(begin <= instant < end for begin, end in _open_in(wt, instant.toordinal()))


def next_opening(wt: WorkingTime, instant: datetime) -> datetime | None:
    """The first open instant at or after `instant`: itself while the site is open. None if there is none in 2 years."""
    return next((begin for begin, _ in open_spans(wt, instant, _utc(instant) + _SEARCH)), None)


def subtract(spans: Iterable[Span], holes: Sequence[Span]) -> Iterator[Span]:
    """What the holes leave of the spans. The spans come in order and do not overlap; the holes may lie anyhow."""
    union = merge(holes)
    passed = 0
    for at, end in spans:
        while passed < len(union) and union[passed][1] <= at:
            passed += 1
        for hole, resumes in islice(union, passed, None):
            if hole >= end:
                break
            if at < hole:
                yield at, hole
            at = resumes
        if at < end:
            yield at, end


def merge(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The union, in order; spans that overlap or touch become one. Spans of no length are dropped."""
    union: list[Span] = []
    for begin, end in sorted(spans):
        if union and begin <= union[-1][1]:
            union[-1] = (union[-1][0], max(union[-1][1], end))
        elif begin < end:
            union.append((begin, end))
    return tuple(union)


def _utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise ValueError(f'time zone "{name}" does not exist; write an IANA name such as America/New_York') from unknown


@lru_cache(maxsize=16384)
def _open_in(wt: WorkingTime, ordinal: int) -> tuple[Span, ...]:
    """The open time of one day of UTC. Days of UTC, not local ones: where the clock goes back over midnight the parts
    of two local dates alternate, and here they stay in order."""
    spans: list[Span] = []
    for begin, end, offset in _offsets(wt.timezone, ordinal):
        first, last = (begin + offset).date(), (end + offset).date()
        for day in (first, last) if first < last else (first,):
            midnight = datetime.combine(day, time(), UTC) - offset
            for minute, to_minute in _hours_of(wt, day):
                opens = max(begin, midnight + timedelta(minutes=minute))
                closes = min(end, midnight + timedelta(minutes=to_minute))
                spans.append((opens, closes))
    return merge(spans)


def _hours_of(wt: WorkingTime, day: date) -> tuple[Opening, ...]:
    return () if wt.weekly is None or is_holiday(wt, day) else wt.weekly[day.weekday()]


@lru_cache(maxsize=16384)
def _offsets(zone: str, ordinal: int) -> tuple[tuple[datetime, datetime, timedelta], ...]:
    """The stretches [from, to) of one day of UTC in which local time keeps its offset: one, or two around a change."""
    begin = datetime.fromordinal(ordinal).replace(tzinfo=UTC)
    end = begin + _DAY
    old, new = _offset(zone, begin), _offset(zone, end)
    if old == new:
        return ((begin, end, old),)
    change = _change(zone, begin, end)
    return ((begin, change, old), (change, end, new)) if change < end else ((begin, end, old),)


def _offset(zone: str, instant: datetime) -> timedelta:
    return cast("timedelta", instant.astimezone(_zone(zone)).utcoffset())


def _change(zone: str, before: datetime, after: datetime) -> datetime:
    """The instant of the one change of offset in (before, after]. Changes fall on whole seconds, and no zone has two
    within a day (a test holds the time zone database to it)."""
    old, begin = _offset(zone, before), before.replace(microsecond=0)
    low, high = 0, -((begin - after) // _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, begin + middle * _SECOND) == old:
            low = middle
        else:
            high = middle
    return begin + high * _SECOND
