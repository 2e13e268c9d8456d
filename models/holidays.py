"""The eleven federal holidays of the United States, on the dates on which they are observed.

A site whose profile asks for them is closed on these days, and none of them is a business day. The list is that of today
in every year, so that a rule of the calendar gives the same answer for any of them.
"""

from datetime import date, timedelta
from functools import lru_cache


@lru_cache(maxsize=1024)
def us_federal_holidays(year: int) -> frozenset[date]:
    """The observed dates that lie in `year` of the eleven holidays of 5 USC 6103(a), the same list in every year.

    One on a Saturday is observed on the Friday before (5 USC 6103(b)), so that of 1 January may lie in the year before;
    one on a Sunday on the Monday after (Executive Order 11582)."""
    observed = {_observed(date(year + late, month, day)) for late, month, day in _FIXED}
    observed |= {_weekday_of(year, month, weekday, nth) for month, weekday, nth in _FLOATING}
    observed.add(date(year, 6, 1) - timedelta(days=date(year, 6, 1).weekday() or 7))
    return frozenset(day for day in observed if day.year == year)


# New Year's Day (of this year and the next), Juneteenth, Independence Day, Veterans Day, Christmas Day.
_FIXED = ((0, 1, 1), (1, 1, 1), (0, 6, 19), (0, 7, 4), (0, 11, 11), (0, 12, 25))
# Birthday of Martin Luther King, Washington's Birthday, Labor Day, Columbus Day, Thanksgiving Day; Memorial Day is the
# last Monday of May.
_FLOATING = ((1, 0, 3), (2, 0, 3), (9, 0, 1), (10, 0, 2), (11, 3, 4))


def _observed(day: date) -> date:
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def _weekday_of(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))
