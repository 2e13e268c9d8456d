"""Reading a topic from outside the worker: a range of offsets for whoever recomputes or exports, or on and on for whoever
looks at what flows.

These readers belong to no group and move nobody's offsets.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from models.errors import CallerFault, UsageFault
from models.settings import Settings
from streams.admission import Record
from streams.connection import confluent
from streams.ownership import Extent

_SECONDS = 10.0
_QUIET_SECONDS = 30.0
"""Seconds without a record that the topic should hold, after which the broker is given up."""
_AT_ONCE = 2_000
_PATIENCE = 0.5


@contextmanager
def reader(settings: Settings) -> Iterator[Consumer]:
    """A consumer that only reads. Raises CallerFault where the broker goes away meanwhile."""
    config = {
        **confluent(settings),
        # A name is asked for, and never used: nothing is committed.
        "group.id": "rxpulse-reader",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 50,
    }
    consumer = Consumer(config)
    try:
        yield consumer
    except KafkaException as fault:
        raise CallerFault(f"Kafka at {settings.required_kafka()}: {fault.args[0].str()}; is it up?") from fault
    finally:
        consumer.close()


def partitions(consumer: Consumer, topic: str) -> list[int]:
    """The partitions of a topic. Raises UsageFault for one that is not there."""
    found = consumer.list_topics(topic, _SECONDS).topics[topic]
    if found.error is not None:
        names = sorted(name for name in consumer.list_topics(timeout=_SECONDS).topics if name.startswith("rx."))
        raise UsageFault(f"there is no topic {topic}; there are {', '.join(names) or 'none: `rxpulse topics create`'}")
    return sorted(found.partitions)


def extent(consumer: Consumer, topic: str, partition: int) -> Extent:
    """The offsets that a partition holds now."""
    return Extent(*consumer.get_watermark_offsets(TopicPartition(topic, partition), _SECONDS))


def ranged(consumer: Consumer, topic: str, partition: int, wanted: Extent) -> Iterator[Message]:
    """The records of a partition from `wanted.low` up to and without `wanted.high`, both within what it holds."""
    if wanted.low >= wanted.high:
        return
    consumer.assign([TopicPartition(topic, partition, wanted.low)])
    for message in _batches(consumer):
        if _at_end(message):
            return
        if _offset(message) >= wanted.high:
            return
        yield message
        if _offset(message) + 1 >= wanted.high:
            return


def tail(consumer: Consumer, topic: str, follow: bool) -> Iterator[Message]:
    """Every record that a topic holds, and with `follow` all that come afterwards, until the reader stops asking."""
    places = [
        TopicPartition(topic, number, extent(consumer, topic, number).low) for number in partitions(consumer, topic)
    ]
    consumer.assign(places)
    open_ends = {place.partition for place in places}
    while follow or open_ends:
        for message in consumer.consume(_AT_ONCE, _PATIENCE):
            if _at_end(message):
                open_ends.discard(message.partition() or 0)
            else:
                yield message


def record_of(message: Message) -> Record:
    """A record as the worker sees it."""
    _, milliseconds = message.timestamp()
    partition = message.partition()
    assert partition is not None
    received = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return Record(partition, _offset(message), message.key(), message.value() or b"", received)


def _batches(consumer: Consumer) -> Iterator[Message]:
    quiet = 0.0
    while True:
        messages = consumer.consume(_AT_ONCE, _PATIENCE)
        quiet = 0.0 if messages else quiet + _PATIENCE
        if quiet > _QUIET_SECONDS:
            raise CallerFault(f"Kafka has sent no record for {quiet:.0f} s: is it up?")
        yield from messages


def _at_end(message: Message) -> bool:
    """Whether this is the word that the end is reached; any other fault is raised."""
    fault = message.error()
    if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(fault)
    return fault is not None


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset
