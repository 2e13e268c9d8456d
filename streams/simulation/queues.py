"""Who does the work, and what waits for them.

A crew is the people of one role on duty at a site. Work waits in one line for a crew, the most urgent first, then the
oldest. Nobody drops what he is doing. Where a role has nobody on duty (no sterile technician at night, a technician
who called in sick), those who cover it take its work too: that is how short staffing slows down everything else.
"""

from collections import deque
from heapq import heappop, heappush

from streams.simulation.clockwork import Clockwork, Process


class Person:
    """Somebody on one duty. `free` ends what he does; whoever waits for him by name goes first."""

    __slots__ = ("actor", "crew", "gone", "role", "shift", "station", "wanted_by")

    def __init__(self, crew: "Crew", actor: str, station: str, shift: str) -> None:
        self.crew = crew
        self.actor = actor
        self.role = crew.role
        self.station = station
        self.shift = shift
        self.gone = False
        self.wanted_by: Process | None = None

    def admit(self, process: Process, urgency: int) -> "Person | None":
        """Waits until he has finished what he is doing: for a break, or the way home."""
        if self.crew.withdraw(self):
            return self
        self.wanted_by = process
        return None

    def free(self) -> None:
        if self.wanted_by is None:
            self.crew.take_up(self)
        else:
            self.crew.clockwork.hand_over(self.wanted_by, self)
            self.wanted_by = None


class Crew:
    """`held` keeps everybody from beginning anything: they are away together, as for an emergency on a ward."""

    __slots__ = ("clockwork", "cover", "covers", "held", "idle", "on_duty", "role", "waiting")

    def __init__(self, clockwork: Clockwork, role: str, cover: "Crew | None" = None) -> None:
        self.clockwork = clockwork
        self.role = role
        self.cover = cover
        self.covers: list[Crew] = []
        self.held = False
        self.idle: deque[Person] = deque()
        self.on_duty: list[Person] = []
        self.waiting: list[tuple[int, int, Process]] = []
        if cover is not None:
            cover.covers.append(self)

    def admit(self, process: Process, urgency: int) -> Person | None:
        person = self._spare()
        if person is None:
            heappush(self.waiting, (urgency, self.clockwork.next_turn(), process))
        return person

    def arrive(self, person: Person) -> None:
        self.on_duty.append(person)
        self.take_up(person)

    def leave(self, person: Person) -> None:
        """Only for one who was waited for by name, so that no work is left in his hands."""
        self.on_duty.remove(person)
        if not self.on_duty and self.cover is not None:
            self.cover.wake()

    def withdraw(self, person: Person) -> bool:
        """Takes an idle person out of the crew's reach; False if he is at work."""
        if person not in self.idle:
            return False
        self.idle.remove(person)
        return True

    def take_up(self, person: Person) -> None:
        process = self._next_work()
        if process is None:
            self.idle.append(person)
        else:
            self.clockwork.hand_over(process, person)

    def wake(self) -> None:
        """Idle people look again: work that was not theirs may be now."""
        while self.idle and (process := self._next_work()) is not None:
            self.clockwork.hand_over(process, self.idle.popleft())

    def hold(self) -> None:
        self.held = True

    def return_to_work(self) -> None:
        self.held = False
        self.wake()

    def _spare(self) -> Person | None:
        if self.on_duty or self.cover is None:
            return self.idle.popleft() if self.idle and not self.held else None
        return self.cover._spare()

    def _next_work(self) -> Process | None:
        if self.held:
            return None
        lines = [crew.waiting for crew in (self, *self.covers) if crew.waiting and (crew is self or not crew.on_duty)]
        if not lines:
            return None
        return heappop(min(lines, key=lambda line: line[0][:2]))[2]
