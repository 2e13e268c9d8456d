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
    required = (*REQUIRED["clock"], "severity") if entry.meant("target") else REQUIRED["clock"]
    incomplete = entry.lacks(required)
    _check_types(entry)
    _check_target(entry, target)
    pauses, when, worsens = _pauses(entry), _when(entry), _worsens(entry)
    if incomplete:
        return None
    return Clock(
        name=entry.name,
        title=entry.title,
        case=str(entry.text("case")),
        per=entry.text("per"),
        starts=_types(entry, "starts"),
        stops=_types(entry, "stops"),
        ends=_types(entry, "ends"),
        pauses=pauses,
        when=when,
        target=target,
        open_hours=entry.text("counts") == "open-hours",
        warn_at=entry.number("warn_at"),
        worsens=worsens,
        severity=entry.severity() or Severity.S4,
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
    mixed = _mixed(entry)
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
    if not mixed:
        entry.try_(lambda: design_of(made))
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
        if entry.readable("case") and not allowed(EventType(name), case):
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
    if not entry.meant("target"):
        for key in ("warn_at", "worsens"):
            if key in entry.table:
                entry.fault(f"{key} is a share of the target, and there is none; add a target", key)
    if isinstance(target, BusinessDays) and "counts" in entry.table:
        entry.fault(
            "a target in business days counts by itself; take counts out, or write the target in hours", "counts"
        )


def _worsens(entry: Entry) -> tuple[Worsens, ...]:
    """How it worsens; not judged against a severity that is missing or cannot be read."""
    rises: list[Worsens] = []
    at, worst = 1.0, entry.severity()
    for rise in entry.parts("worsens"):
        if rise.lacks(("at", "severity")):
            continue
        step = Worsens(float(cast("float", rise.number("at"))), cast("Severity", rise.severity()))
        if worst is not None and (step.severity >= worst or step.at <= at):
            rise.fault(
                f"does not rise: after {worst.name} at {at:g} times the target has to come a more urgent severity, later"
            )
        at, worst = step.at, step.severity
        rises.append(step)
    return tuple(rises)


def _when(entry: Entry) -> tuple[tuple[str, frozenset[object]], ...]:
    matches: dict[str, frozenset[object]] = {}
    for name, value, path in _flat(entry.part("when")):
        values = [one for one in cast("list[object]", value if isinstance(value, list) else [value]) if one is not None]
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


def _mixed(entry: Entry) -> bool:
    """Whether some errors are opportunities and some are not, which is reported."""
    if not entry.readable("error", "opportunity"):
        return False
    error, opportunity = _types(entry, "error"), _types(entry, "opportunity")
    mixed = bool(error & opportunity and error - opportunity)
    if mixed:
        entry.fault("some types are opportunities too and some are not; list only the one sort or the other", "error")
    return mixed
