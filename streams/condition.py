"""What the topics hold now, for whoever looks after a stack: whose cluster it is, what is kept, what was put aside."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Consumer

from models.settings import Settings
from models.store.soundness import Place
from streams.aside import why_aside
from streams.extents import TopicDiffers, check_last
from streams.feed import Extent, extent, partitions, ranged, reader, received
from streams.topics import DEADLETTER, EVENTS

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PutAside:
    """The latest dead letter: its closed reason, when (UTC) it was put aside, and its offset."""

    reason: str
    at: datetime
    offset: int


@dataclass(frozen=True, slots=True)
class Condition:
    """`extents` by partition of the events; `replaced` are those that hold another record where the one lay that was applied
    last. `dead_letters` is how many are kept, `last` None where there is none."""

    cluster: str
    extents: dict[int, Extent]
    replaced: frozenset[int]
    dead_letters: int
    last: PutAside | None


def condition(settings: Settings, places: Iterable[Place]) -> Condition:
    """How the topics are, and whether they hold what was applied last up to each of the `places`. Raises CallerFault where
    Kafka does not answer or has no topics yet."""
    with reader(settings) as consumer:
        cluster = consumer.list_topics(EVENTS, _SECONDS).cluster_id
        events = {number: extent(consumer, EVENTS, number) for number in partitions(consumer, EVENTS)}
        aside = [(number, extent(consumer, DEADLETTER, number)) for number in partitions(consumer, DEADLETTER)]
        latest = [found for number, held in aside if (found := _last(consumer, number, held)) is not None]
        count = sum(held.high - held.low for _, held in aside)
        replaced = frozenset(one.partition for one in places if _replaced(consumer, one, events.get(one.partition)))
        return Condition(cluster or "", events, replaced, count, max(latest, key=lambda one: one.at, default=None))


def _replaced(consumer: Consumer, place: Place, held: Extent | None) -> bool:
    if held is None or place.received is None or not held.low < place.position <= held.high:
        # What the extents say of that is another fault, or none.
        return False
    try:
        check_last(consumer, place.partition, place.position, place.received, held)
    except TopicDiffers:
        return True
    return False


def _last(consumer: Consumer, partition: int, held: Extent) -> PutAside | None:
    for message in ranged(consumer, DEADLETTER, partition, Extent(max(held.low, held.high - 1), held.high)):
        why = why_aside(message)
        return PutAside("not said" if why is None else why.reason, received(message), message.offset() or 0)
    return None
