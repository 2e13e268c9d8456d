"""What each clock and each broken rule of a case says, as far as its events and silence tell.

A clock that runs is worrying, late or worse once silence was listened to past the instant in question; one that stopped
has a length. What it says changes only by an event that concerns it, by a pause while it runs, or by silence past the
instant that it names, so only then is it asked again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from models import clocks
from models.clocks import Breach, Run
from models.event import CaseId, Event
from models.policy import Kind, Policies
from models.signals import Cleared, Signal, signal_id
from models.tracking.asked import Entry, lapses, pausing
from models.tracking.folding import Folded, lapse_of
from models.tracking.watched import Breakage, Held, Interval, Pace, Runs

NOTHING = Held()


def instances(runs: Runs) -> Iterator[Run]:
    return (run for found in runs.values() for run in found)


Story = tuple[CaseId, Sequence[Event], datetime, Policies]
"""A case, its events that stand, the instant up to which silence was listened to, and the policies that judge it."""


def everything(folded: Folded, story: Story) -> dict[str, Held]:
    """What each instance and each broken rule says, by the id of the instance or signal."""
    return _told(instances(folded.runs), folded.broken, story)


def concerned(before: Folded, after: Folded, event: Event, story: Story) -> dict[str, Held]:
    """What those say that the newest event started, changed, broke or may have let pause."""
    if after.runs is before.runs and after.broken is before.broken and event.type not in pausing(story[3]):
        return {}
    runs = [run for name, found in after.runs.items() for run in _new(before.runs.get(name, ()), found)]
    runs += [run for run in instances(after.runs) if run.running and event.type in clocks.holds(run.clock)]
    return _told(runs, after.broken[len(before.broken) :], story)


def _new(known: tuple[Run, ...], found: tuple[Run, ...]) -> Iterable[Run]:
    return () if found is known else (run for at, run in enumerate(found) if at >= len(known) or run is not known[at])


def overtaken(held: Mapping[str, Held], folded: Folded, story: Story) -> dict[str, Held]:
    """What those say whose instant to look at has passed."""
    passed = {name for name, one in held.items() if one.look is not None and one.look < story[2]}
    runs = (run for run in instances(folded.runs) if run.id in passed)
    return _told(runs, (one for one in folded.broken if one.signal.id in passed), story)


def _told(runs: Iterable[Run], broken: Iterable[Breakage], story: Story) -> dict[str, Held]:
    case, standing, judged, policies = story
    told = {run.id: held_by(run, standing, judged, policies) for run in runs}
    told.update((one.signal.id, broken_held(one, case, standing, judged, policies)) for one in broken)
    return told


def held_by(run: Run, standing: Sequence[Event], judged: datetime, policies: Policies) -> Held:
    """What an instance says. A void one says nothing. One that the policy no longer asks for stays open: a stop from
    before may still be told."""
    if run.void:
        return NOTHING
    if not run.running:
        return _over(run, standing)
    lapse = lapse_of(run, standing[0], policies)
    if lapse is not None and lapse < judged:
        return replace(_over(clocks.lapse(run, lapse), standing), open=True)
    return _running(run, standing, judged, lapse)


def _over(run: Run, standing: Sequence[Event]) -> Held:
    still = clocks.pauses(run, standing)
    over = run.over
    reached = [breach for breach in clocks.breaches(run, still) if over is not None and breach.at < over]
    reading = clocks.reading(run, still)
    interval = None if reading is None else _interval(run, reading)
    return Held(interval, _breach_signal(run, reached))


def _running(run: Run, standing: Sequence[Event], judged: datetime, lapse: datetime | None) -> Held:
    """A due already past at the start is breached at the start, without silence."""
    breaches = clocks.breaches(run, clocks.pauses(run, standing))
    begun = run.start.time
    reached = [breach for breach in breaches if breach.at < judged or breach.at == begun]
    ahead = [breach.at for breach in breaches if breach.at >= judged and breach.at != begun]
    look = min(ahead if lapse is None else (*ahead, lapse), default=None)
    return Held(None, _breach_signal(run, reached), look, _pace(reached), True)


def _pace(reached: Sequence[Breach]) -> Pace:
    if any(breach.late for breach in reached):
        return Pace.LATE
    return Pace.AT_RISK if reached else Pace.ON_TIME


def broken_held(
    breakage: Breakage, case: CaseId, standing: Sequence[Event], judged: datetime, policies: Policies
) -> Held:
    """What a broken rule says: its signal, cleared once the policy no longer has the rule for its site."""
    signal = breakage.signal
    entry = Entry(Kind.RULE, signal.name, signal.site, breakage.since)
    lapse = lapses(entry, case, standing[0], policies)
    if lapse is None or lapse >= judged:
        return Held(None, signal, lapse, open=lapse is not None)
    return Held(None, replace(signal, cleared=max(lapse, signal.raised), reason=Cleared.POLICY))


def _breach_signal(run: Run, reached: Sequence[Breach]) -> Signal | None:
    if not reached:
        return None
    worst = min(reached, key=lambda breach: (breach.severity, breach.at))
    return Signal(
        id=signal_id(Kind.CLOCK, run.id),
        kind=Kind.CLOCK,
        name=run.clock.name,
        severity=worst.severity,
        site=run.start.site,
        case=run.case,
        raised=worst.at,
        known=worst.at,
        cleared=run.over,
        reason=_reason(run),
    )


def _reason(run: Run) -> Cleared | None:
    if run.stop is not None:
        return Cleared.STOP
    return None if run.end is None else run.end.reason


def _interval(run: Run, reading: clocks.Reading) -> Interval:
    assert run.stop is not None
    return Interval(
        id=run.id,
        clock=run.clock.name,
        site=run.start.site,
        priority=run.priority,
        case=run.case,
        started=run.start.time,
        stopped=run.stop.time,
        net=reading.net,
        target=reading.target,
        in_target=reading.in_target,
    )
