"""The report as one HTML file that needs nothing else: no scripts, no other files, the same on screen and on paper.

It can be mailed, printed and kept. Nothing in it says when it was made, so the same facts give the same bytes.
"""

from datetime import date, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from metrics import svg
from metrics.day_chart import day_chart
from metrics.pareto import Bar
from metrics.svg import Share
from metrics.targets import share_shown, target_words
from metrics.verdict import FEWEST_DAYS, MARKS, Verdict
from metrics.wording import day_words, length_words
from models.policy import Severity
from workflows.report import (
    Cause,
    Lengths,
    Measure,
    OpenCase,
    Report,
    State,
    severity_word,
)

LARGEST = 200_000
"""Bytes that a report stays below: a mail server takes it, a phone shows it."""
CHARTS = 14
"""Charts of one report at most; the other measures keep their line in the table."""
CAUSES = 12
"""Bars at most; the rest stands together in the last one."""
NOT_TOLD = {
    "yes": "told to somebody",
    "old": "old news when it became known, so not told",
    "held": "held back while its feed was silent",
    "nobody": "nobody to tell by the policy",
    "summary": "told in a summary",
    "resolved": "ended by hand before",
    "cleared": "over at once, so not told",
    None: "not decided when this was written",
}
DOUBTS = {
    "negative_interval": "ends recorded only before their start",
    "impossible_transition": "steps out of turn",
    "before_case": "events dated before their order or prescription",
    "id_reused": "ids with two contents",
    "clock_skew": "events recorded well before they happened",
}


def render(report: Report) -> str:
    """The whole file, with as many charts as it has room for."""
    measures = _in_order(report)
    charts = [(measure, Markup(_chart(measure, report.week.monday))) for measure in _charted(measures)]
    for count in range(min(len(charts), CHARTS), -1, -1):
        page = _page(report, measures, charts[:count], len(charts) - count)
        if len(page.encode()) < LARGEST:
            break
    return page


def _page(report: Report, measures: list[Measure], charts: list[tuple[Measure, Markup]], left_out: int) -> str:
    return _template().render(
        report=report,
        facts=report.facts,
        style=Markup(svg.STYLE),
        measures=measures,
        charts=charts,
        charted={measure.name for measure, _ in charts},
        uncharted=left_out,
        tally={verdict: sum(one.judged.verdict is verdict for one in measures) for verdict in Verdict},
        pareto=Markup(_pareto(report.causes)) if report.causes else None,
        words=_Words(report),
        shown=_shown,
        Verdict=Verdict,
        State=State,
        Severity=Severity,
        marks=MARKS,
        told_as=NOT_TOLD,
        doubts=DOUBTS,
        fewest_days=FEWEST_DAYS,
    )


def _shown(measure: Measure, lengths: Lengths | None) -> float | None:
    """The share in target as it is told, 0 to 1; None where there is none to tell."""
    return share_shown(measure.clock, lengths.in_target if lengths else None)


class _Words:
    """How figures are said in this report; instants by the clock on the site's wall."""

    def __init__(self, report: Report) -> None:
        self._zone = ZoneInfo(report.zone)

    length = staticmethod(length_words)
    target = staticmethod(target_words)
    severity = staticmethod(severity_word)

    def at(self, instant: datetime) -> str:
        local = instant.astimezone(self._zone)
        return f"{day_words(local.date())}, {local:%H:%M}"

    def lasting(self, length: timedelta) -> str:
        return length_words(length / timedelta(minutes=1))

    def share(self, share: float | None) -> str:
        return "–" if share is None else f"{100 * share:.1f}\u00a0%"

    def met(self, measure: Measure, lengths: Lengths | None) -> str:
        return self.share(_shown(measure, lengths))

    def day(self, one: date) -> str:
        return f"{day_words(one)} {one.year}"

    def spark(self, measure: Measure) -> Markup:
        values = ", ".join("no work" if value is None else length_words(value / 60e6) for value in measure.weekly)
        return Markup(svg.sparkline(f"s-{measure.name}", f"Median of eight weeks: {values}", measure.weekly))

    def since(self, case: OpenCase) -> str:
        return self.at(case.about.raised)


def _in_order(report: Report) -> list[Measure]:
    """What changed first, the worst of it at the top; within that in the order of the table."""
    verdicts = list(Verdict)
    return sorted(report.measures, key=lambda one: verdicts.index(one.judged.verdict))


def _charted(measures: list[Measure]) -> list[Measure]:
    """The measures that have a chart: what changed, then what has a target, then the rest."""
    drawn = [one for one in measures if one.chart and one.this and len(one.days) >= FEWEST_DAYS]
    quiet = (Verdict.UNCHANGED, Verdict.UNKNOWN)
    return sorted(drawn, key=lambda one: (one.judged.verdict in quiet, not (one.this and one.this.due)))


def _chart(measure: Measure, monday: date) -> str:
    assert measure.chart is not None
    title = f"{measure.title}: median of each day"
    return day_chart(measure.name, title, measure.days, measure.chart, measure.judged, monday)


def _pareto(bars: tuple[Bar[Cause], ...]) -> str:
    shown = [Share(bar.cause.title, bar.count, bar.cumulative, bar.vital, bar.cause.warned) for bar in bars[:CAUSES]]
    rest, tail = sum(bar.count for bar in bars[CAUSES:]), sum(bar.cause.warned for bar in bars[CAUSES:])
    if rest:
        shown.append(Share(f"{len(bars) - CAUSES} other causes", rest, 1.0, vital=False, tail=tail))
    total = sum(bar.count for bar in bars)
    most = bars[0]
    words = f"{total} signals of {len(bars)} causes. Most often: {most.cause.title}, {most.count} of {total}."
    soon = sum(bar.cause.warned for bar in bars)
    if soon:
        words += f" Of the same clocks {soon} more were only due soon."
    return svg.pareto_chart("pareto", "Signals of the week by cause", words, shown)


@cache
def _template() -> Any:
    folder = files("workflows") / "templates"
    environment = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("week.html")
