"""The topic of events read again from outside the worker, as it stood when the reading began: for whoever computes figures
from it without a database."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from confluent_kafka import Consumer

from models.errors import UsageFault
from models.wire import Decoded, Rejected
from streams.admission import Record, examine
from streams.feed import Extent, extent, partitions, ranged, record_of
from streams.topics import EVENTS


def stretches(consumer: Consumer, wanted: Collection[int] | None) -> dict[int, Extent]:
    """What each of the partitions `wanted` (None: all) holds now. Raises UsageFault for one that the topic does not have,
    CallerFault where Kafka does not answer."""
    there = partitions(consumer, EVENTS)
    if wanted is not None and (strange := sorted(set(wanted) - set(there))):
        named = ", ".join(map(str, strange))
        raise UsageFault(f"--partitions {named}: {EVENTS} has the partitions 0 to {max(there)}; give some of these")
    return {number: extent(consumer, EVENTS, number) for number in there if wanted is None or number in wanted}


def records(consumer: Consumer, held: Mapping[int, Extent]) -> Iterator[Record]:
    """The records within these offsets, partition by partition."""
    for number, there in held.items():
        yield from (record_of(message) for message in ranged(consumer, EVENTS, number, there))


def judged(found: Iterable[Record]) -> Iterator[tuple[Record, Decoded | Rejected]]:
    """Each record with what it holds, judged as the worker does before it asks a policy: receipt, which stands in for a
    missing `recorded`, is the broker's time."""
    return ((record, examine(record, None)) for record in found)
