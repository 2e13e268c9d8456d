"""The fold: what the events of a case, taken in order, start, stop, end and break.

Everything that a case says comes from here and from nothing else than the events that stand. One event more that is the
newest is carried on from what was known; any other folds the case again, and both give the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models import clocks, rules
from models.case import Progress, follow
from models.clocks import Run
from models.event import CaseId, Event, kind_of
from models.policy import Clock, Kind, Policies, Rule
from models.signals import Signal, signal_id
from models.tracking.asked import Entries, Entry, asked, lapses, moving, since
from models.tracking.watched import Breakage, Runs


@dataclass(frozen=True, slots=True)
class Folded:
    """What follows from the events so far; `progress` None before the first."""

    progress: Progress | None
    runs: Runs
    broken: tuple[Breakage, ...]


def fold(case: CaseId, standing: Sequence[Event], policies: Policies) -> Folded:
    """Everything from the events that stand."""
    so_far = Folded(None, {}, ())
    for at, event in enumerate(standing):
        so_far = carry_on(so_far, case, standing, at, asked(case, standing[0], event, policies), policies)
    return so_far


def carry_on(
    so_far: Folded, case: CaseId, standing: Sequence[Event], at: int, entries: Entries, policies: Policies
) -> Folded:
    """What follows with the event at `at` too, of which the version in force asks `entries`."""
    event = standing[at]
    progress = follow(so_far.progress, event, kind_of(case))
    runs, broken = so_far.runs, so_far.broken
    if runs and event.type in moving(policies):
        runs = _met(runs, event, standing[0], policies)
    starting = entries.starts.get(event.type)
    if starting is not None:
        runs = _started(runs, starting, _Told(event, standing, at, progress, policies))
    judged = entries.judged_at.get(event.type)
    if judged is not None:
        broken += _broken(judged, _Told(event, standing, at, progress, policies))
    return Folded(progress, runs, broken)


@dataclass(frozen=True, slots=True)
class _Told:
    """An event with what stands before it and what was said up to and including it."""

    event: Event
    standing: Sequence[Event]
    at: int
    progress: Progress
    policies: Policies

    @property
    def before(self) -> Sequence[Event]:
        return self.standing[: self.at]


def lapse_of(run: Run, first: Event, policies: Policies) -> datetime | None:
    """The instant from which the policy no longer asks for the clock of an instance; None where it always does."""
    entry = Entry(Kind.CLOCK, run.clock.name, run.start.site, since(run.start))
    return lapses(entry, run.case, first, policies) if len(policies.versions) > 1 else None


def _met(runs: Runs, event: Event, first: Event, policies: Policies) -> Runs:
    changed: dict[tuple[str, str], tuple[Run, ...]] = {}
    for name, instances in runs.items():
        last = instances[-1]
        if last.stop is None and last.end is None and event.type in clocks.moves(last.clock):
            after = _met_by(last, event, first, policies)
            if after is not last:
                changed[name] = (*instances[:-1], after)
    return {**runs, **changed} if changed else runs


def _met_by(run: Run, event: Event, first: Event, policies: Policies) -> Run:
    lapse = lapse_of(run, first, policies)
    if lapse is not None and lapse < event.time:
        return clocks.lapse(run, lapse)
    return clocks.meet(run, event)


def _started(runs: Runs, starting: tuple[Clock, ...], told: _Told) -> Runs:
    event = told.event
    for clock in starting:
        if clock.case != kind_of(event.subject):
            continue
        name = (clock.name, clocks.key_of(clock, event))
        earlier = runs.get(name, ())
        if earlier and earlier[-1].running:
            continue
        profile = told.policies.at(since(event)).site(event.site)
        begun = clocks.start(clock, profile, event, told.progress.fields, earlier, told.before)
        if begun is not None:
            runs = {**runs, name: (*earlier, begun)}
    return runs


def _broken(judged: tuple[Rule, ...], told: _Told) -> tuple[Breakage, ...]:
    event = told.event
    working = told.policies.at(since(event)).site(event.site).working
    before = rules.Before(told.before, told.progress.fields, working)
    found: list[Breakage] = []
    for rule in judged:
        broken = rules.judge(rule.name, event, before)
        if broken is not None:
            known = max(event.time, *(proof.recorded for proof in broken.evidence))
            found.append(Breakage(_rule_signal(rule, event, known), since(event)))
    return tuple(found)


def _rule_signal(rule: Rule, event: Event, known: datetime) -> Signal:
    return Signal(
        id=signal_id(Kind.RULE, rule.name, event.subject, event.source, event.id),
        kind=Kind.RULE,
        name=str(rule.name),
        severity=rule.severity,
        site=event.site,
        case=event.subject,
        raised=event.time,
        known=known,
    )
