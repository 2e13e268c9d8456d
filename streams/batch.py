"""The one loop: read records, let them go their way into a draft, and hand over whatever the committer can take.

When it is quiet a batch holds a few events, when much comes in it holds thousands: a draft is handed over whenever the
committer is free, and there is nothing to tune. The loop decides and remembers nothing that the store does not know.
"""

import gc
import sys
from collections.abc import Iterable, Sequence
from threading import Event as Flag
from time import monotonic

from confluent_kafka import Consumer, Message, TopicPartition

from models.policy import Policies
from models.store.ledger import Ledger
from streams.admission import Record
from streams.arrivals import Arrivals
from streams.cases import Cases
from streams.commit import Committer
from streams.deadletter import DeadLetters
from streams.departing import Departing
from streams.draft import Draft
from streams.faultpoints import reached
from streams.feed import at_end, record_of
from streams.laps import Doing, Laps
from streams.ownership import Ownership
from streams.reconsidering import reconsider, unheard
from streams.ticks import Ticker
from streams.topics import EVENTS
from streams.watching import Observer

LARGEST = 20_000
"""Records read in one go, and of one draft, at most: the more events of a case are tracked together, the less each of them
costs, and the whole draft is done within about a second."""
COLLECT = 2_000_000, 10, 10
"""When Python looks for what nothing refers to any more but itself: once so many more things were made than given up (then ten
times as many, and again). That is more than the cases in mind are made of, so it is never while all is well: the heart makes
no rings. Looking at all that is held again and again took a tenth of the worker's time."""
SWITCH = 0.0001
"""Seconds after which a thread that computes lets another go on that waits for Python. The committer waits so after each piece
of a batch that PostgreSQL took: with Python's own 5 ms the reader, its draft full, had to wait for the committer."""
_OFFSETS_EVERY = 1.0
"""Seconds between commits of offsets to Kafka."""
_SHORT, _LONG = 0.002, 0.1
"""Seconds to wait for a record while a draft waits for the committer, and while there is none."""


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
        self._laps = Laps(observer.spent)
        self._arrivals = Arrivals(ownership, cases, dead_letters, observer, self._laps)
        self._departing = Departing(ledger, cases)
        cases.unwritten = self._unwritten
        self._told = 0.0
        self.stopping = Flag()

    def run(self) -> None:
        """The life of the worker. Raises TooManyDeadLetters, when everything read is written."""
        # What was loaded at the start lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT)
        sys.setswitchinterval(SWITCH)
        self._ownership.subscribe()
        while not self.stopping.is_set() and self._dead_letters.overrun is None:
            self._turn()
        # Closing the consumer gives the partitions back; a consumer that is closing takes no offsets any more.
        self.drain()
        self._consumer.close()
        if self._dead_letters.overrun is not None:
            raise self._dead_letters.overrun

    def _turn(self) -> None:
        messages = self._read()
        self._laps.end(Doing.POLL)
        self._apply(messages)
        self._judge()
        if not messages and self._ticker.clocks_agree:
            self._departing.go_on(self._ownership.partitions, self._unwritten(), self._draft)
        self._laps.end(Doing.LISTEN)
        if self._committer.idle.is_set():
            self._tell()
            self.hand_over()

    def drain(self) -> None:
        """Writes everything that was read, before partitions come or go, and forgets the cases: others may change them."""
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
        messages = self._received(LARGEST - self._draft.records)
        reached("after poll")
        if self._ownership.changed != before:
            messages = self._ownership.sifted(messages)
            self._observer.owns(len(self._ownership.partitions))
            self._reconsider(unheard(self._policies, self._ownership.partitions.values()))
        return self._ownership.proven(messages)

    def _received(self, room: int) -> list[Message]:
        """At most so many messages. A draft that is full waits for the committer, and takes one at a time meanwhile: whoever
        asks for none is taken for dead, and hears of no partition that comes or goes."""
        if room <= 0:
            self._committer.idle.wait(_LONG)
        found = self._consumer.consume(room, 0) if room > 0 else []
        if not found:
            one = self._consumer.poll(self._patience())
            found = [] if one is None else [one]
        return found

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
        self._ticker.judge(self._ownership.proven_partitions, self._unwritten(), self._draft, self._policies)

    def _apply(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        self._renew_policies()
        reached("before decode")
        records, ends = _sorted(messages)
        self._arrivals.apply(records, self._draft, self._policies)
        if self._dead_letters.overrun is None:
            self._note(ends)

    def _note(self, ends: Iterable[Message]) -> None:
        """The ends of partitions, once all that lies before them is applied: from then on silence may be judged."""
        for end in ends:
            partition = self._ownership.partitions.get(end.partition() or 0)
            if partition is not None:
                partition.end = end.offset() or 0


def _sorted(messages: Iterable[Message]) -> tuple[list[Record], list[Message]]:
    """What was read: records, and the words that the end of a partition is reached. Any other fault is raised."""
    records: list[Record] = []
    ends: list[Message] = []
    for message in messages:
        if at_end(message):
            ends.append(message)
        else:
            records.append(record_of(message))
    return records, ends


def _required(policies: Policies | None) -> Policies:
    if policies is None:
        raise LookupError("the store holds no policy: run `rxpulse _migrate` first")
    return policies
