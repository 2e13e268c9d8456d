"""Escalations and their entries as rows of plain values, for a store or a wire, and back.

A row holds text, whole numbers, lists, tables and None only, so that any JSON writer can write it. Times are ISO 8601
with offset, severities S1 to S4, durations whole microseconds.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from models.errors import OurFault
from models.escalation.entries import (
    Acknowledged,
    Delivery,
    Entry,
    Escalation,
    EscalationId,
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
from models.event import CaseId, Site
from models.policy import Addressee, Channel, Kind, Ladder, LadderStep, Repeat, Severity
from models.signals import SignalId

Row = dict[str, Any]
_MICROSECOND = timedelta(microseconds=1)


def to_row(entry: Entry) -> Row:
    """The row of an entry; `entry` says which it is, `at` when."""
    match entry:
        case Told():
            said = _told(entry)
        case Settled():
            said = {"entry": "settled", "key": entry.key, "outcome": entry.outcome.value}
        case Acknowledged():
            said = {"entry": "acknowledged", "person": entry.person}
        case Expired():
            said = {"entry": "expired"}
        case Released():
            said = {"entry": "released", "person": entry.person}
        case PassedOn():
            said = {"entry": "passed_on", "person": entry.person, "to": entry.to}
        case Rose():
            ladder = None if entry.ladder is None else ladder_to_row(entry.ladder)
            said = {"entry": "rose", "severity": entry.severity.name, "ladder": ladder}
        case Exhausted():
            said = {"entry": "exhausted"}
        case Resolved():
            said = {"entry": "resolved", "person": entry.person}
    return {**said, "at": entry.at.isoformat()}


def from_row(row: Mapping[str, Any]) -> Entry:
    """The entry of a row. Raises OurFault for a row that `to_row` did not make."""
    try:
        return _READ[row["entry"]](row, _instant(row["at"]))
    except (KeyError, ValueError, TypeError) as broken:
        raise OurFault(f"no entry of an escalation: {dict(row)!r}") from broken


def escalation_to_row(escalation: Escalation) -> Row:
    return {
        "id": escalation.id,
        "signal": escalation.signal,
        "kind": None if escalation.kind is None else escalation.kind.value,
        "name": escalation.name,
        "severity": escalation.severity.name,
        "site": escalation.site,
        "setting": escalation.setting,
        "case": escalation.case,
        "opened": escalation.opened.isoformat(),
        "ladder": ladder_to_row(escalation.ladder),
    }


def escalation_from_row(row: Mapping[str, Any]) -> Escalation:
    """The escalation of a row. Raises OurFault for a row that `escalation_to_row` did not make."""
    try:
        return _escalation(row)
    except (KeyError, ValueError, TypeError) as broken:
        raise OurFault(f"no escalation: {dict(row)!r}") from broken


def ladder_to_row(ladder: Ladder) -> Row:
    return {
        "key": ladder.key,
        "steps": [_step_to_row(step) for step in ladder.steps],
        "severities": sorted(severity.name for severity in ladder.severities),
        "sites": sorted(ladder.sites),
        "settings": sorted(ladder.settings),
        "kinds": sorted(kind.value for kind in ladder.kinds),
        "names": sorted(ladder.names),
        "repeat": {
            "from_step": ladder.repeat.from_step,
            "times": ladder.repeat.times,
            "after_us": ladder.repeat.after // _MICROSECOND,
        },
        "ack_expires_us": {
            severity.name: None if length is None else length // _MICROSECOND
            for severity, length in sorted(ladder.ack_expires.items())
        },
    }


def ladder_from_row(row: Mapping[str, Any]) -> Ladder:
    repeat = row["repeat"]
    return Ladder(
        key=row["key"],
        steps=tuple(_step_from_row(step) for step in row["steps"]),
        severities=frozenset(Severity[name] for name in row["severities"]),
        sites=frozenset(map(Site, row["sites"])),
        settings=frozenset(row["settings"]),
        kinds=frozenset(map(Kind, row["kinds"])),
        names=frozenset(row["names"]),
        repeat=Repeat(
            from_step=repeat["from_step"], times=repeat["times"], after=timedelta(microseconds=repeat["after_us"])
        ),
        ack_expires={
            Severity[name]: None if length is None else timedelta(microseconds=length)
            for name, length in row["ack_expires_us"].items()
        },
    )


def _told(told: Told) -> Row:
    return {
        "entry": "told",
        "message": told.message.value,
        "loop": told.loop,
        "step": told.step,
        "why": None if told.why is None else told.why.value,
        "number": told.number,
        "deliveries": [{"key": one.key, "person": one.person, "channel": one.channel.value} for one in told.deliveries],
    }


def _told_from_row(row: Mapping[str, Any], at: datetime) -> Told:
    return Told(
        at=at,
        message=Message(row["message"]),
        loop=row["loop"],
        step=row["step"],
        why=None if row["why"] is None else Why(row["why"]),
        number=row["number"],
        deliveries=tuple(Delivery(one["key"], one["person"], Channel(one["channel"])) for one in row["deliveries"]),
    )


def _rose_from_row(row: Mapping[str, Any], at: datetime) -> Rose:
    ladder = None if row["ladder"] is None else ladder_from_row(row["ladder"])
    return Rose(at=at, severity=Severity[row["severity"]], ladder=ladder)


_READ: Mapping[str, Callable[[Mapping[str, Any], datetime], Entry]] = {
    "told": _told_from_row,
    "settled": lambda row, at: Settled(at=at, key=row["key"], outcome=Outcome(row["outcome"])),
    "acknowledged": lambda row, at: Acknowledged(at=at, person=row["person"]),
    "expired": lambda row, at: Expired(at=at),
    "released": lambda row, at: Released(at=at, person=row["person"]),
    "passed_on": lambda row, at: PassedOn(at=at, person=row["person"], to=row["to"]),
    "rose": _rose_from_row,
    "exhausted": lambda row, at: Exhausted(at=at),
    "resolved": lambda row, at: Resolved(at=at, person=row["person"]),
}


def _escalation(row: Mapping[str, Any]) -> Escalation:
    return Escalation(
        id=EscalationId(row["id"]),
        signal=None if row["signal"] is None else SignalId(row["signal"]),
        kind=None if row["kind"] is None else Kind(row["kind"]),
        name=row["name"],
        severity=Severity[row["severity"]],
        site=None if row["site"] is None else Site(row["site"]),
        setting=row["setting"],
        case=None if row["case"] is None else CaseId(row["case"]),
        opened=_instant(row["opened"]),
        ladder=ladder_from_row(row["ladder"]),
    )


def _step_to_row(step: LadderStep) -> Row:
    return {
        "after_us": step.after // _MICROSECOND,
        "to": [{"who": target.who, "roster": target.roster} for target in step.to],
        "by": [channel.value for channel in step.by],
    }


def _step_from_row(row: Mapping[str, Any]) -> LadderStep:
    return LadderStep(
        after=timedelta(microseconds=row["after_us"]),
        to=tuple(Addressee(target["who"], target["roster"]) for target in row["to"]),
        by=tuple(map(Channel, row["by"])),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
