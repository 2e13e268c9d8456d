"""The roads that work may take: which milestone may follow which, and where the case waits afterwards.

An order is verified, prepared, checked, delivered, given; a prescription is entered, paid for, filled, checked, handed
over; a claim is submitted, then paid or rejected, perhaps reversed. A milestone that may not follow the one before it is
counted as an impossible transition: a figure of data quality, never a signal.

Source of the orderings: the legal orderings of pharmacy practice (final check before hand-over, cabinet or delivery before
a dose is given, reversal before return to stock, nothing after a cancellation but returns).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from models.event import EventType


@dataclass(frozen=True, slots=True)
class Milestone:
    """`waits` is the queue whose turn comes next, None where the work is over or the step moves no queue; `after` are the
    milestones that may stand directly before it, `first` whether it may be the first one."""

    waits: str | None
    after: frozenset[EventType]
    first: bool = False


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """`main` tells that its milestones move the case from queue to queue."""

    name: str
    kinds: frozenset[str]
    milestones: Mapping[EventType, Milestone]
    main: bool = True


def _lifecycle(name: str, kinds: str, rows: str, *, main: bool = True) -> Lifecycle:
    """Reads rows `type waits: predecessors`; `-` waits nowhere, a predecessor `*` means it may be the first."""
    milestones: dict[EventType, Milestone] = {}
    for row in rows.strip().splitlines():
        head, _, tail = row.partition(":")
        kind, waits = head.split()
        before = tail.split()
        milestones[EventType("rx." + kind)] = Milestone(
            None if waits == "-" else waits,
            frozenset(EventType("rx." + name) for name in before if name != "*"),
            "*" in before,
        )
    return Lifecycle(name, frozenset(kinds.split()), milestones, main)


_PREPARED = "order.verified label.printed iv.prep.completed iv.prep.remake"
_SENT = "dose.dispatched dose.tube.sent dose.delivered dose.redispensed"
_GIVEN = "dose.administered dose.not_given"
_CABINET = "adc.vend adc.override"

INPATIENT = _lifecycle(
    "inpatient order",
    "order",
    f"""
order.entered verify: *
order.verified prepare: order.entered order.verified adc.override {_GIVEN}
label.printed prepare: {_PREPARED} {_SENT} {_GIVEN} dose.checked {_CABINET}
iv.prep.started prepare: {_PREPARED} iv.prep.started {_SENT} {_GIVEN} dose.checked {_CABINET}
iv.prep.completed check: iv.prep.started iv.prep.remake
iv.prep.remake prepare: iv.prep.started iv.prep.completed dose.checked
dose.checked deliver: {_PREPARED} {_SENT} {_GIVEN} dose.checked {_CABINET}
dose.dispatched deliver: dose.checked {_SENT} {_GIVEN}
dose.tube.sent deliver: dose.checked {_SENT} {_GIVEN}
dose.delivered administer: dose.checked {_SENT} {_GIVEN}
dose.redispensed administer: dose.checked {_SENT} {_GIVEN}
adc.vend administer: {_PREPARED} dose.checked {_SENT} {_GIVEN} {_CABINET}
adc.override administer: * order.entered {_PREPARED} dose.checked {_SENT} {_GIVEN} {_CABINET}
dose.administered -: {_SENT} {_GIVEN} {_CABINET} dose.checked
dose.not_given -: order.verified {_SENT} {_GIVEN} {_CABINET} dose.checked label.printed
order.discontinued -: order.entered {_PREPARED} iv.prep.started dose.checked {_SENT} {_GIVEN} {_CABINET} order.stopped
order.stopped -: order.entered {_PREPARED} iv.prep.started dose.checked {_SENT} {_GIVEN} {_CABINET}
""",
)
DOSE = _lifecycle(
    "dose",
    "dose",
    """
dose.scheduled administer: *
dose.checked deliver: * dose.scheduled
dose.dispatched deliver: * dose.checked
dose.tube.sent deliver: * dose.checked
dose.delivered administer: * dose.dispatched dose.tube.sent dose.checked
dose.administered -: * dose.scheduled dose.dispatched dose.tube.sent dose.delivered dose.checked dose.not_given
dose.not_given -: * dose.scheduled dose.dispatched dose.tube.sent dose.delivered dose.checked
dose.credited -: dose.not_given dose.dispatched dose.delivered dose.administered
""",
)
CABINET = _lifecycle(
    "cabinet transaction",
    "vend",
    """
adc.vend administer: *
adc.override administer: *
adc.cancelled -: *
adc.null_access -: *
adc.returned -: adc.vend adc.override adc.wasted
adc.wasted -: adc.vend adc.override adc.returned adc.wasted
""",
)
_RECEIVED = "received transferred_in clinical.reviewed"
_FILLED = "fill.scan.ok fill.counted fill.checked_by_hand partial_filled partial_completed"
FILL = _lifecycle(
    "prescription fill",
    "fill",
    f"""
received entry: *
transferred_in entry: * received
referral.received benefits: *
benefits.investigation.completed benefits: referral.received received
clinical.reviewed entry: referral.received benefits.investigation.completed received data_entry.completed
data_entry.completed claim: {_RECEIVED} referral.received benefits.investigation.completed returned_to_entry data_entry.completed
returned_to_entry entry: data_entry.completed pv1.verified fill.started {_FILLED} pv2.failed returned_to_entry
pv1.verified fill: data_entry.completed {_RECEIVED} pv1.verified
fill.started fill: pv1.verified data_entry.completed {_RECEIVED} {_FILLED} pv2.failed fill.started
fill.scan.ok check: fill.started {_FILLED} pv2.failed
fill.checked_by_hand check: fill.started {_FILLED} pv2.failed
fill.counted check: fill.started {_FILLED} pv2.failed
partial_filled check: fill.started {_FILLED}
partial_completed check: partial_filled sold pv2.verified ready fill.started {_FILLED}
pv2.failed fill: {_FILLED}
pv2.verified ready: {_FILLED} pv2.verified
ready ready: pv2.verified ready
packed ship: pv2.verified ready packed
shipped ship: packed pv2.verified ready reship delivery.exception
delivery.exception ship: shipped reship
reship ship: delivery.exception shipped delivered
delivered -: shipped reship packed
sold -: ready pv2.verified
returned_to_stock -: ready pv2.verified delivery.exception
""",
)
CLAIM = _lifecycle(
    "claim",
    "fill",
    """
claim.submitted claim: * claim.rejected claim.reversed claim.submitted claim.paid
claim.rejected claim: claim.submitted
claim.paid verify: claim.submitted
claim.reversed -: claim.paid
""",
    main=False,
)
LIFECYCLES = (INPATIENT, DOSE, CABINET, FILL, CLAIM)


def _steps(kind: str) -> dict[EventType, tuple[tuple[Lifecycle, Milestone], ...]]:
    found: dict[EventType, tuple[tuple[Lifecycle, Milestone], ...]] = {}
    for road in LIFECYCLES:
        if kind in road.kinds:
            for name, milestone in road.milestones.items():
                found[name] = (*found.get(name, ()), (road, milestone))
    return found


_STEPS = {kind: _steps(kind) for kind in ("order", "dose", "vend", "fill")}
_NO_ROAD: Mapping[EventType, tuple[tuple[Lifecycle, Milestone], ...]] = {}


def steps(kind: str, of: EventType) -> tuple[tuple[Lifecycle, Milestone], ...]:
    """The roads of a kind of case on which a type of event is a milestone, each with the milestone."""
    return _STEPS.get(kind, _NO_ROAD).get(of, ())
