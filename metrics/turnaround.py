"""How long work takes: quantiles, share in target, and the figures of a clock.

Means hide the tail that patients feel, so every figure stands beside its quantiles. Quantiles are exact (linear
interpolation between order statistics: type 7 of Hyndman and Fan, The American Statistician 1996;50:361), never rounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, fsum


def quantile(ordered: Sequence[float], share: float) -> float:
    """The type 7 quantile of values in ascending order; `share` from 0 to 1. Raises ValueError for no values."""
    if not ordered:
        raise ValueError("no quantile of no values")
    at = (len(ordered) - 1) * share
    low = floor(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one clock's intervals. Minutes; `in_target` is the share among intervals with a due, None where none has one;
    `zero` counts those that took no time at all."""

    n: int
    min: float
    p25: float
    p50: float
    p75: float
    p90: float
    p95: float
    p99: float
    max: float
    mean: float
    in_target: float | None
    zero: int


def figures(minutes: Sequence[float], verdicts: Sequence[bool | None]) -> Figures:
    """The figures of at least one interval; `verdicts` tell whether each was in target, None where nothing was due."""
    ordered = sorted(minutes)
    judged = [verdict for verdict in verdicts if verdict is not None]
    return Figures(
        n=len(ordered),
        min=ordered[0],
        p25=quantile(ordered, 0.25),
        p50=quantile(ordered, 0.5),
        p75=quantile(ordered, 0.75),
        p90=quantile(ordered, 0.9),
        p95=quantile(ordered, 0.95),
        p99=quantile(ordered, 0.99),
        max=ordered[-1],
        mean=fsum(ordered) / len(ordered),
        in_target=sum(judged) / len(judged) if judged else None,
        zero=sum(value == 0 for value in ordered),
    )
