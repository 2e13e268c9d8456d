"""A policy tried on a story: who would be told what, and when, without telling anybody.

The same decision as in earnest is asked over and over, each time at the next instant at which it has something to do or
at which the story says that somebody acted; every delivery is taken as accepted at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.errors import CallerFault
from models.escalation.addressing import ladder_for
from models.escalation.decision import Done, Exhaust, Expire, Notify, Remind, Wait, decide
from models.escalation.entries import (
    Acknowledged,
    Entry,
    Escalation,
    Message,
    Outcome,
    PassedOn,
    Released,
    Resolved,
    Rose,
    Settled,
    Told,
    Why,
    escalation_id,
)
from models.escalation.state import Status, after, fold
from models.event import Site
from models.policy import Channel, Kind, Ladder, Policy, Severity
from models.signals import signal_id

Act = Acknowledged | Released | PassedOn | Rose | Resolved
"""What a story may hold; the ladder of a rise is looked up, whatever it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A signal raised at `raised` and told, and what then happened, in any order; what stands at one instant happens in
    the order given."""

    kind: Kind
    name: str
    site: Site
    setting: str
    severity: Severity
    raised: datetime
    acts: tuple[Act, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One message to one person by one channel. `why` is None for what is no page."""

    at: datetime
    message: Message
    loop: int
    step: int
    person: str
    channel: Channel
    why: Why | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """`ladder` is the last one that ran; None: board only, nobody is told. `states` are the instants of change."""

    ladder: str | None
    pages: tuple[Page, ...]
    states: tuple[tuple[datetime, Status], ...]


def rehearse(policy: Policy, story: Story, until: datetime) -> Rehearsal:
    """Everything that would be told from the raise to `until`, that instant included. Raises CallerFault for an act before
    the raise."""
    acts = sorted((act for act in story.acts if act.at <= until), key=lambda act: act.at)
    if acts and acts[0].at < story.raised:
        raise CallerFault(f"{acts[0].at.isoformat()} lies before the signal is raised; give a later time")
    escalation = _opened(policy, story, acts)
    if escalation is None:
        return Rehearsal(ladder=None, pages=(), states=())
    history = _play(escalation, policy, story, acts, until)
    ladder = fold(escalation, history).ladder.key
    return Rehearsal(ladder=ladder, pages=_pages(history), states=_states(escalation, history))


def _opened(policy: Policy, story: Story, acts: list[Act]) -> Escalation | None:
    """The escalation, opened at the raise or, where no ladder matches then, at the first rise for which one does. What
    happened before it was opened met nothing, and is taken out of `acts`."""
    at, severity = story.raised, story.severity
    while (ladder := _ladder(policy, story, severity)) is None:
        while acts and not isinstance(acts[0], Rose | Resolved):
            acts.pop(0)
        risen = acts.pop(0) if acts else None
        if not isinstance(risen, Rose):
            return None
        at, severity = risen.at, risen.severity
    return _escalation(story, at, severity, ladder)


def _escalation(story: Story, at: datetime, severity: Severity, ladder: Ladder) -> Escalation:
    signal = signal_id(story.kind, story.name, story.site, story.raised.isoformat())
    return Escalation(
        id=escalation_id(signal),
        signal=signal,
        kind=story.kind,
        name=story.name,
        severity=severity,
        site=story.site,
        setting=story.setting,
        case=None,
        opened=at,
        ladder=ladder,
    )


def _play(escalation: Escalation, policy: Policy, story: Story, acts: list[Act], until: datetime) -> list[Entry]:
    history: list[Entry] = []
    now: datetime | None = escalation.opened
    while now is not None and now <= until:
        while acts and acts[0].at <= now:
            history.append(_as_entry(policy, story, acts.pop(0)))
        match decide(escalation, history, policy, now):
            case Notify(told) | Remind(told):
                history += [told, *_accepted(told)]
            case Expire(entry) | Exhaust(entry):
                history.append(entry)
            case Wait(at, _):
                now = min((one for one in (at, acts[0].at if acts else None) if one is not None), default=None)
            case Done():
                break
    return history


def _as_entry(policy: Policy, story: Story, act: Act) -> Entry:
    return replace(act, ladder=_ladder(policy, story, act.severity)) if isinstance(act, Rose) else act


def _ladder(policy: Policy, story: Story, severity: Severity) -> Ladder | None:
    return ladder_for(
        policy, severity=severity, site=story.site, setting=story.setting, kind=story.kind, name=story.name
    )


def _accepted(told: Told) -> tuple[Settled, ...]:
    return tuple(Settled(at=told.at, key=one.key, outcome=Outcome.SENT) for one in told.deliveries)


def _pages(history: Sequence[Entry]) -> tuple[Page, ...]:
    return tuple(
        Page(
            at=told.at,
            message=told.message,
            loop=told.loop,
            step=told.step,
            person=one.person,
            channel=one.channel,
            why=told.why,
        )
        for told in history
        if isinstance(told, Told)
        for one in told.deliveries
    )


def _states(escalation: Escalation, history: Sequence[Entry]) -> tuple[tuple[datetime, Status], ...]:
    state = fold(escalation, ())
    states = [(escalation.opened, state.status)]
    for entry in history:
        state = after(state, entry)
        if state.status is not states[-1][1]:
            states.append((entry.at, state.status))
    return tuple(states)
