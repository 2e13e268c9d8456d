"""What was read of the topic goes its way: each record is examined, the cases that it concerns are loaded, and what arrived of
a case is tracked together; of a case that forgets, one after another.

A record that cannot be an event is put aside with the reason, one that lies where its case does not belong is put where it
does. What all of them led to lies in the draft.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from models.case import Admission, comes_first, ordered
from models.errors import OurFault
from models.event import CaseId, Event
from models.policy import Policies
from models.store.records import packed
from models.tracking import Step, Watched, track_all
from models.tracking.trimming import forgets_nothing, receive
from models.wire import Decoded, Rejected
from streams.admission import Misplaced, Record, crowded, examine, home, misplaced, room
from streams.cases import Cases, unseen
from streams.deadletter import DeadLetters, Origin
from streams.draft import Draft, Held, Partition
from streams.faultpoints import reached
from streams.laps import Doing, Laps
from streams.ownership import Ownership
from streams.watching import Observer

_Examined = Decoded | Rejected | Misplaced


class ReadAgain(OurFault):
    """Kafka's client gave what it had given before. Whoever starts now reads on at the store's position."""


@dataclass(slots=True)
class _Arrived:
    """Events of a case that were read and are not tracked yet; after `room` of them it may be full."""

    partition: Partition
    held: Held
    room: int
    found: list[Decoded]


class Arrivals:
    """Between two calls nothing is kept here: everything is in the draft and in the cases in mind."""

    def __init__(
        self, ownership: Ownership, cases: Cases, dead_letters: DeadLetters, observer: Observer, laps: Laps
    ) -> None:
        self._ownership = ownership
        self._cases = cases
        self._dead_letters = dead_letters
        self._observer = observer
        self._laps = laps

    def apply(self, records: Sequence[Record], draft: Draft, policies: Policies) -> None:
        """Records in the order in which they were read. Those after one with which the worker ends are not taken."""
        examined, missing = self._examined(records, policies)
        self._laps.end(Doing.DECODE)
        reached("after decode")
        reached("before load")
        self._cases.load(missing, policies)
        self._laps.end(Doing.LOAD)
        reached("after load")
        taking = _Taking(draft, policies, self._ownership, self._cases, self._dead_letters, self._observer)
        taking.take(records, examined)
        self._observer.refolded(taking.refolded)
        self._laps.end(Doing.TRACK)

    def _examined(self, records: Iterable[Record], policies: Policies) -> tuple[list[_Examined], dict[CaseId, int]]:
        """What each record is; and the cases that are not in mind, each with its partition."""
        self._cases.turn()
        held_of, count = self._cases.get, self._ownership.count
        examined: list[_Examined] = []
        missing: dict[CaseId, int] = {}
        for record in records:
            found = examine(record, policies)
            if isinstance(found, Decoded):
                case = found.event.subject
                held = held_of(case)
                place = home(case, count) if held is None else held.partition
                if misplaced(record, case, place):
                    found = Misplaced(case, place)
                elif held is None:
                    missing[case] = place
            examined.append(found)
        return examined, missing


class _Taking:
    """Some records, on their way into a draft."""

    def __init__(
        self,
        draft: Draft,
        policies: Policies,
        ownership: Ownership,
        cases: Cases,
        dead_letters: DeadLetters,
        observer: Observer,
    ) -> None:
        self._draft = draft
        self._policies = policies
        self._partitions = ownership.partitions
        self._cases = cases
        self._dead_letters = dead_letters
        self._observer = observer
        self._taken: dict[int, list[Record]] = defaultdict(list)
        self._arrived: dict[CaseId, _Arrived] = {}
        self.refolded = 0

    def take(self, records: Iterable[Record], examined: Iterable[_Examined]) -> None:
        """Each record goes its way, up to one with which the worker ends."""
        fine = 0
        for record, found in zip(records, examined, strict=True):
            self._taken[record.partition].append(record)
            if isinstance(found, Decoded):
                fine += self._arrive(record, found)
                continue
            self._dead_letters.fine(fine)
            fine = 0
            self._put_elsewhere(record, found)
            if self._dead_letters.overrun is not None:
                break
        self._dead_letters.fine(fine)
        self._note()
        for arrived in self._arrived.values():
            self._track(arrived)

    def _note(self) -> None:
        """What was taken so far is read."""
        for number, records in self._taken.items():
            partition = self._partitions[number]
            if records[0].offset < partition.position:
                raise ReadAgain(f"offset {records[0].offset} of partition {number} came after {partition.position - 1}")
            self._draft.read(partition, records[-1].offset, records[-1].received, len(records))
        self._taken.clear()

    def _arrive(self, record: Record, found: Decoded) -> bool:
        """The event waits for what else was read of its case: a fold of all of them costs little more than one of each.
        False where the case is full."""
        case = found.event.subject
        arrived = self._arrived.get(case)
        if arrived is None:
            held = self._cases.get(case) or unseen(case, record.partition)
            arrived = self._arrived[case] = _Arrived(self._partitions[record.partition], held, room(held.case), [])
        if len(arrived.found) >= arrived.room:
            self._note()
            self._track(arrived)
            arrived.room = room(arrived.held.case)
            why = crowded(arrived.held.case, found.event)
            if why is not None:
                # One subject that is none: no reason to stop the orders of everybody else.
                self._put_aside(record, why, counts=False)
                return False
        arrived.found.append(found)
        return True

    def _put_elsewhere(self, record: Record, found: Rejected | Misplaced) -> None:
        match found:
            case Rejected():
                self._put_aside(record, found, counts=True)
            case Misplaced(case, place):
                self._dead_letters.fine(1)
                self._draft.count(self._partitions[record.partition], "rerouted")
                origin = Origin(record.partition, record.offset)
                self._dead_letters.reroute(case.encode(), record.value, origin, place)

    def _track(self, arrived: _Arrived) -> None:
        """What arrived of a case."""
        held, found = arrived.held, arrived.found
        if not found:
            return
        case = self._together(arrived) if forgets_nothing(held.case, len(found)) else self._one_by_one(arrived)
        if case is not held.case:
            now = arrived.held = Held(held.partition, case, case.look, packed(case.evidence, held.packed))
            self._cases.put(case.id, now)
            self._draft.cases[case.id] = now
        arrived.found = []

    def _together(self, arrived: _Arrived) -> Watched:
        case, found = arrived.held.case, in_order(arrived.found)
        step = track_all(case, [one.event for one in found], self._policies)
        self._led_to(arrived.partition, case, found, step)
        return step.case

    def _one_by_one(self, arrived: _Arrived) -> Watched:
        """The events of a case that forgets, in the order in which they were read: what leaves it depends on that."""
        case = arrived.held.case
        for one in arrived.found:
            received = receive(case, one.event, self._policies)
            self._led_to(arrived.partition, case, (one,), received.step)
            case = received.case
        return case

    def _led_to(self, partition: Partition, case: Watched, found: Sequence[Decoded], step: Step) -> None:
        self.refolded += step.admissions.count(Admission.LATE)
        self._draft.track(partition, case, found, step)

    def _put_aside(self, record: Record, why: Rejected, *, counts: bool) -> None:
        self._draft.put_aside(self._partitions[record.partition], why.reason, record.received)
        origin = Origin(record.partition, record.offset)
        if self._dead_letters.known(origin, record.received):
            self._dead_letters.fine(1)
            return
        self._observer.dead(why.reason)
        self._dead_letters.put(record.key, record.value, origin, why, counts=counts)


def in_order(found: Sequence[Decoded]) -> Sequence[Decoded]:
    """What was read of a case, one after another as it was read; but the events of one instant, of which feeds tell in any
    order, as they will stand, so that none of them is late."""
    before: Event | None = None
    for one in found:
        event = one.event
        if before is not None and event.time == before.time and not comes_first(before, event):
            return _as_they_stand(found)
        before = event
    return found


def _as_they_stand(found: Sequence[Decoded]) -> list[Decoded]:
    stand: list[Decoded] = []
    for _, told in groupby(found, key=lambda one: one.event.time):
        instant = list(told)
        if len(instant) > 1:
            of = {id(one.event): one for one in instant}
            instant = [of[id(event)] for event in ordered(one.event for one in instant)]
        stand += instant
    return stand
