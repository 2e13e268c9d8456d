"""The heart: what follows when an event arrives, and when time passes without one.

`track` gives a case one more event (`track_all` several), `tick` lets it know that silence was listened to up to an
instant. Each returns a Step: the case as it now is, the turnaround times that closed or changed, the signals raised, risen
or cleared, the trials for rates, and when to look again. The order in which events arrive does not matter: an event that
is the newest is carried on from what was known, any other folds the case again, and both give the same.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from msgspec.structs import replace

from models.case import Admission, Evidence, append, insert
from models.event import Event, kind_of
from models.event_types import VOIDED
from models.policy import Kind, Policies
from models.rates import Outcome
from models.signals import SignalId, signal_id
from models.tracking.asked import Asking, Entries, entries, pausing, setting_of
from models.tracking.counting import recounted, trials
from models.tracking.folding import carry_on, fold
from models.tracking.holding import NOTHING_YET, Story, changed, everything, may_pause, overtaken, say
from models.tracking.issuing import changed_intervals, changed_signals
from models.tracking.leaving import RESTS, Departed, departed, untouched
from models.tracking.quality import SKEW, Conflicts, amended, conflicts, pace
from models.tracking.watched import Anchor, Breakage, Folded, Held, Interval, Pace, Runs, Step, Watched

__all__ = [
    "RESTS",
    "SKEW",
    "Breakage",
    "Conflicts",
    "Departed",
    "Entries",
    "Folded",
    "Held",
    "Interval",
    "Pace",
    "Runs",
    "Step",
    "Watched",
    "amended",
    "conflicts",
    "departed",
    "entries",
    "pace",
    "refold",
    "setting_of",
    "tick",
    "track",
    "track_all",
]


def track(case: Watched, event: Event, policies: Policies) -> Step:
    """An event arrived. A duplicate changes nothing."""
    return track_all(case, (event,), policies)


def track_all(case: Watched, events: Sequence[Event], policies: Policies) -> Step:
    """Events of one case arrived in this order: what they lead to is what they would lead to one by one. Only what they
    say together is issued, so an order entered and verified among them has its turnaround time, and no more."""
    if isinstance(case, Departed):
        return untouched(case, len(events))
    case = _folded(case, policies)
    steps: list[Step] = []
    while events:
        steps.append(_arrived(case, events, policies))
        case, events = steps[-1].case, events[len(steps[-1].admissions) :]
    return steps[0] if len(steps) == 1 else _together(steps)


def _together(steps: Sequence[Step]) -> Step:
    def joined(field: str) -> tuple[Any, ...]:
        return tuple(chain.from_iterable(getattr(step, field) for step in steps))

    last = steps[-1]
    return Step(last.case, joined("admissions"), joined("intervals"), joined("signals"), joined("outcomes"), last.look)


def _arrived(case: Watched, events: Sequence[Event], policies: Policies) -> Step:
    """The first of the events, with those after it as far as one fold takes them all: those that are newest."""
    evidence, count = append(case.evidence, events[:1] if _may_disprove(case, events[0]) else events)
    return _carried_on(case, evidence, count, policies) if count else _reconsidered(case, events[0], policies)


def _may_disprove(case: Watched, event: Event) -> bool:
    """Whether from this event on one might take back what silence said, or what another says in the light of it: that is
    issued, and dated by the event that does, so each goes by itself."""
    return event.time < case.judged or any(held.signal is not None for held in case.held.values())


def _reconsidered(case: Watched, event: Event, policies: Policies) -> Step:
    evidence, admission = insert(case.evidence, event)
    if evidence is case.evidence:
        return Step(case, (admission,), (), (), (), case.look)
    outcomes = recounted(kind_of(case.id), case.evidence.standing, evidence.standing, policies)
    holds = _still_holds(case, evidence, event)
    folded, anchor = fold(case.id, evidence, policies, holds)
    news = _News(evidence, folded, anchor, case.judged, event.recorded, (admission,), outcomes)
    if holds is None or case.under is not policies or event.type in pausing(policies):
        return _told_whole(case, news, policies)
    return _told_changed(case, news, policies)


def tick(case: Watched, policies: Policies, now: datetime) -> Step:
    """Time passed: silence was listened to up to `now`."""
    if isinstance(case, Departed):
        return untouched(case, 0)
    case = _folded(case, policies)
    judged = case.judged if case.judged > now else now
    news = _News(case.evidence, case.folded, case.anchor, judged, now)
    if case.under is not policies:
        return _told_whole(case, news, policies)
    if case.look is None or judged <= case.look:
        return _told_nothing(case, news, policies)
    again = overtaken(case.held, case.folded, Story(case.evidence.standing, judged, policies))
    return _told_again(case, news, again, policies)


def refold(case: Watched, policies: Policies) -> Step:
    """The case folded from its events alone, as when it is read back from the store."""
    folded, anchor = fold(case.id, case.evidence, policies)
    return _told_whole(case, _News(case.evidence, folded, anchor, case.judged, case.judged), policies)


def _folded(case: Watched, policies: Policies) -> Watched:
    """The case, its events folded if they never were."""
    if case.under is not None or not case.evidence.standing:
        return case
    folded, anchor = fold(case.id, case.evidence, policies)
    return replace(case, folded=folded, anchor=anchor)


def _still_holds(case: Watched, evidence: Evidence, event: Event) -> Anchor | None:
    """The case's anchor, where the late event came among those of the last instant, took nothing out and does not begin the
    case: the first says by whose policy it is judged."""
    known, at = case.evidence.standing, case.anchor.at
    inserted = len(evidence.standing) == len(known) + 1 and event.type != VOIDED
    return case.anchor if inserted and 0 < at < len(known) and event.time == known[-1].time else None


def _carried_on(case: Watched, evidence: Evidence, count: int, policies: Policies) -> Step:
    """The last `count` events of the evidence are new, and newer than all before."""
    standing = evidence.standing
    known, fresh = len(standing) - count, standing[-count:]
    asking = Asking(kind_of(case.id), standing[0], policies)
    folded, anchor, moved = carry_on(case.folded, case.anchor, standing, known, asking)
    outcomes = tuple(trials(fresh, asking))
    news = _News(evidence, folded, anchor, case.judged, fresh[-1].recorded, (Admission.NEWEST,) * count, outcomes)
    if known and case.under is not policies:
        return _told_whole(case, news, policies)
    pauses = pausing(policies).intersection([event.type for event in fresh])
    runs = [*moved.values(), *may_pause(folded, pauses)] if pauses else list(moved.values())
    broken = folded.broken[len(case.folded.broken) :]
    if not runs and not broken:
        return _told_nothing(case, news, policies)
    # Of several events one may have let a clock pause or go on that another stopped: then what was said before is no help.
    before = NOTHING_YET if pauses and count > 1 else case.held
    return _told_again(case, news, say(runs, broken, Story(standing, case.judged, policies), before), policies)


@dataclass(slots=True)
class _News:
    """What the case is from now on, before it is said what that means. `at` dates what evidence disproves."""

    evidence: Evidence
    folded: Folded
    anchor: Anchor
    judged: datetime
    at: datetime
    admissions: tuple[Admission, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


def _told_nothing(case: Watched, news: _News, policies: Policies) -> Step:
    """Everything says what it said."""
    now = Watched(
        case.id,
        news.evidence,
        news.folded,
        news.judged,
        case.intervals,
        case.signals,
        news.anchor,
        case.held,
        case.look,
        policies,
    )
    return Step(now, news.admissions, (), (), news.outcomes, case.look)


def _told_again(case: Watched, news: _News, again: Mapping[str, Held], policies: Policies) -> Step:
    """Some of what the case holds was asked again; the rest says what it said."""
    held = dict(case.held)
    was: list[SignalId] = []
    for name, one in again.items():
        before = held.pop(name, None)
        if before is not None and before.signal is not None:
            was.append(before.signal.id)
        if one.open:
            held[name] = one
    return _issued(case, news, again, held, (), was, policies)


def _told_changed(case: Watched, news: _News, policies: Policies) -> Step:
    """Only what the last instant started, changed or broke was asked again, and what is no part of it any more is gone."""
    runs, broken = changed(case.folded, news.folded)
    again = say(runs, broken, Story(news.evidence.standing, news.judged, policies))
    runs, broken = changed(news.folded, case.folded)
    gone = {run.id for run in runs} | {one.signal.id for one in broken}
    held = {name: one for name, one in case.held.items() if name not in gone}
    held.update((name, one) for name, one in again.items() if one.open)
    was = [signal_id(Kind.CLOCK, run.id) for run in runs] + [one.signal.id for one in broken]
    was_intervals = [run.id for run in runs if run.id in case.intervals]
    return _issued(case, news, again, held, was_intervals, [one for one in was if one in case.signals], policies)


def _told_whole(case: Watched, news: _News, policies: Policies) -> Step:
    """Everything was asked again: what was issued and is not among it holds no more."""
    again = everything(news.folded, Story(news.evidence.standing, news.judged, policies))
    held = {name: one for name, one in again.items() if one.open}
    return _issued(case, news, again, held, case.intervals, case.signals, policies)


def _issued(
    case: Watched,
    news: _News,
    again: Mapping[str, Held],
    held: Mapping[str, Held],
    was_intervals: Collection[str],
    was_signals: Collection[SignalId],
    policies: Policies,
) -> Step:
    hold = [one.interval for one in again.values() if one.interval is not None]
    telling = [one.signal for one in again.values() if one.signal is not None]
    intervals = changed_intervals(case.intervals, hold, was_intervals) if hold or was_intervals else ()
    signals = changed_signals(case.signals, telling, was_signals, news.at) if telling or was_signals else ()
    look = min([one.look for one in held.values() if one.look is not None], default=None)
    now = Watched(
        case.id,
        news.evidence,
        news.folded,
        news.judged,
        {**case.intervals, **{one.id: one for one in intervals}} if intervals else case.intervals,
        {**case.signals, **{one.id: one for one in signals}} if signals else case.signals,
        news.anchor,
        held,
        look,
        policies,
    )
    return Step(now, news.admissions, intervals, signals, news.outcomes, look)
