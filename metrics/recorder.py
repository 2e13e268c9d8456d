"""Who writes figures down, for those who have some: nobody, a memory for tests, or Prometheus (`metrics.exporter`)."""

from collections import defaultdict
from typing import Protocol

from metrics.catalog import Metric, Shape


class Recorder(Protocol):
    """`labels` are in the order of the metric's; a wrong number of them raises ValueError."""

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        """A counter grows."""
        ...

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """A gauge stands at a value."""
        ...

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """A distribution has one value more."""
        ...


class NullRecorder:
    """Writes nothing down."""

    def add(self, metric: Metric, amount: float, *labels: str) -> None: ...

    def set(self, metric: Metric, value: float, *labels: str) -> None: ...

    def observe(self, metric: Metric, value: float, *labels: str) -> None: ...


class MemoryRecorder:
    """Keeps everything: `values` the sums and standings, `observed` every value of a distribution."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, tuple[str, ...]], float] = defaultdict(float)
        self.observed: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)

    def add(self, metric: Metric, amount: float, *labels: str) -> None:
        self.values[_key(metric, Shape.COUNTER, labels)] += amount

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        self.values[_key(metric, Shape.GAUGE, labels)] = value

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        self.observed[_key(metric, Shape.HISTOGRAM, labels)].append(value)


def _key(metric: Metric, shape: Shape, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if metric.shape is not shape or len(labels) != len(metric.labels):
        raise ValueError(f"{metric.name} is a {metric.shape.value} with the labels {metric.labels}")
    return metric.name, labels
