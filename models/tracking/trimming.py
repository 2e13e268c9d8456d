"""What a case that never ends may forget: a refrigerator that is measured every minute, a stock item, a feed.

Such a case grows for years. Once it is long, most readings leave it, which no clock, rule, rate or pause is about; and of
the other events those of more than a quarter of a year ago. What goes on stays: the events that began what still runs, the
last word on each thing that was said. So the case says what it said, and turnaround times of long ago are final.

What is as old as that and comes later is counted and changes nothing. Whoever recomputes must give such a case its events
one by one, in the order in which they were read, for it depends on that order what left before what came.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from itertools import chain

from msgspec import Struct
from msgspec.structs import replace

from models.case import Admission, Evidence, Trimmed, identity, settled, voided_by
from models.clocks import Run
from models.event import Event, EventType, kind_of
from models.event_types import CATALOGUE, SIGNS_OF_LIFE, STANDING, VOIDED
from models.policy import BEGINNING, Policies
from models.signals import Signal
from models.tracking import refold, track
from models.tracking.asked import concerned, pausing, since
from models.tracking.holding import instances
from models.tracking.watched import Interval, Step, Watched


class Bounds(Struct, frozen=True):
    """A case is trimmed when it has `long` events, and whenever `again` more came. So many `readings` stay: of one every five
    minutes more than a day, by which evidence may be late. Other events stay for `days` at least, before the day (UTC) of the
    latest (`semantics.md` 8)."""

    long: int = 1000
    again: int = 250
    readings: int = 500
    days: timedelta = timedelta(days=90)


BOUNDS = Bounds()


class Settled(Struct, frozen=True):
    """The facts of a case that no evidence can change any more, as its events left. They stay in the store."""

    intervals: tuple[Interval, ...] = ()
    signals: tuple[Signal, ...] = ()


NOTHING = Settled()


class Received(Struct, frozen=True):
    """What an event led to, the case after that without what it forgot, and the facts that were settled by forgetting."""

    step: Step
    case: Watched
    settled: Settled = NOTHING


def receive(case: Watched, event: Event, policies: Policies, bounds: Bounds = BOUNDS) -> Received:
    """An event arrived: as `track` has it, within the bounds of a case that never ends."""
    if _too_old(case.evidence, event, policies):
        return Received(Step(case, (Admission.AFTER_CLOSE,), (), (), (), case.look), case)
    step = track(case, event, policies)
    if step.case is case or kind_of(case.id) not in STANDING:
        return Received(step, step.case)
    count = len(step.case.evidence.events)
    if count < bounds.long or count % bounds.again:
        return Received(step, step.case)
    return Received(step, *_trim(step.case, event, policies, bounds))


def forgets_nothing(case: Watched, events: int) -> bool:
    """Whether a case may be given so many more events together: it forgot nothing, and will forget nothing with these."""
    kept = case.evidence
    return kept.trimmed is None and (len(kept.events) + events < BOUNDS.long or kind_of(case.id) not in STANDING)


def _trim(case: Watched, event: Event, policies: Policies, bounds: Bounds) -> tuple[Watched, Settled]:
    """The case, which `event` was given to, without what it may forget; the same object where that is nothing."""
    evidence = _trimmed(case, _types(policies, since(event)), bounds)
    if evidence is case.evidence:
        return case, NOTHING
    assert evidence.trimmed is not None
    again = refold(Watched(case.id, evidence, judged=case.judged), policies).case
    until = evidence.trimmed.until
    intervals = {name: one for name, one in case.intervals.items() if one.started >= until or name in again.intervals}
    signals = {name: one for name, one in case.signals.items() if one.raised >= until or name in again.signals}
    gone = Settled(
        tuple(one for name, one in case.intervals.items() if name not in intervals),
        tuple(one for name, one in case.signals.items() if name not in signals),
    )
    return replace(again, intervals=intervals, signals=signals), gone


class _Types(Struct, frozen=True):
    """The types of events that may move anything, all others being readings; and of these the ones that pauses are about."""

    moving: frozenset[EventType]
    pausing: frozenset[EventType]


def _types(policies: Policies, instant: datetime) -> _Types:
    """By the versions in force by then: whoever read an event of that instant knows these, whatever he knows besides."""
    return _types_of(policies, policies.until(instant))


@lru_cache(maxsize=64)
def _types_of(policies: Policies, count: int) -> _Types:
    known = Policies(policies.effective[:count], policies.versions[:count])
    found, pauses = concerned(known), pausing(known)
    return _Types(found.judged | found.counted | pauses | {VOIDED, *found.moved}, pauses)


def _too_old(evidence: Evidence, event: Event, policies: Policies) -> bool:
    trimmed = evidence.trimmed
    if trimmed is None:
        return False
    moving = _types(policies, since(event)).moving
    if event.time >= (trimmed.until if event.type in moving else trimmed.readings):
        return False
    return all(known.id != event.id or known.source != event.source for known in evidence.events)


def _trimmed(case: Watched, types: _Types, bounds: Bounds) -> Evidence:
    """The evidence without what may leave it; the same object where nothing does."""
    events, before = case.evidence.events, case.evidence.trimmed or _NEVER
    until = max(before.until, events[-1].time.replace(hour=0, minute=0, second=0, microsecond=0) - bounds.days)
    readings = [event.time for event in events if event.type not in types.moving]
    shown = max(before.readings, readings[-bounds.readings]) if len(readings) > bounds.readings else before.readings
    going_on = [run for run in instances(case.runs) if run.start.time < until and (run.over or until) >= until]
    last = _last_words(case.evidence.standing, until, shown, types.moving)
    stays = {identity(one) for one in chain(_long_story(case.evidence, going_on, types), last)}
    kept = [
        one for one in events if one.time >= (until if one.type in types.moving else shown) or identity(one) in stays
    ]
    kept = _taken_back_still(events, kept)
    if len(kept) == len(events):
        return case.evidence
    there = {identity(one) for one in kept}
    rivals = tuple(one for one in case.evidence.rivals if identity(one) in there)
    return settled(tuple(kept), rivals, Trimmed(until, shown, frozenset(run.id for run in going_on)))


_NEVER = Trimmed(BEGINNING, BEGINNING, frozenset())


def _long_story(evidence: Evidence, going_on: Iterable[Run], types: _Types) -> Iterator[Event]:
    """What stays however old it is: the first events, pauses, what began what goes on, and who said how urgent that was."""
    standing = evidence.standing
    yield evidence.events[0]
    yield from standing[:1]
    yield from (one for one in standing if one.type in types.pausing)
    for run in going_on:
        yield run.start
        before = standing[: standing.index(run.start) + 1]
        yield from {_voice(one): one for one in before if "priority" in one.data}.values()


def _last_words(
    standing: Iterable[Event], until: datetime, shown: datetime, moving: Collection[EventType]
) -> Iterator[Event]:
    """Who said last of each field what it was: among those before `until`, and among readings whenever something may move
    after that, and before those that are `shown`."""
    said: dict[tuple[_Voice, str], Event] = {}
    zone = (False, False)
    for event in standing:
        before, zone = zone, (event.time >= until, event.time >= shown)
        stays = zone[0] and event.type in moving
        if stays or zone != before:
            yield from said.values()
            said.clear()
        if not stays:
            said.update(((_voice(event), name), event) for name in event.data)
    yield from said.values()


class _Voice(Enum):
    """How much an event's word counts. What an unknown type says is no field of a case, and what a sign of life says only
    where a policy asks about it: neither is the last word of others."""

    WORK = "work"
    SIGN_OF_LIFE = "sign of life"
    UNKNOWN = "unknown"


def _voice(event: Event) -> _Voice:
    if event.type not in CATALOGUE:
        return _Voice.UNKNOWN
    return _Voice.SIGN_OF_LIFE if event.type in SIGNS_OF_LIFE else _Voice.WORK


def _taken_back_still(events: Iterable[Event], kept: Sequence[Event]) -> list[Event]:
    """Those that stay, with what takes one of them back."""
    there = {identity(one) for one in kept}
    return [one for one in events if identity(one) in there or voided_by(one) in there]
