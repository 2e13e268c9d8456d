"""Invented pharmacies that behave like real ones, for demonstrations, tests and measurements.

`simulate` runs them side by side and yields what their systems report, in the order in which it becomes known, without
end: the same running simulation makes the history of a demonstration and then goes on living at the pace of the clock
on the wall. The same sites, start and seed always give the same events.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from typing import Any

from models.event import Event, utc
from streams.simulation import inpatient, retail, specialty
from streams.simulation.almanac import instant
from streams.simulation.chances import Chances
from streams.simulation.clockwork import Clockwork, milliseconds
from streams.simulation.incidents import KINDS, Incident, Planted, plant, sort_of
from streams.simulation.pharmacy import Pharmacy, SiteSpec
from streams.simulation.quality import charts_opened, duties, reporting
from streams.simulation.stock import cabinets, mishaps, shelves
from streams.simulation.surroundings import excursions, heartbeats, sensors, telephone

__all__ = [
    "KINDS",
    "PROFILES",
    "Chances",
    "Incident",
    "Planted",
    "Simulation",
    "SiteSpec",
    "demo_sites",
    "simulate",
    "sort_of",
]

PROFILES = {"inpatient": inpatient.opened, "retail": retail.opened, "specialty": specialty.opened}
BEATING = {"inpatient": ("pis", "emar", "adc"), "retail": ("pms",), "specialty": ("pms",)}
"""The systems that say every ten minutes that they live."""


class Simulation(Iterator[Event]):
    """The running pharmacies: an iterator of events in order of `recorded`, without end.

    `planted` holds what was planted, as it really was. Not for several threads: plant between two calls of `next`.
    """

    def __init__(self, sites: Sequence[SiteSpec], start: datetime, seed: int) -> None:
        """Raises ValueError for no site, a site named twice, an unknown profile or time zone, a volume not above 0 and a
        start without offset."""
        _check(sites)
        self.start = utc(start)
        self.seed = seed
        self.planted: list[Planted] = []
        self._clockwork = Clockwork(milliseconds(self.start))
        chance = f"{seed}/{self.start.isoformat()}"
        self._sites = {spec.site: PROFILES[spec.profile](spec, self._clockwork, chance) for spec in sites}
        for site in self._sites.values():
            _surround(site)
        self._events = self._clockwork.events()

    def __next__(self) -> Event:
        return next(self._events)

    @property
    def now(self) -> datetime:
        """The simulated instant that has been reached: that of the last event given out."""
        return instant(self._clockwork.now)

    def plant(self, incident: Incident) -> Planted:
        """Lets an incident happen at its start, at once where the simulation is past it. Raises ValueError for an
        unknown site or name, a size out of bounds, or a kind of incident that such a site cannot have."""
        if incident.site not in self._sites:
            raise ValueError(f"no site is called {incident.site}: there are {', '.join(self._sites)}")
        planted = plant(self._sites[incident.site], incident)
        self.planted.append(planted)
        return planted

    def truth(self) -> dict[str, Any]:
        """What was simulated and planted, ready for JSON: parameters by site, incidents with true start, end, size."""
        return {
            "seed": self.seed,
            "start": self.start.isoformat(),
            "sites": [asdict(site.spec) for site in self._sites.values()],
            "incidents": [_said(planted) for planted in self.planted],
        }


def simulate(sites: Sequence[SiteSpec], start: datetime, seed: int, incidents: Sequence[Incident] = ()) -> Simulation:
    """The pharmacies of `sites` from `start` (aware) on, for ever. Raises ValueError as `Simulation` and `plant` do."""
    simulation = Simulation(sites, start, seed)
    for incident in incidents:
        simulation.plant(incident)
    return simulation


def demo_sites() -> list[SiteSpec]:
    """One small hospital and three small stores: about 6,500 events a day together."""
    return [
        SiteSpec("mercy", "inpatient", volume=0.2),
        *(SiteSpec(store, "retail", volume=0.2) for store in ("elm", "oak", "pine")),
    ]


def _check(sites: Sequence[SiteSpec]) -> None:
    names = [spec.site for spec in sites]
    if not names or len(set(names)) < len(names):
        raise ValueError("at least one site, and each name once")
    for spec in sites:
        if spec.profile not in PROFILES:
            raise ValueError(f"no profile is called {spec.profile}: there are {', '.join(PROFILES)}")
        if not 0 < spec.volume <= 50:
            raise ValueError(f"volume of {spec.site} is {spec.volume}: it must be above 0 and at most 50")


def _surround(site: Pharmacy) -> None:
    for number, name in enumerate(BEATING[site.spec.profile]):
        first = 20.0 + 37 * number + int(sha256(site.spec.site.encode()).hexdigest()[:4], 16) % 300
        site.start(heartbeats(site, site.feeds[name], first))
    sterile = site.spec.profile == "inpatient"
    for measure in ("temp", "humidity", "pressure") if sterile else ("temp",):
        site.start(excursions(site, measure))
    site.start(sensors(site, ("temp", "humidity", "pressure") if sterile else ("temp",)))
    for process in (telephone, shelves, mishaps, reporting, charts_opened, duties, *([cabinets] if sterile else [])):
        site.start(process(site))


def _said(planted: Planted) -> dict[str, Any]:
    incident = planted.incident
    return {
        "name": incident.name,
        "site": incident.site,
        "start": incident.start.isoformat(),
        "end": planted.end.isoformat(),
        "size": incident.size,
        "unit": planted.unit,
        "detail": planted.detail,
    }
