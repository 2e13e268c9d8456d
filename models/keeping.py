"""How long turnaround times are kept, and in which months they lie.

Every day brings more of them, and nobody asks for one day in a heap of years: they lie in months, as files lie in drawers.
A drawer is made before its month begins, and leaves whole when all in it is older than they are to be kept. Months begin
by UTC, so that one reading lies in the same month for every site.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

AHEAD = 3
"""Months made before they begin: so long housekeeping may stay away."""
BEHIND = 3
"""Months made before this one: a first history of nine weeks finds its own."""
REACH = 12 * 15
"""Months back from this one of which readings get a month of their own; what is older, or lies in a far future, is no
history of a pharmacy that keeps its records for law, but dates shifted for research."""
FEWEST_DAYS = 731
"""Records of controlled substances are kept two years at least (21 CFR 1304.04), with a leap day among them."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """`number` counts months since the year 0."""

    number: int

    @classmethod
    def of(cls, instant: datetime) -> "Month":
        """The month in which an aware instant lies."""
        there = instant.astimezone(UTC)
        return cls(there.year * 12 + there.month - 1)

    @classmethod
    def parse(cls, label: str) -> "Month | None":
        """The month of a label such as `2026-11` or `2026_11`; None for any other text."""
        found = re.fullmatch(r"(\d{4})[-_](0[1-9]|1[0-2])", label, re.ASCII)
        return cls(int(found[1]) * 12 + int(found[2]) - 1) if found else None

    @property
    def label(self) -> str:
        return f"{self.number // 12:04}-{self.number % 12 + 1:02}"

    @property
    def begins(self) -> datetime:
        """Its first instant, UTC."""
        return datetime(self.number // 12, self.number % 12 + 1, 1, tzinfo=UTC)

    @property
    def ends(self) -> datetime:
        """The first instant after it, UTC."""
        return self.after(1).begins

    def after(self, months: int) -> "Month":
        return Month(self.number + months)


def horizon(now: datetime, keep: timedelta | None, since: datetime | None) -> datetime | None:
    """From when on readings are kept at `now`: from the beginning of the month that lies `keep` back, never from earlier
    than `since`, from which they were kept before. None: all are kept."""
    wanted = None if keep is None else Month.of(now - keep).begins
    marks = [one for one in (wanted, since) if one is not None]
    return max(marks, default=None)


def to_make(there: Collection[Month], filled: Collection[Month], now: datetime, since: datetime | None) -> list[Month]:
    """The months to make, in order: those around now, and those of which readings lie outside any month (`filled`), as far
    as they are kept (`since`) and within REACH."""
    this = Month.of(now)
    around = {this.after(away) for away in range(-BEHIND, AHEAD + 1)}
    reached = {one for one in filled if this.after(-REACH) <= one <= this.after(AHEAD)}
    return sorted(one for one in around | reached if one not in there and (since is None or one.ends > since))


def to_leave(there: Collection[Month], since: datetime | None) -> list[Month]:
    """The months that end before what is kept begins, in order; none where everything is kept."""
    return sorted(one for one in there if since is not None and one.ends <= since)
