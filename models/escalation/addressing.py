"""Whom a message goes to, and by what.

A ladder names people and rosters; who that is, and at which address, is read from the policy as it stands at the moment
of telling. Whoever left the policy, is not on duty or has no such address is not among them.
"""

from collections.abc import Iterable
from datetime import datetime

from models.escalation.state import Reached, State
from models.policy import Addressee, Channel, Kind, Ladder, LadderStep, Policy, Severity, Site
from models.roster import on_duty


def ladder_for(
    policy: Policy, *, severity: Severity, site: Site, setting: str, kind: Kind | None, name: str | None
) -> Ladder | None:
    """The first ladder, in the file's order, that matches a signal; None: board only. For a summary `kind` and `name` are
    None, and only a ladder that names neither kind nor name matches (semantics 24)."""
    for ladder in policy.ladders:
        narrow = (
            (ladder.severities, severity),
            (ladder.sites, site),
            (ladder.settings, setting),
            (ladder.kinds, kind),
            (ladder.names, name),
        )
        if all(not wanted or value in wanted for wanted, value in narrow):
            return ladder
    return None


def targets(step: LadderStep, policy: Policy, instant: datetime, instead: str | None = None) -> tuple[Reached, ...]:
    """Whom a step tells, in order of `to` and `by`, each once a channel. `instead` is told in place of its targets. Empty:
    nobody is there."""
    people = [instead] if instead is not None else _people(step.to, policy, instant)
    found = ((person, channel) for person in people for channel in step.by if reachable(policy, person, channel))
    return tuple(dict.fromkeys(found))


def reminder_targets(state: State, person: str, policy: Policy) -> tuple[Reached, ...]:
    """By what the holder of an acknowledgement is reminded: the channels that told that person, else all addresses, else
    the inbox."""
    told = tuple(one for one in state.reached if one[0] == person and reachable(policy, *one))
    addresses = tuple((person, channel) for channel in _ADDRESSED if reachable(policy, person, channel))
    return told or addresses or ((person, Channel.INBOX),)


def reachable(policy: Policy, person: str, channel: Channel) -> bool:
    """Whether the policy, as it stands, knows an address of the person for the channel."""
    known = policy.people.get(person)
    if known is None:
        return False
    match channel:
        case Channel.INBOX:
            return True
        case Channel.WEBHOOK:
            return known.webhook is not None
        case Channel.EMAIL:
            return known.email is not None and policy.channels.smtp is not None


_ADDRESSED = (Channel.WEBHOOK, Channel.EMAIL)


def _people(to: Iterable[Addressee], policy: Policy, instant: datetime) -> list[str]:
    people: list[str] = []
    for target in to:
        if not target.roster:
            people.append(target.who)
        elif target.who in policy.rosters:
            duty = on_duty(policy.rosters[target.who], instant)
            people += [duty.person] if duty else []
    return people
