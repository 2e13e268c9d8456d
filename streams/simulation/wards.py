"""Doses on the wards: taken from a cabinet or sent up from the pharmacy, scanned at the bedside, given or not.

A nurse gives a dose when it is due and she has come round to it. Cabinets run out, doses get lost on the way, barcodes
cannot be read, patients refuse. What is charted late or wrong is corrected as wards do: taken back and entered again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.simulation.almanac import instant
from streams.simulation.chances import lasting
from streams.simulation.clockwork import Process
from streams.simulation.pharmacy import Pharmacy

if TYPE_CHECKING:
    from streams.simulation.inpatient import Order

ROUND = lasting(540, 0.9)
TO_BEDSIDE = lasting(200, 0.7)
PICKING = lasting(80, 0.5)
CHECKING = lasting(35, 0.5)
TUBE = lasting(190, 0.4)
CART = lasting(1500, 0.5)
OVERRIDE_AFTER = lasting(110, 0.6)
CHARTED_AFTER = lasting(480, 0.8)
NEEDED_AFTER = lasting(5 * 3600, 0.9)
MISSED_AFTER = lasting(900, 0.6)
PREPARED_AHEAD = 75 * 60
"""Seconds before a dose is due at which the pharmacy begins with it."""
REASONS = ("refused", "npo", "held_vitals", "off_unit", "per_sliding_scale")
UNREADABLE = (("unreadable", 82.0), ("wrong_drug", 11.0), ("wrong_patient", 7.0))


def dose(site: Pharmacy, order: Order, due: int) -> Process:
    """One dose by cabinet or from the pharmacy, from its place in the schedule to its end."""
    links = {"dose": site.key("dose")}
    scheduled(site, order, due, links)
    if order.product.form == "cabinet":
        yield from _from_cabinet(site, order, due, links)
    else:
        yield site.seconds_to(due - PREPARED_AHEAD * 1000)
        yield from _picked(site, order, links)
        yield from brought(site, order, due, links)


def as_needed(site: Pharmacy, order: Order) -> Process:
    """Doses when the patient asks for one: no schedule, from the cabinet or as floor stock sent up once."""
    for _ in range(order.doses):
        yield site.took(NEEDED_AFTER)
        yield from _from_cabinet(site, order, site.now, {"dose": site.key("dose")})
    return True


def override(site: Pharmacy, order: Order) -> Process:
    """The nurse does not wait for the pharmacist and takes the dose out before the order is verified."""
    yield site.took(OVERRIDE_AFTER)
    links = {"dose": site.key("dose")}
    nurse = _nurse(site, order)
    name = "rx.adc.vend" if order.verified else "rx.adc.override"
    site.say(name, order.case, site.feeds["adc"], links=links, **nurse, **_pocket(site, order))
    yield from _bedside(site, order, links, nurse)


def scheduled(site: Pharmacy, order: Order, due: int, links: dict[str, str]) -> None:
    site.say("rx.dose.scheduled", order.case, site.feeds["emar"], promised=instant(due), links=links)


def brought(site: Pharmacy, order: Order, due: int, links: dict[str, str]) -> Process:
    """Out of the pharmacy to the ward, sent again if it cannot be found there, and given when due."""
    pis = site.feeds["pis"]
    yield from _sent(site, order, links)
    if site.happens(site.chances.missing_dose):
        yield site.took(MISSED_AFTER)
        site.say("rx.dose.missing.requested", order.case, site.feeds["emar"], links=links, **_nurse(site, order))
        technician = yield site.crews["technician"], order.urgency
        yield site.took(PICKING)
        site.say("rx.dose.redispensed", order.case, pis, technician, links=links)
        technician.free()
        yield site.took(TUBE)
    yield site.seconds_to(due)
    yield site.took(ROUND) * (0.3 if order.urgency == 0 else 1.0)
    yield from _bedside(site, order, links, _nurse(site, order))


def checked(site: Pharmacy, order: Order, links: dict[str, str], **said: Any) -> Process:
    """The final check by a pharmacist; returns who did it, still busy with it."""
    pharmacist = yield site.crews["pharmacist"], order.urgency
    yield site.took(CHECKING)
    site.say("rx.dose.checked", order.case, site.feeds["pis"], pharmacist, links=links, **said)
    return pharmacist


def _picked(site: Pharmacy, order: Order, links: dict[str, str]) -> Process:
    site.say("rx.label.printed", order.case, site.feeds["pis"], links=links)
    technician = yield site.crews["technician"], order.urgency
    yield site.took(PICKING)
    technician.free()
    if not site.happens(site.chances.sent_before_check):
        pharmacist = yield from checked(site, order, links)
        pharmacist.free()


def _sent(site: Pharmacy, order: Order, links: dict[str, str]) -> Process:
    pis = site.feeds["pis"]
    by_tube = order.urgency < 3 or site.happens(0.5)
    site.say("rx.dose.dispatched", order.case, pis, links=links)
    if by_tube:
        yield 20.0
        site.say("rx.dose.tube.sent", order.case, pis, links=links, location=order.ward)
    yield site.took(TUBE if by_tube else CART)
    site.say("rx.dose.delivered", order.case, pis, links=links, location=order.ward)


def _from_cabinet(site: Pharmacy, order: Order, due: int, links: dict[str, str]) -> Process:
    adc, nurse = site.feeds["adc"], _nurse(site, order)
    yield site.seconds_to(due - 600_000 if order.urgency >= 3 else site.now)
    yield site.took(ROUND) * (0.4 if order.urgency < 2 else 1.0)
    if site.happens(site.chances.stockout):
        yield from _out_of_stock(site, order, links, nurse)
        return
    if site.happens(site.chances.vend_cancelled):
        site.say("rx.adc.cancelled", order.case, adc, links=links, **nurse)
        yield 60.0
    site.say("rx.adc.vend", order.case, adc, links=links, **nurse, **_pocket(site, order))
    yield from _bedside(site, order, links, nurse)


def _out_of_stock(site: Pharmacy, order: Order, links: dict[str, str], nurse: dict[str, str]) -> Process:
    """The pocket is empty: the ward asks, the pharmacy picks, checks and sends."""
    item = f"item/{site.spec.site}-{order.ward}-{order.product.drug['code']}"
    site.say("rx.adc.stockout", item, site.feeds["adc"], drug=order.product.drug, location=order.ward)
    site.say("rx.dose.missing.requested", order.case, site.feeds["emar"], links=links, **nurse)
    yield from _picked(site, order, links)
    yield from _sent(site, order, links)
    yield from _bedside(site, order, links, nurse)


def _bedside(site: Pharmacy, order: Order, links: dict[str, str], nurse: dict[str, str]) -> Process:
    yield site.took(TO_BEDSIDE)
    late = site.took(CHARTED_AFTER) if site.happens(site.chances.charted_late) else 0.0
    fails = site.chances.scan_failed if site.scanners_work() else 0.9
    if site.happens(fails):
        reason = _why_no_scan(site)
        site.say("rx.dose.scan_failed", order.case, site.feeds["emar"], late=late, links=links, reason=reason, **nurse)
        yield 25.0
    if site.happens(site.chances.not_given):
        yield from _not_given(site, order, links, nurse, late)
    else:
        yield from _given(site, order, links, nurse, late)


def _why_no_scan(site: Pharmacy) -> str:
    if not site.scanners_work():
        return "unreadable"
    if site.happens(site.chances.scan_bypassed):
        return "bypassed"
    return site.luck.choices([name for name, _ in UNREADABLE], [weight for _, weight in UNREADABLE])[0]


def _not_given(site: Pharmacy, order: Order, links: dict[str, str], nurse: dict[str, str], late: float) -> Process:
    reason = site.luck.choice(REASONS)
    emar = site.feeds["emar"]
    site.say("rx.dose.not_given", order.case, emar, late=late, links=links, reason=reason, **nurse)
    yield 240.0
    if order.product.form == "cabinet":
        site.say("rx.adc.returned", order.case, site.feeds["adc"], links=links, qty=1, **nurse)
    else:
        site.say("rx.dose.returned", order.case, site.feeds["pis"], links=links)
        site.say("rx.dose.credited", order.case, site.feeds["pis"], links=links)


def _given(site: Pharmacy, order: Order, links: dict[str, str], nurse: dict[str, str], late: float) -> Process:
    emar = site.feeds["emar"]
    charted = site.say("rx.dose.administered", order.case, emar, late=late, links=links, **nurse)
    if site.happens(site.chances.charted_wrong):
        yield late + 420.0
        site.say("rx.event.voided", order.case, emar, voids=[charted.source, charted.id], **nurse)
        site.say("rx.dose.administered", order.case, emar, links=links, **nurse)
    if order.product.controlled and site.happens(site.chances.wasted_in_part):
        yield 180.0
        witness = nurse["actor"] if site.happens(site.chances.same_person_witness) else _nurse(site, order)["actor"]
        site.say(
            "rx.adc.wasted",
            order.case,
            site.feeds["adc"],
            links=links,
            qty=0.5,
            witness=witness,
            reason="partial",
            **nurse,
        )


def _pocket(site: Pharmacy, order: Order) -> dict[str, Any]:
    """What the cabinet says of the package it gave out."""
    return {"drug": order.product.drug, "qty": 1, **site.package()}


def _nurse(site: Pharmacy, order: Order) -> dict[str, str]:
    """One of the nurses of the ward and half of the day."""
    hour = site.almanac.hour_of_week(site.now) % 24
    half = "day" if 7 <= hour < 19 else "night"
    who = f"nurse/{order.ward}/{half}/{site.luck.randrange(8)}"
    return {"actor": site.pseudonym(who), "role": "nurse", "location": order.ward}
