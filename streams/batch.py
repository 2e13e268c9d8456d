"""The one loop: read records, decode them, load their cases, track, and hand over whatever the committer can take.

When it is quiet a batch holds a few events, when much comes in it holds thousands: a draft is handed over whenever the
committer is free and nothing more lies ready, and there is nothing to tune. The loop decides and remembers nothing that the
store does not know.
"""

import gc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from time import monotonic

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from models.case import Admission
from models.event import CaseId
from models.policy import Policies
from models.store.ledger import Ledger
from models.store.records import packed
from models.tracking import track_all
from models.wire import Decoded, Rejected
from streams.admission import (
    LARGEST_CASE,
    Misplaced,
    Record,
    crowded,
    examine,
    home,
    misplaced,
)
from streams.cases import Cases, unseen
from streams.commit import Committer
from streams.deadletter import DeadLetters, Origin
from streams.draft import Draft, Held, Partition
from streams.faultpoints import reached
from streams.feed import record_of
from streams.laps import Doing, Laps
from streams.ownership import Ownership
from streams.reconsidering import reconsider, unheard
from streams.ticks import Ticker
from streams.topics import EVENTS
from streams.watching import Observer

LARGEST = 20_000
"""Records of one draft at most."""
AT_ONCE = 5_000
"""Records read in one go at most."""
COLLECT = 2_000_000, 10, 10
"""When Python looks for what nothing refers to any more but itself: once so many more things were made than given up (then ten
times as many, and again). That is more than the cases in mind are made of, so it is never while all is well: the heart makes
no rings. Looking at all that is held again and again took a tenth of the worker's time."""
_OFFSETS_EVERY = 1.0
"""Seconds between commits of offsets to Kafka."""
_SHORT, _LONG = 0.002, 0.1
"""Seconds to wait for a record while a draft waits for the committer, and while there is none."""


_Examined = Decoded | Rejected | Misplaced


@dataclass(slots=True)
class _Arrivals:
    """Events of a case that were read and are not tracked yet."""

    partition: Partition
    held: Held
    found: list[Decoded]


class Loop:
    """Runs until `stopping` is set, or too much had to be put aside; then finishes its batch and gives its partitions
    back."""

    def __init__(
        self,
        consumer: Consumer,
        ledger: Ledger,
        ownership: Ownership,
        cases: Cases,
        ticker: Ticker,
        committer: Committer,
        dead_letters: DeadLetters,
        observer: Observer,
    ) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._ownership = ownership
        self._cases = cases
        self._ticker = ticker
        self._committer = committer
        self._dead_letters = dead_letters
        self._observer = observer
        self._draft = Draft()
        self._policies = _required(ledger.policies(None))
        self._taken: dict[int, list[Record]] = {}
        self._arrivals: dict[CaseId, _Arrivals] = {}
        self._laps = Laps(observer.spent)
        self._refolded = 0
        self._told = 0.0
        self._lately = 0
        self.stopping = Flag()

    def run(self) -> None:
        """The life of the worker. Raises TooManyDeadLetters, when everything read is written."""
        # What was loaded at the start lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT)
        self._ownership.subscribe()
        while not self.stopping.is_set() and self._dead_letters.overrun is None:
            messages = self._read()
            self._laps.end(Doing.POLL)
            self._apply(messages)
            self._judge()
            self._laps.end(Doing.LISTEN)
            if self._committer.idle.is_set():
                self._tell()
                if ripe(self._draft.records, self._lately):
                    self.hand_over()
        # Closing the consumer gives the partitions back; a consumer that is closing takes no offsets any more.
        self.drain()
        self._consumer.close()
        if self._dead_letters.overrun is not None:
            raise self._dead_letters.overrun

    def drain(self) -> None:
        """Writes everything that was read, before the partitions are given back."""
        self._committer.wait()
        self.hand_over()
        self._committer.wait()
        self._cases.forget()

    def hand_over(self) -> None:
        """Gives the draft to the committer, which must be idle."""
        if not self._draft.empty:
            self._draft.seal()
            self._committer.give(self._draft, self._policies)
            self._draft = Draft()

    def _tell(self) -> None:
        """Moves Kafka's own offsets, which decide nothing, to what is written: tools that show lag read them. Not the
        committer's work: a commit from another thread may wait for a rebalance that waits for the committer."""
        if monotonic() - self._told > _OFFSETS_EVERY and self._ownership.partitions:
            self._told = monotonic()
            written = [TopicPartition(EVENTS, one.number, one.stored) for one in self._ownership.partitions.values()]
            reached("before commit")
            self._consumer.commit(offsets=written, asynchronous=True)
            reached("after commit")
            self._laps.end(Doing.COMMIT)

    def _read(self) -> list[Message]:
        before = self._ownership.changed
        reached("before poll")
        messages = [] if self._draft.records >= LARGEST else self._consumer.consume(AT_ONCE, 0)
        self._lately = len(messages)
        if not messages:
            one = self._consumer.poll(self._patience())
            messages = [] if one is None else [one]
        reached("after poll")
        if self._ownership.changed == before:
            return messages
        # Records fetched under the earlier ownership may be among them.
        self._ownership.seek()
        self._observer.owns(len(self._ownership.partitions))
        self._reconsider(unheard(self._policies, self._ownership.partitions.values()))
        return []

    def _patience(self) -> float:
        return _SHORT if not self._draft.empty else min(_LONG, self._ticker.wait)

    def _renew_policies(self) -> None:
        newer = self._ledger.policies(self._policies)
        if newer is not None:
            known, self._policies = len(self._policies.versions), newer
            self._reconsider(known)

    def _reconsider(self, first: int) -> None:
        """Versions of the policy from number `first` on may change when cases are to be looked at."""
        reconsider(
            self._ledger,
            self._cases,
            self._ownership.partitions,
            self._unwritten(),
            self._draft,
            self._policies,
            first,
        )

    def _unwritten(self) -> list[Draft]:
        writing = self._committer.writing
        return [self._draft] if writing is None else [writing, self._draft]

    def _judge(self) -> None:
        if self._ticker.wait == 0.0:
            self._renew_policies()
        self._ticker.judge(self._ownership.partitions, self._unwritten(), self._draft, self._policies)

    def _apply(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self._renew_policies()
        reached("before decode")
        records = [record for message in messages if (record := self._record(message)) is not None]
        examined, missing = self._examined(records)
        self._laps.end(Doing.DECODE)
        reached("after decode")
        reached("before load")
        self._cases.load(missing, self._policies)
        self._laps.end(Doing.LOAD)
        reached("after load")
        self._take(records, examined)
        for arrivals in self._arrivals.values():
            self._track(arrivals)
        self._arrivals = {}
        self._observer.refolded(self._refolded)
        self._refolded = 0
        self._laps.end(Doing.TRACK)

    def _examined(self, records: Iterable[Record]) -> tuple[list[_Examined], dict[CaseId, int]]:
        """What each record is; and the cases that are not in mind, each with its partition."""
        self._cases.turn()
        policies, held_of, count = self._policies, self._cases.get, self._ownership.count
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

    def _record(self, message: Message) -> Record | None:
        fault = message.error()
        if fault is not None:
            self._end(message, fault)
            return None
        return record_of(message)

    def _end(self, message: Message, fault: KafkaError) -> None:
        """The end of a partition was reached; any other fault ends the worker."""
        if fault.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(fault)
        partition = self._ownership.partitions.get(message.partition() or 0)
        if partition is not None:
            partition.end = message.offset() or 0

    def _take(self, records: Iterable[Record], examined: Iterable[_Examined]) -> None:
        """Each record goes its way, up to one with which the worker ends."""
        fine = 0
        for record, found in zip(records, examined, strict=True):
            self._taken.setdefault(record.partition, []).append(record)
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

    def _note(self) -> None:
        """What was taken so far is read."""
        for number, records in self._taken.items():
            partition = self._ownership.partitions[number]
            partition.received = records[-1].received
            self._draft.read(partition, records[-1].offset, len(records))
        self._taken = {}

    def _arrive(self, record: Record, found: Decoded) -> bool:
        """The event waits for what else was read of its case: a fold of all of them costs little more than one of each.
        False where the case is full."""
        case = found.event.subject
        arrivals = self._arrivals.get(case)
        if arrivals is None:
            held = self._cases.get(case) or unseen(case, record.partition)
            arrivals = _Arrivals(self._ownership.partitions[record.partition], held, [])
            self._arrivals[case] = arrivals
        if len(arrivals.held.case.evidence.events) + len(arrivals.found) >= LARGEST_CASE:
            self._note()
            self._track(arrivals)
            why = crowded(arrivals.held.case, found.event)
            if why is not None:
                # One subject that is none: no reason to stop the orders of everybody else.
                self._put_aside(record, why, counts=False)
                return False
        arrivals.found.append(found)
        return True

    def _put_elsewhere(self, record: Record, found: Rejected | Misplaced) -> None:
        match found:
            case Rejected():
                self._put_aside(record, found, counts=True)
            case Misplaced(case, place):
                self._dead_letters.fine(1)
                self._draft.count(self._ownership.partitions[record.partition], "rerouted")
                origin = Origin(record.partition, record.offset)
                self._dead_letters.reroute(case.encode(), record.value, origin, place)

    def _track(self, arrivals: "_Arrivals") -> None:
        """What arrived of a case, in the order in which it was read."""
        held, found = arrivals.held, arrivals.found
        if not found:
            return
        step = track_all(held.case, [one.event for one in found], self._policies)
        self._refolded += step.admissions.count(Admission.LATE)
        self._draft.track(arrivals.partition, held.case, found, step)
        if step.case is not held.case:
            rows = packed(step.case.evidence, held.packed)
            now = arrivals.held = Held(held.partition, step.case, step.look, rows)
            self._cases.put(step.case.id, now)
            self._draft.cases[step.case.id] = now
        arrivals.found = []

    def _put_aside(self, record: Record, why: Rejected, *, counts: bool) -> None:
        self._draft.put_aside(self._ownership.partitions[record.partition], why.reason, record.received)
        origin = Origin(record.partition, record.offset)
        if self._dead_letters.known(origin, record.received):
            self._dead_letters.fine(1)
            return
        self._observer.dead(why.reason)
        self._dead_letters.put(record.key, record.value, origin, why, counts=counts)


def ripe(records: int, lately: int) -> bool:
    """Whether a draft of so many records is to be written now. `lately` records were read in one go; as many as that can
    be means that more lies ready, and one large transaction costs less than several."""
    return lately < AT_ONCE or records >= LARGEST


def _required(policies: Policies | None) -> Policies:
    if policies is None:
        raise LookupError("the store holds no policy: run `rxpulse _migrate` first")
    return policies
