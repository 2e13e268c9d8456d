"""What was put aside: why each record was and where it came from, and what of it was put aside before.

A worker that ends between putting a record aside and writing its position reads that record again, and so does a store
whose facts are made anew from the topic. Each dead letter says where it came from; whoever knows that puts nothing aside
twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Consumer, Message

from models.settings import Settings
from streams.deadletter import Origin
from streams.feed import Extent, extent, partitions, ranged, reader, received
from streams.topics import DEADLETTER

LATEST = 50_000
"""Dead letters that are looked at where reading goes on: what was read and never written left no more."""


@dataclass(frozen=True, slots=True)
class Why:
    """A dead letter without its content: when (UTC) it was put aside, the closed reason, the place and remedy in words,
    and where it came from, as its headers say."""

    at: datetime
    reason: str
    detail: str
    topic: str
    partition: str
    offset: str


def why_aside(letter: Message) -> Why | None:
    """What a record says of why it was put aside; None for one that says nothing of it, as records of other topics."""
    headers = dict(letter.headers() or [])
    if "reason" not in headers:
        return None
    names = ("reason", "detail", "topic", "partition", "offset")
    said = [(headers.get(name) or b"not said").decode(errors="backslashreplace") for name in names]
    return Why(received(letter), *said)


def put_aside(settings: Settings, positions: Mapping[int, int], *, entire: bool) -> dict[Origin, datetime]:
    """The records at or behind these positions (by partition) that lie among the dead letters, each with when (UTC) it was
    put there. `entire`: among all of them, not the latest alone. Raises CallerFault where Kafka does not answer."""
    with reader(settings) as consumer:
        return {
            origin: at
            for origin, at in _origins(_letters(consumer, None if entire else LATEST))
            if origin.offset >= positions.get(origin.partition, origin.offset + 1)
        }


def _letters(consumer: Consumer, latest: int | None) -> Iterator[Message]:
    """What lies in the topic now; of each partition the latest alone where a number says how many."""
    for number in partitions(consumer, DEADLETTER):
        held = extent(consumer, DEADLETTER, number)
        first = held.low if latest is None else max(held.low, held.high - latest)
        yield from ranged(consumer, DEADLETTER, number, Extent(first, held.high))


def _origins(letters: Iterator[Message]) -> Iterator[tuple[Origin, datetime]]:
    """Where they came from; a record that somebody else put there may not say it."""
    for letter in letters:
        why = why_aside(letter)
        if why is not None and why.partition.isdigit() and why.offset.isdigit():
            yield Origin(int(why.partition), int(why.offset)), why.at
