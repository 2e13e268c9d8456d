"""Reading a topic from outside the worker: a range of offsets for whoever recomputes or exports, or on and on for whoever
looks at what flows.

These readers belong to no group and move nobody's offsets.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from models.errors import CallerFault, UsageFault
from models.settings import Settings
from streams.admission import Record, dropped_before
from streams.connection import confluent

_SECONDS = 10.0
_QUIET_SECONDS = 30.0
"""Seconds without a record that the topic should hold, after which the broker is given up."""
_AT_ONCE = 2_000
_PATIENCE = 0.5


@dataclass(frozen=True, slots=True)
class Extent:
    """The offsets that a partition of a topic holds: from `low` up to and without `high`."""

    low: int
    high: int


class Whence(Enum):
    """Where reading a topic begins: with the first record that it holds, or with the next that comes."""

    BEGINNING = "beginning"
    END = "end"


@dataclass(frozen=True, slots=True)
class Offset:
    """From this offset on, in each partition; from the nearest one that it holds."""

    number: int


@dataclass(frozen=True, slots=True)
class Latest:
    """With so many records before the end, over all partitions; at least 1."""

    count: int


Start = Whence | Offset | Latest


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
        if at_end(message):
            return
        if _offset(message) >= wanted.high:
            return
        yield message
        if _offset(message) + 1 >= wanted.high:
            return


def tail(consumer: Consumer, topic: str, start: Start, follow: bool) -> Iterator[Message]:
    """The records that a topic holds from there on, and with `follow` all that come afterwards, until the reader stops
    asking."""
    held = {number: extent(consumer, topic, number) for number in partitions(consumer, topic)}
    if isinstance(start, Latest):
        yield from _latest(consumer, topic, held, start.count)
    if follow or not isinstance(start, Latest):
        consumer.assign([TopicPartition(topic, number, _first(start, there)) for number, there in held.items()])
        yield from _flow(consumer, set(held), follow)


def listen(consumer: Consumer, topic: str) -> None:
    """From now on the consumer gets what comes to the end of the topic."""
    places = [
        TopicPartition(topic, number, extent(consumer, topic, number).high) for number in partitions(consumer, topic)
    ]
    consumer.assign(places)


def heard(consumer: Consumer, seconds: float) -> list[Message]:
    """What came since the last call, as soon as there is something; nothing where nothing comes within the seconds."""
    first = consumer.poll(seconds)
    found = [] if first is None else [first, *consumer.consume(_AT_ONCE, 0)]
    return [message for message in found if not at_end(message)]


def beyond(consumer: Consumer, topic: str, start: Start) -> int | None:
    """Where the longest partition of the topic ends, if `start` lies there or later, so that nothing is held from there
    on; else None."""
    if not isinstance(start, Offset):
        return None
    end = max(extent(consumer, topic, number).high for number in partitions(consumer, topic))
    return end if start.number >= end else None


def _first(start: Start, held: Extent) -> int:
    match start:
        case Whence.BEGINNING:
            return held.low
        case Offset(number):
            return min(max(number, held.low), held.high)
        case _:
            return held.high


def _latest(consumer: Consumer, topic: str, held: Mapping[int, Extent], count: int) -> list[Message]:
    """The latest of all partitions, in the order of the broker's time."""
    found = [
        message
        for number, there in held.items()
        for message in ranged(consumer, topic, number, Extent(max(there.low, there.high - count), there.high))
    ]
    return sorted(found, key=lambda message: message.timestamp()[1])[-count:]


def _flow(consumer: Consumer, open_ends: set[int], follow: bool) -> Iterator[Message]:
    while follow or open_ends:
        for message in consumer.consume(_AT_ONCE, _PATIENCE):
            if at_end(message):
                open_ends.discard(message.partition() or 0)
            else:
                yield message


def record_of(message: Message) -> Record:
    """A record as the worker sees it."""
    partition = message.partition()
    assert partition is not None
    headers = message.headers()
    dropped = dropped_before(headers) if headers else 0
    return Record(partition, _offset(message), message.key(), message.value() or b"", received(message), dropped)


def received(message: Message) -> datetime:
    """When the broker received a record, UTC: an instant that many of a backlog share."""
    return _instant(message.timestamp()[1])


@lru_cache(maxsize=1 << 10)
def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _batches(consumer: Consumer) -> Iterator[Message]:
    quiet = 0.0
    while True:
        messages = consumer.consume(_AT_ONCE, _PATIENCE)
        quiet = 0.0 if messages else quiet + _PATIENCE
        if quiet > _QUIET_SECONDS:
            raise CallerFault(f"Kafka has sent no record for {quiet:.0f} s: is it up?")
        yield from messages


def at_end(message: Message) -> bool:
    """Whether this is the word that the end is reached; any other fault is raised."""
    fault = message.error()
    if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(fault)
    return fault is not None


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None
    return offset
