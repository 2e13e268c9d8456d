"""What cannot be an event is put aside, with the reason and where it came from.

The record goes on unchanged to a topic of its own before anything that came after it is applied, so nothing is lost and
somebody can mend it. When too many of the latest records are such, the worker stops on purpose: a bad release of a
sender must not drain the feed into the dead letters. It stops behind the last of them, so whoever has looked and starts
it again goes on with what comes next.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from confluent_kafka import KafkaError, Message, Producer

from models.errors import OurFault
from models.wire import MAX_RECORD, Rejected
from streams.topics import DEADLETTER, EVENTS

LARGEST = 2 * MAX_RECORD - 16_384
"""Bytes of a dead letter's value at most: the topic takes 2 MiB with key and headers. Only what was packed on its way can
be larger."""
LARGEST_KEY = 1024
"""Bytes of its key at most: that of an event is a case, and far shorter."""
_SECONDS = 30.0
_FULL_SECONDS = 0.1
_CLOCKS_APART = timedelta(seconds=30)
"""How far the clocks of two hosts may differ."""
ANYWHERE = -1
"""Whatever partition the producer chooses."""
ENTIRE = 1_000_000
"""A limit that no window reaches: what cannot be an event is put aside, however much of it comes."""


class Undelivered(OurFault):
    """The broker did not take a dead letter or a record to be put where it belongs."""


class TooManyDeadLetters(OurFault):
    """The feed is not what it should be; the worker stops until somebody has looked."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record lies: partition and offset of `rx.events`."""

    partition: int
    offset: int


class DeadLetters:
    """Puts aside; at most `limit` of the last `window` records may be, counted from the start of the process. `overrun`
    is set once there were more: the worker then writes what it has read, and ends with it."""

    def __init__(self, producer: Producer, limit: int, window: int) -> None:
        self._producer = producer
        self._limit = limit
        self._window = window
        self._seen = 0
        self._recent: deque[int] = deque()
        self._fault: KafkaError | None = None
        self._before: dict[Origin, datetime] = {}
        self.overrun: TooManyDeadLetters | None = None

    def remember(self, before: Mapping[Origin, datetime]) -> None:
        """Where records lie that were put aside before, each with when (UTC): they are not put aside again."""
        self._before |= before

    def known(self, origin: Origin, received: datetime) -> bool:
        """Whether the record, received then, was put aside before. A topic that was made anew has other records under
        the same offsets; those came later than what was put aside."""
        at = self._before.pop(origin, None)
        return at is not None and received <= at + _CLOCKS_APART

    def fine(self, records: int) -> None:
        """So many records were read that do not count towards the stop."""
        self._seen += records

    def put(self, key: bytes | None, value: bytes, origin: Origin, why: Rejected, *, counts: bool) -> None:
        """One dead letter. `counts`: it is one more towards the stop."""
        headers = {
            "reason": why.reason,
            "detail": why.detail,
            "topic": EVENTS,
            "partition": str(origin.partition),
            "offset": str(origin.offset),
        }
        if len(value) > LARGEST:
            headers["cut-from-bytes"] = str(len(value))
        if key is not None and len(key) > LARGEST_KEY:
            headers["key-cut-from-bytes"] = str(len(key))
            key = key[:LARGEST_KEY]
        self._send(DEADLETTER, key, value[:LARGEST], {name: text.encode() for name, text in headers.items()})
        if counts:
            self._count(why)
        else:
            self.fine(1)

    def reroute(self, key: bytes, value: bytes, origin: Origin, home: int) -> None:
        """The record once more, under its key in the partition `home`. The producer is not asked where that is: one that
        counts the partitions otherwise would send the record round and round."""
        self._send(EVENTS, key, value, {"rerouted-from": f"{origin.partition}:{origin.offset}".encode()}, home)

    def settle(self) -> None:
        """Waits until everything put so far lies with the broker. Raises Undelivered."""
        left = self._producer.flush(_SECONDS)
        if self._fault is not None or left:
            raise Undelivered(f"the broker did not take a dead letter: {self._fault or 'no answer'}")

    def _send(
        self, topic: str, key: bytes | None, value: bytes, headers: dict[str, bytes], partition: int = ANYWHERE
    ) -> None:
        give_up = monotonic() + _SECONDS
        while True:
            try:
                self._producer.produce(topic, value, key, partition, headers=headers, on_delivery=self._delivered)
                return
            except BufferError as fault:
                # No room until the broker has taken some of those before.
                if monotonic() > give_up:
                    raise Undelivered(
                        "the broker takes no more dead letters: is it up, and is its disk full?"
                    ) from fault
                self._producer.poll(_FULL_SECONDS)

    def _delivered(self, fault: KafkaError | None, _: Message) -> None:
        self._fault = self._fault or fault

    def _count(self, why: Rejected) -> None:
        self._seen += 1
        self._recent.append(self._seen)
        while self._recent[0] <= self._seen - self._window:
            self._recent.popleft()
        if len(self._recent) > self._limit:
            self.overrun = self.overrun or TooManyDeadLetters(
                f"{len(self._recent)} of the last {self._window} records cannot be events, the last one because:"
                f" {why.detail}. They lie in {DEADLETTER} (`rxpulse deadletter list`). Mend the sender, then"
                " start the worker again: it goes on behind them. To put aside all that is still to come at one go, start"
                f" it once with RXPULSE_DEADLETTER_LIMIT={ENTIRE}"
            )
