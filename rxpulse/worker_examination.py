"""What is slow or stuck about the worker, in words: how far it is behind, whether it catches up, which step takes its time,
who keeps it waiting, and what nobody reads.

A worker that is behind is looked at twice, a few seconds apart: only the difference says whether it gains or loses.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.error import URLError
from urllib.request import urlopen

from models.store.silences import APART
from models.store.soundness import Place, Soundness
from rxpulse.findings import Finding, Level, Log
from streams.condition import Condition
from streams.laps import Doing

BEHIND = 1_000
"""Events not yet applied from which a worker is said to be behind."""
STILL = timedelta(seconds=60)
"""A worker that wrote nothing for so long stands."""
LOOK_SECONDS = 3.0
"""From the first look to the second."""
_LOCKED_SECONDS = 1.0
_BUSY = 0.7
"""Share of its time from which the thread that writes holds up the one that reads."""
_WRITES = (Doing.CONFIRM, Doing.TRANSACTION, Doing.PRODUCE)
_LOG = Log("worker")


@dataclass(frozen=True, slots=True)
class Glance:
    """A look: `at` is of a clock in seconds that only goes on; positions and ends by partition; `spent` the seconds that the
    worker has spent on each step since it started, None where it could not be asked."""

    at: float
    positions: Mapping[int, int]
    ends: Mapping[int, int]
    spent: Mapping[str, float] | None

    @property
    def behind(self) -> int:
        return sum(max(end - self.positions.get(number, 0), 0) for number, end in self.ends.items())


def glance(store: Soundness, ends: Mapping[int, int], metrics_url: str | None) -> Glance:
    """A look now. `metrics_url` is where the worker shows its figures, None where nobody knows."""
    positions = {one.partition: one.position for one in store.places}
    return Glance(time.monotonic(), positions, ends, None if metrics_url is None else spent(metrics_url))


def spent(metrics_url: str) -> dict[str, float] | None:
    """The seconds that the worker says it has spent on each step; None where it does not answer."""
    try:
        with urlopen(metrics_url, timeout=2) as answer:
            return steps(answer.read().decode())
    except (URLError, OSError, UnicodeDecodeError):
        return None


def steps(text: str) -> dict[str, float]:
    """The seconds by step, from figures in Prometheus' format."""
    found = re.findall(r'^rxpulse_worker_step_seconds_total\{step="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return {step: float(seconds) for step, seconds in found}


def pace(first: Glance, second: Glance) -> Iterator[Finding]:
    """Whether a worker that is behind gains or loses, and on what it spends its time."""
    seconds = max(second.at - first.at, 0.001)
    applied = sum(second.positions[n] - first.positions.get(n, 0) for n in second.positions) / seconds
    came = sum(second.ends[n] - first.ends.get(n, 0) for n in second.ends) / seconds
    left, slow = second.behind, slowest(first, second)
    told, remedy = ("", "") if slow is None else _SLOW[slow]
    if left <= BEHIND:
        yield Finding(Level.GOOD, f"the worker has just caught up, at {applied:.0f} events a second; {left} are left")
    elif applied <= 0:
        what = f"the worker is {left} events behind and has applied none for {seconds:.0f} s"
        yield Finding(Level.FAULT, _joined(what, told), remedy or "see its last lines there; it may be starting", _LOG)
    elif applied > came:
        rates = f"it applies {applied:.0f} a second, {came:.0f} come: about {_long(left / (applied - came))} to go"
        yield Finding(Level.WARNING, f"the worker is {left} events behind and catches up: {rates}", "wait", _LOG)
    else:
        rates = f"it applies {applied:.0f} a second, {came:.0f} come"
        what = _joined(f"the worker is {left} events behind and falls back: {rates}", told)
        yield Finding(Level.WARNING, what, remedy or "see its log, and the database's disk and locks", _LOG)


def slowest(first: Glance, second: Glance) -> Doing | None:
    """The step that holds up the rest; None where the worker could not be asked."""
    if first.spent is None or second.spent is None:
        return None
    before, after = first.spent, second.spent
    took = {doing: after.get(doing, 0.0) - before.get(doing, 0.0) for doing in Doing}
    seconds = max(second.at - first.at, 0.001)
    writing = sum(took[doing] for doing in _WRITES)
    # While it writes, the thread that reads has nothing to do but ask for more.
    among = [doing for doing in Doing if (doing in _WRITES) is (writing / seconds >= _BUSY)]
    found = max(among, key=lambda doing: took[doing])
    return found if took[found] > 0 else None


_DATABASE = "look at the database's disk and locks (pg_stat_activity), and end what holds them"
_KAFKA = "look at the broker's log, its disk and the network to it"
_PROCESSOR = "start more workers, up to one a partition (RXPULSE_WORKER_INSTANCE), or give it a faster processor"
_SLOW: Mapping[Doing, tuple[str, str]] = {
    Doing.POLL: ("most of its time it waits for Kafka to give it records", _KAFKA),
    Doing.DECODE: ("most of its time goes into reading what events say", _PROCESSOR),
    Doing.LOAD: ("most of its time it waits for the database to give it cases", _DATABASE),
    Doing.TRACK: ("most of its time goes into following cases", _PROCESSOR),
    Doing.LISTEN: ("most of its time goes into looking for missed deadlines", _DATABASE),
    Doing.COMMIT: ("most of its time it tells Kafka how far it is", _KAFKA),
    Doing.CONFIRM: ("it waits for Kafka to confirm dead letters", _KAFKA),
    Doing.TRANSACTION: ("it waits for the database to write", _DATABASE),
    Doing.PRODUCE: ("it waits for Kafka to take what it found", _KAFKA),
}


def waiting(store: Soundness) -> Iterator[Finding]:
    """Workers that wait for somebody's lock in the database."""
    for one in store.blocked:
        if one.seconds >= _LOCKED_SECONDS:
            by = " and ".join(one.by) or "somebody who is gone by now"
            remedy = "let it finish, or end it: SELECT pg_terminate_backend(PROCESS), as the database's administrator"
            what = f"{one.name} has waited for {one.seconds:.0f} s for a lock in the database, held by {by}"
            yield Finding(Level.FAULT, what, remedy, "pg_stat_activity")


def unread(store: Soundness, topics: Condition) -> Iterator[Finding]:
    """Partitions with events that nobody reads, while others are read; and those that stand."""
    known = {one.partition: one for one in store.places}
    anybody = any(one.owner for one in store.places)
    for number, held in topics.extents.items():
        place = known.get(number)
        left = held.high - (place.position if place else held.low)
        if left <= 0 or not anybody:
            continue
        where = f"partition {number} of rx.events"
        if place is None or place.owner is None:
            remedy = "restart a worker; if Kafka gives it none, see its log and the broker's"
            yield Finding(Level.FAULT, f"nobody reads it, and {left} events wait there", remedy, where)
        elif _older(place.beat, store.now) and any(not _older(one.beat, store.now) for one in store.places):
            since = "yet" if place.beat is None else f"since {place.beat:%Y-%m-%dT%H:%M:%SZ}"
            what = f"{place.owner} has written nothing there {since}, and {left} events wait"
            yield Finding(Level.FAULT, what, "see the log of that worker; if it is gone, restart it", where)


def deaf(store: Soundness, topics: Condition) -> Iterator[Finding]:
    """A worker that reads everything and does not look for missed deadlines. In a quiet hour it writes nothing then: that it
    lives is seen by its measuring the clocks."""
    lives = bool(store.ahead)
    late = [one for one in store.places if _read(one, topics) and (lives or not _older(one.beat, store.now))]
    since = min((one.judged for one in late if one.judged and _older(one.judged, store.now)), default=None)
    if since is None:
        return
    what = f"missed deadlines have not been looked for since {since:%Y-%m-%dT%H:%M:%SZ}, though all is read"
    for worker, ahead in store.ahead.items():
        if abs(ahead) > APART:
            told = f"the clock of {worker}'s host and the database's differ by {abs(ahead).total_seconds():.0f} s"
            yield Finding(Level.FAULT, f"{what}: {told}", "set the host's clock right (NTP); then it goes on by itself")
            return
    remedy = "Kafka does not say where its partitions end: see the worker's log, and the broker's"
    yield Finding(Level.FAULT, what, remedy, _LOG)


def _read(place: Place, topics: Condition) -> bool:
    held = topics.extents.get(place.partition)
    return held is not None and place.position >= held.high


def _older(at: datetime | None, now: datetime) -> bool:
    return at is None or now - at > STILL


def _joined(what: str, told: str) -> str:
    return f"{what}; {told}" if told else what


def _long(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
