"""A specialty pharmacy: weeks from referral to doorstep, most of it waiting for others.

A new patient's referral goes through benefits, prior authorisation, copay help and a clinical review before anything is
filled; a refill begins with a call to the patient. Then it is packed cold, shipped, and watched until it has arrived.
"""

from models.event import CaseId
from streams.simulation.almanac import DAY, Almanac, Arrivals, week
from streams.simulation.chances import lasting
from streams.simulation.claims import PAYERS, Fill, adjudicated
from streams.simulation.clockwork import Clockwork, Process
from streams.simulation.dispensing import prepared, typed
from streams.simulation.formulary import REMS, SPECIALTY
from streams.simulation.pharmacy import Pharmacy, SiteSpec
from streams.simulation.staff import WEEKDAYS, Shift, interrupted, rostered

OPENING = {**dict.fromkeys(range(5), (8 * 60, 18 * 60)), 5: (9 * 60, 13 * 60)}
SHIFTS = (
    Shift("pharmacist", WEEKDAYS, 7 * 60 + 45, 510, 2),
    Shift("pharmacist", WEEKDAYS, 9 * 60 + 30, 510, 1),
    Shift("pharmacist", (5,), 9 * 60, 240, 1),
    Shift("technician", WEEKDAYS, 7 * 60 + 45, 510, 5),
    Shift("technician", WEEKDAYS, 9 * 60 + 30, 510, 2),
    Shift("technician", (5,), 9 * 60, 240, 2),
)
HOURS = week(
    (0, 0, 0, 0, 0, 0, 1, 4, 9, 12, 13, 11, 9, 11, 12, 12, 11, 8, 3, 1, 0, 0, 0, 0), saturday=0.15, sunday=0.02
)
CASES_PER_DAY = 60
NEW_PATIENTS = 0.35
INVESTIGATION = lasting(1500, 0.6)
PAYER_ANSWERS = lasting(20 * 3600, 0.8)
AUTHORISED = lasting(3.2 * 86_400, 0.7)
COPAY = lasting(10 * 3600, 0.9)
REMS_WAIT = lasting(9 * 3600, 0.8)
SCHEDULING = lasting(380, 0.6)
PATIENT_ANSWERS = lasting(22 * 3600, 1.0)
CLINICAL = lasting(900, 0.5)
PACKING = lasting(300, 0.4)
PICKED_UP_HOUR = 17
ON_THE_WAY = lasting(21 * 3600, 0.25)
OUTREACH_AFTER = 20 * 86_400.0
CARRIERS = ("ups", "fedex", "courier")


def opened(spec: SiteSpec, clockwork: Clockwork, seed: str) -> Pharmacy:
    """The pharmacy with its people and all that goes on in it."""
    site = Pharmacy(spec, Almanac(spec.timezone, OPENING), SPECIALTY, clockwork, seed)
    for system in ("pms", "shipping", "timeclock", "phone", "sensors", "stock", "quality"):
        site.feed(system)
    pharmacists = site.add_crew("pharmacist")
    technicians = site.add_crew("technician", cover=pharmacists)
    site.start(rostered(site, SHIFTS))
    site.start(interrupted(site, pharmacists, 1.5))
    site.start(interrupted(site, technicians, 1.0))
    site.start(_arriving(site))
    return site


def _arriving(site: Pharmacy) -> Process:
    arrivals = Arrivals(site.clockwork, site.almanac, site.arriving, HOURS, CASES_PER_DAY * 7 * site.spec.volume)
    while True:
        yield arrivals.gap()
        if arrivals.kept():
            site.start(life(site, drawn(site)))


def drawn(site: Pharmacy) -> Fill:
    """A case as they come in: a referral of a new patient, or a refill."""
    chance = site.arriving
    new = chance.random() < NEW_PATIENTS
    case = CaseId(f"fill/{chance.getrandbits(60):015x}")
    channel = "referral" if new else "refill"
    return Fill(case, site.formulary.draw(chance), 3, channel, chance.choice(PAYERS))


def life(site: Pharmacy, fill: Fill) -> Process:
    """One case to its end."""
    pms, new = site.feeds["pms"], fill.channel == "referral"
    name = "rx.referral.received" if new else "rx.received"
    site.say(name, fill.case, pms, channel=fill.channel, priority="routine", drug=fill.product.drug)
    if new and not (yield from _covered(site, fill)):
        return
    yield from typed(site, fill)
    if not (yield from adjudicated(site, fill, AUTHORISED)):
        return
    yield from _agreed_with_patient(site, fill)
    if site.happens(site.chances.cancelled):
        site.say("rx.discontinued", fill.case, pms, reason="therapy_stopped")
        return
    if new or site.happens(0.2):
        yield from _clinical_review(site, fill)
    if (yield from prepared(site, fill)):
        yield from _shipped(site, fill)


def _covered(site: Pharmacy, fill: Fill) -> Process:
    """Benefits, authorisation, copay. False where the payer refuses for good."""
    pms, case = site.feeds["pms"], fill.case
    technician = yield site.crews["technician"], fill.urgency
    site.say("rx.benefits.investigation.started", case, pms, technician, payer=fill.payer)
    yield site.took(INVESTIGATION)
    technician.free()
    yield site.took(PAYER_ANSWERS)
    site.say("rx.benefits.investigation.completed", case, pms, payer=fill.payer)
    if site.happens(0.7) and not (yield from _authorised(site, fill)):
        return False
    if site.happens(0.45):
        yield site.took(COPAY)
        site.say("rx.copay.assistance", case, pms, amount=round(fill.product.price * 0.05, 2), currency="USD")
    if fill.product.drug["code"] in REMS:
        yield site.took(REMS_WAIT)
        site.say("rx.rems.authorized", case, pms)
    return True


def _authorised(site: Pharmacy, fill: Fill) -> Process:
    """Up to two requests: the second is the appeal."""
    pms, case = site.feeds["pms"], fill.case
    site.say("rx.pa.required", case, pms, payer=fill.payer)
    for _ in range(2):
        technician = yield site.crews["technician"], fill.urgency
        yield site.took(INVESTIGATION)
        site.say("rx.pa.initiated", case, pms, technician, payer=fill.payer)
        technician.free()
        yield site.took(AUTHORISED)
        if site.happens(0.8):
            site.say("rx.pa.approved", case, pms, payer=fill.payer)
            return True
        site.say("rx.pa.denied", case, pms, payer=fill.payer, reason="criteria_not_met")
    yield 3600.0
    site.say("rx.cancelled", case, pms, reason="not_covered")
    return False


def _agreed_with_patient(site: Pharmacy, fill: Fill) -> Process:
    yield site.took(PATIENT_ANSWERS)
    technician = yield site.crews["technician"], fill.urgency
    yield site.took(SCHEDULING)
    promised = site.instant_in(86_400 * (3 + site.luck.randrange(4)))
    site.say("rx.patient.scheduled", fill.case, site.feeds["pms"], technician, promised=promised)
    technician.free()


def _clinical_review(site: Pharmacy, fill: Fill) -> Process:
    pharmacist = yield site.crews["pharmacist"], fill.urgency
    yield site.took(CLINICAL)
    site.say("rx.clinical.reviewed", fill.case, site.feeds["pms"], pharmacist)
    pharmacist.free()


def _shipped(site: Pharmacy, fill: Fill) -> Process:
    case, shipping = fill.case, site.feeds["shipping"]
    technician = yield site.crews["technician"], 2
    yield site.took(PACKING)
    carrier = site.luck.choice(CARRIERS)
    site.say("rx.packed", case, shipping, technician, reason="cold_pack" if site.happens(0.7) else "ambient")
    technician.free()
    yield site.seconds_to(site.almanac.next_of(site.now, (PICKED_UP_HOUR,)))
    site.say("rx.shipped", case, shipping, carrier=carrier)
    yield from _on_the_way(site, fill, carrier)
    site.say("rx.delivered", case, shipping, carrier=carrier)
    yield OUTREACH_AFTER + site.luck.random() * DAY / 500
    site.say("rx.refill.outreach", case, site.feeds["pms"])


def _on_the_way(site: Pharmacy, fill: Fill, carrier: str) -> Process:
    case, shipping = fill.case, site.feeds["shipping"]
    if site.happens(site.chances.temperature_excursion):
        yield 6 * 3600.0
        site.say("rx.temp.excursion", case, shipping, carrier=carrier, measure="temp", value=11.5, unit="C")
    yield site.took(ON_THE_WAY)
    while site.happens(site.chances.delivery_exception):
        site.say(
            "rx.delivery.exception",
            case,
            shipping,
            carrier=carrier,
            reason=site.luck.choice(("nobody_home", "address")),
        )
        yield 5 * 3600.0
        site.say("rx.reship", case, shipping, carrier=carrier)
        yield site.took(ON_THE_WAY)
