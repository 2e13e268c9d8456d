"""The clock of the simulated pharmacy: what happens next, and nothing else.

Each piece of work is a short story told in order: type the prescription, wait for the pharmacist, check it. A story
pauses by saying how many seconds pass, or for whom it waits. The clockwork keeps all paused stories by the instant at
which they go on, and beside them the finished events by the instant at which the computers learn of them.
"""

from collections import deque
from collections.abc import Generator, Iterator
from datetime import datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import Any, Protocol

from msgspec import structs

from models.event import Event, Source, micros

_MILLISECOND = timedelta(milliseconds=1)


class Awaited(Protocol):
    """Whom a process can wait for: a crew, or one person."""

    def admit(self, process: "Process", urgency: int) -> object | None:
        """The person who begins at once, or None: the process is kept and handed to the clockwork later."""
        ...


Process = Generator[float | tuple[Awaited, int], Any, Any]
"""A story: yields seconds to pass, or (whom it waits for, urgency: lower goes first) and is sent the person."""


class Clockwork:
    """`now` is in whole milliseconds since 1970 in UTC. Equal instants keep the order in which they were asked for, so
    a run depends on nothing but its seed."""

    __slots__ = ("_agenda", "_asked", "_ready", "now")

    def __init__(self, start: int) -> None:
        self.now = start
        self._agenda: list[tuple[int, int, Event | Process]] = []
        self._ready: deque[tuple[Process, object]] = deque()
        self._asked = 0

    def start(self, process: Process, after: float = 0.0) -> None:
        """Begins a story `after` seconds from now."""
        self._put(self.now + int(after * 1000), process)

    def announce(self, recorded: int, event: Event) -> None:
        """Gives the event out at `recorded`, in milliseconds, not before now."""
        self._put(recorded, event)

    def hand_over(self, process: Process, person: object) -> None:
        """The story that waited goes on with this person, at this instant."""
        self._ready.append((process, person))

    def next_turn(self) -> int:
        """A number higher than every one given before: keeps equals in order."""
        self._asked += 1
        return self._asked

    def events(self) -> Iterator[Event]:
        """Runs for ever, as long as some story is left, and yields events in order of `recorded`."""
        agenda, ready = self._agenda, self._ready
        while agenda or ready:
            while ready:
                self._go_on(*ready.popleft())
            self.now, _, what = heappop(agenda)
            if type(what) is Event:
                yield what
            else:
                self._go_on(what, None)

    def postpone(self, source: Source, until: int) -> int:
        """Holds back every event of a source that waits to become known before `until`; says how many."""
        held = 0
        for place, (at, turn, what) in enumerate(self._agenda):
            if type(what) is Event and what.source == source and at < until:
                recorded = what.recorded + (until - at) * _MILLISECOND
                self._agenda[place] = (until, turn, structs.replace(what, recorded=recorded))
                held += 1
        heapify(self._agenda)
        return held

    def _put(self, at: int, what: Event | Process) -> None:
        self._asked += 1
        heappush(self._agenda, (at, self._asked, what))

    def _go_on(self, process: Process, value: object | None) -> None:
        while True:
            try:
                wanted = process.send(value)
            except StopIteration:
                return
            if type(wanted) is not tuple:
                self._put(self.now + int(wanted * 1000), process)
                return
            awaited, urgency = wanted
            value = awaited.admit(process, urgency)
            if value is None:
                return


def milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970 of an aware instant, cut."""
    return micros(instant) // 1000
