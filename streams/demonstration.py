"""The pharmacies of the demo: weeks of history as fast as Kafka takes them, then life at the pace of the clock on the wall.

One simulation runs through both, so that no order stops because the history ended. It always starts where it first
started: after a stop it is run again from there, which takes seconds, and goes on sending where it left off; the time in
between is sent as well, for a pharmacy does not stand still while nobody looks.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import dropwhile
from pathlib import Path
from threading import Event as Flag
from typing import Any

from models.errors import CallerFault
from models.event import Event
from models.settings import Settings
from models.wire import stamp
from streams.producing import Feeding
from streams.simulate import Incident, Simulation, demo_sites, simulate

HISTORY = timedelta(days=63)
"""Nine weeks: eight whole weeks for a report, whatever day it is."""
SEED = 7
EMERGENCY_BEFORE = timedelta(minutes=8, seconds=30)
"""An emergency begins so long before a start: its first STAT order is late after ten minutes, when the history is
loaded and somebody looks."""
OVERLOOKED_BEFORE = timedelta(minutes=12)
"""Orders that nobody saw are late when the history is loaded, and are found, one after another, within the minutes after."""
SURGE_AFTER = timedelta(seconds=15)
"""A store reads in a bad batch so long after it is live: an error rate that shifts while somebody looks."""
_STAT_ORDERS = 4
_FOUND_AFTER_MINUTES = 14.5
_ENTRIES = 66
_OVERLAP = timedelta(minutes=1)
"""Events sent again after a stop: some may not have been confirmed, and the others change nothing."""
_NOTED_EVERY = timedelta(seconds=10)
_PATIENCE = 0.2


@dataclass(frozen=True, slots=True)
class Played:
    """Where the simulation started, up to which `recorded` its events were sent (None: none yet), and what was planted
    in the order in which it begins: the same again gives the same events again."""

    start: datetime
    seed: int
    sent: datetime | None
    planted: tuple[Incident, ...] = ()


def resume(file: Path, now: datetime) -> Played:
    """What was played in this home; a fresh play that starts at midnight UTC nine weeks ago where none was. Raises
    CallerFault for a file that cannot be read."""
    if not file.exists():
        midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return Played(midnight - HISTORY, SEED, None)
    try:
        said = json.loads(file.read_text("utf-8"))
        sent = said["sent"]
        return Played(
            datetime.fromisoformat(said["start"]),
            int(said["seed"]),
            datetime.fromisoformat(sent) if sent else None,
            tuple(_incident(entry) for entry in said["planted"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise CallerFault(
            f"{file} cannot be read ({fault}): remove it, or the whole home with `rxpulse reset`"
        ) from fault


def before(played: Played, now: datetime) -> Played:
    """The play with what begins before a start at `now`: STAT orders that are overlooked, then an emergency. Neither
    begins before what was sent already: that cannot be changed any more."""
    hospital = demo_sites()[0].site
    overlooked = Incident("stat-overlooked", hospital, _not_sent(played, now - OVERLOOKED_BEFORE), _FOUND_AFTER_MINUTES)
    emergency = Incident("late-stat-night", hospital, _not_sent(played, now - EMERGENCY_BEFORE), _STAT_ORDERS)
    return replace(played, planted=(*played.planted, overlooked, emergency))


def surge(now: datetime) -> Incident:
    """What happens soon after the play has become live at `now`: a store reads in a batch, a third of it wrong."""
    return Incident("kickback-surge", demo_sites()[1].site, now + SURGE_AFTER, _ENTRIES)


def _not_sent(played: Played, begins: datetime) -> datetime:
    return begins if played.sent is None else max(begins, played.sent)


def note(file: Path, played: Played) -> None:
    """Writes down how far it was played, whole or not at all."""
    half = file.with_suffix(".half")
    sent = None if played.sent is None else stamp(played.sent)
    said = {
        "start": stamp(played.start),
        "seed": played.seed,
        "sent": sent,
        "planted": [asdict(incident) | {"start": stamp(incident.start)} for incident in played.planted],
    }
    half.write_text(json.dumps(said), "utf-8")
    half.replace(file)


def perform(settings: Settings, file: Path, stop: Flag, caught_up: Callable[[int], None], loaded: Flag) -> None:
    """Plays until `stop` is set. `caught_up` is called once, with the number of events sent, when the history has been
    sent and confirmed; once `loaded` is set, the history has been applied and the surge begins. Raises CallerFault where
    Kafka does not take an event."""
    resumed = resume(file, datetime.now(UTC))
    played = before(resumed, datetime.now(UTC))
    note(file, played)
    simulation = simulate(demo_sites(), played.start, played.seed, played.planted)
    stage = _Stage(file, played, simulation, Feeding(settings), datetime.now(UTC))
    live = surged = False
    for event in _from(simulation, resumed.sent):
        if event.recorded > datetime.now(UTC):
            if not live:
                live = True
                caught_up(stage.feeding.finish())
            _wait(event.recorded, stop)
        if stop.is_set():
            break
        stage.send(event)
        if live and not surged and loaded.is_set():
            surged = True
            stage.plant(surge(datetime.now(UTC)))
    stage.finish()


@dataclass(slots=True)
class _Stage:
    """What is played, how far, and when that was last written down."""

    file: Path
    played: Played
    simulation: Simulation
    feeding: Feeding
    noted: datetime

    def send(self, event: Event) -> None:
        self.feeding.send(event)
        self.played = replace(self.played, sent=event.recorded)
        if datetime.now(UTC) - self.noted > _NOTED_EVERY:
            self.finish()

    def plant(self, incident: Incident) -> None:
        """Noted at once, as it really begins: played again without it, the events after it would be others."""
        planted = self.simulation.plant(incident).incident
        self.played = replace(self.played, planted=(*self.played.planted, planted))
        note(self.file, self.played)

    def finish(self) -> None:
        """Notes how far it was played, once the broker has it all."""
        self.noted = datetime.now(UTC)
        self.feeding.finish()
        note(self.file, self.played)


def _from(simulation: Simulation, sent: datetime | None) -> Iterator[Event]:
    """The events that were not sent before, and a minute's more."""
    if sent is None:
        return simulation
    return dropwhile(lambda event: event.recorded < sent - _OVERLAP, simulation)


def _incident(said: dict[str, Any]) -> Incident:
    return Incident(str(said["name"]), str(said["site"]), datetime.fromisoformat(said["start"]), float(said["size"]))


def _wait(until: datetime, stop: Flag) -> None:
    while not stop.is_set():
        left = (until - datetime.now(UTC)).total_seconds()
        if left <= 0:
            return
        stop.wait(min(left, _PATIENCE))
