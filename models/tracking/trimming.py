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

from models.case import Admission, Evidence, Trimmed, identity, known_as, settled, voided_by
from models.clocks import Run, closes_all
from models.event import Event, EventType, kind_of
from models.event_types import CATALOGUE, SIGNS_OF_LIFE, STANDING, VOIDED
from models.policy import BEGINNING, Clock, Pause, Policies
from models.signals import Cleared, Signal
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
    """What an event led to, and the case as it is from then on: without what it forgot, which `step.case` still has. `settled`
    are the facts that no evidence changes any more since then."""

    step: Step
    case: Watched
    settled: Settled = NOTHING


def receive(case: Watched, event: Event, policies: Policies, bounds: Bounds = BOUNDS) -> Received:
    """An event arrived: as `track` has it, within the bounds of a case that never ends."""
    if _too_old(case, event, policies):
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
    types = _types(policies, case, event)
    evidence = _trimmed(case, types, bounds)
    if evidence is case.evidence:
        return case, NOTHING
    assert evidence.trimmed is not None
    again, until = refold(Watched(case.id, evidence, judged=case.judged), policies).case, evidence.trimmed.until
    intervals = {
        name: one
        for name, one in case.intervals.items()
        if name in again.intervals or (one.retracted and one.started >= until)
    }
    signals = {
        name: one
        for name, one in case.signals.items()
        if name in again.signals or (one.reason is Cleared.DISPROOF and one.raised >= until)
    }
    gone = Settled(
        tuple(one for name, one in case.intervals.items() if name not in intervals),
        tuple(one for name, one in case.signals.items() if name not in signals),
    )
    return replace(again, intervals=intervals, signals=signals), gone


class _Types(Struct, frozen=True):
    """The types of events that may move anything, all others being readings; and the pauses of clocks of the case's kind."""

    moving: frozenset[EventType]
    pauses: tuple[tuple[Clock, Pause], ...]


def _types(policies: Policies, case: Watched, event: Event) -> _Types:
    """By the versions in force for the case's events, of which `event` is one or is to be: whoever read them knows these,
    whatever he knows besides. A late event alone would ask an older version, which knows nothing of newer clocks."""
    latest = max(since(event), max(map(since, case.evidence.events)))
    return _types_of(policies, policies.until(latest), kind_of(case.id))


@lru_cache(maxsize=64)
def _types_of(policies: Policies, count: int, kind: str) -> _Types:
    known = Policies(policies.effective[:count], policies.versions[:count])
    found = concerned(known)
    clocks = dict.fromkeys(clock for policy in known.versions for clock in policy.clocks.values() if clock.case == kind)
    pauses = tuple((clock, pause) for clock in clocks for pause in clock.pauses)
    return _Types(found.judged | found.counted | pausing(known) | {VOIDED, *found.moved}, pauses)


def _too_old(case: Watched, event: Event, policies: Policies) -> bool:
    trimmed = case.evidence.trimmed
    if trimmed is None or event.time >= max(trimmed.until, trimmed.readings):
        return False
    moves = event.type in _types(policies, case, event).moving
    if event.time >= (trimmed.until if moves else trimmed.readings):
        return False
    return known_as(case.evidence, event) is None


def _trimmed(case: Watched, types: _Types, bounds: Bounds) -> Evidence:
    """The evidence without what may leave it; the same object where nothing does."""
    events, before = case.evidence.events, case.evidence.trimmed or _NEVER
    until = max(before.until, events[-1].time.replace(hour=0, minute=0, second=0, microsecond=0) - bounds.days)
    readings = [event.time for event in events if event.type not in types.moving]
    shown = max(before.readings, readings[-bounds.readings]) if len(readings) > bounds.readings else before.readings
    going_on = [run for run in instances(case.runs) if run.start.time < until and (run.over or until) >= until]
    last = _last_words(case.evidence.standing, until, shown, types.moving)
    paused = _pauses(case.evidence.standing, until, going_on, types.pauses)
    stays = {identity(one) for one in chain(_beginnings(case.evidence, going_on), paused, last)}
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


def _beginnings(evidence: Evidence, going_on: Iterable[Run]) -> Iterator[Event]:
    """What stays however old it is: the first events, what began what goes on, and who said how urgent that was."""
    yield evidence.events[0]
    yield from evidence.standing[:1]
    starts = {identity(run.start) for run in going_on}
    urgent: dict[_Voice, Event] = {}
    for event in evidence.standing:
        if "priority" in event.data:
            urgent[_voice(event)] = event
        if identity(event) in starts:
            yield event
            yield from urgent.values()


def _pauses(
    standing: Sequence[Event], until: datetime, going_on: Iterable[Run], pauses: Iterable[tuple[Clock, Pause]]
) -> Iterator[Event]:
    """What began or finished pauses since the oldest of what goes on began, and before that since all were finished."""
    oldest = min((run.start.time for run in going_on if run.clock.pauses), default=until)
    for clock, pause in pauses:
        told: list[Event] = []
        for event in standing:
            if event.time < oldest and closes_all(clock, pause, event):
                # It stays itself: what it finished may have stayed as a first event or a last word.
                told = [event]
            elif event.type in (pause.begins, pause.finishes):
                told.append(event)
        yield from told


def _last_words(
    standing: Iterable[Event], until: datetime, shown: datetime, moving: Collection[EventType]
) -> Iterator[Event]:
    """Who said last of each field what it was: among those before `until`, and among readings whenever something may move
    after that, and before those that are `shown`."""
    said: dict[tuple[_Voice, str], Event] = {}
    reached = (False, False)
    for event in standing:
        before, reached = reached, (event.time >= until, event.time >= shown)
        moves = event.time >= until and event.type in moving
        if moves or reached != before:
            yield from said.values()
            said.clear()
        if not moves:
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
