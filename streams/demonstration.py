"""The pharmacies of the demo: weeks of history as fast as Kafka takes them, then life at the pace of the clock on the wall.

One simulation runs through both, so that no order stops because the history ended. It always starts where it first
started: after a stop it is run again from there, which takes seconds, and goes on sending where it left off; the time in
between is sent as well, for a pharmacy does not stand still while nobody looks.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event as Flag

from models.errors import CallerFault
from models.settings import Settings
from models.wire import stamp
from streams.producing import Feeding
from streams.simulate import Incident, demo_sites, simulate

HISTORY = timedelta(days=63)
"""Nine weeks: eight whole weeks for a report, whatever day it is."""
SEED = 7
EMERGENCY_BEFORE = timedelta(minutes=8, seconds=30)
"""An emergency begins so long before a start: its first STAT order is late after ten minutes, when the history is
loaded and somebody looks."""
_STAT_ORDERS = 4
_OVERLAP = timedelta(minutes=1)
"""Events sent again after a stop: some may not have been confirmed, and the others change nothing."""
_NOTED_EVERY = timedelta(seconds=10)
_PATIENCE = 0.2


@dataclass(frozen=True, slots=True)
class Played:
    """Where the simulation started, up to which `recorded` its events were sent (None: none yet), and when its
    emergencies began: the same ones again give the same events again."""

    start: datetime
    seed: int
    sent: datetime | None
    emergencies: tuple[datetime, ...] = ()


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
            tuple(map(datetime.fromisoformat, said["emergencies"])),
        )
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise CallerFault(
            f"{file} cannot be read ({fault}): remove it, or the whole home with `rxpulse reset`"
        ) from fault


def emergency(played: Played, now: datetime) -> Played:
    """The play with one emergency more. It begins after whatever was sent: that cannot be changed any more."""
    begins = now - EMERGENCY_BEFORE
    begins = begins if played.sent is None else max(begins, played.sent)
    return replace(played, emergencies=(*played.emergencies, begins))


def note(file: Path, played: Played) -> None:
    """Writes down how far it was played, whole or not at all."""
    half = file.with_suffix(".half")
    sent = None if played.sent is None else stamp(played.sent)
    said = {
        "start": stamp(played.start),
        "seed": played.seed,
        "sent": sent,
        "emergencies": [stamp(begun) for begun in played.emergencies],
    }
    half.write_text(json.dumps(said), "utf-8")
    half.replace(file)


def perform(settings: Settings, file: Path, stop: Flag, caught_up: Callable[[int], None]) -> None:
    """Plays until `stop` is set. `caught_up` is called once, with the number of events sent, when the history has been
    sent and confirmed. Raises CallerFault where Kafka does not take an event."""
    played = resume(file, datetime.now(UTC))
    skip = None if played.sent is None else played.sent - _OVERLAP
    played = emergency(played, datetime.now(UTC))
    note(file, played)
    feeding, live, noted = Feeding(settings), False, datetime.now(UTC)
    for event in simulate(demo_sites(), played.start, played.seed, _incidents(played)):
        if skip is not None and event.recorded < skip:
            continue
        ahead = event.recorded - datetime.now(UTC)
        if ahead > timedelta():
            if not live:
                live = True
                caught_up(feeding.finish())
            _wait(event.recorded, stop)
        if stop.is_set():
            break
        feeding.send(event)
        played = replace(played, sent=event.recorded)
        if live and datetime.now(UTC) - noted > _NOTED_EVERY:
            noted = datetime.now(UTC)
            feeding.finish()
            note(file, played)
    feeding.finish()
    note(file, played)


def _incidents(played: Played) -> list[Incident]:
    hospital = demo_sites()[0].site
    return [Incident("late-stat-night", hospital, begins, _STAT_ORDERS) for begins in played.emergencies]


def _wait(until: datetime, stop: Flag) -> None:
    while not stop.is_set():
        left = (until - datetime.now(UTC)).total_seconds()
        if left <= 0:
            return
        stop.wait(min(left, _PATIENCE))
