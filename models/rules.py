"""What must never be: one small function a rule.

A rule is judged at one event, by what stands before it in the case, at once. Later events repair nothing; only evidence
that changes what stood before can disprove it. What is absent (an actor, an expiry, a witness) is not judged. An event that
names no dose speaks for all doses of its case.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache

from msgspec import Struct

from models.event import Event, EventType, field, kind_of
from models.hours import WorkingTime, day_end
from models.policy import RuleName


class Before(Struct, frozen=True, gc=False):
    """What stands before the event: the events, the fields last said up to and including it, and the site's time."""

    events: Sequence[Event]
    fields: Mapping[str, object]
    working: WorkingTime


class Broken(Struct, frozen=True, gc=False):
    """`evidence` are the events that prove it, the judged one last."""

    rule: RuleName
    evidence: tuple[Event, ...]


Judge = Callable[[Event, Before], tuple[Event, ...] | None]


def _types(*names: str) -> frozenset[EventType]:
    return frozenset(EventType("rx." + name) for name in names)


HANDED_OVER = _types("sold", "shipped", "delivered")
VERDICTS = _types("pv2.verified", "pv2.failed") | HANDED_OVER
SENT = _types("dose.dispatched", "dose.tube.sent", "dose.delivered")
CHECKED = EventType("rx.dose.checked")
PASSED = SENT | {CHECKED}
COMPLETED = _types("pv2.verified", "iv.prep.completed")
RIGHT_SCANS = _types("fill.scan.ok", "iv.prep.step.scanned")
WRONG_SCANS = _types("fill.scan.mismatch", "iv.prep.step.mismatch")
REPAIRS = _types("fill.checked_by_hand", "iv.prep.remake", "iv.prep.wasted") | COMPLETED
SCANS = RIGHT_SCANS | WRONG_SCANS | REPAIRS
BEDSIDE = EventType("rx.dose.scan_failed")
WASTED = EventType("rx.adc.wasted")
LOT_TYPES = _types("fill.scan.ok", "iv.prep.step.scanned", "adc.vend", "adc.override", "dose.administered")


def dose(event: Event) -> str:
    return event.data.get("links", {}).get("dose", "")


def _same_dose(event: Event, other: Event) -> bool:
    """An event that names no dose speaks for all."""
    mine = dose(event)
    return not mine or dose(other) in ("", mine)


def sold_before_final_check(event: Event, before: Before) -> tuple[Event, ...] | None:
    if kind_of(event.subject) != "fill":
        return None
    latest = next((e for e in reversed(before.events) if e.type in VERDICTS), None)
    if latest is None:
        return (event,)
    return (latest, event) if latest.type == EventType("rx.pv2.failed") else None


def dispensed_before_final_check(event: Event, before: Before) -> tuple[Event, ...] | None:
    passed = any(e.type in PASSED and _same_dose(event, e) for e in before.events)
    return None if passed else (event,)


def scan_mismatch_bypassed(event: Event, before: Before) -> tuple[Event, ...] | None:
    if event.type == BEDSIDE:
        return (event,) if event.data.get("reason") == "bypassed" else None
    open_mismatches: dict[str, Event] = {}
    for other in before.events:
        if other.type not in SCANS or not _same_dose(event, other):
            continue
        if other.type in WRONG_SCANS:
            open_mismatches[other.data.get("expected", "")] = other
        elif other.type in RIGHT_SCANS:
            open_mismatches.pop(other.data.get("expected", ""), None)
        else:
            open_mismatches.clear()
    return (*open_mismatches.values(), event) if open_mismatches else None


def high_alert_without_second_actor(event: Event, before: Before) -> tuple[Event, ...] | None:
    actor = event.data.get("actor")
    if actor is None or field(before.fields, "drug.high_alert") is None:
        return None
    if event.data.get("witness") not in (None, actor):
        return None
    prepared = [
        e
        for e in before.events
        if e.type.startswith("rx.iv.prep.") and e.data.get("actor") == actor and _same_dose(event, e)
    ]
    return (prepared[-1], event) if prepared else None


def waste_witnessed_by_same_person(event: Event, before: Before) -> tuple[Event, ...] | None:
    actor, witness = event.data.get("actor"), event.data.get("witness")
    return (event,) if actor is not None and actor == witness else None


def expired_lot(event: Event, before: Before) -> tuple[Event, ...] | None:
    expires = expiry(event.data.get("expiry"), before.working)
    return (event,) if expires is not None and expires < event.time else None


@lru_cache(maxsize=1 << 12)
def expiry(text: str | None, working: WorkingTime) -> datetime | None:
    """The instant up to which a lot is good: a month or a day holds to its end in the site's time. None: unreadable."""
    if text is None:
        return None
    try:
        if len(text) == 7:
            first = date.fromisoformat(text + "-01")
            return day_end(working, (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1))
        if len(text) == 10:
            return day_end(working, date.fromisoformat(text))
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return instant if instant.tzinfo is not None else None


RULES: Mapping[RuleName, tuple[frozenset[EventType], Judge]] = {
    RuleName.SOLD_BEFORE_FINAL_CHECK: (HANDED_OVER, sold_before_final_check),
    RuleName.DISPENSED_BEFORE_FINAL_CHECK: (SENT, dispensed_before_final_check),
    RuleName.SCAN_MISMATCH_BYPASSED: (COMPLETED | {BEDSIDE}, scan_mismatch_bypassed),
    RuleName.HIGH_ALERT_WITHOUT_SECOND_ACTOR: (frozenset({CHECKED}), high_alert_without_second_actor),
    RuleName.WASTE_WITNESSED_BY_SAME_PERSON: (frozenset({WASTED}), waste_witnessed_by_same_person),
    RuleName.EXPIRED_LOT: (LOT_TYPES, expired_lot),
}
"""Each rule with the types that it is judged at."""


def judge(name: RuleName, event: Event, before: Before) -> Broken | None:
    """Whether the event breaks the rule; None for a type that the rule is not judged at."""
    types, decide = RULES[name]
    evidence = decide(event, before) if event.type in types else None
    return None if evidence is None else Broken(name, evidence)
