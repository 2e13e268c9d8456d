"""Whether a figure has changed or only wobbles: the control chart of single values, with its run rules.

Every figure goes up and down a little from day to day. The chart of individuals and moving ranges (XmR) learns from the
figures themselves how much is usual: a day outside its limits, or a run on one side of the centre that chance would
seldom give, says that something has changed. Where today follows yesterday too closely, or where so many days lie
outside that they are not of one process, the limits would cry wolf, so there are none then, and the reason is said.

All numbers are in the unit of the values and are not rounded. A value on a limit is inside; a value on the centre belongs
to no run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby, pairwise
from math import comb, fsum, log2
from operator import itemgetter

LIMIT_FACTOR = 2.66
"""Limits lie this many mean moving ranges from the centre: 3 / 1.128, d2 of two values, as printed (Wheeler, Understanding
Variation, 1993; NHS Making Data Count)."""
PEER_LIMIT_FACTOR = 3 / 1.128
"""The same, not rounded (Montgomery, Introduction to Statistical Quality Control, table VI)."""
RANGE_FACTOR = 3.267
"""The upper limit of moving ranges in mean moving ranges: D4 of two values, as printed."""
TRIAL_BELOW = 20
"""Limits from fewer points are trial limits (Provost and Murray, The Health Care Data Guide)."""
AUTOCORRELATION_LIMIT = 0.3
"""Above this in size neighbours are too alike: at 0.3 half of all stable charts of 24 points show a false flag."""

OUTSIDE_LIMIT = 0.25
"""Where more than this share of the points that limits come from lie outside them, the limits do not fit: of one process
one point in 370 lies outside, of a very skewed one (lognormal, sigma 0.9) about one in 20."""


class Unfit(Enum):
    """Why there are no limits."""

    TOO_FEW = "too few points"
    AUTOCORRELATED = "neighbours too alike"
    NOT_ONE_PROCESS = "too many points outside"
    NO_SPREAD = "most points equal the one before"


@dataclass(frozen=True, slots=True)
class Limits:
    """`lower` may be below zero; who charts lengths cuts it there. `mean_range` is the mean moving range after screening,
    `range_upper` the upper limit of moving ranges; `n` the points they come from; `trial`: fewer than TRIAL_BELOW."""

    centre: float
    lower: float
    upper: float
    mean_range: float
    range_upper: float
    n: int

    @property
    def trial(self) -> bool:
        return self.n < TRIAL_BELOW

    def outside(self, value: float) -> bool:
        """Shewhart's rule: beyond a limit."""
        return value < self.lower or value > self.upper


@dataclass(frozen=True, slots=True)
class Refused:
    """No limits, and why. `centre` is the mean; `autocorrelation` as measured, None for too few points; `outside`: how
    many of the n points lay outside the limits that were not kept, 0 where none were drawn."""

    reason: Unfit
    centre: float
    n: int
    autocorrelation: float | None
    outside: int = 0


@dataclass(frozen=True, slots=True)
class Runs:
    """Of `useful` points (those not on the centre): the longest run on one side against the longest that chance allows,
    and the crossings of the centre against the fewest."""

    useful: int
    longest: int
    longest_max: int
    crossings: int
    crossings_min: int

    @property
    def signal(self) -> bool:
        return self.longest > self.longest_max or self.crossings < self.crossings_min


@dataclass(frozen=True, slots=True)
class LongRun:
    """Values number `first` to `last` (from 0) keep to one side of the centre for longer than chance allows."""

    first: int
    last: int
    above: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Limits or their refusal, the runs about the centre, and which values lie outside (1 for each value, in order)."""

    values: tuple[float, ...]
    limits: Limits | Refused
    runs: Runs
    outside: tuple[bool, ...]

    @property
    def level(self) -> bool:
        """Every value is the same, so the limits lie on the centre and say nothing."""
        return len(set(self.values)) == 1


def chart(values: Sequence[float], *, factor: float = LIMIT_FACTOR) -> Chart:
    """The XmR chart for judging, limits refused where they would mislead. Raises ValueError for no values."""
    limits = _fitting(values, guarded(values, factor=factor))
    match limits:
        case Limits():
            outside = tuple(limits.outside(value) for value in values)
        case Refused():
            outside = (False,) * len(values)
    return Chart(tuple(values), limits, runs(values, limits.centre), outside)


def _fitting(values: Sequence[float], limits: Limits | Refused) -> Limits | Refused:
    """Refuses limits that more than OUTSIDE_LIMIT of their own points lie outside of: a few extreme days move the mean
    away from where the days are, while their moving ranges are left out. Where nothing is left of the moving ranges but
    those of 0, the limits lie on the mean, and that is said instead."""
    if isinstance(limits, Refused):
        return limits
    outside = sum(map(limits.outside, values))
    if outside <= OUTSIDE_LIMIT * len(values):
        return limits
    reason = Unfit.NOT_ONE_PROCESS if limits.mean_range else Unfit.NO_SPREAD
    return Refused(reason, limits.centre, len(values), autocorrelation(values), outside)


def guarded(values: Sequence[float], *, factor: float = LIMIT_FACTOR) -> Limits | Refused:
    """As `xmr`, but refused for fewer than two points, and where the lag-1 autocorrelation exceeds
    AUTOCORRELATION_LIMIT in size. Raises ValueError for no values."""
    if len(values) < 2:
        return Refused(Unfit.TOO_FEW, mean(values), len(values), None)
    alike = autocorrelation(values)
    if abs(alike) > AUTOCORRELATION_LIMIT:
        return Refused(Unfit.AUTOCORRELATED, mean(values), len(values), alike)
    return xmr(values, factor=factor)


def xmr(
    values: Sequence[float], *, baseline: int | None = None, screen: bool = True, factor: float = LIMIT_FACTOR
) -> Limits:
    """Centre and limits of a chart of individuals: mean +- factor x mean moving range, from the first `baseline` points
    (None: all). `screen`: moving ranges above RANGE_FACTOR times their mean are left out, once (Nelson, Journal of Quality
    Technology 1982;14:172). Raises ValueError for fewer than two points."""
    held = values[:baseline]
    if len(held) < 2:
        raise ValueError("limits need at least two points")
    ranges = [abs(after - before) for before, after in pairwise(held)]
    if screen:
        ceiling = RANGE_FACTOR * mean(ranges)
        # Some range is always at or below the mean, so something is left.
        ranges = [one for one in ranges if one <= ceiling]
    centre, spread = mean(held), mean(ranges)
    return Limits(centre, centre - factor * spread, centre + factor * spread, spread, RANGE_FACTOR * spread, len(held))


def runs(values: Sequence[float], centre: float) -> Runs:
    """The runs about a centre, judged by Anhoej's rules: longest run above round(log2 n) + 3, or fewer crossings than the
    5 % quantile of the binomial distribution of n - 1 tosses (Anhoej and Olesen, PLoS ONE 2014;9:e113825)."""
    sides = [value > centre for value in values if value != centre]
    longest = run = 0
    for index, side in enumerate(sides):
        run = run + 1 if index and side == sides[index - 1] else 1
        longest = max(longest, run)
    crossings = sum(before != after for before, after in pairwise(sides))
    return Runs(len(sides), longest, longest_run_limit(len(sides)), crossings, crossings_limit(len(sides)))


def long_runs(values: Sequence[float], centre: float) -> tuple[LongRun, ...]:
    """Every run longer than Anhoej's rule allows, in order. Values on the centre neither belong to a run nor end it."""
    sides = [(index, value > centre) for index, value in enumerate(values) if value != centre]
    limit, found = longest_run_limit(len(sides)), list[LongRun]()
    for above, run in groupby(sides, itemgetter(1)):
        places = [index for index, _ in run]
        if len(places) > limit:
            found.append(LongRun(places[0], places[-1], above))
    return tuple(found)


def longest_run_limit(useful: int) -> int:
    """The longest run that chance allows among `useful` points: round(log2 n) + 3 (Schilling, Mathematics Magazine
    2012;85:141). 0 points: 0."""
    return round(log2(useful)) + 3 if useful else 0


def crossings_limit(useful: int) -> int:
    """The fewest crossings that chance allows among `useful` points: the 5 % quantile of Binomial(n - 1, 1/2), exact.
    0 points: 0."""
    tosses, crossings, ways = max(useful - 1, 0), 0, 1
    while ways * 20 < 1 << tosses:
        crossings += 1
        ways += comb(tosses, crossings)
    return crossings


def autocorrelation(values: Sequence[float]) -> float:
    """How alike neighbours are, -1 to 1: the lag-1 autocorrelation (Box and Jenkins, Time Series Analysis, 1970). Values
    that are all equal: 0. Raises ValueError for no values."""
    centre = mean(values)
    away = [value - centre for value in values]
    spread = fsum(one * one for one in away)
    return fsum(before * after for before, after in pairwise(away)) / spread if spread else 0.0


def mean(values: Sequence[float]) -> float:
    """Raises ValueError for no values."""
    if not values:
        raise ValueError("no mean of no values")
    # Rounding may carry it past equal values, which would make them look like a shift.
    return min(max(fsum(values) / len(values), min(values)), max(values))
