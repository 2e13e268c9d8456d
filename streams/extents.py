"""What a partition of the topic holds, against what the store says was applied of it.

The store is a fold of the topic up to its positions. Where the topic does not hold what comes next, or holds something else
where the last record was, going on would skip events without a word: the worker stops on purpose instead, and says what to do,
and what it costs.
"""

from datetime import datetime

from confluent_kafka import Consumer, Message

from models.errors import CallerFault, OurFault
from models.store.ledger import RESET
from streams.feed import Extent, at_end, ranged, received
from streams.topics import EVENTS


class TopicDiffers(CallerFault):
    """The topic does not hold what the store's positions say was applied, or comes next."""


def check_held(partition: int, position: int, extent: Extent) -> None:
    """Raises TopicDiffers where the topic does not hold the store's position, from which on it is to be read."""
    if extent.low <= position <= extent.high:
        return
    if position > extent.high:
        raise TopicDiffers(
            f"partition {partition} of {EVENTS} ends at {extent.high}, and the store has applied it up to {position}:"
            " the topic lost its end, was made anew or restored from an older copy. Give the right RXPULSE_KAFKA, or rebuild"
            f" the store from this topic with {RESET}"
        )
    raise TopicDiffers(
        f"partition {partition} of {EVENTS} begins at {extent.low}, and the store has applied it only up to {position}:"
        f" {extent.low - position} records were deleted before they were read. Restore them, or accept the gap by"
        f" rebuilding the store with {RESET}"
    )


class EndsShort(OurFault):
    """A partition seems to end before the record that was applied last. Whoever starts now asks again where it ends: a broker
    that has just become its leader may say for a moment that it ends before its own last records."""


def check_same(partition: int, offset: int, applied: datetime, found: Message | None) -> None:
    """Raises TopicDiffers where what was `found` first from that offset on is not the record that the store applied last,
    received by the broker at the instant `applied`; None: no record lies there any more. Raises EndsShort where the partition
    ends there, KafkaException where nothing could be read."""
    if found is not None:
        ended, at = at_end(found), found.offset()
        if not ended and at == offset and received(found) == applied:
            return
        if ended and (at is None or at <= offset):
            raise EndsShort(
                f"partition {partition} of {EVENTS} ends at {at}, and a moment ago it ended behind {offset}"
            )
    raise TopicDiffers(
        f"partition {partition} of {EVENTS} does not hold at offset {offset} the record of"
        f" {applied.isoformat(timespec='milliseconds')} that the store applied last: the topic lost its end, was made anew or"
        " restored from an older copy, and has grown since, so events lie before that offset which were never read. Give the"
        f" right RXPULSE_KAFKA, or rebuild the store from this topic with {RESET}"
    )


def check_last(consumer: Consumer, partition: int, position: int, applied: datetime, held: Extent) -> None:
    """Reads the record before `position`, which lies within what is `held`, from outside the worker. Raises as `check_same`."""
    found = next(ranged(consumer, EVENTS, partition, Extent(position - 1, held.high)), None)
    check_same(partition, position - 1, applied, found)
