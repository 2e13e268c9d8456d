"""Charts as SVG text, for reports and pages alike: drawn the same on screen and on paper, read aloud where nobody sees.

Every chart has a title and a description that says in words what the picture shows. Shape tells what colour tells: a
usual day is a dot, a day outside its limits a triangle, a limit a dashed line, the vital few solid bars. Nothing moves
and nothing runs.

Sizes are in SVG's own units; a chart fills the width that its place gives it. Colours come from classes, so that a page
may print them in its own; the shapes need none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10

STYLE = """
.chart { width: 100%; height: auto; display: block; font-family: inherit; }
.chart text { font-size: 12px; fill: #3c4954; }
.chart .strong { font-weight: 600; fill: #16212b; }
.chart .grid { stroke: #dfe5ea; fill: none; }
.chart .series { stroke: #5b6a76; stroke-width: 1.5; fill: none; stroke-linejoin: round; }
.chart .usual { fill: #5b6a76; }
.chart .outside { fill: #b84300; stroke: #fff; stroke-width: 0.5; }
.chart .centre { stroke: #134e6f; stroke-width: 1.5; }
.chart .limit { stroke: #134e6f; stroke-width: 1.5; stroke-dasharray: 7 4; }
.chart .target { stroke: #14603a; stroke-width: 1.5; stroke-dasharray: 2 3; }
.chart .now { fill: #eaf1f6; }
.chart .vital { fill: #134e6f; }
.chart .tail { fill: #b5cad7; }
.chart .other { fill: #fff; stroke: #134e6f; stroke-width: 1.5; }
.chart .sum { stroke: #b84300; stroke-width: 1.5; fill: none; }
.chart .sum-point { fill: #b84300; }
.spark { width: 7rem; height: 1.5rem; vertical-align: middle; }
.spark path { stroke: #5b6a76; stroke-width: 1.5; fill: none; }
.spark circle { fill: #134e6f; }
"""
"""What a page with charts puts into its style sheet, once."""

_WIDTH, _HEIGHT = 720, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 112, 14, 34
_LABELS = 6
_ROW = 26
_APART = 14
"""Fewest units between two names at the edge, so that both can be read."""


@dataclass(frozen=True, slots=True)
class Point:
    """`label` names it on the axis; `told` is what whoever points at it reads. `at` counts equal steps from 0."""

    at: int
    label: str
    value: float
    told: str
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A level drawn over all points; `kind` is `centre`, `limit` or `target`."""

    kind: str
    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Span:
    """Steps `first` to `last` are what the chart is about; `label` stands above them."""

    first: int
    last: int
    label: str


@dataclass(frozen=True, slots=True)
class Share:
    """A bar of a Pareto chart; `cumulative` from 0 to 1. `tail` counts what belongs to it but is not in `count`."""

    label: str
    count: int
    cumulative: float
    vital: bool
    tail: int = 0


def line_chart(
    name: str,
    title: str,
    description: str,
    points: Sequence[Point],
    lines: Sequence[Line] = (),
    *,
    steps: int,
    span: Span | None = None,
    unit: str = "",
    axis: Sequence[tuple[int, str]] | None = None,
) -> str:
    """Values over `steps` equal steps with levels such as limits. `name` tells the charts of a page apart (letters, digits,
    hyphens); steps without a point are a gap of the axis, bridged by the line. `axis` are (step, name) below it, None: some of
    the points. Values are drawn from 0 or, if any is
    negative, from the least. Raises ValueError for no points."""
    if not points:
        raise ValueError("a chart of no points")
    values = [point.value for point in points] + [line.value for line in lines]
    scale = _Scale.over(min(0.0, *values), max(values), steps)
    parts = [
        _span(scale, span) if span else "",
        *_grid(scale, unit),
        *_levels(scale, lines),
        f'<path class="series" d="{_path((scale.x(point.at), scale.y(point.value)) for point in points)}"/>',
        *(_mark(scale, point) for point in points),
        *_names(scale, _some(points, steps) if axis is None else axis),
    ]
    return _svg("chart", name, title, description, _WIDTH, _HEIGHT, "".join(parts))


def pareto_chart(name: str, title: str, description: str, bars: Sequence[Share]) -> str:
    """Bars lie, so that their names can be read; the count stands at the end of each and the share of all up to there
    beside it. A tail is a pale bar behind, its count after a plus sign. Raises ValueError for no bars."""
    if not bars:
        raise ValueError("a chart of no bars")
    most, height, begins, room = max(bar.count + bar.tail for bar in bars), _ROW * len(bars) + 8, 300, 300
    parts: list[str] = []
    for row, bar in enumerate(bars):
        top = 4 + row * _ROW
        width = max(room * bar.count / most, 2.0)
        ends = begins + width + room * bar.tail / most
        counts = f"{bar.count} + {bar.tail}" if bar.tail else f"{bar.count}"
        tail = (
            f'<rect class="tail" x="{_n(begins + width)}" y="{top + 3}" width="{_n(ends - begins - width)}"'
            f' height="{_ROW - 8}"/>'
        )
        parts.append(
            f'<text class="strong" x="{begins - 8}" y="{top + 16}" text-anchor="end">{escape(_cut(bar.label, 40))}</text>'
            f'<rect class="{"vital" if bar.vital else "other"}" x="{begins}" y="{top + 3}" width="{_n(width)}"'
            f' height="{_ROW - 8}"><title>{escape(bar.label)}: {counts}</title></rect>'
            f'{tail if bar.tail else ""}<text class="strong" x="{_n(ends + 6)}" y="{top + 16}">{counts}</text>'
            f'<text x="{_WIDTH - 4}" y="{top + 16}" text-anchor="end">{bar.cumulative:.0%}</text>'
        )
    return _svg("chart", name, title, description, _WIDTH, height, "".join(parts))


def sparkline(name: str, title: str, values: Sequence[float | None]) -> str:
    """A small line that only shows the direction, the last value marked; None is a gap. Empty for fewer than two values,
    for a dot shows no direction."""
    held = [(index, value) for index, value in enumerate(values) if value is not None]
    if len(held) < 2:
        return ""
    least, most = min(value for _, value in held), max(value for _, value in held)
    tall = (most - least) or 1.0
    spots = [
        (4 + 104 * index / max(len(values) - 1, 1), 20 - 16 * (value - least) / tall if most > least else 12.0)
        for index, value in held
    ]
    x, y = spots[-1]
    body = f'<path d="{_path(spots)}"/><circle cx="{_n(x)}" cy="{_n(y)}" r="3"/>'
    return _svg("spark", name, title, "", 112, 24, body)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a step and a value lie; `ticks` are round values in order."""

    low: float
    high: float
    ticks: tuple[float, ...]
    steps: int

    @classmethod
    def over(cls, low: float, high: float, steps: int) -> "_Scale":
        gap = _round_gap((high - low) or 1.0)
        ticks = [floor(low / gap) * gap]
        while ticks[-1] < high or len(ticks) < 2:
            ticks.append(ticks[0] + gap * len(ticks))
        return cls(ticks[0], ticks[-1], tuple(ticks), steps)

    def x(self, at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (at + 0.5) / self.steps

    def y(self, value: float) -> float:
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (self.high - value) / (self.high - self.low)


def _round_gap(extent: float) -> float:
    """A round distance that divides an extent into about four."""
    rough = extent / 4
    power = 10.0 ** floor(log10(rough))
    return next(power * times for times in (1.0, 2.0, 2.5, 5.0, 10.0) if power * times >= rough * 0.999)


def _span(scale: _Scale, span: Span) -> str:
    left, right = scale.x(span.first - 0.5), scale.x(span.last + 0.5)
    return (
        f'<rect class="now" x="{_n(left)}" y="{_TOP}" width="{_n(right - left)}" height="{_HEIGHT - _TOP - _BOTTOM}"/>'
        f'<text x="{_n((left + right) / 2)}" y="{_TOP - 3}" text-anchor="middle">{escape(span.label)}</text>'
    )


def _grid(scale: _Scale, unit: str) -> list[str]:
    return [
        f'<path class="grid" d="M{_LEFT} {_n(scale.y(tick))}H{_WIDTH - _RIGHT}"/>'
        f'<text x="{_LEFT - 6}" y="{_n(scale.y(tick) + 4)}" text-anchor="end">{_short(tick)}{escape(unit)}</text>'
        for tick in scale.ticks
    ]


def _levels(scale: _Scale, lines: Sequence[Line]) -> list[str]:
    """The lines with their names at the right, moved apart where they would lie on each other."""
    parts: list[str] = []
    above = float("-inf")
    for line in sorted(lines, key=lambda one: -one.value):
        y = scale.y(line.value)
        above = max(y + 4, above + _APART)
        parts.append(
            f'<path class="{line.kind}" d="M{_LEFT} {_n(y)}H{_WIDTH - _RIGHT}"/>'
            f'<text x="{_WIDTH - _RIGHT + 6}" y="{_n(above)}">{escape(line.label)}</text>'
        )
    return parts


def _mark(scale: _Scale, point: Point) -> str:
    x, y = scale.x(point.at), scale.y(point.value)
    told = f"<title>{escape(point.told)}</title>"
    if point.outside:
        return f'<path class="outside" d="M{_n(x)} {_n(y - 7)}l6.5 11h-13z">{told}</path>'
    return f'<circle class="usual" cx="{_n(x)}" cy="{_n(y)}" r="2.6">{told}</circle>'


def _some(points: Sequence[Point], steps: int) -> list[tuple[int, str]]:
    """As many points as have room for their names."""
    every = max(-(-steps // _LABELS), 1)
    return [(point.at, point.label) for point in points if point.at % every == 0]


def _names(scale: _Scale, axis: Sequence[tuple[int, str]]) -> list[str]:
    return [
        f'<path class="grid" d="M{_n(scale.x(at))} {_HEIGHT - _BOTTOM}v5"/>'
        f'<text x="{_n(scale.x(at))}" y="{_HEIGHT - 14}" text-anchor="middle">{escape(name)}</text>'
        for at, name in axis
    ]


def _svg(kind: str, name: str, title: str, description: str, width: float, height: float, body: str) -> str:
    name = escape(name)
    described = f'<desc id="{name}-d">{escape(description)}</desc>' if description else ""
    by = f"{name}-t {name}-d" if description else f"{name}-t"
    return (
        f'<svg class="{kind}" viewBox="0 0 {_n(width)} {_n(height)}" role="img" aria-labelledby="{by}">'
        f'<title id="{name}-t">{escape(title)}</title>{described}{body}</svg>'
    )


def _path(spots: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in spots)


def _n(value: float) -> str:
    """At most one digit behind the point: finer than any screen, and the same text for the same value."""
    return f"{value:.1f}".removesuffix(".0")


def _short(value: float) -> str:
    return f"{value:.6g}"


def _cut(label: str, longest: int) -> str:
    return label if len(label) <= longest else label[: longest - 1].rstrip() + "…"
