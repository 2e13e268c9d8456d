"""From a typed prescription to a checked one: typing, first review, filling, final check, and the ways back.

Errors are found where they are found in life: the pharmacist sends wrong typing back, the scanner refuses the wrong
bottle, the final check finds what is left. Each way back means the same work again, behind everything that waits.
"""

from streams.simulation.chances import lasting
from streams.simulation.claims import Fill, adjudicated, clarified, reversed_claim
from streams.simulation.clockwork import Process
from streams.simulation.pharmacy import Pharmacy
from streams.simulation.quality import near_miss
from streams.simulation.queues import Person

TYPING = lasting(85, 0.6)
REVIEW = lasting(42, 0.7)
FILLING = lasting(75, 0.6)
COUNTING = lasting(35, 0.5)
FINAL_CHECK = lasting(38, 0.6)
HOLD = lasting(9 * 3600, 1.0)
ALERTS = ("DD", "TD", "HD", "ER", "PA")
PRODUCT_ERRORS = ("quantity", "wrong_drug", "wrong_strength", "label")


def typed(site: Pharmacy, fill: Fill) -> Process:
    feed = site.main_feed()
    technician = yield site.crews["technician"], fill.urgency
    site.say("rx.data_entry.started", fill.case, feed, technician)
    yield site.took(TYPING)
    site.say("rx.data_entry.completed", fill.case, feed, technician)
    technician.free()


def prepared(site: Pharmacy, fill: Fill) -> Process:
    """From paid to the final check. False if it ended on the way."""
    if not (yield from reviewed(site, fill)):
        return False
    while True:
        yield from _filled(site, fill)
        if site.happens(site.chances.sold_before_check):
            return True
        if (yield from _final_check(site, fill)):
            return True


def reviewed(site: Pharmacy, fill: Fill) -> Process:
    """The first review, again after each correction. False if it ended on the way."""
    while True:
        pharmacist = yield site.crews["pharmacist"], fill.urgency
        site.say("rx.pv1.started", fill.case, site.main_feed(), pharmacist)
        yield site.took(REVIEW)
        if site.happens(site.chances.returned_to_entry):
            returned(site, fill, pharmacist)
            pharmacist.free()
            if not (yield from _corrected(site, fill)):
                return False
        elif site.happens(site.chances.clarification):
            pharmacist.free()
            yield from clarified(site, fill, site.luck.choice(("sig", "dose", "quantity", "allergy")))
        else:
            _agreed(site, fill, pharmacist)
            return True


def returned(site: Pharmacy, fill: Fill, pharmacist: Person | None) -> None:
    """Sent back to data entry, sometimes because the entry differs from the image."""
    if site.happens(site.chances.image_mismatch):
        site.say("rx.image_mismatch", fill.case, site.main_feed(), pharmacist)
    reason = site.luck.choice(("sig", "quantity", "days_supply", "prescriber", "drug"))
    fill.faults += 1
    site.say("rx.returned_to_entry", fill.case, site.main_feed(), pharmacist, reason=reason)


def _corrected(site: Pharmacy, fill: Fill) -> Process:
    """Typed again; where the claim said something else, it is taken back and sent again."""
    yield from typed(site, fill)
    if fill.claim is None or site.happens(0.7):
        return True
    reversed_claim(site, fill)
    return (yield from adjudicated(site, fill))


def _agreed(site: Pharmacy, fill: Fill, pharmacist: Person) -> None:
    if site.happens(site.chances.dur_alert):
        alert = site.luck.choice(ALERTS)
        site.say("rx.dur.alert", fill.case, site.main_feed(), codes=[alert])
        site.say("rx.dur.overridden", fill.case, site.main_feed(), pharmacist, codes=[alert, "M0", "1G"])
    site.say("rx.pv1.verified", fill.case, site.main_feed(), pharmacist)
    pharmacist.free()


def held(site: Pharmacy, fill: Fill) -> Process:
    site.say("rx.hold.placed", fill.case, site.main_feed(), reason="out_of_stock")
    yield site.took(HOLD)
    site.say("rx.hold.released", fill.case, site.main_feed())


def _filled(site: Pharmacy, fill: Fill) -> Process:
    feed = site.main_feed()
    technician = yield site.crews["technician"], fill.urgency
    site.say("rx.fill.started", fill.case, feed, technician)
    yield site.took(FILLING)
    yield from _identified(site, fill, technician)
    yield site.took(COUNTING)
    site.say("rx.fill.counted", fill.case, feed, technician, qty=30)
    short = site.happens(site.chances.partial)
    if short:
        site.say("rx.partial_filled", fill.case, feed, technician, qty=12)
    technician.free()
    if short:
        site.start(_completed(site, fill))


def _completed(site: Pharmacy, fill: Fill) -> Process:
    """The rest of a partial fill, when the wholesaler has brought it."""
    yield 86_400 * (1 + site.luck.random())
    technician = yield site.crews["technician"], fill.urgency
    yield site.took(FILLING)
    site.say("rx.partial_completed", fill.case, site.main_feed(), technician, qty=18)
    technician.free()


def _identified(site: Pharmacy, fill: Fill, technician: Person) -> Process:
    feed, code = site.main_feed(), fill.product.drug["code"]
    if not site.scanners_work() or site.happens(site.chances.checked_by_hand):
        yield 30.0
        site.say("rx.fill.checked_by_hand", fill.case, feed, technician, drug=fill.product.drug)
        return
    if site.happens(site.chances.fill_mismatch):
        wrong = site.formulary.confused_with(fill.product, site.luck)
        site.say("rx.fill.scan.mismatch", fill.case, feed, technician, expected=code, scanned=wrong)
        yield 40.0
        if site.happens(site.chances.mismatch_bypassed):
            return
    site.say("rx.fill.scan.ok", fill.case, feed, technician, expected=code, scanned=code, **site.package())


def _final_check(site: Pharmacy, fill: Fill) -> Process:
    """True when it passed; where it failed the product is filled again."""
    feed = site.main_feed()
    pharmacist = yield site.crews["pharmacist"], fill.urgency
    site.say("rx.pv2.started", fill.case, feed, pharmacist)
    yield site.took(FINAL_CHECK)
    fails = site.happens(site.chances.pv2_failed)
    if fails:
        site.say("rx.pv2.failed", fill.case, feed, pharmacist, reason=site.luck.choice(PRODUCT_ERRORS))
        near_miss(site, fill.case)
    else:
        site.say("rx.pv2.verified", fill.case, feed, pharmacist)
    pharmacist.free()
    return not fails
