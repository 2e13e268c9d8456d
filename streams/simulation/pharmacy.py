"""One site of the simulation: its people, its clocks, its systems, and the voice with which it says what happened.

Everything that a site does ends here as an event: stamped with the time at which it happened, and with the moment, a
little later, at which its system wrote it down. A system may fall silent for a while; what happened meanwhile becomes
known when it speaks again.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from random import Random
from typing import Any

from models.event import CaseId, Event, EventType, Source
from models.event_types import CATALOGUE
from streams.simulation.almanac import DAY, Almanac, instant
from streams.simulation.chances import Chances, Length
from streams.simulation.clockwork import Clockwork, Process
from streams.simulation.formulary import Formulary
from streams.simulation.queues import Crew, Person

_STAGE = {name: meaning.stage for name, meaning in CATALOGUE.items() if meaning.stage}
_BACKLOG_STEP = 40
"""Milliseconds between two events of a system that catches up."""


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """A site to simulate. `profile` is inpatient, retail or specialty; `volume` 1.0 is the usual size of such a place:
    about 1,100 orders a day in a hospital, 217 prescriptions in a store, 60 in a specialty pharmacy."""

    site: str
    profile: str
    timezone: str = "America/New_York"
    volume: float = 1.0
    chances: Chances = field(default_factory=Chances)


class Feed:
    """One system that reports, such as `/mercy/pis`. `run` tells the ids of two runs apart."""

    __slots__ = ("_count", "_held", "_latest", "_run", "silent_from", "silent_until", "source")

    def __init__(self, source: str, run: str) -> None:
        self.source = Source(source)
        self.silent_from = self.silent_until = 0
        self._run = run
        self._count = self._held = 0
        self._latest = (-1, 0)

    def next_id(self) -> str:
        self._count += 1
        return f"{self._run}-{self._count:07x}"

    def silent(self, now: int) -> bool:
        return self.silent_from <= now < self.silent_until

    def fall_silent(self, start: int, end: int, backlog: int) -> None:
        """`backlog` events that wait already go out first."""
        self.silent_from, self.silent_until, self._held = start, end, backlog

    def written_down(self, now: int, at: int) -> int:
        """When an event of `now` that would be recorded `at` really is: one system writes down what happens at one
        instant in the order in which it happens."""
        instant_of, recorded = self._latest
        at = self._delayed(max(at, recorded + 1) if instant_of == now else at)
        self._latest = (now, at)
        return at

    def _delayed(self, at: int) -> int:
        if not self.silent(at):
            return at
        self._held += 1
        return self.silent_until + self._held * _BACKLOG_STEP


class Pharmacy:
    """The site as its processes see it. Two sources of chance: `arriving` for what comes in and `luck` for the rest, so
    that the same orders arrive whatever becomes of them."""

    def __init__(self, spec: SiteSpec, almanac: Almanac, formulary: Formulary, clockwork: Clockwork, seed: str) -> None:
        self.spec = spec
        self.formulary = formulary
        self.almanac = almanac
        self.clockwork = clockwork
        self.chances = spec.chances
        self.arriving = Random(f"{seed}/{spec.site}/arrivals")
        self.luck = Random(f"{seed}/{spec.site}/work")
        self.crews: dict[str, Crew] = {}
        self.feeds: dict[str, Feed] = {}
        self.scanners_down_until = 0
        self.absent_share = 0.0
        self.absent_until = 0
        self._pseudonyms: dict[str, str] = {}
        self._seed = seed
        self._run = sha256(f"{seed}/{spec.site}".encode()).hexdigest()[:5]
        self._base = {"site": spec.site, "setting": spec.profile}

    @property
    def now(self) -> int:
        return self.clockwork.now

    def start(self, process: Process, after: float = 0.0) -> None:
        self.clockwork.start(process, max(0.0, after))

    def feed(self, name: str) -> Feed:
        """The system of this name at this site; the first one asked for is its main system."""
        if name not in self.feeds:
            self.feeds[name] = Feed(f"/{self.spec.site}/{name}", self._run)
        return self.feeds[name]

    def add_crew(self, role: str, cover: Crew | None = None) -> Crew:
        self.crews[role] = Crew(self.clockwork, role, cover)
        return self.crews[role]

    def happens(self, share: float) -> bool:
        return self.luck.random() < share

    def took(self, length: Length) -> float:
        """Seconds drawn from a lognormal length."""
        return self.luck.lognormvariate(*length)

    def key(self, kind: str) -> CaseId:
        """A new pseudonymous id of this kind."""
        return CaseId(f"{kind}/{self.luck.getrandbits(60):015x}")

    def pseudonym(self, who: str) -> str:
        """The same actor for the same words, in this run."""
        if who not in self._pseudonyms:
            digest = sha256(f"{self._seed}/{self.spec.site}/{who}".encode()).hexdigest()
            self._pseudonyms[who] = f"a_{digest[:12]}"
        return self._pseudonyms[who]

    def instant_in(self, seconds: float) -> datetime:
        return instant(self.now + int(seconds) * 1000)

    def seconds_to(self, ms: int) -> float:
        """Never less than nothing: what should have been is due at once."""
        return max(0.0, (ms - self.now) / 1000)

    def main_feed(self) -> Feed:
        """The dispensing system: the first that the site asked for."""
        return next(iter(self.feeds.values()))

    def package(self) -> dict[str, str]:
        """Lot and expiry of the package at hand, as the scanner reads them."""
        good = 40 + self.luck.randrange(500) if not self.happens(self.chances.expired_lot) else -3
        expiry = instant(self.now + good * DAY).strftime("%Y-%m-%d")
        return {"lot": f"L{self.luck.randrange(4000):04d}", "expiry": expiry}

    def scanners_work(self) -> bool:
        return self.now >= self.scanners_down_until

    def say(
        self, name: str, case: CaseId, feed: Feed, by: Person | None = None, *, late: float = 0.0, **data: Any
    ) -> Event:
        """It happened now; its system writes it down after the usual second or two, and `late` seconds more."""
        now = self.clockwork.now
        if by is not None:
            data["actor"], data["role"], data["station"] = by.actor, by.role, by.station
        stage = _STAGE.get(name)
        if stage is not None:
            data["stage"] = stage
        data.update(self._base)
        recorded = feed.written_down(now, now + 250 + int(self.luck.random() * 2200 + late * 1000))
        event = Event(feed.next_id(), feed.source, EventType(name), instant(now), instant(recorded), case, data)
        self.clockwork.announce(recorded, event)
        return event
