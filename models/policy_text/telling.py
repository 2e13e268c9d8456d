"""People, rosters, ladders and channels: who is told about a signal, in which order, and by what.

A ladder that names nobody, or a channel that is not set up, is refused when it is written, not found out at night.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from models.event import Site
from models.hours import DAYS, local_instant
from models.policy import (
    Addressee,
    Channel,
    ChannelSettings,
    Kind,
    Ladder,
    LadderStep,
    Override,
    Person,
    Repeat,
    Roster,
    Severity,
)
from models.policy_text.entry import Entry
from models.policy_text.faults import Table
from models.policy_text.schema import REQUIRED

ACK_EXPIRES: Mapping[Severity, timedelta | None] = {
    Severity.S1: timedelta(minutes=15),
    Severity.S2: timedelta(minutes=30),
    Severity.S3: timedelta(hours=4),
    Severity.S4: None,
}
"""How long an acknowledgement holds where a ladder does not say (semantics 24)."""
WEBHOOK_SECRET = "webhook.secret"
EMAIL_FROM = "rxpulse@localhost"


@dataclass(frozen=True, slots=True)
class Known:
    """The names that rosters and ladders may use, and which channels are set up."""

    people: Table
    rosters: Table
    channels: frozenset[Channel]


def channels(email: Entry, webhook: Entry) -> ChannelSettings:
    if email.table and "smtp" not in email.table:
        email.lacks(("smtp",))
    if {"user", "password_file"} & email.table.keys():
        email.lacks(("user", "password_file"))
    return ChannelSettings(
        smtp=email.text("smtp"),
        smtp_user=email.text("user"),
        smtp_password_file=email.text("password_file"),
        email_from=(email.text("from") or EMAIL_FROM) if "smtp" in email.table else None,
        webhook_secret_file=webhook.text("secret_file") or WEBHOOK_SECRET,
        allow_private=webhook.flag("allow_private"),
    )


def person(entry: Entry) -> Person:
    return Person(
        key=entry.name,
        name=entry.text("name") or entry.name,
        email=entry.text("email"),
        webhook=entry.text("webhook"),
    )


def roster(entry: Entry, known: Known) -> Roster | None:
    """None where something in it was reported as missing or has no meaning."""
    incomplete = entry.lacks(REQUIRED["roster"])
    rotation = entry.names("rotation")
    entry.known(rotation, known.people, "person", "rotation")
    handover = _handover(entry)
    if not entry.meant("handover") and len(rotation) > 1:
        entry.fault('several people take turns, so it needs a handover; write for instance handover = "mon 07:00"')
    zone = _zone(entry)
    overrides = _overrides(entry, known, zone)
    begins = None
    if zone is not None and entry.readable("from"):
        begins = entry.try_(lambda: _begins(entry, zone, handover), "from")
    if incomplete or zone is None or begins is None:
        return None
    return Roster(
        key=entry.name,
        rotation=rotation,
        timezone=zone,
        begins=begins,
        handover=handover if len(rotation) > 1 else None,
        overrides=overrides,
    )


def _zone(entry: Entry) -> str | None:
    """The roster's time zone; None where it says none, or one that does not exist, which is reported."""
    zone = entry.text("timezone")
    if zone is None:
        return None
    found = entry.try_(lambda: local_instant(zone, datetime.fromisoformat("1970-01-01")), "timezone")
    return None if found is None else zone


def _handover(entry: Entry) -> tuple[int | None, int] | None:
    text = entry.text("handover")
    if text is None:
        return None
    day, _, clock = text.rpartition(" ")
    hour, minute = clock.split(":")
    return (DAYS.index(day) if day else None), int(hour) * 60 + int(minute)


def _begins(entry: Entry, zone: str, handover: tuple[int | None, int] | None) -> datetime:
    wall = datetime.fromisoformat(str(entry.text("from")))
    if len(str(entry.text("from"))) == 10 and handover is not None:
        wall += timedelta(minutes=handover[1])
    return local_instant(zone, wall)


def _overrides(roster: Entry, known: Known, zone: str | None) -> tuple[Override, ...]:
    overrides: list[Override] = []
    for entry in roster.parts("overrides"):
        incomplete = entry.lacks(("from", "to", "who"))
        entry.known(entry.names("who"), known.people, "person", "who")
        begins, finishes = (_instant(zone or "UTC", entry, key) for key in ("from", "to"))
        if begins is None or finishes is None:
            continue
        if finishes <= begins:
            entry.fault("does not lie after from; write a later time", "to")
        if not incomplete:
            overrides.append(Override(begins=begins, finishes=finishes, who=str(entry.text("who"))))
    return tuple(overrides)


def _instant(zone: str, entry: Entry, key: str) -> datetime | None:
    """None where the key is not there or holds no time, which is reported."""
    text = entry.text(key)
    wall = None if text is None else entry.try_(lambda: datetime.fromisoformat(text), key)
    return None if wall is None else local_instant(zone, wall)


def ladder(entry: Entry, known: Known) -> Ladder | None:
    incomplete = entry.lacks(REQUIRED["ladder"])
    for_ = entry.part("for")
    steps = _steps(entry, known)
    repeat = _repeat(entry)
    ack_expires = _ack_expires(entry)
    if incomplete:
        return None
    return Ladder(
        key=entry.name,
        steps=steps,
        severities=frozenset(Severity[name] for name in for_.names("severity")),
        sites=frozenset(map(Site, for_.names("site"))),
        settings=frozenset(for_.names("setting")),
        kinds=frozenset(map(Kind, for_.names("kind"))),
        names=frozenset(for_.names("name")),
        repeat=repeat,
        ack_expires=ack_expires,
    )


def _steps(ladder: Entry, known: Known) -> tuple[LadderStep, ...]:
    steps: list[LadderStep] = []
    latest = timedelta()
    for entry in ladder.parts("steps"):
        incomplete = entry.lacks(REQUIRED["step"])
        after = entry.length("after") or timedelta()
        if after < latest:
            entry.fault("comes before the step above it; put the steps in the order of their after", "after")
        latest = max(latest, after)
        to = tuple(_addressee(entry, at, text, known) for at, text in enumerate(entry.names("to")))
        by = _by(entry, known)
        if not incomplete:
            steps.append(LadderStep(after=after, to=to, by=by))
    return tuple(steps)


def _addressee(entry: Entry, at: int, text: str, known: Known) -> Addressee:
    what, _, who = text.partition(":")
    among = known.rosters if what == "roster" else known.people
    entry.known((who,), among, what, "to")
    return Addressee(who, what == "roster")


def _by(entry: Entry, known: Known) -> tuple[Channel, ...]:
    by = tuple(dict.fromkeys(Channel(name) for name in entry.names("by")))
    if Channel.EMAIL in by and Channel.EMAIL not in known.channels:
        entry.fault('e-mail is not set up; add [channel.email] with smtp = "smtp://HOST:25" and from', "by")
    return by


def _repeat(ladder: Entry) -> Repeat:
    default, entry = Repeat(), ladder.part("repeat")
    steps = len(cast("list[object]", ladder.table.get("steps") or ()))
    from_step = int(entry.number("from_step") or default.from_step)
    if steps and from_step > steps:
        entry.fault(f"there is no step {from_step}; steps count from 1 to {steps}", "from_step")
    after = entry.length("after")
    return Repeat(
        from_step=from_step,
        times=int(entry.number("times") or default.times),
        after=default.after if after is None else after,
    )


def _ack_expires(entry: Entry) -> Mapping[Severity, timedelta | None]:
    text = entry.text("ack_expires")
    if text is None:
        return dict(ACK_EXPIRES)
    return dict.fromkeys(Severity, None if text == "none" else entry.length("ack_expires", positive=True))


def set_up(email: Table) -> frozenset[Channel]:
    """The channels that a step may use: inbox and webhook need nothing, e-mail a server."""
    ready = {Channel.INBOX, Channel.WEBHOOK}
    return frozenset(ready | {Channel.EMAIL} if "smtp" in email else ready)


def everybody(ladder_step: LadderStep, rosters: Mapping[str, Roster]) -> frozenset[str]:
    """The people that a step may come to tell: those named, and all who are ever on duty in a roster named."""
    people: set[str] = set()
    for target in ladder_step.to:
        if not target.roster:
            people.add(target.who)
        elif target.who in rosters:
            found = rosters[target.who]
            people |= {*found.rotation, *(override.who for override in found.overrides)}
    return frozenset(people)
