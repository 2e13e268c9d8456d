"""The job that every Python peer does, and the words in which a peer tells the measurement how far it is.

One clock runs for every fill, from `rx.received` to `rx.pv1.verified`. An event counts once, by its source and id, however
often it comes, so each fill remembers those it has seen. When both times are known the interval goes to a topic, and a
breach to another one where it took longer than the target. It is RxPulse's own job with one clock, less what a peer is
spared: deadlines that pass while nothing comes, corrections, conflicts, and a database.

A peer is told where Kafka is, how many events lie there, and a folder of its own by PEER_... variables. It says `begin` with
the first event, `half` with the middle one, and `end` once everything it made is delivered and its position committed; then
it waits to be ended.
"""

import os
import time
from collections.abc import MutableSequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import msgspec

KAFKA = os.environ["PEER_KAFKA"]
TOTAL = int(os.environ["PEER_EVENTS"])
FOLDER = os.environ["PEER_FOLDER"]
PARTITIONS = int(os.environ["PEER_PARTITIONS"])
EVENTS, INTERVALS, SIGNALS = "rx.events", "rx.intervals", "rx.signals"
CLOCK, TARGET_SECONDS, SEVERITY = "received-to-verified", 1800.0, "S3"
PLACES = {"rx.received": 0, "rx.pv1.verified": 1}
"""Where the time of an event of these types stands in the state of a fill."""


class Data(msgspec.Struct, gc=False):
    """What the job needs of an event's data."""

    site: str


class Event(msgspec.Struct, gc=False):
    """What the job needs of an event."""

    id: str
    source: str
    type: str
    time: datetime
    subject: str
    data: Data


class Interval(msgspec.Struct, gc=False):
    """A closed clock."""

    interval: str
    clock: str
    site: str
    case: str
    started: datetime
    stopped: datetime
    net_seconds: float
    target_seconds: float
    in_target: bool


class Breach(msgspec.Struct, gc=False):
    """A clock that was closed after its target."""

    signal: str
    kind: str
    name: str
    severity: str
    site: str
    case: str
    raised: datetime


State = MutableSequence[Any]
"""Of a fill: [received, verified (seconds since 1970, None: not yet), what it has seen]."""
decode = msgspec.json.Decoder(Event).decode
encode = msgspec.json.Encoder().encode


def fresh() -> State:
    """The state of a fill of which nothing is known."""
    return [None, None, []]


def apply(state: State, event: Event) -> tuple[Interval] | tuple[Interval, Breach] | tuple[()]:
    """Takes an event into the state of its fill; gives what it led to, an interval first."""
    seen = state[2]
    identity = f"{event.source} {event.id}"
    if identity in seen:
        return ()
    seen.append(identity)
    place = PLACES.get(event.type)
    if place is None:
        return ()
    at = event.time.timestamp()
    if state[place] is not None and state[place] <= at:
        return ()
    state[place] = at
    started, stopped = state[0], state[1]
    if started is None or stopped is None or stopped < started:
        return ()
    return facts(event.data.site, event.subject, started, stopped)


def facts(site: str, case: str, started: float, stopped: float) -> tuple[Interval] | tuple[Interval, Breach]:
    """The interval, and the breach where there is one."""
    name, seconds = f"{CLOCK}:{case}", stopped - started
    in_target = seconds <= TARGET_SECONDS
    begin, end = datetime.fromtimestamp(started, UTC), datetime.fromtimestamp(stopped, UTC)
    interval = Interval(name, CLOCK, site, case, begin, end, seconds, TARGET_SECONDS, in_target)
    if in_target:
        return (interval,)
    raised = datetime.fromtimestamp(started + TARGET_SECONDS, UTC)
    return (interval, Breach(name, "clock", CLOCK, SEVERITY, site, case, raised))


def topic_of(fact: Interval | Breach) -> str:
    """Where a fact goes."""
    return INTERVALS if isinstance(fact, Interval) else SIGNALS


class Progress:
    """Counts events, and says `begin` and `half` by itself. `whole` holds once all were counted."""

    def __init__(self) -> None:
        self.events = 0

    def count(self, events: int = 1) -> None:
        """So many more were taken in."""
        before = self.events
        self.events += events
        if before == 0:
            say("begin")
        if before < TOTAL // 2 <= self.events:
            say("half")

    @property
    def whole(self) -> bool:
        """Whether every event that lies in the topic was counted."""
        return 0 < TOTAL <= self.events


def say(word: str) -> None:
    """One word to the measurement, at once."""
    print(word, flush=True)


def finished() -> NoReturn:
    """Says `end` and waits to be ended: what the process used is read before that, and taking leave of the group is no
    part of the job."""
    say("end")
    while True:
        time.sleep(60)
