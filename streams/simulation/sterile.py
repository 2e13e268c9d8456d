"""Sterile preparations: queued, made step by step with scans and weights, checked by somebody else, sent up.

A sterile technician makes them by day; at night a pharmacist leaves the orders for a quarter of an hour to do it. Who
made it does not check it: where only one pharmacist is there, somebody else witnesses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.simulation import wards
from streams.simulation.chances import lasting
from streams.simulation.clockwork import Process
from streams.simulation.pharmacy import Pharmacy
from streams.simulation.queues import Person

if TYPE_CHECKING:
    from streams.simulation.inpatient import Order

STEP = lasting(110, 0.5)
FINISHING = lasting(170, 0.4)
DILUENT = "99001-0900-01"


def dose(site: Pharmacy, order: Order, due: int) -> Process:
    """One sterile dose from its place in the schedule to the bedside."""
    links = {"dose": site.key("dose")}
    wards.scheduled(site, order, due, links)
    yield site.seconds_to(due - wards.PREPARED_AHEAD * 1000)
    site.say("rx.label.printed", order.case, site.feeds["pis"], links=links)
    site.say("rx.iv.prep.queued", order.case, site.feeds["ivwf"], links=links)
    maker = yield from _made(site, order, links)
    while site.happens(site.chances.remake):
        site.say("rx.iv.prep.wasted", order.case, site.feeds["ivwf"], links=links, reason="failed_check")
        site.say("rx.iv.prep.remake", order.case, site.feeds["ivwf"], links=links)
        maker = yield from _made(site, order, links)
    yield from _checked(site, order, links, maker)
    if site.happens(site.chances.preparation_wasted):
        site.say("rx.iv.prep.wasted", order.case, site.feeds["ivwf"], links=links, reason="order_changed")
        site.say("rx.dose.not_given", order.case, site.feeds["emar"], links=links, reason="order_changed")
        return
    yield from wards.brought(site, order, due, links)


def _made(site: Pharmacy, order: Order, links: dict[str, str]) -> Process:
    """Returns who made it."""
    ivwf = site.feeds["ivwf"]
    maker: Person = yield site.crews["iv_technician"], order.urgency
    site.say("rx.iv.prep.started", order.case, ivwf, maker, links=links)
    for ingredient in (order.product.drug["code"], DILUENT):
        yield site.took(STEP)
        yield from _scanned(site, order, links, maker, ingredient)
    if site.happens(site.chances.out_of_tolerance):
        site.say(
            "rx.iv.prep.weigh.out_of_tolerance", order.case, ivwf, maker, links=links, measure="weight", value=1.07
        )
        yield site.took(STEP)
    yield site.took(FINISHING)
    site.say("rx.iv.prep.completed", order.case, ivwf, maker, links=links)
    maker.free()
    return maker


def _scanned(site: Pharmacy, order: Order, links: dict[str, str], maker: Person, ingredient: str) -> Process:
    if not site.scanners_work():
        return
    said: dict[str, Any] = {"links": links, "expected": ingredient}
    if site.happens(site.chances.step_mismatch):
        wrong = site.formulary.confused_with(order.product, site.luck)
        site.say("rx.iv.prep.step.mismatch", order.case, site.feeds["ivwf"], maker, scanned=wrong, **said)
        yield 45.0
    site.say("rx.iv.prep.step.scanned", order.case, site.feeds["ivwf"], maker, scanned=ingredient, **said)


def _checked(site: Pharmacy, order: Order, links: dict[str, str], maker: Person) -> Process:
    pharmacist: Person = yield site.crews["pharmacist"], order.urgency
    yield site.took(wards.CHECKING)
    said: dict[str, Any] = {"links": links}
    if pharmacist.actor == maker.actor and not site.happens(site.chances.same_person_checks):
        said["witness"] = site.pseudonym(f"nurse/{order.ward}/witness")
    site.say("rx.dose.checked", order.case, site.feeds["pis"], pharmacist, **said)
    pharmacist.free()
