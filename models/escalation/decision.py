"""The next thing to do about an escalation: tell somebody, remind, let an acknowledgement expire, give up, or wait.

Nothing is done here. Whoever asks writes the entry of the answer into the history, sends its deliveries, writes down how
they ended, and asks again; one thing at a time, so that a page that comes late never drags the next one along.

The rules are those of semantics 24. Times are UTC; what happened at an instant stands in the history before what falls
due at it is asked for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from models.escalation.addressing import reminder_targets, targets
from models.escalation.entries import (
    Delivery,
    Entry,
    Escalation,
    Exhausted,
    Expired,
    Message,
    Told,
    Why,
    delivery_key,
)
from models.escalation.state import Hold, Reached, State, Status, fold
from models.policy import Kind, Policy, Severity

CATCHING_UP = timedelta(seconds=60)
"""How long a running clock escalation waits at most for its partition to be caught up (semantics 24, After an outage)."""


class Awaited(StrEnum):
    """What a wait is for."""

    STEP = "step"
    REPEAT = "repeat"
    EXHAUSTION = "exhaustion"
    REMINDER = "reminder"
    EXPIRY = "expiry"
    CAUGHT_UP = "caught_up"
    DELIVERIES = "deliveries"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Notify:
    """Write `entry` down and send its deliveries: a page, or word that it is acknowledged or resolved."""

    entry: Told


@dataclass(frozen=True, slots=True)
class Remind:
    """Write `entry` down and send its deliveries: the acknowledgement is about to run out."""

    entry: Told


@dataclass(frozen=True, slots=True)
class Expire:
    entry: Expired


@dataclass(frozen=True, slots=True)
class Exhaust:
    entry: Exhausted


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`; None: nothing at all unless something happens."""

    until: datetime | None
    reason: Awaited


@dataclass(frozen=True, slots=True)
class Done:
    """Everything is told, and nothing of it is under way."""


Decision = Notify | Remind | Expire | Exhaust | Wait | Done


@dataclass(frozen=True, slots=True)
class _Page:
    """The page that comes next. `instead` as in `Loop`."""

    at: datetime
    loop: int
    step: int
    why: Why
    awaited: Awaited
    instead: str | None = None


def decide(
    escalation: Escalation,
    history: Iterable[Entry],
    policy: Policy,
    now: datetime,
    *,
    behind_since: datetime | None = None,
) -> Decision:
    """The one next thing to do at `now`. `policy` is the one in force now: its people, rosters and channels count.
    `behind_since` is the instant since which the partition of its case is known not to be caught up (a start of the
    dispatcher is one); None: it is caught up."""
    state = fold(escalation, history)
    decision = _decide(escalation, state, policy, now)
    over = None if behind_since is None else behind_since + CATCHING_UP
    running = escalation.kind is Kind.CLOCK and behind_since is not None and escalation.opened < behind_since
    if running and over is not None and now < over and _may_be_moot(decision):
        return Wait(over, Awaited.CAUGHT_UP)
    return decision


def gives_up_after(severity: Severity) -> timedelta:
    """How long a channel tries a delivery (semantics 24, Nobody there)."""
    return timedelta(seconds=60) if severity is Severity.S1 else timedelta(minutes=5)


def moot(state: State) -> tuple[Delivery, ...]:
    """The deliveries under way that have lost their meaning, to be cancelled if they are not being sent: pages once
    somebody has it, and everything but `resolved` after the end."""
    match state.status:
        case Status.RESOLVED:
            return state.pending(Message.PAGE, Message.REMIND, Message.ACKNOWLEDGED)
        case Status.ACKNOWLEDGED:
            return state.pending(Message.PAGE)
        case Status.OPEN | Status.EXHAUSTED:
            return state.pending(Message.REMIND)


def _may_be_moot(decision: Decision) -> bool:
    """Whether an event not yet read could take away the reason for it. That somebody has it, or that it is over, stays."""
    match decision:
        case Notify(entry):
            return entry.message is Message.PAGE
        case Remind() | Expire() | Exhaust():
            return True
        case Wait() | Done():
            return False


def _decide(escalation: Escalation, state: State, policy: Policy, now: datetime) -> Decision:
    if state.status is Status.RESOLVED:
        return _when_resolved(escalation, state, now)
    if state.hold is not None:
        return _when_acknowledged(escalation, state, state.hold, policy, now)
    if state.status is Status.EXHAUSTED:
        return Wait(None, Awaited.PERSON)
    return _when_open(escalation, state, policy, now)


def _when_resolved(escalation: Escalation, state: State, now: datetime) -> Decision:
    known = state.addressed(Message.RESOLVED)
    unaware = tuple(one for one in state.reached if one not in known)
    if unaware:
        return Notify(_message(escalation, state, Message.RESOLVED, unaware, now))
    # A page being sent at the end may yet be accepted, and then its person has to hear of the end.
    if state.pending(*Message):
        return Wait(None, Awaited.DELIVERIES)
    return Done()


def _when_acknowledged(escalation: Escalation, state: State, hold: Hold, policy: Policy, now: datetime) -> Decision:
    if hold.expires is not None and hold.expires <= now:
        return Expire(Expired(at=now))
    known = state.addressed(Message.ACKNOWLEDGED, hold.first)
    unaware = tuple(one for one in state.reached if one[0] != hold.person and one not in known)
    if unaware:
        return Notify(_message(escalation, state, Message.ACKNOWLEDGED, unaware, now, hold.first))
    if hold.reminds is None:
        return Wait(None, Awaited.PERSON)
    if state.reminded:
        return Wait(hold.expires, Awaited.EXPIRY)
    if now < hold.reminds:
        return Wait(hold.reminds, Awaited.REMINDER)
    to = reminder_targets(state, hold.person, policy)
    return Remind(_message(escalation, state, Message.REMIND, to, now, hold.number))


def _when_open(escalation: Escalation, state: State, policy: Policy, now: datetime) -> Decision:
    page = _next_page(state)
    if now < page.at:
        return Wait(page.at, page.awaited)
    if page.awaited is Awaited.EXHAUSTION:
        return Exhaust(Exhausted(at=now))
    to = targets(state.ladder.steps[page.step - 1], policy, now, page.instead)
    deliveries = _deliveries(escalation, Message.PAGE, page.loop, page.step, to)
    return Notify(
        Told(at=now, message=Message.PAGE, loop=page.loop, step=page.step, deliveries=deliveries, why=page.why)
    )


def _next_page(state: State) -> _Page:
    loop, ladder = state.loop, state.ladder
    if loop.last is None:
        return _Page(loop.due(loop.first, ladder), loop.number, loop.first, loop.why, Awaited.STEP, loop.instead)
    step = loop.last.step + 1
    if step > len(ladder.steps):
        return _after_last_step(state, loop.last)
    due, refused = loop.due(step, ladder), state.refused(loop.last)
    if refused is not None and refused < due:
        return _Page(refused, loop.number, step, Why.NOBODY, Awaited.STEP)
    return _Page(due, loop.number, step, Why.STEP, Awaited.STEP)


def _after_last_step(state: State, last: Told) -> _Page:
    repeat = state.ladder.repeat
    more = state.loop.repeats < repeat.times
    awaited = Awaited.REPEAT if more else Awaited.EXHAUSTION
    return _Page(last.at + repeat.after, state.loop.number + 1, repeat.from_step, Why.REPEAT, awaited)


def _message(
    escalation: Escalation, state: State, message: Message, to: Iterable[Reached], now: datetime, number: int = 0
) -> Told:
    """A message that is no page: it carries the current loop and the last step told."""
    loop, step = state.loop.number, state.step
    deliveries = _deliveries(escalation, message, loop, step, to, number)
    return Told(at=now, message=message, loop=loop, step=step, deliveries=deliveries, number=number)


def _deliveries(
    escalation: Escalation, message: Message, loop: int, step: int, to: Iterable[Reached], number: int = 0
) -> tuple[Delivery, ...]:
    return tuple(
        Delivery(delivery_key(escalation.id, message, loop, step, person, channel, number), person, channel)
        for person, channel in to
    )
