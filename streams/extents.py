"""What a partition of the topic holds, against what the store says was applied of it.

The store is a fold of the topic up to its positions. Where the topic does not hold what comes next, or holds something else
where the last record was, going on would skip events without a word: the worker stops on purpose instead, and says what to do.
"""

from datetime import datetime

from confluent_kafka import Message

from models.errors import CallerFault
from streams.feed import Extent, at_end, received
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
            " the store from this topic with `rxpulse reset --facts`"
        )
    raise TopicDiffers(
        f"partition {partition} of {EVENTS} begins at {extent.low}, and the store has applied it only up to {position}:"
        f" {extent.low - position} records were deleted before they were read. Restore them, or accept the gap by"
        " rebuilding the store with `rxpulse reset --facts`"
    )


def check_same(partition: int, offset: int, applied: datetime, found: Message) -> None:
    """Raises TopicDiffers where what was `found` from that offset on is not the record that the store applied last, received by
    the broker at the instant `applied`; KafkaException where nothing could be read."""
    if not at_end(found) and found.offset() == offset and received(found) == applied:
        return
    raise TopicDiffers(
        f"partition {partition} of {EVENTS} does not hold at offset {offset} the record of"
        f" {applied.isoformat(timespec='milliseconds')} that the store applied last: the topic lost its end, was made anew or"
        " restored from an older copy, and has grown since, so events lie before that offset which were never read. Give the"
        " right RXPULSE_KAFKA, or rebuild the store from this topic with `rxpulse reset --facts`"
    )
