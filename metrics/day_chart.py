"""How long work of one kind took, day by day over eight weeks, as a picture: for the weekly report and the console alike.

Each dot is the median of a day; dashed lines are the limits within which days vary by chance, left out where they would
mislead. The picture says in words what it shows, for whoever does not see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from metrics import svg
from metrics.spc import Chart, Limits, Refused
from metrics.svg import Line, Point, Span
from metrics.verdict import Judged
from metrics.wording import day_words, length_words
from models.period import LOOKED_BACK

_UNITS = ((1 / 60, " s"), (1.0, " min"), (60.0, " h"), (1440.0, " d"))


@dataclass(frozen=True, slots=True)
class Day:
    """The median of one day's lengths, in minutes."""

    day: date
    n: int
    median: float


def day_chart(name: str, title: str, days: Sequence[Day], chart: Chart, judged: Judged, monday: date) -> str:
    """The SVG of `days` (at least one), over whose medians `chart` is; the week that begins on `monday` is what it is about.
    `name` tells the charts of a page apart."""
    first = monday - timedelta(weeks=LOOKED_BACK - 1)
    size, unit = _unit(chart.limits.centre)
    points = [
        Point((day.day - first).days, _short(day.day), day.median / size, _told(day), outside)
        for day, outside in zip(days, chart.outside, strict=True)
    ]
    steps = LOOKED_BACK * 7
    mondays = [(at, _short(first + timedelta(days=at))) for at in range(0, steps, 7)]
    span = Span(steps - 7, steps - 1, "this week")
    described, lines = _described(days, chart, judged), _lines(chart, size)
    return svg.line_chart(f"c-{name}", title, described, points, lines, steps=steps, span=span, unit=unit, axis=mondays)


def _short(one: date) -> str:
    return f"{one.day} {one:%b}"


def _unit(minutes: float) -> tuple[float, str]:
    """(minutes in one, its sign) of the unit in which a length of that size is drawn."""
    return max((one for one in _UNITS if one[0] * 2 <= minutes), default=_UNITS[0])


def _told(day: Day) -> str:
    return f"{day_words(day.day)}: {length_words(day.median)}, {day.n} done"


def _lines(chart: Chart, size: float) -> list[Line]:
    match chart.limits:
        case Limits() as limits if chart.level:
            return [Line("centre", limits.centre / size, f"always {length_words(limits.centre)}")]
        case Limits() as limits:
            trial = "trial " if limits.trial else ""
            drawn = [
                Line("centre", limits.centre / size, f"mean {length_words(limits.centre)}"),
                Line("limit", limits.upper / size, f"{trial}upper {length_words(limits.upper)}"),
            ]
            if limits.lower > 0:
                drawn.append(Line("limit", limits.lower / size, f"{trial}lower {length_words(limits.lower)}"))
            return drawn
        case Refused() as limits:
            return [Line("centre", limits.centre / size, f"mean {length_words(limits.centre)}")]


def _described(days: Sequence[Day], chart: Chart, judged: Judged) -> str:
    match chart.limits:
        case Limits() if chart.level:
            said = "All are the same, so no limits are drawn."
        case Limits() as limits:
            lower = f"{length_words(limits.lower)} to " if limits.lower > 0 else "up to "
            kind = "Trial limits" if limits.trial else "Limits"
            said = f"{kind} {lower}{length_words(limits.upper)}; {sum(chart.outside)} days outside."
        case Refused():
            said = "No limits are drawn."
    return (
        f"{len(days)} days of eight weeks, mean {length_words(chart.limits.centre)}. {said}"
        f" This week: {judged.verdict}, {judged.reason}."
    )
