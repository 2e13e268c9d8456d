"""What tests read from the topics: the records of one source that came after a mark."""

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from confluent_kafka import Consumer, Message, TopicPartition

from models.event import Event
from models.wire import Decoded, decode

with warnings.catch_warnings():
    # kafka-python reads its own schemas in a way that Python 3.11 alone calls deprecated.
    warnings.filterwarnings("ignore", "(read|open)_text is deprecated", DeprecationWarning)
    from streams.topics import EVENTS


@dataclass(slots=True)
class Tail:
    """Everything that is written to a topic from its making on. `places` holds the next offset of each partition."""

    consumer: Consumer
    places: dict[int, int]
    topic: str

    def records(self) -> list[Message]:
        """Every record up to the end of the topic, from where the last reading stopped."""
        ends = {partition: _end(self.consumer, self.topic, partition) for partition in self.places}
        found: list[Message] = []
        give_up = time.monotonic() + 30
        while any(self.places[partition] < end for partition, end in ends.items()):
            assert time.monotonic() < give_up, "the topic could not be read to its end"
            for message in self.consumer.consume(10_000, 0.2):
                assert message.error() is None, message.error()
                self.places[message.partition() or 0] = (message.offset() or 0) + 1
                found.append(message)
        return found

    def events(self, source: str) -> list[Event]:
        """The events of one source, in order within each partition."""
        read = [decode(message.value() or b"", None) for message in self.records()]
        return [one.event for one in read if isinstance(one, Decoded) and one.event.source == source]


def _end(consumer: Consumer, topic: str, partition: int) -> int:
    return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]


@contextmanager
def tail(kafka: str, topic: str = EVENTS) -> Iterator[Tail]:
    """From now on. The topic must be there."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "tests", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    places = {partition: _end(consumer, topic, partition) for partition in partitions}
    consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in places.items()])
    yield Tail(consumer, places, topic)
    consumer.close()
