"""What the clock on the wall of a site says, and how busy that hour usually is.

A pharmacy lives by its own wall clock: rounds in the morning, a rush after the clinics close, quiet nights. Arrivals
follow a rate that changes with the hour of the week. They are drawn by thinning: candidates at the busiest hour's rate,
each kept with the chance that its own hour deserves (Lewis and Shedler, Naval Research Logistics 1979;26:403).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from streams.simulation.clockwork import Clockwork, milliseconds

HOUR = 3_600_000
DAY = 24 * HOUR
_SLOT = 900_000
ALWAYS: Mapping[int, tuple[int, int]] = dict.fromkeys(range(7), (0, 24 * 60))


def instant(ms: int) -> datetime:
    """The aware UTC datetime of whole milliseconds since 1970."""
    return datetime.fromtimestamp(ms / 1000, UTC)


class Almanac:
    """Wall time of one site. `opening` maps weekdays (Monday 0) to minutes from midnight, [opens, closes); a day that is
    missing is closed."""

    def __init__(self, timezone: str, opening: Mapping[int, tuple[int, int]]) -> None:
        self.zone = ZoneInfo(timezone)
        self.opening = opening
        self._slot = -1
        self._hour = 0
        self._walls: dict[tuple[date, int], int] = {}

    def local(self, ms: int) -> datetime:
        return instant(ms).astimezone(self.zone)

    def hour_of_week(self, ms: int) -> int:
        """0 is Monday from midnight to one, 167 the last hour of Sunday."""
        slot = ms // _SLOT
        if slot != self._slot:
            wall = self.local(ms)
            self._slot, self._hour = slot, wall.weekday() * 24 + wall.hour
        return self._hour

    def at(self, day: date, minutes: int) -> int:
        """Milliseconds of a wall time `minutes` after midnight of `day` (more than 1,440 is a later day). A time that
        comes twice is the first one; one that the clock change skips lies an hour after the gap began."""
        key = (day, minutes)
        if key not in self._walls:
            if len(self._walls) > 2000:
                self._walls.clear()
            wall = datetime.combine(day, datetime.min.time(), self.zone) + timedelta(minutes=minutes)
            self._walls[key] = milliseconds(wall.astimezone(UTC))
        return self._walls[key]

    def next_of(self, ms: int, hours: Sequence[int]) -> int:
        """The first of these wall hours (ascending) that is after `ms`."""
        day = self.local(ms).date()
        return next(at for ahead in range(3) for at in self._hours_of(day + timedelta(ahead), hours) if at > ms)

    def when_open(self, ms: int) -> int:
        """`ms` itself while the site is open, else its next opening."""
        day = self.local(ms).date()
        for ahead in range(9):
            there = day + timedelta(ahead)
            opens, closes = self.opening.get(there.weekday(), (0, 0))
            if ms < self.at(there, closes):
                return max(ms, self.at(there, opens))
        raise ValueError("a site that never opens")

    def _hours_of(self, day: date, hours: Sequence[int]) -> Iterator[int]:
        return (self.at(day, hour * 60) for hour in hours)


class Arrivals:
    """A non-homogeneous Poisson process: `weights` are 168 relative rates by hour of the week, `per_week` their sum in
    arrivals."""

    def __init__(
        self, clockwork: Clockwork, almanac: Almanac, chance: Random, weights: Sequence[float], per_week: float
    ):
        self._clockwork = clockwork
        self._almanac = almanac
        self._chance = chance
        self._peak = max(weights)
        self._weights = weights
        self._per_second = per_week * self._peak / sum(weights) / 3600

    def gap(self) -> float:
        """Seconds to the next candidate."""
        return self._chance.expovariate(self._per_second)

    def kept(self) -> bool:
        """Whether the candidate of this instant is an arrival."""
        weight = self._weights[self._almanac.hour_of_week(self._clockwork.now)]
        return self._chance.random() * self._peak < weight


def week(weekday: Sequence[float], saturday: float, sunday: float) -> tuple[float, ...]:
    """168 weights from the 24 of a weekday and the weekend's share of them."""
    return tuple(weight * share for share in (1, 1, 1, 1, 1, saturday, sunday) for weight in weekday)
