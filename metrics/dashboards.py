"""What is on the Grafana dashboard "Board and turnaround", made from the catalogue of metrics.

What a pharmacy lives by (queues, turnaround, signals) is asked of the store, by the time at which things happened; how
RxPulse itself is doing is asked of Prometheus. The questions to the store are handed in, for SQL has one home. The JSON is
committed as it is made here.
"""

from dataclasses import dataclass
from typing import Any

from metrics import catalog
from metrics.catalog import Metric
from metrics.grafana import Look, Panel, Question, Row, Source, Unit, dashboard


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What is asked of the store, in SQL."""

    sites: str
    open: str
    at_risk: str
    late: str
    age: str
    unanswered: str
    serious: str
    queues: str
    stages: str
    clocks: str
    in_target: str
    median: str
    p90: str
    severities: str
    causes: str
    escalations: str
    deliveries: str
    rates: str


def board_and_turnaround(ask: Questions) -> dict[str, Any]:
    """The dashboard as JSON."""
    rows = (_now(ask), _queues(ask), _turnaround(ask), _signals(ask), _pipeline())
    return dashboard("rxpulse-board", "Board and turnaround", rows, ask.sites)


def _now(ask: Questions) -> Row:
    def stat(title: str, text: str, description: str, unit: Unit = Unit.COUNT, *steps: tuple[float, str]) -> Panel:
        return Panel(title, description, Look.STAT, Question(Source.STORE, text), unit, 4, 4, steps)

    return Row(
        "Now",
        (
            stat("Open work", ask.open, "Cases that are not finished, at the sites chosen."),
            stat("Late", ask.late, "Open cases with a clock that is past its due.", Unit.COUNT, (1, "red")),
            stat(
                "At risk", ask.at_risk, "Open cases with a clock that is close to its due.", Unit.COUNT, (1, "orange")
            ),
            stat(
                "Age of the data",
                ask.age,
                "How far back the board looks. Missed deadlines after that are not seen yet.",
                Unit.SECONDS,
                (60, "orange"),
                (300, "red"),
            ),
            stat(
                "Pages without an answer",
                ask.unanswered,
                "Escalations that nobody has taken on, those that reached the end of their ladder included.",
                Unit.COUNT,
                (1, "red"),
            ),
            stat(
                "Open signals S1 and S2",
                ask.serious,
                "Serious signals that are open, and were told or are younger than a week.",
                Unit.COUNT,
                (1, "orange"),
            ),
        ),
    )


def _queues(ask: Questions) -> Row:
    return Row(
        "Queues",
        (
            Panel(
                "Where work waits",
                "Open cases by site, stage and priority, the late ones first.",
                Look.TABLE,
                Question(Source.STORE, ask.queues),
                width=16,
                height=10,
                units=(("oldest_waits", Unit.SECONDS),),
            ),
            Panel(
                "The longest queues",
                "Open cases by site and stage.",
                Look.BARS,
                Question(Source.STORE, ask.stages),
                width=8,
                height=10,
            ),
        ),
    )


def _turnaround(ask: Questions) -> Row:
    def days(title: str, text: str, unit: Unit, description: str) -> Panel:
        return Panel(title, description, Look.LINES, Question(Source.STORE, text), unit)

    return Row(
        "Turnaround, by when the work was done",
        (
            Panel(
                "Clocks in the time chosen",
                "Half of the work took no longer than p50, nine tenths no longer than p90, net of pauses and closed"
                " hours; the share in target is of the work that had a due.",
                Look.TABLE,
                Question(Source.STORE, ask.clocks),
                height=10,
                units=(("p50", Unit.SECONDS), ("p90", Unit.SECONDS), ("in_target", Unit.SHARE)),
            ),
            days(
                "Share in target", ask.in_target, Unit.SHARE, "Of the work with a due that was done on each day (UTC)."
            ),
            days("Typical turnaround (p50)", ask.median, Unit.SECONDS, "The middle of each day (UTC), net."),
            days("Slow turnaround (p90)", ask.p90, Unit.SECONDS, "Nine tenths of each day (UTC) took no longer, net."),
        ),
    )


def _signals(ask: Questions) -> Row:
    return Row(
        "Signals and people",
        (
            Panel(
                "Signals raised",
                "By day (UTC) and severity, those that late evidence disproved left out.",
                Look.LINES,
                Question(Source.STORE, ask.severities),
            ),
            Panel(
                "What raises them",
                "Clocks, rules, rates and feeds with the most signals in the time chosen, and how many are open.",
                Look.TABLE,
                Question(Source.STORE, ask.causes),
            ),
            Panel(
                "Escalations",
                "By state; how many were acknowledged, and after how long half of those were.",
                Look.TABLE,
                Question(Source.STORE, ask.escalations),
                width=8,
                units=(("answered_after", Unit.SECONDS),),
            ),
            Panel(
                "Messages that arrived",
                "By channel: taken by the other side, refused or given up, and the share that was taken.",
                Look.TABLE,
                Question(Source.STORE, ask.deliveries),
                width=8,
                units=(("success", Unit.SHARE),),
            ),
            Panel(
                "Error rates",
                "Share of errors among the trials of each day (UTC).",
                Look.LINES,
                Question(Source.STORE, ask.rates),
                Unit.SHARE,
                width=8,
            ),
        ),
    )


def _pipeline() -> Row:
    return Row(
        "RxPulse itself",
        (
            _metric(catalog.EVENTS, "Events", _rate(catalog.EVENTS, "outcome"), Unit.PER_SECOND, "{{outcome}}"),
            _metric(
                catalog.LISTENED, "The worker is behind by", _age(catalog.LISTENED), Unit.SECONDS, steps=((300, "red"),)
            ),
            _metric(
                catalog.RATES_JUDGED, "Rates judged ago", _age(catalog.RATES_JUDGED), Unit.SECONDS, steps=((10, "red"),)
            ),
            _metric(catalog.BATCH_SECONDS, "Batches (p90)", _p90(catalog.BATCH_SECONDS), Unit.SECONDS),
            _metric(
                catalog.PAGE_SECONDS, "Pages (p90)", _p90(catalog.PAGE_SECONDS, "channel"), Unit.SECONDS, "{{channel}}"
            ),
            _metric(
                catalog.OVERDUE, "Pages overdue by", f"max({catalog.OVERDUE.name})", Unit.SECONDS, steps=((30, "red"),)
            ),
            _metric(
                catalog.FEED_HEARD,
                "Feeds were heard ago",
                _age(catalog.FEED_HEARD, "source", "site"),
                Unit.SECONDS,
                "{{source}} {{site}}",
            ),
            _metric(
                catalog.ESCALATIONS,
                "Escalations by state",
                f"max by (state) ({catalog.ESCALATIONS.name})",
                Unit.COUNT,
                "{{state}}",
            ),
            Panel(
                "Roles that answer",
                "How many processes of each role Prometheus reaches. 0: it is gone; look at its log.",
                Look.LINES,
                Question(Source.PROMETHEUS, 'sum by (role) (up{job="rxpulse"})', "{{role}}"),
                width=8,
            ),
        ),
    )


def _metric(
    metric: Metric, title: str, text: str, unit: Unit, legend: str = "", steps: tuple[tuple[float, str], ...] = ()
) -> Panel:
    """A third of a row about one figure of the catalogue, with its meaning and its remedy."""
    question = Question(Source.PROMETHEUS, text, legend or title)
    return Panel(title, f"{metric.meaning} {metric.remedy}", Look.LINES, question, unit, 8, 8, steps)


def _rate(metric: Metric, *labels: str) -> str:
    return f"sum by ({', '.join(labels)}) (rate({metric.name}[$__rate_interval]))"


def _age(metric: Metric, *labels: str) -> str:
    """Seconds since the instant, as of the scrape; nothing before the first value, which is 0."""
    by = f" by ({', '.join(labels)})" if labels else ""
    return f"min{by} (timestamp({metric.name}) - ({metric.name} > 0))"


def _p90(metric: Metric, *labels: str) -> str:
    by = ", ".join(("le", *labels))
    return f"histogram_quantile(0.9, sum by ({by}) (rate({metric.name}_bucket[$__rate_interval])))"
