"""How an escalation stands, read from its history.

Is anybody on it, until when, which step was told last, who knows of it: nothing of that is stored. It follows from the
entries alone, so two readers of one history can never disagree.

The rules are those of semantics 24. Times are UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from models.escalation.entries import (
    Acknowledged,
    Delivery,
    Entry,
    Escalation,
    Exhausted,
    Expired,
    Message,
    Outcome,
    PassedOn,
    Released,
    Resolved,
    Rose,
    Settled,
    Told,
    Why,
)
from models.policy import Channel, Ladder, Severity

Reached = tuple[str, Channel]
"""A person and the channel by which something reached that person."""
_NOTHING = timedelta()


class Status(StrEnum):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    EXHAUSTED = "exhausted"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """One way through the ladder. `first` is the step it begins with, at `begun`, and `instead` the person told in place of
    that step's targets. `repeats` counts the loops begun by repeating since `times` last counted afresh. `last` is its
    step told last; `late` is by how much those behind it have moved."""

    number: int
    begun: datetime
    first: int
    why: Why
    instead: str | None = None
    repeats: int = 0
    last: Told | None = None
    late: timedelta = _NOTHING

    def due(self, step: int, ladder: Ladder) -> datetime:
        """When a step of this loop is due. From the second loop on the first step comes at the loop's start and the others
        keep their distance to it."""
        origin = _NOTHING if self.number == 1 else ladder.steps[self.first - 1].after
        return self.begun + (ladder.steps[step - 1].after - origin) + self.late

    def told(self, page: Told, ladder: Ladder) -> "Loop":
        """A step told late moves those behind it by as much, one told early (nobody there) does not."""
        late = max(page.at - self.due(page.step, ladder), _NOTHING)
        return replace(self, last=page, late=self.late + late)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An acknowledgement that stands. `first` is its number, `number` that of its latest renewal (`first` where there is
    none), `since` the instant of that; `expires` and `reminds` are None where it never runs out."""

    person: str
    first: int
    number: int
    since: datetime
    expires: datetime | None
    reminds: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`step` is the last step told in any loop, 0 before the first. `hold` is there exactly while acknowledged;
    `acknowledgements` counts those that took it on or renewed it. `messages` is everything told, oldest first, and
    `outcomes` how their deliveries ended, by key."""

    status: Status
    severity: Severity
    ladder: Ladder
    loop: Loop
    step: int = 0
    hold: Hold | None = None
    acknowledgements: int = 0
    messages: tuple[Told, ...] = ()
    outcomes: Mapping[str, Settled] = field(default_factory=dict[str, Settled])

    @property
    def holder(self) -> str | None:
        return self.hold.person if self.hold else None

    @property
    def expires(self) -> datetime | None:
        return self.hold.expires if self.hold else None

    @property
    def reached(self) -> tuple[Reached, ...]:
        """Everybody told, each once a channel: those by whom a page or a reminder was accepted, in order of telling."""
        news = (told for told in self.messages if told.message in (Message.PAGE, Message.REMIND))
        accepted = (one for told in news for one in told.deliveries if self._accepted(one))
        return tuple(dict.fromkeys((one.person, one.channel) for one in accepted))

    @property
    def reminded(self) -> bool:
        """Whether the reminder of the acknowledgement that stands has gone out."""
        return any(told.message is Message.REMIND and told.number == self.number for told in self.messages)

    @property
    def number(self) -> int:
        return self.hold.number if self.hold else 0

    def addressed(self, message: Message, number: int = 0) -> frozenset[Reached]:
        """To whom a message was sent, accepted or not; `number` is that of the acknowledgement."""
        same = (told for told in self.messages if told.message is message and told.number == number)
        return frozenset((one.person, one.channel) for told in same for one in told.deliveries)

    def pending(self, *messages: Message) -> tuple[Delivery, ...]:
        """The deliveries of these messages that have not ended."""
        same = (told for told in self.messages if told.message in messages)
        return tuple(one for told in same for one in told.deliveries if one.key not in self.outcomes)

    def refused(self, page: Told) -> datetime | None:
        """The instant at which it was clear that a page reached nobody; None: it may have, or may yet."""
        ends = [self.outcomes.get(one.key) for one in page.deliveries]
        if any(end is None or end.outcome is Outcome.SENT for end in ends):
            return None
        return max((end.at for end in ends if end is not None), default=page.at)

    def _accepted(self, delivery: Delivery) -> bool:
        end = self.outcomes.get(delivery.key)
        return end is not None and end.outcome is Outcome.SENT


def fold(escalation: Escalation, history: Iterable[Entry]) -> State:
    """How the escalation stands after its history."""
    state = State(
        status=Status.OPEN,
        severity=escalation.severity,
        ladder=escalation.ladder,
        loop=Loop(number=1, begun=escalation.opened, first=1, why=Why.OPENED),
    )
    for entry in history:
        state = after(state, entry)
    return state


def after(state: State, entry: Entry) -> State:
    """How it stands after one entry more. After the end only deliveries still move."""
    match entry:
        case Told():
            return _told(state, entry)
        case Settled():
            return replace(state, outcomes={**state.outcomes, entry.key: entry})
        case _ if state.status is Status.RESOLVED:
            return state
        case Acknowledged():
            return _acknowledged(state, entry)
        case Expired():
            return _next_loop(state, entry.at, Why.EXPIRED) if state.hold else state
        case Released():
            return _next_loop(state, entry.at, Why.RELEASED) if state.hold else state
        case PassedOn():
            return _passed_on(state, entry)
        case Rose():
            return _rose(state, entry)
        case Exhausted():
            return replace(state, status=Status.EXHAUSTED)
        case Resolved():
            return replace(state, status=Status.RESOLVED, hold=None)


def _told(state: State, told: Told) -> State:
    state = replace(state, messages=(*state.messages, told))
    if told.message is not Message.PAGE or told.loop < state.loop.number:
        return state
    loop = state.loop if told.loop == state.loop.number else _repeated(state.loop, told)
    return replace(state, step=told.step, loop=loop.told(told, state.ladder))


def _repeated(loop: Loop, page: Told) -> Loop:
    return Loop(number=page.loop, begun=page.at, first=page.step, why=Why.REPEAT, repeats=loop.repeats + 1)


def _acknowledged(state: State, entry: Acknowledged) -> State:
    hold = state.hold
    lapsed = hold is not None and hold.expires is not None and hold.expires < entry.at
    if hold is None or lapsed:
        return _held(state, entry, state.acknowledgements + 1)
    due = hold.reminds is not None and hold.reminds < entry.at
    if hold.person == entry.person and (due or state.reminded):
        return _held(state, entry, hold.first)
    return state


def _held(state: State, entry: Acknowledged, first: int) -> State:
    """`ack_expires` is that of the severity now; the reminder goes at three quarters of it (semantics 24)."""
    length = state.ladder.ack_expires.get(state.severity)
    number = state.acknowledgements + 1
    hold = Hold(
        person=entry.person,
        first=first,
        number=number,
        since=entry.at,
        expires=None if length is None else entry.at + length,
        reminds=None if length is None else entry.at + length * 3 / 4,
    )
    return replace(state, status=Status.ACKNOWLEDGED, hold=hold, acknowledgements=number)


def _next_loop(
    state: State, at: datetime, why: Why, *, first: int = 1, instead: str | None = None, repeats: int = 0
) -> State:
    """Loop numbers never start again."""
    number = state.loop.number + 1
    loop = Loop(number=number, begun=at, first=first, why=why, instead=instead, repeats=repeats)
    return replace(state, status=Status.OPEN, hold=None, loop=loop)


def _passed_on(state: State, entry: PassedOn) -> State:
    """Passing on counts as no repetition: what is left of `times` stays."""
    first = state.step + 1 if state.step < len(state.ladder.steps) else 1
    repeats = state.loop.repeats
    return _next_loop(state, entry.at, Why.PASSED_ON, first=first, instead=entry.to, repeats=repeats)


def _rose(state: State, entry: Rose) -> State:
    risen = replace(state, severity=min(state.severity, entry.severity), ladder=entry.ladder or state.ladder)
    return _next_loop(risen, entry.at, Why.WORSE)
