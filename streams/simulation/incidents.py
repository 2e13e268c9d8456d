"""Things that go wrong on purpose, at a known place, time and size, so that finding them can be measured.

Each incident changes what people and systems can do, never a turnaround time: scanners fail, people stay at home, a
batch of prescriptions is typed wrongly, a system falls silent, the night's pharmacists are called away. What was really
planted is kept, and written beside the events.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

from streams.simulation import inpatient, retail
from streams.simulation.almanac import instant
from streams.simulation.claims import Fill
from streams.simulation.clockwork import Process, milliseconds
from streams.simulation.dispensing import returned, typed
from streams.simulation.pharmacy import Pharmacy
from streams.simulation.staff import going_home, present

SURGE_SECONDS = 45
NIGHT_AWAY_MINUTES = 40
OVERLOOKED_EVERY_MINUTES = 1.5


@dataclass(frozen=True, slots=True)
class Incident:
    """`start` is aware; `size` is in the unit of its kind (`KINDS`)."""

    name: str
    site: str
    start: datetime
    size: float


@dataclass(frozen=True, slots=True)
class Planted:
    """The truth: when it really began and ended, in UTC, and what was done. `incident.start` is the true start."""

    incident: Incident
    end: datetime
    unit: str
    detail: str


@dataclass(frozen=True, slots=True)
class Sort:
    """A kind of incident: what its size counts, the size where none is given, the profiles that can have it, the local
    hour at which it usually begins, and what it does from its start to its end."""

    unit: str
    size: float
    least: float
    most: float
    profiles: frozenset[str]
    hour: int
    ends: Callable[[Pharmacy, int, float], int]
    happens: Callable[[Pharmacy, int, float], Process]
    detail: str


def plant(site: Pharmacy, incident: Incident) -> Planted:
    """Makes the incident happen at its start, or now where that has passed already. Raises ValueError for a name, size
    or site that cannot be."""
    sort = sort_of(incident.name)
    if site.spec.profile not in sort.profiles:
        raise ValueError(
            f"{incident.name} cannot happen at {incident.site}: it needs {' or '.join(sorted(sort.profiles))}"
        )
    if not sort.least <= incident.size <= sort.most:
        raise ValueError(f"size of {incident.name} is in {sort.unit}, from {sort.least:g} to {sort.most:g}")
    start = max(site.now, milliseconds(incident.start))
    if incident.name == "staff-short-saturday":
        start = _saturday(site, start)
    end = sort.ends(site, start, incident.size)
    site.start(sort.happens(site, end, incident.size), site.seconds_to(start))
    return Planted(replace(incident, start=instant(start)), instant(end), sort.unit, sort.detail)


def sort_of(name: str) -> Sort:
    """Raises ValueError, naming those there are, for an unknown name."""
    if name not in KINDS:
        raise ValueError(f"no incident is called {name}: there are {', '.join(KINDS)}")
    return KINDS[name]


def _saturday(site: Pharmacy, start: int) -> int:
    """`start` itself on a local Saturday, else the next Saturday's midnight."""
    wall = site.almanac.local(start)
    ahead = (5 - wall.weekday()) % 7
    return start if ahead == 0 else site.almanac.at(wall.date() + timedelta(ahead), 0)


def _minutes(site: Pharmacy, start: int, size: float) -> int:
    return start + int(size * 60_000)


def _midnight(site: Pharmacy, start: int, size: float) -> int:
    return site.almanac.at(site.almanac.local(start).date() + timedelta(1), 0)


def _scanners_down(site: Pharmacy, end: int, size: float) -> Process:
    site.scanners_down_until = end
    yield site.seconds_to(end)


def _people_missing(site: Pharmacy, end: int, size: float) -> Process:
    site.absent_share, site.absent_until = size, end
    for crew in site.crews.values():
        for person in crew.on_duty[present(crew.role, len(crew.on_duty), size) :]:
            site.start(going_home(site, person))
    yield site.seconds_to(end)


def _silence(site: Pharmacy, end: int, size: float) -> Process:
    feed = site.main_feed()
    held = site.clockwork.postpone(feed.source, end)
    feed.fall_silent(site.now, end, held)
    yield site.seconds_to(end)


def _surge(site: Pharmacy, end: int, size: float) -> Process:
    """A sender's batch is read in at once, and every third entry is sent back before anybody has looked at the next."""
    entries = ceil(size)
    for number in range(entries):
        fill = retail.drawn(site, "erx")
        fill.waiter, fill.urgency = False, 3
        site.start(retail.life(site, fill, _read_in(site, fill, wrong=number % 3 == 0)))
        yield SURGE_SECONDS / entries


def _read_in(site: Pharmacy, fill: Fill, wrong: bool) -> Process:
    site.say("rx.data_entry.completed", fill.case, site.main_feed(), role="system")
    if wrong:
        yield 5.0
        returned(site, fill, None)
        yield from typed(site, fill)


def _stat_night(site: Pharmacy, end: int, size: float) -> Process:
    """An emergency takes all pharmacists away; STAT orders come meanwhile."""
    crew = site.crews["pharmacist"]
    crew.hold()
    for _ in range(ceil(size)):
        site.start(inpatient.life(site, inpatient.drawn(site, "stat"), by_pharmacist=True))
        yield 60.0
    yield site.seconds_to(end)
    crew.return_to_work()


def _overlooked(site: Pharmacy, end: int, size: float) -> Process:
    """Three STAT orders come in one after another by a way that nobody watches; each is found `size` minutes later."""
    for _ in range(3):
        site.start(inpatient.overlooked(site, inpatient.drawn(site, "stat"), size * 60))
        yield OVERLOOKED_EVERY_MINUTES * 60


def _found(site: Pharmacy, start: int, size: float) -> int:
    return start + int((size + 2 * OVERLOOKED_EVERY_MINUTES) * 60_000)


def _away(site: Pharmacy, start: int, size: float) -> int:
    return start + max(NIGHT_AWAY_MINUTES, ceil(size)) * 60_000


def _surge_ends(site: Pharmacy, start: int, size: float) -> int:
    return start + 60_000


_ANY = frozenset({"inpatient", "retail", "specialty"})
KINDS = {
    "scanner-outage": Sort(
        "minutes", 90, 1, 10_080, _ANY, 11, _minutes, _scanners_down,
        "no barcode can be read: products are checked by hand, bedside scans fail",
    ),
    "staff-short-saturday": Sort(
        "share absent", 0.5, 0.1, 1, _ANY, 0, _midnight, _people_missing,
        "this share of each role is absent until midnight; one pharmacist always stays",
    ),
    "kickback-surge": Sort(
        "data entries", 90, 3, 5_000, frozenset({"retail"}), 11, _surge_ends, _surge,
        "a batch of entries within a minute; the first and then every third is returned",
    ),
    "feed-silence": Sort(
        "minutes", 60, 1, 10_080, _ANY, 10, _minutes, _silence,
        "the main system of the site says nothing; what happened meanwhile is known afterwards",
    ),
    "late-stat-night": Sort(
        "STAT orders", 4, 1, 200, frozenset({"inpatient"}), 2, _away, _stat_night,
        "all pharmacists are away; one STAT order a minute is entered meanwhile",
    ),
    "stat-overlooked": Sort(
        "minutes", 14.5, 1, 240, frozenset({"inpatient"}), 9, _found, _overlooked,
        "three STAT orders reach no queue; each is asked for, and verified, after this time",
    ),
}  # fmt: skip
