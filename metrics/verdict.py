"""What a chart says of a week, in one word and one sentence with the rule that says so.

A figure that went up is no news by itself. A measure has changed only if a day of the week lies outside the limits that
eight weeks give, or if days keep to one side for longer than chance lets them. Where the chart cannot judge, the report
says why instead of guessing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from metrics.spc import TRIAL_BELOW, Chart, Limits, LongRun, Refused, Runs, Unfit, long_runs
from metrics.wording import day_words, length_words, span_words

FEWEST_DAYS = 10
"""Fewer points have no runs to judge (Anhoej and Olesen, PLoS ONE 2014;9:e113825)."""


class Verdict(StrEnum):
    """Of a turnaround: shorter is better."""

    WORSE = "worse"
    BETTER = "better"
    CHANGED = "changed"
    UNCHANGED = "not changed"
    UNKNOWN = "cannot tell"


MARKS = {
    Verdict.WORSE: "▲",
    Verdict.BETTER: "▼",
    Verdict.CHANGED: "◆",
    Verdict.UNCHANGED: "●",
    Verdict.UNKNOWN: "?",
}
"""A shape beside each word; ▲ is longer, ▼ shorter."""


@dataclass(frozen=True, slots=True)
class Judged:
    """`reason` is part of a sentence, without a full stop."""

    verdict: Verdict
    reason: str


def judged(days: Sequence[date], chart: Chart | None, monday: date) -> Judged:
    """What the daily figures of eight weeks say of the week that begins on `monday`. `days` are those with figures, in
    order, one for each value of the chart, which is in minutes; `chart` is None where there are none."""
    this_week = [index for index, day in enumerate(days) if day >= monday]
    if chart is None or not this_week:
        return Judged(Verdict.UNKNOWN, "there is no figure of this week")
    if len(days) < FEWEST_DAYS:
        return Judged(Verdict.UNKNOWN, f"only {_days(len(days))} of eight weeks have figures, {FEWEST_DAYS} are needed")
    match chart.limits:
        case Refused() as refused:
            return Judged(Verdict.UNKNOWN, refusal(refused))
        case Limits() if chart.level:
            return Judged(Verdict.UNCHANGED, f"always the same, {length_words(chart.values[0])}: nothing to judge")
        case Limits() as limits:
            return _by_limits(days, chart.values, this_week[0], limits, chart.runs)


def _by_limits(days: Sequence[date], values: Sequence[float], first: int, limits: Limits, runs: Runs) -> Judged:
    """`first` is the place of the week's first value."""
    week = list(zip(values[first:], days[first:], strict=True))
    above = [one for one in week if one[0] > limits.upper]
    below = [one for one in week if one[0] < limits.lower]
    trial = f" (trial limits, from fewer than {TRIAL_BELOW} days)" if limits.trial else ""
    if above and below:
        reason = f"{_beyond(max(above), len(above), 'above the upper limit', limits.upper)}"
        reason += f" and {_beyond(min(below), len(below), 'below the lower limit', limits.lower)}{trial}"
        return Judged(Verdict.CHANGED, reason)
    if above:
        reason = _beyond(max(above), len(above), "above the upper limit", limits.upper)
        return Judged(Verdict.WORSE, reason + trial)
    if below:
        reason = _beyond(min(below), len(below), "below the lower limit", limits.lower)
        return Judged(Verdict.BETTER, reason + trial)
    return _by_runs(days, values, first, limits, runs, trial)


def _beyond(furthest: tuple[float, date], count: int, which: str, limit: float) -> str:
    """The days of the week beyond a limit, and the furthest of them: the median of a week may hide what one day did."""
    value, day = furthest
    named = f"{day_words(day)} with {length_words(value)}"
    if count == 1:
        return f"1 day of this week {which} of {length_words(limit)}: {named}"
    return f"{_days(count)} of this week {which} of {length_words(limit)}, the furthest {named}"


def _by_runs(
    days: Sequence[date], values: Sequence[float], first: int, limits: Limits, runs: Runs, trial: str
) -> Judged:
    """A run makes a week worse or better only if it still stands at its end; one that was broken is a change, told as
    what it is: its side, its days, when it ended."""
    found = long_runs(values, limits.centre)
    if found:
        last = found[-1]
        told = _run(last, days, values, limits.centre)
        allowed = f"chance allows {runs.longest_max}{trial}"
        if all(value == limits.centre for value in values[last.last + 1 :]):
            verdict = Verdict.WORSE if last.above else Verdict.BETTER
            return Judged(verdict, f"{told}, up to the end of this week, {allowed}")
        until = "ended this week" if last.last >= first else "ended before this week"
        return Judged(Verdict.CHANGED, f"{told}, {until}, {allowed}")
    if runs.crossings < runs.crossings_min:
        reason = f"eight weeks cross their mean {runs.crossings} times, chance gives at least {runs.crossings_min}"
        return Judged(Verdict.CHANGED, reason)
    return Judged(Verdict.UNCHANGED, f"every day of this week within the limits{trial}, runs as chance gives them")


def _run(run: LongRun, days: Sequence[date], values: Sequence[float], centre: float) -> str:
    """How many days kept to which side, what that means for a turnaround, and from when to when. Days on the mean lie in
    the span but are not counted."""
    count = sum(value != centre for value in values[run.first : run.last + 1])
    side = "above the mean (longer)" if run.above else "below the mean (shorter)"
    return f"{_days(count)} in a row {side}, {span_words(days[run.first], days[run.last])}"


def refusal(refused: Refused) -> str:
    """Why there are no limits: part of a sentence, without a full stop."""
    match refused.reason:
        case Unfit.AUTOCORRELATED:
            return (
                f"one day resembles the next too much (lag-1 autocorrelation {refused.autocorrelation or 0:.2f}, at most"
                " 0.30 in size), so limits would mislead"
            )
        case Unfit.NOT_ONE_PROCESS:
            return (
                f"limits do not fit: {refused.outside} of {_days(refused.n)} would lie outside, so the days are not of one"
                " process"
            )
        case Unfit.NO_SPREAD:
            return "most days equal the day before, so there is no usual spread to draw limits from"
        case Unfit.TOO_FEW:
            return "a single day gives no limits"


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
