"""What a delivery says: one CloudEvent, the same for every channel and on every attempt.

It holds what a person needs to judge how urgent it is and where to look, and nothing of the order itself: site, what it
is about, how late, a link.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from models import feeds
from models.escalation import Delivery, Escalation, Message, State, Told
from models.links import sign
from models.policy import Clock, Kind, Policy, Severity
from models.store.briefs import Brief
from models.store.grouping import HELD
from models.wire import stamp

Group = tuple[int, Sequence[str]] | None
"""How many signals a page is about, and the ids of the first of them."""


@dataclass(frozen=True, slots=True)
class Voice:
    """`public_url` begins every link."""

    public_url: str


def message(
    voice: Voice,
    policy: Policy,
    escalation: Escalation,
    state: State,
    told: Told,
    one: Delivery,
    late: timedelta,
    group: Group,
    silent: datetime | None,
    work: Brief | None = None,
) -> dict[str, Any]:
    """The CloudEvent of a delivery. `late` is how long ago the signal became true; `group` are the signals of a page
    about several, None for one about a single one; `silent` is since when the feed of the order says nothing, None while
    it speaks; `work` is what its case is, None for none."""
    return {
        "specversion": "1.0",
        "id": one.key,
        "source": "/rxpulse",
        "type": f"rx.escalation.{told.message.value}",
        "time": stamp(told.at),
        "subject": escalation.id,
        "datacontenttype": "application/json",
        "data": {
            "escalation": escalation.id,
            **_signals(escalation, state, group),
            "site": escalation.site,
            "title": title(policy, escalation, state, told, group) + _unheard(policy, escalation, silent),
            **_work(policy, escalation, work),
            "late_seconds": max(late, timedelta()) / timedelta(seconds=1),
            "step": told.step,
            "loop": told.loop,
            "person": one.person,
            "link": f"{voice.public_url}/board#escalation-{escalation.id}",
        },
    }


LINK_HOLDS = timedelta(hours=24)
"""How long the link in a message takes on what it is about (semantics 24, Keys)."""


def with_link(voice: Voice, secret: bytes, message: dict[str, Any]) -> dict[str, Any]:
    """The message with a link that takes the escalation on, if it is one that asks for it. The link is the same on every
    attempt, and is not kept with the message: whoever can read the store could use it."""
    about = message["data"]
    if message["type"] not in _ASKING:
        return message
    token = sign(
        secret,
        escalation=about["escalation"],
        person=about["person"],
        nonce=message["id"],
        expires=datetime.fromisoformat(message["time"]) + LINK_HOLDS,
    )
    return message | {"data": about | {"link": f"{voice.public_url}/a/{token}", "board": about["link"]}}


_ASKING = frozenset(f"rx.escalation.{one.value}" for one in (Message.PAGE, Message.REMIND))


def _signals(escalation: Escalation, state: State, group: Group) -> dict[str, Any]:
    if group is not None:
        count, names = group
        return {"signal": None, "count": count, "signals": list(names)}
    assert escalation.kind is not None
    about = {"kind": escalation.kind.value, "name": escalation.name, "severity": state.severity.name}
    return {"signal": {"id": escalation.signal, **about}}


def _work(policy: Policy, escalation: Escalation, work: Brief | None) -> dict[str, Any]:
    """What tells the order from others, for who has no key to its pseudonym. `started` is an instant with the offset of
    the site, so that programs can compare it and people read it off."""
    if work is None or escalation.site is None:
        return {}
    zone = ZoneInfo(policy.site(escalation.site).working.timezone)
    started = work.started.astimezone(zone).isoformat(timespec="seconds")
    return {"stage": work.stage, "priority": work.priority, "started": started}


def title(policy: Policy, escalation: Escalation, state: State, told: Told, group: Group) -> str:
    """One line: what, where, how urgent, and what has changed."""
    site = policy.site(escalation.site).name if escalation.site else "several sites"
    about = f"{state.severity.name} {site}: {_about(policy, escalation, state, group)}"
    match told.message:
        case Message.PAGE:
            return about
        case Message.REMIND:
            return f"Still yours? {about}"
        case Message.ACKNOWLEDGED:
            return f"{state.holder or 'Somebody'} has it: {about}"
        case Message.RESOLVED:
            return f"Resolved: {about}"


def _unheard(policy: Policy, escalation: Escalation, silent: datetime | None) -> str:
    """It may have been done: the system that would say so is silent (semantics 19)."""
    if silent is None or escalation.site is None:
        return ""
    return f" (feed silent since {silent.astimezone(ZoneInfo(policy.site(escalation.site).working.timezone)):%H:%M})"


def feed_title(name: str) -> str:
    """What a signal about the watch itself says."""
    match name:
        case feeds.CLOCKS:
            return "Clocks of worker and database differ: missed deadlines are not seen"
        case feeds.WORKER:
            return "The worker has not judged for a while: missed deadlines are not seen"
        case _:
            return f"Feed {name} is silent"


def clock_title(clock: Clock, severity: Severity) -> str:
    """What a signal of a clock says: its title alone would say the opposite. A warning is one severity milder than the
    breach."""
    return f"{clock.title}: {'late' if severity <= clock.severity else 'due soon'}"


def _about(policy: Policy, escalation: Escalation, state: State, group: Group) -> str:
    if group is not None and escalation.kind is None:
        if escalation.name == HELD:
            count = str(group[0] or "nothing")
            return f"{count} still open of what was kept back while its feed was silent"
        return "nothing is open any more after the stop" if not group[0] else f"{group[0]} still open after a stop"
    clock = policy.clocks.get(escalation.name)
    if clock is not None:
        return clock_title(clock, state.severity)
    rate = policy.rates.get(escalation.name)
    if rate is not None:
        return f"{rate.title}: more often than usual"
    if escalation.kind is Kind.FEED:
        return feed_title(escalation.name)
    rule = next((rule for name, rule in policy.rules.items() if name == escalation.name), None)
    return rule.title if rule is not None else escalation.name
