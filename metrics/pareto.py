"""What most of the trouble is: causes in order of how often they occur, with the share that they make up together.

A few causes usually make up most of it (Juran's vital few). The bars are counts, for a share without its count hides how
little it may be.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

VITAL_SHARE = 0.8
"""The causes that together make up this share are the vital few (Juran, Quality Control Handbook, 1951)."""
Cause = TypeVar("Cause")


@dataclass(frozen=True, slots=True)
class Bar(Generic[Cause]):
    """`cumulative` is the share, 0 to 1, of all up to and including this cause; `vital`: it is needed to reach
    VITAL_SHARE."""

    cause: Cause
    count: int
    cumulative: float
    vital: bool


def pareto(counts: Mapping[Cause, int]) -> tuple[Bar[Cause], ...]:
    """The causes that occurred, the most frequent first; of equals the one that came first in `counts`."""
    total, upto = sum(counts.values()), 0
    bars: list[Bar[Cause]] = []
    for cause, count in sorted(counts.items(), key=lambda one: -one[1]):
        if count > 0:
            vital = upto < VITAL_SHARE * total
            upto += count
            bars.append(Bar(cause, count, upto / total, vital))
    return tuple(bars)
