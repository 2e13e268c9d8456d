"""The weekly improvement report of a site: from what the store knows to what people read, without asking anything.

It answers in the order in which people use it: which measures changed and how we know, how long work took against the
week before, what went wrong most, what is still open, whether errors came more often, whether alarms reached somebody,
and how far the figures can be trusted. The same facts give the same report, whenever it is made.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from metrics.day_chart import Day
from metrics.pareto import Bar, pareto
from metrics.spc import Chart, chart
from metrics.verdict import Judged, judged
from models.event import Site
from models.period import LOOKED_BACK, Week
from models.policy import Clock, Kind, Policies, Policy, Rate, Severity
from models.store.reporting import Facts, Raised, Shifted, StillOpen, Trials, Turnaround

_MINUTE = 60e6


class State(StrEnum):
    """How a rate stood at the end of the week."""

    SHIFTED = "more often than usual"
    OVER = "was more often, is over"
    USUAL = "as usual"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Work of a clock that was done in a week. Minutes; `in_target` is the share among the `due` ones, None without any."""

    n: int
    due: int
    in_target: float | None
    median: float
    p90: float


@dataclass(frozen=True, slots=True)
class Measure:
    """One clock. `clock` is None where the policy of that time does not name it. `days` are those of the last eight weeks
    on which work was done; `chart` is over their medians. `weekly` are the medians of the weeks, None without work."""

    name: str
    title: str
    clock: Clock | None
    this: Lengths | None
    before: Lengths | None
    days: tuple[Day, ...]
    weekly: tuple[float | None, ...]
    chart: Chart | None
    judged: Judged


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """`share` is errors per opportunity of the week, None without opportunities. `since`: from when on about, while the
    state is not as usual."""

    name: str
    title: str
    rate: Rate | None
    opportunities: int
    errors: int
    share: float | None
    share_before: float | None
    late: int
    state: State
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Cause:
    """What signals were about; counts by severity, S1 first. `warned` counts those of a clock that were only due soon, in
    the week at least: they are not among the severities."""

    title: str
    kind: Kind
    severities: tuple[int, int, int, int]
    warned: int


@dataclass(frozen=True, slots=True)
class OpenCase:
    """`lasting` is from the instant at which the signal became true to the end of the week."""

    title: str
    about: StillOpen
    lasting: timedelta


@dataclass(frozen=True, slots=True)
class Report:
    """One week of one site. `revision` counts from 1; a later one holds facts that became known after the one before.
    `causes` are those of what went wrong; `only_warned` those of which nothing did, warnings apart, the most warned first."""

    site: Site
    site_name: str
    declared: bool
    zone: str
    week: Week
    revision: int
    policy: str
    measures: tuple[Measure, ...]
    causes: tuple[Bar[Cause], ...]
    only_warned: tuple[Cause, ...]
    open_cases: tuple[OpenCase, ...]
    rates: tuple[ErrorRate, ...]
    facts: Facts


def zone_of(policies: Policies, site: str) -> str:
    """The time zone by which a site's weeks are cut: that of the policy as it stands last."""
    return policies.latest.site(Site(site)).working.timezone


def assemble(site: Site, week: Week, facts: Facts, policies: Policies, revision: int) -> Report:
    """The report of a week, from what is known of it. Names and targets are those of the policy in force as it ended."""
    zone = zone_of(policies, site)
    policy = policies.at(week.ends(zone) - timedelta(minutes=1))
    causes = _causes(facts.raised, policy)
    return Report(
        site=site,
        site_name=policy.site(site).name if site in policy.sites else site,
        declared=site in policy.sites,
        zone=zone,
        week=week,
        revision=revision,
        policy=policy.version,
        measures=tuple(_measures(facts.turnaround, policy, week)),
        causes=pareto(causes),
        only_warned=tuple(sorted((one for one, count in causes.items() if not count), key=lambda one: -one.warned)),
        open_cases=tuple(
            OpenCase(title_of(policy, one.kind, one.name), one, week.ends(zone) - one.raised)
            for one in facts.still_open
        ),
        rates=tuple(_rates(facts, policy, site)),
        facts=facts,
    )


def title_of(policy: Policy, kind: str, name: str) -> str:
    """What a signal is about, in a line."""
    match kind:
        case Kind.CLOCK:
            return policy.clocks[name].title if name in policy.clocks else name
        case Kind.RATE:
            return policy.rates[name].title if name in policy.rates else name
        case Kind.RULE:
            return next((rule.title for key, rule in policy.rules.items() if key == name), name)
        case _:
            return f"Nothing heard from {name}" if name.startswith("/") else f"{name} not judged"


def _measures(turnaround: Iterable[Turnaround], policy: Policy, week: Week) -> Iterable[Measure]:
    """Those with work this week or the week before: those with a target first, by severity, then by title."""
    by_clock: dict[str, list[Turnaround]] = defaultdict(list)
    for one in turnaround:
        by_clock[one.clock].append(one)
    found = [_measure(name, rows, policy, week) for name, rows in by_clock.items()]
    return sorted((one for one in found if one.this or one.before), key=_rank)


def _rank(measure: Measure) -> tuple[int, str, str]:
    judges = measure.clock is not None and measure.clock.target is not None
    return measure.clock.severity if measure.clock and judges else 5, measure.title.casefold(), measure.name


def _measure(name: str, rows: list[Turnaround], policy: Policy, week: Week) -> Measure:
    weeks = {row.day: _lengths(row) for row in rows if row.whole_week}
    days = tuple(Day(row.day, row.n, row.median / _MINUTE) for row in rows if not row.whole_week)
    drawn = chart([day.median for day in days]) if days else None
    clock = policy.clocks.get(name)
    looked = [weeks.get(week.before(back).monday) for back in range(LOOKED_BACK - 1, -1, -1)]
    return Measure(
        name=name,
        title=clock.title if clock else name,
        clock=clock,
        this=looked[-1],
        before=looked[-2],
        days=days,
        weekly=tuple(one.median if one else None for one in looked),
        chart=drawn,
        judged=judged([day.day for day in days], drawn, week.monday),
    )


def _lengths(row: Turnaround) -> Lengths:
    share = row.in_target / row.due if row.due else None
    return Lengths(row.n, row.due, share, row.median / _MINUTE, row.p90 / _MINUTE)


def _causes(raised: Iterable[Raised], policy: Policy) -> dict[Cause, int]:
    """How often each cause went wrong; 0 for one that only warned."""
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    warned: dict[tuple[str, str], int] = defaultdict(int)
    for one in raised:
        severities = counts[one.kind, one.name]
        if _only_warned(one, policy):
            warned[one.kind, one.name] += one.count
        else:
            severities[one.severity - 1] += one.count
    causes = {
        Cause(title_of(policy, kind, name), Kind(kind), (s1, s2, s3, s4), warned[kind, name]): s1 + s2 + s3 + s4
        for (kind, name), (s1, s2, s3, s4) in counts.items()
    }
    # Of equals those of higher severity come first, then the alphabet decides.
    return dict(sorted(causes.items(), key=lambda one: ([-count for count in one[0].severities], one[0].title)))


def _only_warned(raised: Raised, policy: Policy) -> bool:
    """A warning is one severity below its clock's. That of a clock of the least severity has the same, and counts as
    missed, as it does where people are told of it."""
    clock = policy.clocks.get(raised.name) if raised.kind == Kind.CLOCK else None
    return clock is not None and raised.severity > clock.severity


def _rates(facts: Facts, policy: Policy, site: Site) -> Iterable[ErrorRate]:
    this = {one.rate: one for one in facts.trials if not one.previous}
    before = {one.rate: one for one in facts.trials if one.previous}
    order = {name: place for place, name in enumerate(policy.rates)}
    for name in sorted({**this, **before}, key=lambda name: (order.get(name, len(order)), name)):
        rate = policy.rates.get(name)
        now = this.get(name, Trials(name, False, 0, 0, 0))
        standing = _standing([one for one in facts.shifted if one.rate == name])
        yield ErrorRate(
            name=name,
            title=rate.title if rate else name,
            rate=rate,
            opportunities=_opportunities(now, rate),
            errors=now.errors,
            share=_share(now, rate),
            share_before=_share(before[name], rate) if name in before else None,
            late=now.late,
            state=standing[0],
            since=standing[1],
        )


def _standing(shifts: list[Shifted]) -> tuple[State, datetime | None]:
    open_ones = [one for one in shifts if one.cleared is None]
    if open_ones:
        return State.SHIFTED, open_ones[-1].since
    return (State.OVER, shifts[-1].since) if shifts else (State.USUAL, None)


def _opportunities(trials: Trials, rate: Rate | None) -> int:
    """An error is an opportunity too, unless its types are no opportunities."""
    return trials.clean + (0 if rate is not None and rate.types_differ else trials.errors)


def _share(trials: Trials, rate: Rate | None) -> float | None:
    opportunities = _opportunities(trials, rate)
    return trials.errors / opportunities if opportunities else None


def severity_word(severity: Severity) -> str:
    """Beside the code, what it means for people."""
    return {1: "critical", 2: "urgent", 3: "soon", 4: "note"}[severity]
