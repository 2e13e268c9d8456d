"""A sender as every system in a pharmacy should be one: what Kafka has not confirmed it keeps, and sends again.

It tells what Kafka confirmed, and where that lies, so that it can be looked for there afterwards.
"""

from collections.abc import Sequence

from confluent_kafka import KafkaError, Message, Producer

from streams.topics import EVENTS
from tests.faults.feeding import Sent
from tests.faults.trial import Trial
from tests.live import until

PATIENCE = 10.0
"""Seconds after which a record that Kafka did not confirm counts as not sent; it may lie there all the same."""
_ANSWER = 5.0


class Sender:
    """For one go: what it sends is confirmed or `kept` in the end. `confirmed` are the values by partition and offset."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        told = {"bootstrap.servers": trial.kafka, "partitioner": "murmur2_random", "log_level": 2, "linger.ms": 5}
        self._producer = Producer(
            {**told, "enable.idempotence": True, "delivery.timeout.ms": int(1000 * PATIENCE), "batch.num.messages": 50}
        )
        self._taken: list[Sent] = []
        self._kept: list[Sent] = []
        self.confirmed: dict[tuple[int, int], bytes | None] = {}

    def send(self, records: Sequence[Sent]) -> None:
        """Puts records on their way, in this order."""
        for record in records:
            placed = {} if record.partition is None else {"partition": record.partition}

            def answered(fault: KafkaError | None, message: Message, record: Sent = record) -> None:
                if fault is not None:
                    self._kept.append(record)
                else:
                    self._taken.append(record)
                    self.confirmed[message.partition() or 0, message.offset() or 0] = message.value()

            self._producer.produce(EVENTS, record.value, record.key, on_delivery=answered, **placed)
            self._producer.poll(0)

    def begun(self) -> None:
        """Waits until Kafka has confirmed something."""

        def heard() -> bool:
            self._producer.poll(0)
            return bool(self.confirmed)

        until(heard, why="Kafka confirms nothing")

    def kept(self) -> list[Sent]:
        """What Kafka did not confirm within the sender's patience, to be sent again. The trial counts what it did."""
        assert self._producer.flush(PATIENCE + _ANSWER) == 0, "some have no answer at all"
        self._trial.count(self._taken)
        self._taken = []
        return self._kept

    def lost(self) -> set[tuple[int, int]]:
        """Where something lay that was confirmed, and lies no more."""
        held = {(one.partition(), one.offset()): one.value() for one in self._trial.topic(EVENTS)}
        return {place for place, value in self.confirmed.items() if held.get(place) != value}
