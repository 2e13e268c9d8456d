"""Which partitions are this worker's, and from where it reads them.

Kafka proposes who reads what; the store decides what is applied. When partitions are assigned they are claimed in the
store, which shuts out whoever held them before, and reading goes on at the store's positions, not at Kafka's offsets, once the
record before them was seen to be the one that the store applied last. When a worker comes or goes only the partitions that move
stand still; of all others the clocks go on.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from confluent_kafka import Consumer, Message, TopicPartition

from models.errors import OurFault
from models.store.ledger import Ledger
from streams.draft import Partition
from streams.extents import check_held, check_same
from streams.faultpoints import reached
from streams.feed import extent
from streams.relay import Relay
from streams.topics import EVENTS

_SECONDS = 10.0


class Lost(OurFault):
    """Kafka gave this worker's partitions to somebody else without asking."""


class Ownership:
    """`partitions` are those held now. `before_change` is called before more are taken over and before any are given back:
    everything read must be written by then. `before_reading` is called with those that were taken over, before a record of
    them is read; the second argument says whether one is read from its beginning. `changed` counts the changes of ownership."""

    def __init__(
        self,
        consumer: Consumer,
        ledger: Ledger,
        relay: Relay,
        owner: str,
        before_reading: Callable[[Mapping[int, int], bool], None],
        before_change: Callable[[], None],
    ) -> None:
        self._consumer = consumer
        self._ledger = ledger
        self._relay = relay
        self._owner = owner
        self._before_reading = before_reading
        self._before_change = before_change
        self._taken: set[int] = set()
        self._before: dict[int, datetime] = {}
        self.partitions: dict[int, Partition] = {}
        self.changed = 0
        self.count = 0

    def subscribe(self) -> None:
        """Asks Kafka for partitions of the events."""
        self._consumer.subscribe([EVENTS], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def sifted(self, messages: Iterable[Message]) -> list[Message]:
        """Of what was read while ownership changed, the messages of partitions that this worker had all along. What was taken
        over since is read from the store's position: of it a message may be of an earlier ownership."""
        taken, self._taken = self._taken, set()
        if taken:
            self._consumer.incremental_unassign([TopicPartition(EVENTS, number) for number in taken])
            self._read(taken)
        kept = self.partitions.keys() - taken
        return [message for message in messages if message.partition() in kept]

    def proven(self, messages: list[Message]) -> list[Message]:
        """The messages without the record before each position from which a partition is read. Raises TopicDiffers where that
        is not the one that the store applied last."""
        return [one for one in messages if not self._proves(one)] if self._before else messages

    @property
    def proven_partitions(self) -> Mapping[int, Partition]:
        """Those of which the topic was seen to be the one that was applied: of the others nobody knows whether silence is."""
        if not self._before:
            return self.partitions
        return {number: one for number, one in self.partitions.items() if number not in self._before}

    def _proves(self, message: Message) -> bool:
        number = message.partition() or 0
        applied = self._before.pop(number, None)
        if applied is None:
            return False
        check_same(number, self.partitions[number].position - 1, applied, message)
        return True

    def _read(self, numbers: Iterable[int]) -> None:
        """From the record on that proves the topic to be the same, where there is one, else from the position."""
        places = [
            TopicPartition(EVENTS, number, self.partitions[number].position - (number in self._before))
            for number in numbers
        ]
        self._consumer.incremental_assign(places)

    def _assigned(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        """More partitions are this worker's, or none more, when they moved between others; those that it had stay."""
        self.changed += 1
        cluster = consumer.list_topics(EVENTS, _SECONDS)
        topic = cluster.topics[EVENTS]
        if topic.error is not None:
            # Not a topic without partitions, which would be refused for good: it may be told in the next moment.
            raise OurFault(f"Kafka does not say what partitions {EVENTS} has: {topic.error.str()}")
        self.count = len(topic.partitions)
        self._ledger.spread(cluster.cluster_id, self.count, lambda number: extent(consumer, EVENTS, number).low)
        numbers = [part.partition for part in parts]
        if numbers:
            self._before_change()
            self._take_over(cluster.cluster_id, numbers)
        self._read(numbers)

    def _take_over(self, cluster: str, numbers: Sequence[int]) -> None:
        taken: dict[int, int] = {}
        afresh = False
        reached("before claim")
        claims = self._ledger.claim(cluster, numbers, self._owner)
        reached("after claim")
        for claim in claims:
            held = extent(self._consumer, EVENTS, claim.partition)
            check_held(claim.partition, claim.position, held)
            self.partitions[claim.partition] = Partition.of(claim)
            if claim.received is not None and held.low < claim.position:
                self._before[claim.partition] = claim.received
            taken[claim.partition] = claim.position
            afresh = afresh or claim.position == held.low < held.high
            self._relay.resume(claim.partition, claim.published, claim.revision_base)
            reached("before resend")
            self._relay.publish(self._ledger.facts(claim.partition, claim.published))
            reached("after resend")
        self._before_reading(taken, afresh)
        self._taken.update(taken)

    def _revoked(self, consumer: Consumer, parts: Sequence[TopicPartition]) -> None:
        """These are another worker's from now on; the others stay."""
        self.changed += 1
        self._before_change()
        numbers = [part.partition for part in parts]
        self._ledger.release(numbers, self._owner)
        for number in numbers:
            del self.partitions[number]
            self._before.pop(number, None)
        self._taken.difference_update(numbers)
        consumer.incremental_unassign(list(parts))

    def _lost(self, _: Consumer, __: Sequence[TopicPartition]) -> None:
        raise Lost("Kafka gave the partitions to another worker: this one was silent for too long")
