"""What a measurement found, beside the figure wanted, as a row for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from metrics.turnaround import quantile

MIB = 2**20


class Sense(Enum):
    """On which side of the figure wanted it is good."""

    AT_LEAST = ">="
    AT_MOST = "<="


@dataclass(frozen=True, slots=True)
class Wanted:
    """The figure to reach: `figure` names the field of the row, `limit` is in its unit."""

    figure: str
    sense: Sense
    limit: float

    def met(self, value: float) -> bool:
        """Whether `value` reaches it."""
        return value >= self.limit if self.sense is Sense.AT_LEAST else value <= self.limit

    def __str__(self) -> str:
        return f"{self.figure} {self.sense.value} {self.limit:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement. `events` counts what was measured over (events, or samples of a latency); `cpu_s_per_million` is
    CPU seconds by process for each million events; `rss_mib` the resident memory of what the row is about at its
    highest; `elsewhere` the share of the machine's processors that other processes had meanwhile (0 to 1). None: the row
    has no such figure."""

    name: str
    events: int | None = None
    wall_s: float | None = None
    events_per_s: float | None = None
    cpu_s_per_million: Mapping[str, float] = field(default_factory=dict[str, float])
    rss_mib: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    pss_mib: float | None = None
    elsewhere: float | None = None


def throughput(name: str, events: int, seconds: float, cpu: Mapping[str, float], rss_bytes: int | None = None) -> Row:
    """A row about `events` applied in `seconds`; `cpu` are CPU seconds by process, not yet for each million."""
    return Row(
        name=name,
        events=events,
        wall_s=seconds,
        events_per_s=events / seconds,
        cpu_s_per_million={process: used * 1e6 / events for process, used in cpu.items()},
        rss_mib=None if rss_bytes is None else rss_bytes / MIB,
    )


def latency(name: str, seconds: Sequence[float]) -> Row:
    """A row about at least one latency."""
    ordered = sorted(1000 * one for one in seconds)
    p50, p99 = quantile(ordered, 0.5), quantile(ordered, 0.99)
    return Row(name=name, events=len(ordered), p50_ms=p50, p99_ms=p99, max_ms=ordered[-1])


def middle(rounds: Sequence[Row], figure: str) -> Row:
    """Of the rows of one measurement in several rounds the one in the middle (the lower of two) by `figure`. Raises
    ValueError for no rows."""
    if not rounds:
        raise ValueError("no row of no rounds")
    return sorted(rounds, key=lambda row: getattr(row, figure))[(len(rounds) - 1) // 2]


def shown(row: Row, rounds: Sequence[Row], figure: str, wanted: Wanted | None) -> dict[str, Any]:
    """The row ready for JSON: with the figure wanted and whether it was reached, and what every round found."""
    found = asdict(_rounded(row))
    told = {"wanted": None, "met": None} if wanted is None else _judged(row, wanted)
    return found | told | {"rounds": [round(getattr(one, figure), 3) for one in rounds]}


def ratios(rows: Sequence[Row]) -> dict[str, float | None]:
    """How `durable` compares with the other rows that have a rate of events, each as a quotient; empty without it."""
    rates = {row.name: row.events_per_s for row in rows if row.events_per_s is not None}
    durable = rates.pop("durable", None)
    if durable is None:
        return {}
    return {f"durable/{name}": round(durable / rate, 3) for name, rate in rates.items() if name in _COMPARED}


_COMPARED = ("no-store", "durable-full")


def _judged(row: Row, wanted: Wanted) -> dict[str, Any]:
    value = getattr(row, wanted.figure)
    return {"wanted": str(wanted), "met": None if value is None else wanted.met(value)}


def _rounded(row: Row) -> Row:
    figures = {
        name: round(value, 3)
        for name in ("wall_s", "events_per_s", "rss_mib", "p50_ms", "p99_ms", "max_ms", "pss_mib", "elsewhere")
        if (value := getattr(row, name)) is not None
    }
    cpu = {process: round(used, 3) for process, used in row.cpu_s_per_million.items()}
    return replace(row, cpu_s_per_million=cpu, **figures)
