"""The fold: what the events of a case, taken in order, start, stop, end and break.

Everything that a case says comes from here and from nothing else than the events that stand. One event more that is the
newest is carried on from what was known; any other folds the case again, and both give the same.
"""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast

from models import clocks, rules
from models.case import Evidence, Following, Progress, Trimmed
from models.clocks import Run
from models.event import CaseId, Event, kind_of
from models.policy import Kind, Policies, Rule
from models.signals import Signal, signal_id
from models.tracking.asked import Asking, clock_lapses, concerned, since
from models.tracking.watched import Anchor, Breakage, Folded, Key, Runs

Moved = dict[str, Run]
"""The instances that some events started or changed, by id, as they stand."""


def fold(case: CaseId, evidence: Evidence, policies: Policies, anchor: Anchor | None = None) -> tuple[Folded, Anchor]:
    """Everything from the events that stand, with the anchor right before the last instant; given one, from there on."""
    standing = evidence.standing
    if not standing:
        return Folded(), Anchor()
    asking = Asking(kind_of(case), standing[0], policies)
    if anchor is None:
        anchor = Anchor() if evidence.trimmed is None else _left_behind(standing, evidence.trimmed, asking)
    if len(standing) == anchor.at:
        return anchor.folded, anchor
    turn, moved = _last_instant(standing), dict[str, Run]()
    before = _carried(anchor.folded, standing, range(anchor.at, turn), asking, moved)
    return _carried(before, standing, range(turn, len(standing)), asking, moved), Anchor(turn, before)


def carry_on(
    so_far: Folded, anchor: Anchor, standing: Sequence[Event], known: int, asking: Asking
) -> tuple[Folded, Anchor, Moved]:
    """What follows with the events from `known` on, of which there is one at least, when `so_far` followed from those
    before; the anchor, which is what was known where that is none of the last instant; and the instances that they moved."""
    moved: Moved = {}
    if known == 0 or standing[known - 1].time != standing[-1].time:
        anchor = Anchor(known, so_far)
    return _carried(so_far, standing, range(known, len(standing)), asking, moved), anchor, moved


def _left_behind(standing: Sequence[Event], trimmed: Trimmed, asking: Asking) -> Anchor:
    """What follows from the events that stayed when those around them left: what they said last, and the instances that
    were running."""
    count = bisect_left(standing, trimmed.until, key=_time)
    if count == 0:
        return Anchor()
    folding = _Folding(Folded(), standing, asking, {})
    for event in standing[:count]:
        folding.go_on(event, trimmed.running)
    return Anchor(count, folding.folded())


def _time(event: Event) -> datetime:
    return event.time


def _last_instant(standing: Sequence[Event]) -> int:
    """The place of the first event of the last instant."""
    turn = len(standing) - 1
    while turn > 0 and standing[turn - 1].time == standing[turn].time:
        turn -= 1
    return turn


def _carried(so_far: Folded, standing: Sequence[Event], places: range, asking: Asking, moved: Moved) -> Folded:
    if not places:
        return so_far
    folding = _Folding(so_far, standing, asking, moved)
    for at in places:
        folding.add(at)
    return folding.folded()


class _Folding:
    """A Folded while events come to it."""

    __slots__ = (
        "_asking",
        "_broken",
        "_concerned",
        "_following",
        "_moved",
        "_own",
        "_running",
        "_runs",
        "_standing",
        "_void",
    )

    def __init__(self, so_far: Folded, standing: Sequence[Event], asking: Asking, moved: Moved) -> None:
        progress, self._broken = so_far.progress, so_far.broken
        self._runs, self._running, self._own = so_far.runs, so_far.running, False
        self._void = so_far.void
        self._following = Following(progress or Progress({}, None, standing[0].time, None, {}), asking.kind)
        self._standing = standing
        self._asking = asking
        self._concerned = concerned(asking.policies)
        self._moved = moved

    def add(self, at: int) -> None:
        """The event at that place of those that stand; all before it were added."""
        event = self._standing[at]
        kind = event.type
        if kind in self._concerned.signs:
            return
        self._following.add(event)
        moved = self._concerned.moved.get(kind)
        if moved is not None:
            changed = self._changed(at, event, moved)
            if changed:
                self._keep(changed)
        if kind in self._concerned.judged:
            entries = self._asking.at(event)
            judged = entries.judged_at.get(kind)
            if judged is not None:
                before = rules.Before(self._standing[:at], self._following.fields, entries.profile.working)
                self._broken += _broken(judged, event, before)

    def go_on(self, event: Event, running: Collection[str]) -> None:
        """An event that stayed when those around it left: it starts the instances of these ids, and moves nothing else."""
        if event.type in self._concerned.signs:
            return
        self._following.add(event)
        entries = self._asking.at(event)
        for clock in entries.starts.get(event.type, ()):
            if clocks.instance_id(clock.name, event) in running:
                begun = clocks.start(clock, entries.profile, event, self._following.fields, (), ())
                self._keep({(clock.name, begun.key): (begun,)})

    def _keep(self, changed: Runs) -> None:
        if not self._own:
            # Most events move no clock; the first that does takes copies, which all after it share.
            self._runs, self._running, self._own = {**self._runs}, {**self._running}, True
        runs, running = cast("dict[Key, tuple[Run, ...]]", self._runs), cast("dict[Key, Run]", self._running)
        for name, instances in changed.items():
            runs[name] = instances
            if instances[-1].running:
                running[name] = instances[-1]
            else:
                running.pop(name, None)

    def folded(self) -> Folded:
        """What followed; no event comes to it any more."""
        return Folded(self._following.progress(), self._runs, self._running, self._broken, self._void)

    def _changed(self, at: int, event: Event, moved: Collection[str]) -> Runs:
        """The clocks and keys of which the event starts, stops, ends or meets an instance, with all instances of each.
        `moved`: the names of the clocks that its type may move."""
        kind, runs, fields, entries = event.type, self._runs, self._following.fields, self._asking.at(event)
        changed: dict[Key, tuple[Run, ...]] = {}
        for name, run in self._running.items():
            if name[0] in moved:
                after = self._met(run, event)
                if after is not run:
                    self._moved[after.id] = after
                    changed[name] = (*runs[name][:-1], after)
        for clock in entries.starts.get(kind, ()):
            if clocks.matches(clock, fields):
                name = (clock.name, clocks.key_of(clock, event))
                earlier = changed.get(name) or runs.get(name, ())
                if not (earlier and earlier[-1].running):
                    begun = clocks.start(clock, entries.profile, event, fields, earlier, self._standing[:at])
                    self._moved[begun.id] = begun
                    self._void |= begun.void
                    changed[name] = (*earlier, begun)
        return changed

    def _met(self, run: Run, event: Event) -> Run:
        lapse = clock_lapses(run, self._standing[0], self._asking.policies)
        return clocks.meet(run, event) if lapse is None or lapse >= since(event) else clocks.lapse(run, lapse)


def _broken(judged: tuple[Rule, ...], event: Event, before: rules.Before) -> tuple[Breakage, ...]:
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
