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
from models.policy import Kind, Policies, Rule
from models.signals import Signal, signal_id
from models.tracking.asked import Entries, asked, clock_lapses, moving, since
from models.tracking.watched import Anchor, Breakage, Folded, Running, Runs


@dataclass(slots=True)
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


def fold(
    case: CaseId, standing: Sequence[Event], policies: Policies, anchor: Anchor | None = None
) -> tuple[Folded, Anchor]:
    """Everything from the events that stand, with the anchor before the last instant; given one, from there on."""
    anchor = anchor or Anchor()
    kind, so_far = kind_of(case), anchor.folded
    for at in range(anchor.at, len(standing)):
        event = standing[at]
        if at > anchor.at and event.time != standing[at - 1].time:
            anchor = Anchor(at, so_far)
        so_far, _ = carry_on(so_far, Told(kind, standing, at, asked(kind, standing[0], event, policies), policies))
    return so_far, anchor


def carry_on(so_far: Folded, told: Told) -> tuple[Folded, list[Run]]:
    """What follows with one event more, and the instances that it started or changed."""
    event, entries = told.standing[told.at], told.entries
    progress = follow(so_far.progress, event, told.kind)
    runs, running, broken = so_far.runs, so_far.running, so_far.broken
    moved: list[Run] = []
    if event.type in moving(told.policies):
        changed, moved = _moved(so_far, event, progress, told)
        if changed:
            runs, running = {**runs, **changed}, _running(running, changed)
    judged = entries.judged_at.get(event.type)
    if judged is not None:
        broken += _broken(judged, event, progress, told)
    return Folded(progress, runs, running, broken), moved


def _moved(so_far: Folded, event: Event, progress: Progress, told: Told) -> tuple[Runs, list[Run]]:
    """The clocks and keys of which the event starts, stops, ends or meets an instance, with all instances of each."""
    changed: dict[tuple[str, str], tuple[Run, ...]] = {}
    for name, run in so_far.running.items():
        if event.type in clocks.moves(run.clock):
            after = _met(run, event, told)
            if after is not run:
                changed[name] = (*so_far.runs[name][:-1], after)
    moved = [instances[-1] for instances in changed.values()]
    for clock in told.entries.starts.get(event.type, ()):
        if clocks.matches(clock, progress.fields):
            name = (clock.name, clocks.key_of(clock, event))
            earlier = changed.get(name) or so_far.runs.get(name, ())
            if not (earlier and earlier[-1].running):
                begun = clocks.start(clock, told.entries.profile, event, progress.fields, earlier, told.before)
                changed[name] = (*earlier, begun)
                moved.append(begun)
    return changed, moved


def _running(running: Running, changed: Runs) -> Running:
    now = dict(running)
    for name, instances in changed.items():
        if instances[-1].running:
            now[name] = instances[-1]
        else:
            now.pop(name, None)
    return now


def _met(run: Run, event: Event, told: Told) -> Run:
    lapse = clock_lapses(run, told.standing[0], told.policies)
    return clocks.meet(run, event) if lapse is None or lapse >= event.time else clocks.lapse(run, lapse)


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
