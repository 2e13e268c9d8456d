"""What a measurement found, beside the figure wanted, as a row for people and for programs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
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
    highest; `elsewhere` the share of the machine's processors that other processes had meanwhile (0 to 1). Where a row has
    a rate of events its latencies hold at 5,000 events a second, `..._at_500` at 500. `warm_...` is the second half alone;
    `reason` says why there is no figure at all. `ready_s` are the seconds from the start of a process until it holds its
    partitions, and `cpu_s` CPU seconds that are of no events. `bytes_per_event` says what the events left on the disk, by
    topic (`kafka/...`) and table with its indexes (`postgres/...`; `postgres/log` is what was written ahead), and
    `rows_per_event` how many rows. None or empty: the row has no such figure."""

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
    p50_ms_at_500: float | None = None
    p99_ms_at_500: float | None = None
    warm_events_per_s: float | None = None
    warm_cpu_s_per_million: Mapping[str, float] = field(default_factory=dict[str, float])
    reason: str | None = None
    ready_s: float | None = None
    cpu_s: Mapping[str, float] = field(default_factory=dict[str, float])
    bytes_per_event: Mapping[str, float] = field(default_factory=dict[str, float])
    rows_per_event: Mapping[str, float] = field(default_factory=dict[str, float])


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
    """Of the rows of one measurement in several rounds the one in the middle (the lower of two) by `figure`; one without
    a figure only where no round has one. Raises ValueError for no rows."""
    if not rounds:
        raise ValueError("no row of no rounds")
    found = [row for row in rounds if row.reason is None] or rounds[:1]
    return sorted(found, key=lambda row: getattr(row, figure) or 0.0)[(len(found) - 1) // 2]


def shown(row: Row, rounds: Sequence[Row], figure: str, wanted: Wanted | None) -> dict[str, Any]:
    """The row ready for JSON: with the figure wanted and whether it was reached, and what every round found."""
    found = asdict(_rounded(row))
    told = {"wanted": None, "met": None} if wanted is None else _judged(row, wanted)
    return found | told | {"rounds": [_rounded_to(3, getattr(one, figure)) for one in rounds]}


def ratios(rows: Sequence[Row], against: Collection[str]) -> dict[str, float | None]:
    """`events_per_s` of `durable` divided by that of each row named in `against`, None where that has no figure; empty
    without `durable`."""
    return {
        f"durable/{other.name}": _quotient(durable.events_per_s, other.events_per_s)
        for durable, other in _pairs(rows, against)
    }


def warm_ratios(rows: Sequence[Row], against: Collection[str]) -> dict[str, float | None]:
    """As `ratios`, against the second half of what the others ran: where a compiler has warmed up."""
    return {
        f"durable/{other.name}": _quotient(durable.events_per_s, other.warm_events_per_s)
        for durable, other in _pairs(rows, against)
    }


def cpu_ratios(rows: Sequence[Row], against: Collection[str]) -> dict[str, dict[str, float | None]]:
    """CPU seconds of each row named in `against`, all processes together, divided by those of `durable`: from the first
    event on, and of the second half."""
    return {
        f"{other.name}/durable": {
            "cold": _quotient(_cpu(other.cpu_s_per_million), _cpu(durable.cpu_s_per_million)),
            "warm": _quotient(_cpu(other.warm_cpu_s_per_million), _cpu(durable.cpu_s_per_million)),
        }
        for durable, other in _pairs(rows, against)
    }


def _pairs(rows: Sequence[Row], against: Collection[str]) -> list[tuple[Row, Row]]:
    """`durable`, each time with one of the others."""
    durable = next((row for row in rows if row.name == "durable"), None)
    return [] if durable is None else [(durable, row) for row in rows if row.name in against]


def _cpu(by_process: Mapping[str, float]) -> float | None:
    return sum(by_process.values()) if by_process else None


def _quotient(above: float | None, below: float | None) -> float | None:
    return round(above / below, 3) if above is not None and below else None


def _judged(row: Row, wanted: Wanted) -> dict[str, Any]:
    value = getattr(row, wanted.figure)
    return {"wanted": str(wanted), "met": None if value is None else wanted.met(value)}


def _rounded(row: Row) -> Row:
    held = {one.name: getattr(row, one.name) for one in fields(row)}
    figures = {name: round(value, 3) for name, value in held.items() if isinstance(value, float)}
    several = {name: _each_rounded(value) for name, value in held.items() if isinstance(value, Mapping)}
    return replace(row, **figures, **several)


def _each_rounded(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def _rounded_to(digits: int, value: float | None) -> float | None:
    return None if value is None else round(value, digits)
