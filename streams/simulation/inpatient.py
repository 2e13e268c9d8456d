"""A hospital's orders from signature to their end: verification by whoever is free, then dose after dose.

Most orders are given from cabinets on the wards; some are picked in the pharmacy, some are sterile preparations. STAT
orders go first, but nobody drops what he is doing for them, and at night one person does several people's work.
"""

from dataclasses import dataclass

from models.event import CaseId
from streams.simulation import sterile, wards
from streams.simulation.almanac import ALWAYS, HOUR, Almanac, Arrivals, week
from streams.simulation.chances import lasting
from streams.simulation.clockwork import Clockwork, Process
from streams.simulation.formulary import HOSPITAL, Product
from streams.simulation.pharmacy import Pharmacy, SiteSpec
from streams.simulation.staff import DAILY, WEEKDAYS, WEEKEND, Shift, interrupted, rostered

SHIFTS = (
    Shift("pharmacist", WEEKDAYS, 7 * 60, 510, 6),
    Shift("pharmacist", WEEKEND, 7 * 60, 510, 5),
    Shift("pharmacist", WEEKDAYS, 11 * 60, 510, 2, least=0),
    Shift("pharmacist", DAILY, 15 * 60, 510, 4),
    Shift("pharmacist", DAILY, 23 * 60, 510, 2),
    Shift("technician", WEEKDAYS, 6 * 60 + 30, 510, 5),
    Shift("technician", WEEKEND, 6 * 60 + 30, 510, 4),
    Shift("technician", DAILY, 14 * 60 + 30, 510, 4),
    Shift("technician", DAILY, 22 * 60 + 30, 510, 2),
    Shift("iv_technician", WEEKDAYS, 6 * 60, 510, 4),
    Shift("iv_technician", WEEKEND, 6 * 60, 510, 3),
    Shift("iv_technician", DAILY, 14 * 60, 510, 2),
)
"""Nobody prepares sterile products at night but the pharmacists."""
HOURS = week(
    (4, 3, 3, 3, 3, 4, 6, 9, 14, 19, 21, 19, 16, 14, 14, 14, 14, 13, 12, 11, 10, 9, 7, 5), saturday=0.78, sunday=0.74
)
"""Rounds in the morning, admissions in the afternoon. No public hour-of-day curve is known: field knowledge."""
ORDERS_PER_DAY = 1100
PRIORITIES = (("stat", 0, 6.0), ("now", 1, 5.0), ("urgent", 2, 4.0), ("routine", 3, 73.0), ("prn", 4, 12.0))
WARDS = ("icu", "ed", "med-3", "med-4", "surg-5", "onc-6", "peds-2", "ob-1")
EVERY = ((24, (9,)), (12, (9, 21)), (8, (6, 14, 22)), (6, (6, 12, 18, 24)))
"""Hours between doses, and the wall hours at which wards give them."""

TRANSMITTED = lasting(40, 0.5)
TOUCH = {"stat": lasting(205, 0.6), "now": lasting(150, 0.6), "urgent": lasting(120, 0.6)}
TOUCH_OTHER = lasting(75, 0.7)
HIGH_ALERT_TOUCH = 1.6
ANSWER = lasting(1500, 0.9)
HELD = lasting(4 * 3600, 0.8)


@dataclass(slots=True)
class Order:
    """`urgency` orders the queues; `doses` is how many will be given, `hours` between them (0: one dose); `verified`
    is set once the pharmacy has agreed."""

    case: CaseId
    product: Product
    priority: str
    urgency: int
    ward: str
    doses: int
    hours: int
    slots: tuple[int, ...]
    verified: bool = False


def opened(spec: SiteSpec, clockwork: Clockwork, seed: str) -> Pharmacy:
    """The hospital with its people and all that goes on in it."""
    site = Pharmacy(spec, Almanac(spec.timezone, ALWAYS), HOSPITAL, clockwork, seed)
    for system in ("pis", "emar", "adc", "ivwf", "timeclock", "phone", "sensors", "stock", "quality"):
        site.feed(system)
    pharmacists = site.add_crew("pharmacist")
    for role in ("technician", "iv_technician"):
        site.add_crew(role, cover=pharmacists)
    site.start(rostered(site, SHIFTS))
    site.start(interrupted(site, pharmacists, 3.0))
    site.start(interrupted(site, site.crews["technician"], 1.0))
    site.start(entering(site))
    return site


def entering(site: Pharmacy) -> Process:
    """Prescribers sign orders, for ever."""
    arrivals = Arrivals(site.clockwork, site.almanac, site.arriving, HOURS, ORDERS_PER_DAY * 7 * site.spec.volume)
    while True:
        yield arrivals.gap()
        if arrivals.kept():
            site.start(life(site, drawn(site)))


def drawn(site: Pharmacy, priority: str | None = None) -> Order:
    """A new order as prescribers write them; `priority` None: as often as each occurs."""
    chance = site.arriving
    name, urgency, _ = (
        next(entry for entry in PRIORITIES if entry[0] == priority)
        if priority
        else chance.choices(PRIORITIES, [weight for _, _, weight in PRIORITIES])[0]
    )
    hours, slots = chance.choice(EVERY)
    repeated = name in ("routine", "prn") and chance.random() < 0.55
    doses = 2 + int(chance.expovariate(1 / 2.2)) if repeated else 1
    case = CaseId(f"order/{chance.getrandbits(60):015x}")
    return Order(
        case, site.formulary.draw(chance), name, urgency, chance.choice(WARDS), doses, hours if doses > 1 else 0, slots
    )


def life(site: Pharmacy, order: Order, *, by_pharmacist: bool = False) -> Process:
    """One order to its end. `by_pharmacist` rules out verification by rule and a dose before it."""
    _enter(site, order)
    early = not by_pharmacist and order.product.form == "cabinet" and order.urgency < 3
    if early and site.happens(3 * site.chances.override):
        site.start(wards.override(site, order))
        order.doses -= 1
    yield site.took(TRANSMITTED)
    if not (yield from _verified(site, order, by_pharmacist)):
        return
    if site.happens(site.chances.order_held):
        yield from _held(site, order)
    whole = yield from (wards.as_needed if order.priority == "prn" else _course)(site, order)
    yield 3600 + site.luck.random() * 1800
    site.say("rx.order.stopped" if whole else "rx.order.discontinued", order.case, site.feeds["pis"])


def overlooked(site: Pharmacy, order: Order, seconds: float) -> Process:
    """One order that no queue shows, until somebody asks for it after `seconds` and a pharmacist verifies it at once."""
    _enter(site, order)
    yield seconds
    site.say(
        "rx.order.verified", order.case, site.feeds["pis"], actor=site.pseudonym("pharmacist/ward"), role="pharmacist"
    )
    order.verified = True
    yield from _course(site, order)
    site.say("rx.order.stopped", order.case, site.feeds["pis"])


def _enter(site: Pharmacy, order: Order) -> None:
    site.say(
        "rx.order.entered",
        order.case,
        site.feeds["pis"],
        actor=site.pseudonym(f"prescriber/{site.arriving.randrange(60)}"),
        role="prescriber",
        priority=order.priority,
        drug=order.product.drug,
        qty=1,
        unit="dose",
        location=order.ward,
    )


def _verified(site: Pharmacy, order: Order, by_pharmacist: bool) -> Process:
    """True once the order may be given; False if it was stopped instead."""
    calm = order.urgency >= 3 and order.product.form == "cabinet" and "high_alert" not in order.product.drug
    if calm and not by_pharmacist and site.happens(site.chances.autoverified):
        yield 1.0
        site.say("rx.order.verified", order.case, site.feeds["pis"], role="rule")
        order.verified = True
        return True
    pharmacist = yield site.crews["pharmacist"], order.urgency
    site.say("rx.order.verification.started", order.case, site.feeds["pis"], pharmacist)
    yield _touch(site, order)
    if site.happens(site.chances.intervention):
        pharmacist = yield from _asked(site, order, pharmacist)
        if site.happens(0.12):
            site.say("rx.order.discontinued", order.case, site.feeds["pis"], pharmacist, reason="intervention")
            pharmacist.free()
            return False
    site.say("rx.order.verified", order.case, site.feeds["pis"], pharmacist)
    order.verified = True
    pharmacist.free()
    return True


def _touch(site: Pharmacy, order: Order) -> float:
    length = site.took(TOUCH.get(order.priority, TOUCH_OTHER))
    return length * HIGH_ALERT_TOUCH if "high_alert" in order.product.drug else length


def _asked(site: Pharmacy, order: Order, pharmacist: object) -> Process:
    """The pharmacist asks the prescriber and does other work until the answer; returns who takes the order up again."""
    pis, question = site.feeds["pis"], site.key("intervention")
    reason = site.luck.choice(("dose", "allergy", "interaction", "duplicate", "renal", "route"))
    site.say(
        "rx.order.intervention.opened",
        order.case,
        pis,
        pharmacist,
        reason=reason,
        links={"intervention": question},
    )
    pharmacist.free()
    yield site.took(ANSWER) * (0.4 if order.urgency == 0 else 1.0)
    site.say("rx.order.intervention.resolved", order.case, pis, links={"intervention": question})
    if site.happens(0.6):
        site.say("rx.order.modified", order.case, pis, role="prescriber", reason=reason)
    again = yield site.crews["pharmacist"], order.urgency
    yield _touch(site, order) / 2
    return again


def _held(site: Pharmacy, order: Order) -> Process:
    pis = site.feeds["pis"]
    yield 300.0
    site.say("rx.order.held", order.case, pis, role="prescriber", reason="procedure")
    yield site.took(HELD)
    site.say("rx.order.resumed", order.case, pis, role="prescriber")


def _course(site: Pharmacy, order: Order) -> Process:
    """Dose after dose at the hours of the wards. True when the last was given, False when it was stopped before."""
    due = _first_due(site, order)
    given = order.doses
    if order.doses > 1 and site.happens(2 * site.chances.order_discontinued):
        given = site.luck.randrange(1, order.doses)
    for number in range(given):
        yield from (sterile.dose if order.product.form == "sterile" else wards.dose)(site, order, due)
        due = site.almanac.next_of(max(due, site.now) + HOUR, order.slots)
        if number == 0 and order.doses > 1 and site.happens(site.chances.order_modified):
            site.say("rx.order.modified", order.case, site.feeds["pis"], role="prescriber", reason="dose")
    return given == order.doses


def _first_due(site: Pharmacy, order: Order) -> int:
    wait = {"stat": 30, "now": 60, "urgent": 90}.get(order.priority)
    if wait is not None:
        return site.now + wait * 60_000
    due = site.almanac.next_of(site.now + HOUR, order.slots)
    return due if due - site.now < 5 * HOUR else site.now + 2 * HOUR
