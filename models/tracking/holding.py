"""What each clock and each broken rule of a case says, as far as its events and silence tell.

A clock that runs is worrying, late or worse once silence was listened to past the instant in question; one that stopped
has a length. What it says changes only by an event that concerns it, by a pause while it runs, or by silence past the
instant that it names, so only then is it asked again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from msgspec.structs import replace

from models import clocks
from models.clocks import Breach, Run
from models.event import Event, EventType
from models.policy import Kind, Policies
from models.signals import Cleared, Signal, signal_id
from models.tracking.asked import clock_lapses, rule_lapses
from models.tracking.watched import Breakage, Folded, Held, Interval, Pace, Runs

NOTHING = Held()
NOTHING_YET: Mapping[str, Held] = MappingProxyType({})


def instances(runs: Runs) -> Iterator[Run]:
    return (run for found in runs.values() for run in found)


@dataclass(slots=True)
class Story:
    """The events of a case that stand, the instant up to which silence was listened to, the policies that judge it."""

    standing: Sequence[Event]
    judged: datetime
    policies: Policies


def everything(folded: Folded, story: Story) -> dict[str, Held]:
    """What each instance and each broken rule says, by the id of the instance or signal."""
    return say(instances(folded.runs), folded.broken, story)


def may_pause(folded: Folded, kinds: frozenset[EventType]) -> list[Run]:
    """The running instances that events of these types may have let pause or go on."""
    return [run for run in folded.running.values() if not kinds.isdisjoint(clocks.holds(run.clock))]


def overtaken(held: Mapping[str, Held], folded: Folded, story: Story) -> dict[str, Held]:
    """What those say whose instant to look at has passed."""
    passed = {name for name, one in held.items() if one.look is not None and one.look < story.judged}
    runs = (run for run in instances(folded.runs) if run.id in passed)
    return say(runs, (one for one in folded.broken if one.signal.id in passed), story)


def changed(before: Folded, after: Folded) -> tuple[list[Run], list[Breakage]]:
    """The instances and broken rules of `after` that are none of `before`."""
    runs: list[Run] = []
    for name, found in after.runs.items():
        known = before.runs.get(name, ())
        if found is not known:
            runs += [run for run in found if run not in known]
    return runs, [one for one in after.broken if one not in before.broken]


def say(
    runs: Iterable[Run], broken: Iterable[Breakage], story: Story, held: Mapping[str, Held] = NOTHING_YET
) -> dict[str, Held]:
    """What these instances and broken rules say, by id. `held` is what was said before an event that is the
    newest: a pause that it begins or finishes moves nothing of what it stops."""
    said = {run.id: _instance(run, story, held.get(run.id)) for run in runs}
    for one in broken:
        said[one.signal.id] = _breakage(one, story)
    return said


def _instance(run: Run, story: Story, before: Held | None) -> Held:
    """What an instance says. A void one says nothing. One that the policy no longer asks for stays open: a stop from
    before may still be told."""
    if run.void:
        return NOTHING
    if not run.running:
        return _over(run, story.standing, before)
    lapse = clock_lapses(run, story.standing[0], story.policies)
    if lapse is not None and lapse < story.judged:
        return replace(_over(clocks.lapse(run, lapse), story.standing, None), open=True)
    return _running(run, story, lapse)


def _over(run: Run, standing: Sequence[Event], before: Held | None) -> Held:
    over = run.over
    assert over is not None
    still = clocks.pauses(run, standing)
    reading = clocks.reading(run, still)
    interval = None if reading is None else _interval(run, reading)
    if before is not None and before.signal is None and (before.look is None or before.look >= over):
        return Held(interval)
    reached = [breach for breach in clocks.breaches(run, still) if breach.at < over]
    return Held(interval, _breach_signal(run, reached) if reached else None)


def _running(run: Run, story: Story, lapse: datetime | None) -> Held:
    """A due already past at the start is breached at the start, without silence."""
    reached: list[Breach] = []
    look = lapse
    for breach in clocks.breaches(run, clocks.pauses(run, story.standing)):
        if breach.at < story.judged or breach.at == run.start.time:
            reached.append(breach)
        elif look is None or breach.at < look:
            look = breach.at
    if not reached:
        return Held(None, None, look, Pace.ON_TIME, True)
    return Held(None, _breach_signal(run, reached), look, _pace(reached), True)


def _pace(reached: Sequence[Breach]) -> Pace:
    return Pace.LATE if any(breach.late for breach in reached) else Pace.AT_RISK


def _breakage(breakage: Breakage, story: Story) -> Held:
    """What a broken rule says: its signal, cleared once the policy no longer has the rule for its site."""
    signal = breakage.signal
    lapse = rule_lapses(breakage, story.standing[0], story.policies)
    if lapse is None or lapse >= story.judged:
        return Held(None, signal, lapse, open=lapse is not None)
    return Held(None, replace(signal, cleared=max(lapse, signal.raised), reason=Cleared.POLICY))


def _breach_signal(run: Run, reached: Sequence[Breach]) -> Signal:
    worst = min(reached, key=lambda breach: (breach.severity, breach.at))
    return Signal(
        id=signal_id(Kind.CLOCK, run.id),
        kind=Kind.CLOCK,
        name=run.clock.name,
        severity=worst.severity,
        site=run.site,
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
        site=run.site,
        priority=run.priority,
        case=run.case,
        started=run.start.time,
        stopped=run.stop.time,
        net=reading.net,
        target=reading.target,
        in_target=reading.in_target,
    )
