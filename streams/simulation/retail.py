"""A store: prescriptions arrive, are typed, paid, reviewed, filled, checked, and wait until somebody comes for them.

The store is busiest late in the morning and after the clinics close; automatic refills arrive in one batch before it
opens. Work that comes when nobody is there waits for the morning. What is not picked up goes back to the shelf after
ten days and more, its claim taken back first.
"""

from models.event import CaseId
from streams.simulation.almanac import DAY, Almanac, Arrivals, instant, week
from streams.simulation.chances import lasting
from streams.simulation.claims import PAYERS, Fill, adjudicated, reversed_claim
from streams.simulation.clockwork import Clockwork, Process
from streams.simulation.dispensing import held, prepared, typed
from streams.simulation.formulary import COMMUNITY
from streams.simulation.pharmacy import Pharmacy, SiteSpec
from streams.simulation.staff import WEEKDAYS, Shift, interrupted, rostered

OPENING = {**dict.fromkeys(range(5), (8 * 60, 21 * 60)), 5: (9 * 60, 18 * 60), 6: (10 * 60, 18 * 60)}
SHIFTS = (
    Shift("pharmacist", WEEKDAYS, 7 * 60 + 45, 420, 1),
    Shift("pharmacist", WEEKDAYS, 14 * 60 + 15, 420, 1),
    Shift("pharmacist", WEEKDAYS, 10 * 60, 510, 1, least=0),
    Shift("pharmacist", (5,), 8 * 60 + 45, 570, 1),
    Shift("pharmacist", (6,), 9 * 60 + 45, 510, 1),
    Shift("technician", WEEKDAYS, 7 * 60 + 45, 480, 2),
    Shift("technician", WEEKDAYS, 10 * 60, 510, 1, least=0),
    Shift("technician", WEEKDAYS, 13 * 60, 490, 2),
    Shift("technician", (5,), 8 * 60 + 45, 570, 2),
    Shift("technician", (6,), 9 * 60 + 45, 510, 2),
)
HOURS = week(
    (0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 2, 7, 12, 14, 13, 11, 11, 11, 12, 15, 16, 12, 8, 4, 1.5, 0.6, 0.3),
    saturday=0.62,
    sunday=0.42,
)
FILLS_PER_DAY = 217
"""NCPA Digest 2024: 67,601 prescriptions a year in an independent store."""
AUTO_REFILLS = 0.12
"""Of all: these come in one batch at `BATCH_HOUR`, on the days from Monday to Saturday."""
BATCH_HOUR = 6
CHANNELS = (("erx", 46.0), ("refill", 30.0), ("phone", 8.0), ("walk-in", 9.0), ("fax", 5.0), ("transfer-in", 2.0))
COMES_BACK = lasting(17 * 3600, 1.1)
WAITER_COMES = lasting(240, 0.7)
SELLING = lasting(75, 0.5)
WAITER_PROMISE, PROMISE = 30 * 60, 3 * 3600


def opened(spec: SiteSpec, clockwork: Clockwork, seed: str) -> Pharmacy:
    """The store with its people and all that goes on in it."""
    site = Pharmacy(spec, Almanac(spec.timezone, OPENING), COMMUNITY, clockwork, seed)
    for system in ("pms", "pos", "timeclock", "phone", "sensors", "stock", "quality"):
        site.feed(system)
    pharmacists = site.add_crew("pharmacist")
    technicians = site.add_crew("technician", cover=pharmacists)
    site.start(rostered(site, SHIFTS))
    site.start(interrupted(site, pharmacists, 2.5))
    site.start(interrupted(site, technicians, 1.5))
    site.start(_arriving(site))
    site.start(_refilled_automatically(site))
    return site


def _arriving(site: Pharmacy) -> Process:
    per_week = FILLS_PER_DAY * 7 * site.spec.volume * (1 - AUTO_REFILLS)
    arrivals = Arrivals(site.clockwork, site.almanac, site.arriving, HOURS, per_week)
    while True:
        yield arrivals.gap()
        if arrivals.kept():
            site.start(life(site, drawn(site)))


def _refilled_automatically(site: Pharmacy) -> Process:
    """The night's run of the dispensing system: everything at once, within a minute or two."""
    mean = FILLS_PER_DAY * site.spec.volume * AUTO_REFILLS * 7 / 6
    while True:
        yield site.seconds_to(site.almanac.next_of(site.now, (BATCH_HOUR,)))
        if site.almanac.local(site.now).weekday() < 6:
            for _ in range(round(site.arriving.gauss(mean, mean**0.5))):
                site.start(life(site, drawn(site, "auto-refill")), 90 * site.arriving.random())


def drawn(site: Pharmacy, channel: str | None = None) -> Fill:
    """A prescription as they come in; `channel` None: as often as each occurs."""
    chance = site.arriving
    channel = channel or chance.choices([name for name, _ in CHANNELS], [weight for _, weight in CHANNELS])[0]
    waiter = channel == "walk-in" or (channel == "erx" and chance.random() < 0.15)
    urgency = 2 if waiter else 4 if channel == "auto-refill" else 3
    payer = None if chance.random() < site.chances.cash else chance.choice(PAYERS)
    case = CaseId(f"fill/{chance.getrandbits(60):015x}")
    return Fill(case, site.formulary.draw(chance), urgency, channel, payer, waiter)


def received(site: Pharmacy, fill: Fill) -> None:
    promised = site.almanac.when_open(site.now) + (WAITER_PROMISE if fill.waiter else PROMISE) * 1000
    site.say(
        "rx.received",
        fill.case,
        site.feeds["pms"],
        channel=fill.channel,
        priority="urgent" if fill.waiter else "routine",
        drug=fill.product.drug,
        promised=instant(site.almanac.when_open(promised)),
    )
    if fill.channel == "transfer-in":
        site.say("rx.transferred_in", fill.case, site.feeds["pms"])


def life(site: Pharmacy, fill: Fill, entry: Process | None = None) -> Process:
    """One prescription to its end. `entry` replaces the typing and what follows it up to the claim."""
    received(site, fill)
    yield 2.0
    if entry is not None:
        yield from entry
    elif fill.channel == "auto-refill":
        site.say("rx.data_entry.completed", fill.case, site.feeds["pms"], role="system")
    else:
        yield from typed(site, fill)
    if site.happens(site.chances.transferred):
        site.say("rx.transferred_out", fill.case, site.feeds["pms"])
        return
    if site.happens(site.chances.held):
        yield from held(site, fill)
    if (yield from adjudicated(site, fill)) and (yield from prepared(site, fill)):
        yield from _will_call(site, fill)


def _will_call(site: Pharmacy, fill: Fill) -> Process:
    pms = site.feeds["pms"]
    site.say("rx.ready", fill.case, pms)
    yield 5.0
    site.say("rx.notified", fill.case, pms, channel="phone" if site.happens(0.4) else "sms")
    if site.happens(site.chances.cancelled):
        yield site.took(COMES_BACK)
        reversed_claim(site, fill)
        site.say("rx.cancelled", fill.case, pms, reason="prescriber")
    elif not fill.waiter and site.happens(site.chances.never_picked_up):
        yield from _back_to_the_shelf(site, fill)
    else:
        yield site.seconds_to(_comes(site, fill))
        yield from _sold(site, fill)


def _comes(site: Pharmacy, fill: Fill) -> int:
    wanted = site.now + int(site.took(WAITER_COMES if fill.waiter else COMES_BACK) * 1000)
    there = site.almanac.when_open(min(wanted, site.now + 9 * DAY))
    return there if there == wanted else there + int(site.luck.expovariate(1 / 5400) * 1000)


def _sold(site: Pharmacy, fill: Fill) -> Process:
    seller = yield site.crews["technician"], 1
    yield site.took(SELLING)
    pos = site.feeds["pos"]
    accepted = fill.channel in ("erx", "walk-in", "transfer-in") and site.happens(0.5)
    counsellor = {"role": "pharmacist"} if accepted else {"reason": "declined"}
    site.say("rx.counselled", fill.case, pos, **counsellor)
    yield 10.0
    site.say("rx.signature", fill.case, pos, seller)
    site.say("rx.sold", fill.case, pos, seller, amount=round(fill.product.price * 0.14, 2), currency="USD")
    seller.free()


def _back_to_the_shelf(site: Pharmacy, fill: Fill) -> Process:
    """After ten days and up to four more; the claim goes back before the product does."""
    yield site.seconds_to(site.almanac.when_open(site.now + 10 * DAY + site.luck.randrange(4 * DAY)))
    technician = yield site.crews["technician"], 4
    yield 60.0
    reversed_claim(site, fill)
    yield 30.0
    site.say("rx.returned_to_stock", fill.case, site.feeds["pms"], technician)
    technician.free()
