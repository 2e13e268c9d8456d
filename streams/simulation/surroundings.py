"""What goes on around the work: telephones, sensors, and systems that say that they live.

Callers hang up when nobody answers, and answering takes people from their queues. A sensor reads every few hours;
once in a while a refrigerator warms up. The main systems send a sign of life every ten minutes, day and night.
"""

from streams.simulation.almanac import Arrivals, week
from streams.simulation.chances import lasting
from streams.simulation.clockwork import Process
from streams.simulation.pharmacy import Feed, Pharmacy

HEARTBEAT = 600.0
READING = 4 * 3600.0
EXCURSION_EVERY = 25 * 86_400.0
EXCURSION = lasting(3000, 0.6)
CALLS_PER_DAY = {"inpatient": 70.0, "retail": 62.0, "specialty": 80.0}
CALLING = week(
    (0.2, 0.1, 0.1, 0.1, 0.1, 0.2, 0.5, 2, 6, 10, 11, 10, 8, 8, 9, 9, 9, 8, 5, 3, 1.5, 0.8, 0.5, 0.3),
    saturday=0.5,
    sunday=0.3,
)
TALK = lasting(120, 0.7)
PATIENCE = 170.0
CALL_URGENCY = 1
RANGES = {"temp": ("C", 4.6, 0.5, 9.4), "humidity": ("pct", 44.0, 4.0, 66.0), "pressure": ("pa", 14.0, 1.2, 3.0)}
"""Unit, usual value, its spread, and a value out of range (refrigerator 2 to 8 C; USP 797 rooms)."""


def heartbeats(site: Pharmacy, feed: Feed, first: float) -> Process:
    """A system that is silent sends none, and none afterwards for the time that passed."""
    case = f"feed/{feed.source.strip('/').replace('/', '-')}"
    yield first
    while True:
        if not feed.silent(site.now):
            site.say("rx.feed.heartbeat", case, feed)
        yield HEARTBEAT


def telephone(site: Pharmacy) -> Process:
    """Callers, for ever, in the hours in which somebody may answer."""
    per_week = CALLS_PER_DAY[site.spec.profile] * 7 * site.spec.volume
    arrivals = Arrivals(site.clockwork, site.almanac, site.arriving, CALLING, per_week)
    while True:
        yield arrivals.gap()
        if arrivals.kept() and site.almanac.when_open(site.now) == site.now:
            site.start(_call(site))


def _call(site: Pharmacy) -> Process:
    case, phone = site.key("call"), site.feeds["phone"]
    site.say("rx.call.queued", case, phone)
    patience = site.luck.expovariate(1 / PATIENCE) + 20
    outcome = {"open": True}
    site.start(_hangs_up(site, case, outcome, patience))
    yield 4.0
    person = yield site.crews["technician"], CALL_URGENCY
    if outcome["open"]:
        outcome["open"] = False
        site.say("rx.call.answered", case, phone, person)
        yield site.took(TALK)
    person.free()


def _hangs_up(site: Pharmacy, case: str, outcome: dict[str, bool], patience: float) -> Process:
    yield patience
    if outcome["open"]:
        outcome["open"] = False
        site.say("rx.call.abandoned", case, site.feeds["phone"])


def sensors(site: Pharmacy, measures: tuple[str, ...]) -> Process:
    """Readings of each measure, some hours apart, for ever."""
    while True:
        for measure in measures:
            unit, usual, spread, _ = RANGES[measure]
            _reading(site, measure, unit, site.luck.gauss(usual, spread / 2))
        yield READING + 600 * site.luck.random()


def excursions(site: Pharmacy, measure: str) -> Process:
    """Once in a few weeks a place leaves its range, and comes back."""
    unit, usual, _, bad = RANGES[measure]
    while True:
        yield site.luck.expovariate(1 / EXCURSION_EVERY)
        place, feed = _place(site, measure), site.feeds["sensors"]
        site.say("rx.env.excursion.started", place, feed, measure=measure, value=bad, unit=unit)
        _reading(site, measure, unit, bad)
        yield site.took(EXCURSION)
        site.say("rx.env.excursion.ended", place, feed, measure=measure, value=usual, unit=unit)


def _reading(site: Pharmacy, measure: str, unit: str, value: float) -> None:
    said = {"measure": measure, "value": round(value, 1), "unit": unit}
    site.say(f"rx.env.{measure}", _place(site, measure), site.feeds["sensors"], **said)


def _place(site: Pharmacy, measure: str) -> str:
    return f"place/{site.spec.site}-{'fridge' if measure == 'temp' else 'cleanroom'}-1"
