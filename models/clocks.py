"""Deadlines on a piece of work: when they start, pause and stop, how long they took, when they are due.

A clock starts with one event of a case and stops with another; what lies between, less pauses and closed hours, is
compared with its target. While it runs it can become worrying (a share of the target), late, and worse than late. Nothing
here asks what time it is: whoever asks gives the instant up to which silence was listened to.

"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import cast

from msgspec import Struct

from models.elapsed import net, nth_business_day_end, when_net_exceeds
from models.event import CaseId, Event, EventType, Site
from models.event_types import OPENING
from models.hours import OPEN_END, Span, local_date, merge
from models.policy import BusinessDays, ByField, Clock, Pause, Severity, SiteProfile, Within
from models.signals import Cleared, digest


class End(Struct, frozen=True, gc=False):
    """Where an instance was over without a stop: by an event (END), or because the policy no longer asks (POLICY)."""

    at: datetime
    reason: Cleared


class Run(Struct, frozen=True, gc=False):
    """One instance of a clock. `id` is the hash of site, clock, case and the identity of the start event; `key` tells
    instances of one case apart, empty for none; `priority` is the case's as of the start; `stop` and `end` are None while
    it runs; `void`: its stops all lie before its start, so it is never open, never breached and no interval, yet takes
    further starts until a stop or an end. `ignored` counts further starts."""

    id: str
    site: Site
    clock: Clock
    profile: SiteProfile
    case: CaseId
    key: str
    start: Event
    priority: str
    void: bool = False
    stop: Event | None = None
    end: End | None = None
    ignored: int = 0

    @property
    def running(self) -> bool:
        return self.stop is None and self.end is None

    @property
    def over(self) -> datetime | None:
        """The instant of its stop or end, None while it runs."""
        if self.stop is not None:
            return self.stop.time
        return None if self.end is None else self.end.at


class Breach(Struct, frozen=True, gc=False):
    """From `at` on the clock deserves `severity`, as long as nothing stops it before. `late`: the due is past, so this is
    more than a warning."""

    at: datetime
    severity: Severity
    late: bool


class Reading(Struct, frozen=True, gc=False):
    """What a stopped clock showed. `target` None: no length was promised (business days) or no due is known; `in_target`
    None where there is no due."""

    net: timedelta
    target: timedelta | None
    in_target: bool | None


def key_of(clock: Clock, event: Event) -> str:
    """The key that the event itself names; empty where it names none."""
    if clock.per is None:
        return ""
    value = _value(event.data, clock.per)
    return value if isinstance(value, str) else ""


def matches(clock: Clock, fields: Mapping[str, object]) -> bool:
    """Whether the case's fields, as of the starting event, are those that the clock is for."""
    for name, wanted in clock.when:
        value = _value(fields, name)
        if not _matches(value, wanted):
            return False
    return True


def _value(data: Mapping[str, object], dotted: str) -> object:
    """The value under a dotted name, None where it is absent; as `event.field`, for plain objects only."""
    if "." not in dotted:
        return data.get(dotted)
    name, _, rest = dotted.partition(".")
    value = data.get(name)
    return _value(cast("dict[str, object]", value), rest) if isinstance(value, dict) else None


def _matches(value: object, wanted: frozenset[object]) -> bool:
    if value is None:
        return "" in wanted
    if isinstance(value, str):
        return value in wanted
    if isinstance(value, list):
        return any(item in wanted for item in cast("list[object]", value))
    return not isinstance(value, dict) and value in wanted


def instance_id(clock: str, started: Event) -> str:
    """The id of the instance that an event starts: of one site, clock and case, the same however often it is told."""
    return digest(started.site, clock, started.subject, started.source, started.id)


def start(
    clock: Clock,
    profile: SiteProfile,
    event: Event,
    fields: Mapping[str, object],
    runs: Sequence[Run],
    before: Sequence[Event],
) -> Run:
    """The instance that the event starts, given the instances of the same clock and key so far, none of them running, and
    that the clock matches the case's `fields`."""
    key, site = key_of(clock, event), event.site
    earlier_stop = (
        not runs
        and event.type in OPENING
        and any(other.type in clock.stops and key_of(clock, other) == key for other in before)
    )
    priority = fields.get("priority")
    return Run(
        instance_id(clock.name, event),
        site,
        clock,
        profile,
        event.subject,
        key,
        event,
        priority if isinstance(priority, str) else "",
        earlier_stop,
    )


@lru_cache(maxsize=1024)
def moves(clock: Clock) -> frozenset[EventType]:
    """The types that may stop a running instance, end it, or try to start it again."""
    return clock.stops | clock.ends | clock.starts


@lru_cache(maxsize=1024)
def holds(clock: Clock) -> frozenset[EventType]:
    """The types that begin or finish a pause."""
    return frozenset(kind for pause in clock.pauses for kind in (pause.begins, pause.finishes))


def meet(run: Run, event: Event) -> Run:
    """The running instance after an event that may stop it, end it, or try to start it again."""
    clock, kind = run.clock, event.type
    if kind not in moves(clock):
        return run
    key = key_of(clock, event)
    if kind in clock.stops and key == run.key:
        return _after(run, void=False, stop=event)
    if kind in clock.ends and key in ("", run.key):
        return _after(run, void=run.void, end=End(event.time, Cleared.END))
    if kind in clock.starts and key == run.key:
        return _after(run, void=run.void, ignored=run.ignored + 1)
    return run


def _after(
    run: Run, *, void: bool, stop: Event | None = None, end: End | None = None, ignored: int | None = None
) -> Run:
    counted = run.ignored if ignored is None else ignored
    return Run(
        run.id, run.site, run.clock, run.profile, run.case, run.key, run.start, run.priority, void, stop, end, counted
    )


def lapse(run: Run, at: datetime) -> Run:
    """The running instance ended because from `at` on the policy no longer asks for it; at its start where it began
    later than that."""
    return _after(run, void=run.void, end=End(max(at, run.start.time), Cleared.POLICY))


def pauses(run: Run, events: Iterable[Event]) -> tuple[Span, ...]:
    """The spans in which the clock stands still, merged and in order; cut where the instance is over, and while it runs
    one not finished goes on to the end of time."""
    if not run.clock.pauses:
        return ()
    spans = [span for pause in run.clock.pauses for span in _spans(run, pause, events)]
    over = run.over
    if over is not None:
        spans = [(begun, min(finished, over)) for begun, finished in spans if begun < over]
    return merge(spans)


def _spans(run: Run, pause: Pause, events: Iterable[Event]) -> list[Span]:
    """Paired by intervention: an end closes its own and any opened without one; an end without one closes all."""
    spans: list[Span] = []
    opened: dict[str, datetime] = {}
    for event in events:
        if event.type not in (pause.begins, pause.finishes) or key_of(run.clock, event) not in ("", run.key):
            continue
        about = _about(event)
        if event.type == pause.begins:
            opened.setdefault(about, event.time)
            continue
        for name in [name for name in opened if not about or name in ("", about)]:
            since = opened.pop(name)
            if since < event.time:
                spans.append((since, event.time))
    return spans + [(since, OPEN_END) for since in opened.values()]


def _about(event: Event) -> str:
    return event.data.get("links", {}).get("intervention", "")


def closes_all(clock: Clock, pause: Pause, event: Event) -> bool:
    """Whether after the event no span of the pause is open in any instance of the clock."""
    return event.type == pause.finishes != pause.begins and not _about(event) and not key_of(clock, event)


def breaches(run: Run, still: Sequence[Span]) -> tuple[Breach, ...]:
    """Every instant from which the clock deserves a (higher) severity, in order. Empty without a due."""
    found: list[Breach] = []
    for share, severity in _shares(run.clock):
        at = _reached(run, share, still)
        if at is not None:
            found.append(Breach(at, severity, share >= 1.0))
    return tuple(found)


@lru_cache(maxsize=1024)
def _shares(clock: Clock) -> tuple[tuple[float, Severity], ...]:
    """The shares of the target at which the clock deserves a severity, in order. None without a target."""
    if clock.target is None:
        return ()
    warned = () if clock.warn_at is None else ((clock.warn_at, clock.severity.below()),)
    return (*warned, (1.0, clock.severity), *((worse.at, worse.severity) for worse in clock.worsens))


def _reached(run: Run, share: float, still: Sequence[Span]) -> datetime | None:
    begun = run.start.time
    match run.clock.target:
        case None:
            return None
        case Within(length):
            working = run.profile.working if run.clock.open_hours else None
            return when_net_exceeds(begun, length * share, holes=still, working=working)
        case BusinessDays(days):
            working = run.profile.working
            return nth_business_day_end(working, local_date(working, begun), ceil(days * share), holes=still)
        case ByField(name, plus):
            promised = _value(run.start.data, name)
            if not isinstance(promised, datetime):
                return None
            length = promised + plus - begun
            if length <= timedelta():
                return begun if share <= 1.0 else None
            return begun + length * share


def reading(run: Run, still: Sequence[Span]) -> Reading | None:
    """What the stopped clock showed; None while it runs, where it ended, or where it is void."""
    if run.stop is None:
        return None
    begun, stopped = run.start.time, run.stop.time
    working = run.profile.working if run.clock.open_hours else None
    took = net(begun, stopped, holes=still, working=working)
    match run.clock.target:
        case None:
            return Reading(took, None, None)
        case Within(length):
            return Reading(took, length, took <= length)
        case BusinessDays():
            due = _reached(run, 1.0, still)
            return Reading(took, None, None if due is None else stopped <= due)
        case ByField(name, plus):
            promised = _value(run.start.data, name)
            if not isinstance(promised, datetime):
                return Reading(took, None, None)
            due = promised + plus
            return Reading(took, due - begun, stopped <= due)
