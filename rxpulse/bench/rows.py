"""What a measurement found, beside the figure wanted, as a row for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from statistics import median_low
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


def middle(rounds: Sequence[Row]) -> Row:
    """Of the rows of one measurement in several rounds a row in which each figure by itself is the one in the middle (the
    lower of two) of those found; one without a figure only where no round has one. Raises ValueError for no rows."""
    if not rounds:
        raise ValueError("no row of no rounds")
    found = [row for row in rounds if row.reason is None]
    if not found:
        return rounds[0]
    figures = {one.name: [getattr(row, one.name) for row in found] for one in fields(Row)}
    return replace(found[0], **{name: _middle(values) for name, values in figures.items() if name not in _WORDS})


_WORDS = ("name", "reason")


def _middle(values: Sequence[Any]) -> Any:
    """The one in the middle of numbers; of numbers by process that of each."""
    if isinstance(values[0], Mapping):
        names = dict.fromkeys(name for value in values for name in value)
        return {name: _middle([value.get(name) for value in values]) for name in names}
    there = [value for value in values if value is not None]
    return median_low(there) if there else None


def shown(row: Row, rounds: Sequence[Row], figure: str, wanted: Wanted | None) -> dict[str, Any]:
    """The row ready for JSON: with the figure wanted and whether it was reached, what every round found of the figure that
    matters, and, of more than one round, all that each found."""
    found = asdict(_rounded(row))
    told = {"wanted": None, "met": None} if wanted is None else _judged(row, wanted)
    each = [asdict(_rounded(one)) for one in rounds] if len(rounds) > 1 else []
    return (
        found
        | told
        | {"backlog_s": _rounded_to(3, backlog(row))}
        | {"rounds": [_rounded_to(3, getattr(one, figure)) for one in rounds], "each_round": each}
    )


BACKLOG, COMING = 300_000, 500
"""Events of ten minutes at 500 a second, and how many more come each second meanwhile."""


def backlog(row: Row) -> float | None:
    """Seconds until a backlog of ten minutes is worked off at this row's rate of events, while as many as before go on coming:
    reckoned from the rate, not timed. None where the row has no rate, or one that never catches up."""
    rate = row.events_per_s
    return None if rate is None or rate <= COMING else BACKLOG / (rate - COMING)


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
