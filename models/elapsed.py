"""How long something took and when it is due, as a pharmacy counts: pauses taken out, closed hours not counted.

A net length is what is left of the time from start to end; the due is the first instant from which the net length is more
than was promised; business days are counted by the site's calendar. The two agree: what is late by its due is longer than
promised, to the microsecond.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from models.hours import (
    OPEN_END,
    Span,
    WorkingTime,
    day_end,
    is_business_day,
    merge,
    open_pieces,
    open_spans,
    subtract,
)

_NOTHING = timedelta()
_DAY = timedelta(days=1)


def total(spans: Iterable[Span]) -> timedelta:
    """The lengths of the spans, added."""
    return sum((end - begin for begin, end in spans), _NOTHING)


def net(start: datetime, end: datetime, *, holes: Sequence[Span], working: WorkingTime | None) -> timedelta:
    """The length of [start, end] minus the union of the holes and, where `working` is given, closed time. 0 where `end`
    is not after `start`."""
    if start >= end:
        return _NOTHING
    if working is None or working.weekly is None:
        return total(subtract([(start, end)], holes)) if holes else end - start
    if holes:
        return total(subtract(open_pieces(working, start, end), holes))
    return total(open_pieces(working, start, end))


def when_net_exceeds(
    start: datetime, amount: timedelta, *, holes: Sequence[Span], working: WorkingTime | None
) -> datetime | None:
    """The due: the first instant from which the net length since `start` is more than `amount` (not negative). Where
    the net reaches the amount at closing time or as a pause begins, that is the first counted instant after. None where
    it never comes: an open-ended hole, a week without openings, or the end of the calendar."""
    if not holes and (working is None or working.weekly is None):
        return start + amount if amount < OPEN_END - start else None
    union = merge(holes)
    end = union[-1][0] if union and union[-1][1] == OPEN_END else OPEN_END
    left = amount
    for begin, finish in subtract([(start, end)] if working is None else open_spans(working, start, end), union):
        if left < finish - begin:
            return begin + left
        left -= finish - begin
    return None


def nth_business_day_end(wt: WorkingTime, after: date, n: int, *, holes: Sequence[Span]) -> datetime | None:
    """24:00 site time, in UTC, of the nth business day after the local date `after`; a day that a hole overlaps by more
    than an instant does not count. None where an open-ended hole leaves too few. Raises ValueError for n below 1."""
    if n < 1:
        raise ValueError(f"{n} business days: count at least one")
    union = merge(holes)
    day, begins = after + _DAY, day_end(wt, after)
    while not (union and union[-1][1] == OPEN_END and union[-1][0] < begins):
        ends = day_end(wt, day)
        if is_business_day(wt, day) and not any(hole < ends and begins < resumes for hole, resumes in union):
            n -= 1
            if n == 0:
                return ends
        day, begins = day + _DAY, ends
    return None
