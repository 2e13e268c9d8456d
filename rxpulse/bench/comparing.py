"""The rows of RxPulse beside those of its peers: quotients of what the same run found."""

from collections.abc import Collection, Mapping, Sequence

from rxpulse.bench.rows import Row


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


def latency_ratios(rows: Sequence[Row], against: Collection[str]) -> dict[str, dict[str, float | None]]:
    """Latencies of `durable` divided by those of each row named in `against`, at both rates of events; none where neither of
    the two was asked for them."""
    found = {
        f"durable/{other.name}": {name: _quotient(getattr(durable, name), getattr(other, name)) for name in LATENCIES}
        for durable, other in _pairs(rows, against)
    }
    return {name: quotients for name, quotients in found.items() if any(quotients.values())}


LATENCIES = ("p50_ms", "p99_ms", "p50_ms_at_500", "p99_ms_at_500")
"""The figures of a row that `rxpulse bench --peers` asks for while events flow."""


def _pairs(rows: Sequence[Row], against: Collection[str]) -> list[tuple[Row, Row]]:
    """`durable`, each time with one of the others."""
    durable = next((row for row in rows if row.name == "durable"), None)
    return [] if durable is None else [(durable, row) for row in rows if row.name in against]


def _cpu(by_process: Mapping[str, float]) -> float | None:
    return sum(by_process.values()) if by_process else None


def _quotient(above: float | None, below: float | None) -> float | None:
    return round(above / below, 3) if above is not None and below else None
