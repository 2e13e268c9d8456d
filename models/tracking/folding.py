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
from models.tracking.asked import Entries, asked, clock_lapses, moving, since
from models.tracking.watched import Breakage, Folded, Runs


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a case: the one at `at` of those that stand, of which the version in force asks `entries`."""

    kind: str
    standing: Sequence[Event]
    at: int
    entries: Entries
    policies: Policies

    @property
    def before(self) -> Sequence[Event]:
        return self.standing[: self.at]


def fold(case: CaseId, standing: Sequence[Event], policies: Policies) -> Folded:
    """Everything from the events that stand."""
    kind, so_far = kind_of(case), Folded()
    for at, event in enumerate(standing):
        entries = asked(kind, standing[0], event, policies)
        so_far, _ = carry_on(so_far, Told(kind, standing, at, entries, policies))
    return so_far


def carry_on(so_far: Folded, told: Told) -> tuple[Folded, list[Run]]:
    """What follows with one event more, and the instances that it started or changed."""
    event, entries = told.standing[told.at], told.entries
    progress = follow(so_far.progress, event, told.kind)
    runs, broken = so_far.runs, so_far.broken
    moved: list[Run] = []
    if event.type in moving(told.policies):
        runs, moved = _moved(runs, event, progress, told)
    judged = entries.judged_at.get(event.type)
    if judged is not None:
        broken += _broken(judged, event, progress, told)
    return Folded(progress, runs, broken), moved


def _moved(runs: Runs, event: Event, progress: Progress, told: Told) -> tuple[Runs, list[Run]]:
    moved: list[Run] = []
    changed = dict(runs)
    for name, instances in runs.items():
        last = instances[-1]
        if last.stop is None and last.end is None and event.type in clocks.moves(last.clock):
            after = _met(last, event, told)
            if after is not last:
                changed[name] = (*instances[:-1], after)
                moved.append(after)
    for clock in told.entries.starts.get(event.type, ()):
        name = (clock.name, clocks.key_of(clock, event))
        earlier = changed.get(name, ())
        begun = _started(clock, event, progress, earlier, told)
        if begun is not None:
            changed[name] = (*earlier, begun)
            moved.append(begun)
    return (changed, moved) if moved else (runs, moved)


def _met(run: Run, event: Event, told: Told) -> Run:
    lapse = clock_lapses(run, told.standing[0], told.policies)
    return clocks.meet(run, event) if lapse is None or lapse >= event.time else clocks.lapse(run, lapse)


def _started(clock: Clock, event: Event, progress: Progress, earlier: Sequence[Run], told: Told) -> Run | None:
    if clock.case != told.kind or (earlier and earlier[-1].running) or not clocks.matches(clock, progress.fields):
        return None
    return clocks.start(clock, told.entries.profile, event, progress.fields, earlier, told.before)


def _broken(judged: tuple[Rule, ...], event: Event, progress: Progress, told: Told) -> tuple[Breakage, ...]:
    before = rules.Before(told.before, progress.fields, told.entries.profile.working)
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
