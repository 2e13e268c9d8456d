"""Clocks, rules and rates: the entries that judge work, read and checked.

A deadline that can never stop, a rate whose test would cry wolf or a type that never happens on that kind of case is
refused here, before it is in force.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from models.event import EventType
from models.event_types import allowed
from models.policy import BusinessDays, ByField, Clock, Pause, Rate, Rule, RuleName, Severity, Target, Within, Worsens
from models.policy_text.durations import span
from models.policy_text.entry import Entry
from models.policy_text.faults import written
from models.policy_text.schema import FIELDS, REQUIRED
from models.rates import design_of

LATE_AFTER = timedelta(minutes=10)


def clock(entry: Entry) -> Clock | None:
    """None where something in it was reported as missing."""
    target = _target(entry)
    required = (*REQUIRED["clock"], "severity") if "target" in entry.table else REQUIRED["clock"]
    if entry.lacks(required):
        return None
    _check_types(entry)
    _check_target(entry, target)
    severity = entry.severity() or Severity.S4
    return Clock(
        name=entry.name,
        title=entry.title,
        case=str(entry.text("case")),
        per=entry.text("per"),
        starts=_types(entry, "starts"),
        stops=_types(entry, "stops"),
        ends=_types(entry, "ends"),
        pauses=_pauses(entry),
        when=_when(entry),
        target=target,
        open_hours=entry.text("counts") == "open-hours",
        warn_at=entry.number("warn_at"),
        worsens=_worsens(entry, severity),
        severity=severity,
        source=entry.source,
        applies=entry.applies(),
    )


def rule(entry: Entry) -> Rule | None:
    if entry.lacks(REQUIRED["rule"]):
        return None
    return Rule(
        name=RuleName(entry.name),
        title=entry.title,
        severity=cast("Severity", entry.severity()),
        source=entry.source,
        applies=entry.applies(),
    )


def rate(entry: Entry) -> Rate | None:
    if entry.lacks(REQUIRED["rate"]):
        return None
    made = Rate(
        name=entry.name,
        title=entry.title,
        opportunity=_types(entry, "opportunity"),
        error=_types(entry, "error"),
        per_month=cast("float", entry.number("per_month")),
        baseline=cast("float", entry.number("baseline")),
        detect=cast("float", entry.number("detect")),
        false_alarms_per_month=cast("float", entry.number("false_alarms_per_month")),
        severity=cast("Severity", entry.severity()),
        source=entry.source,
        late_after=_late_after(entry),
        entry=_entry_hash(entry),
        applies=entry.applies(),
    )
    _check_rate(entry, made)
    return made


def _types(entry: Entry, key: str) -> frozenset[EventType]:
    return frozenset(map(EventType, entry.names(key)))


def _target(entry: Entry) -> Target | None:
    value = entry.table.get("target")
    if value is None:
        return None
    if isinstance(value, str):
        length = entry.try_(lambda: span(value), "target")
        if isinstance(length, timedelta):
            if not length:
                entry.fault(f'"{value}" is no time at all; write a duration above 0', "target")
            return Within(length)
        return length
    promised = entry.part("target")
    if promised.lacks(("field",)):
        return None
    return ByField(str(promised.text("field")), promised.length("plus") or timedelta())


def _check_types(entry: Entry) -> None:
    case = str(entry.text("case"))
    pauses = [(pause.table.get("from"), pause.table.get("to")) for pause in entry.parts("pauses")]
    named = [(key, name) for key in ("starts", "stops", "ends") for name in entry.names(key)]
    named += [("pauses", str(name)) for pair in pauses for name in pair if name is not None]
    for key, name in dict.fromkeys(named):
        if not allowed(EventType(name), case):
            entry.fault(f'"{name}" never happens on a case of kind "{case}"; name a type of that kind', key)
    seen: dict[str, str] = {}
    for key, name in named:
        first = seen.setdefault(name, key) if key != "pauses" else key
        if first != key:
            entry.fault(f'"{name}" stands in both {first} and {key}; take it out of one of them', key)


def _pauses(entry: Entry) -> tuple[Pause, ...]:
    pauses: list[Pause] = []
    for pause in entry.parts("pauses"):
        if pause.lacks(("from", "to")):
            continue
        begins, finishes = str(pause.text("from")), str(pause.text("to"))
        if begins == finishes:
            pause.fault(f'"{begins}" stands in both from and to; a pause ends with another event than it begins')
        pauses.append(Pause(EventType(begins), EventType(finishes)))
    return tuple(pauses)


def _check_target(entry: Entry, target: Target | None) -> None:
    if "target" not in entry.table:
        for key in ("warn_at", "worsens"):
            if key in entry.table:
                entry.fault(f"{key} is a share of the target, and there is none; add a target", key)
    if isinstance(target, BusinessDays) and "counts" in entry.table:
        entry.fault(
            "a target in business days counts by itself; take counts out, or write the target in hours", "counts"
        )


def _worsens(entry: Entry, severity: Severity) -> tuple[Worsens, ...]:
    rises: list[Worsens] = []
    at, worst = 1.0, severity
    for rise in entry.parts("worsens"):
        if rise.lacks(("at", "severity")):
            continue
        step = Worsens(float(cast("float", rise.number("at"))), cast("Severity", rise.severity()))
        if step.severity >= worst or step.at <= at:
            rise.fault(
                f"does not rise: after {worst.name} at {at:g} times the target has to come a more urgent severity, later"
            )
        at, worst = step.at, step.severity
        rises.append(step)
    return tuple(rises)


def _when(entry: Entry) -> tuple[tuple[str, frozenset[object]], ...]:
    matches: dict[str, frozenset[object]] = {}
    for name, value, path in _flat(entry.part("when")):
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        for item in values:
            if isinstance(item, str) != (FIELDS[name] is str) and item != "":
                sort = "texts" if FIELDS[name] is str else "numbers"
                entry.fault(f"{written(item)} never matches: {name} holds {sort}", *path)
        matches[name] = frozenset(values)
    return tuple(sorted(matches.items()))


def _flat(when: Entry) -> list[tuple[str, object, tuple[str, ...]]]:
    """The dotted fields with their values, however they are written, and the keys under which they stand."""
    fields: list[tuple[str, object, tuple[str, ...]]] = []
    for key, value in when.table.items():
        if isinstance(value, Mapping):
            nested = cast("Mapping[str, object]", value)
            fields += [(f"{key}.{part}", item, ("when", key, part)) for part, item in nested.items()]
        else:
            fields.append((key, value, ("when", key)))
    return fields


def _late_after(entry: Entry) -> timedelta:
    return LATE_AFTER if "late_after" not in entry.table else entry.length("late_after") or timedelta()


def _entry_hash(entry: Entry) -> str:
    """A hash of what the counting and the test depend on: what is said of it, how urgent it is and where it is judged may
    change without a new start."""
    figures = ("per_month", "baseline", "detect", "false_alarms_per_month")
    content = {key: entry.number(key) for key in figures} | {
        "name": entry.name,
        "opportunity": sorted(entry.names("opportunity")),
        "error": sorted(entry.names("error")),
        "late_after": _late_after(entry).total_seconds(),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _check_rate(entry: Entry, made: Rate) -> None:
    both = made.error & made.opportunity
    if both and made.error - made.opportunity:
        entry.fault("some types are opportunities too and some are not; list only the one sort or the other", "error")
        return
    entry.try_(lambda: design_of(made))
