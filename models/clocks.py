"""Deadlines on a piece of work: when they start, pause and stop, how long they took, when they are due.

A clock starts with one event of a case and stops with another; what lies between, less pauses and closed hours, is
compared with its target. While it runs it can become worrying (a share of the target), late, and worse than late. Nothing
here asks what time it is: whoever asks gives the instant up to which silence was listened to.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import cast

from models.event import CaseId, Event, field
from models.event_types import OPENING
from models.hours import OPEN_END, Span, local_date, merge, net, nth_business_day_end, when_net_exceeds
from models.policy import BusinessDays, ByField, Clock, Pause, Severity, SiteProfile, Within
from models.signals import digest


@dataclass(frozen=True, slots=True)
class Run:
    """One instance of a clock. `key` tells instances of one case apart, empty for none; `priority` is the case's as of the
    start; `stop` and `end` are None while it runs; `void`: its stops all lie before its start, so it is never open, never
    breached and no interval, yet takes further starts until a stop or an end. `ignored` counts further starts."""

    clock: Clock
    profile: SiteProfile
    case: CaseId
    key: str
    start: Event
    priority: str
    void: bool = False
    stop: Event | None = None
    end: datetime | None = None
    ignored: int = 0

    @property
    def id(self) -> str:
        return digest(self.start.site, self.clock.name, self.case, self.start.source, self.start.id)

    @property
    def running(self) -> bool:
        return self.stop is None and self.end is None


@dataclass(frozen=True, slots=True)
class Breach:
    """From `at` on the clock deserves `severity`, as long as nothing stops it before."""

    at: datetime
    severity: Severity


@dataclass(frozen=True, slots=True)
class Reading:
    """What a stopped clock showed. `target` None: no length was promised (business days) or no due is known; `due` None:
    never due; `in_target` None where there is no due."""

    net: timedelta
    target: timedelta | None
    due: datetime | None
    in_target: bool | None


def key_of(clock: Clock, event: Event) -> str:
    """The key that the event itself names; empty where it names none."""
    if clock.per is None:
        return ""
    value = field(event.data, clock.per)
    return value if isinstance(value, str) else ""


def matches(clock: Clock, fields: Mapping[str, object]) -> bool:
    """Whether the case's fields, as of the starting event, are those that the clock is for."""
    return all(_matches(field(fields, name), wanted) for name, wanted in clock.when)


def _matches(value: object, wanted: frozenset[object]) -> bool:
    if value is None:
        return "" in wanted
    if isinstance(value, list):
        return any(item in wanted for item in cast("list[object]", value))
    return not isinstance(value, dict) and value in wanted


def start(
    clock: Clock,
    profile: SiteProfile,
    event: Event,
    fields: Mapping[str, object],
    runs: Sequence[Run],
    before: Sequence[Event],
) -> Run | None:
    """The instance that the event starts, given the instances of the same clock and key so far; None where one runs or
    the clock is not for this case."""
    if not matches(clock, fields):
        return None
    key = key_of(clock, event)
    earlier_stop = (
        not runs
        and event.type in OPENING
        and any(other.type in clock.stops and key_of(clock, other) == key for other in before)
    )
    priority = fields.get("priority")
    return Run(clock, profile, event.subject, key, event, priority if isinstance(priority, str) else "", earlier_stop)


def meet(run: Run, event: Event) -> Run:
    """The running instance after an event that may stop it, end it, or try to start it again."""
    key = key_of(run.clock, event)
    if event.type in run.clock.stops and key == run.key:
        return replace(run, stop=event, void=False)
    if event.type in run.clock.ends and key in ("", run.key):
        return replace(run, end=event.time)
    if event.type in run.clock.starts and key == run.key:
        return replace(run, ignored=run.ignored + 1)
    return run


def pauses(run: Run, events: Iterable[Event]) -> tuple[Span, ...]:
    """The spans in which the clock stands still, merged and in order; one not finished runs to the end of time."""
    if not run.clock.pauses:
        return ()
    spans = [span for pause in run.clock.pauses for span in _spans(run, pause, events)]
    return merge(spans)


def _spans(run: Run, pause: Pause, events: Iterable[Event]) -> list[Span]:
    """Paired by intervention: an end closes its own and any opened without one; an end without one closes all."""
    spans: list[Span] = []
    opened: dict[str, datetime] = {}
    for event in events:
        if event.type not in (pause.begins, pause.finishes) or key_of(run.clock, event) not in ("", run.key):
            continue
        about = event.data.get("links", {}).get("intervention", "")
        if event.type == pause.begins:
            opened.setdefault(about, event.time)
            continue
        for name in [name for name in opened if not about or name in ("", about)]:
            since = opened.pop(name)
            if since < event.time:
                spans.append((since, event.time))
    return spans + [(since, OPEN_END) for since in opened.values()]


def breaches(run: Run, still: Sequence[Span]) -> tuple[Breach, ...]:
    """Every instant from which the clock deserves a (higher) severity, in order. Empty without a due."""
    clock = run.clock
    shares: list[tuple[float, Severity]] = [(1.0, clock.severity)]
    if clock.warn_at is not None:
        shares.insert(0, (clock.warn_at, clock.severity.below()))
    shares += [(worse.at, worse.severity) for worse in clock.worsens]
    found: list[Breach] = []
    for share, severity in shares:
        at = _reached(run, share, still)
        if at is not None:
            found.append(Breach(at, severity))
    return tuple(found)


def due(run: Run, still: Sequence[Span]) -> datetime | None:
    """The instant after which the clock is late, None where nothing says one (or a pause is still open)."""
    return _reached(run, 1.0, still)


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
            promised = field(run.start.data, name)
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
            return Reading(took, None, None, None)
        case Within(length):
            return Reading(took, length, due(run, still), took <= length)
        case BusinessDays():
            at = due(run, still)
            return Reading(took, None, at, None if at is None else stopped <= at)
        case ByField(name, plus):
            promised = field(run.start.data, name)
            if not isinstance(promised, datetime):
                return Reading(took, None, None, None)
            at = promised + plus
            return Reading(took, at - begun, at, stopped <= at)
