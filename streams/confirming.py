"""The intake's producer: what a sender is told was taken has been confirmed by the broker, record by record.

A sender waits for the answer, so a broker that is away is said within seconds; the sender tries again, and what had
arrived already changes nothing the second time.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from models.settings import Settings
from streams.admission import DROPPED
from streams.intake.reception import Cleaned, Unconfirmed
from streams.producing import producer_settings
from streams.topics import EVENTS

log = logging.getLogger(__name__)
_SECONDS = 10.0
"""How long a request waits for the broker."""
_POLL_SECONDS = 0.05
_ASKED_SECONDS = 2.0


@dataclass(slots=True)
class _Sending:
    """The records of one request: how many are confirmed, how many were refused, and why: the first reason, or the
    one that ended the producer."""

    confirmed: int = 0
    refused: int = 0
    why: KafkaError | None = None

    @property
    def answered(self) -> int:
        return self.confirmed + self.refused

    @property
    def ended(self) -> bool:
        """Whether the producer takes nothing any more. It says the reason once, to whoever polls then; that reason is
        fatal. Afterwards it refuses records with a code of its own, which is not."""
        return self.why is not None and (self.why.fatal() or self.why.code() == KafkaError._FATAL)

    def delivered(self, fault: KafkaError | None, _: Message) -> None:
        if fault is None:
            self.confirmed += 1
        else:
            self.refused += 1
            self.why = self.why or fault

    def heard(self, fault: KafkaError) -> None:
        """The producer itself failed; the first reason that ended it stands."""
        if not self.ended:
            self.why = fault


class Confirming:
    """A producer into `rx.events` for several threads: whichever waits also hears the answers for the others."""

    def __init__(self, settings: Settings) -> None:
        """Raises CallerFault where the settings name no broker; does not wait for one."""
        self._settings = producer_settings(settings) | {"delivery.timeout.ms": int(_SECONDS * 1000), "linger.ms": 2}
        self._producer = Producer(self._settings)

    def deliver(self, records: Sequence[Cleaned]) -> None:
        """Sends them and waits until the broker has every one. Raises Unconfirmed."""
        give_up = monotonic() + _SECONDS + 1
        producer, sending = self._producer, _Sending()
        for record in records:
            if not _put(producer, record, sending, give_up):
                break
        else:
            while sending.answered < len(records) and monotonic() < give_up:
                _hear(producer, sending)
        if sending.ended:
            self._renew(producer)
        if sending.confirmed < len(records):
            why = "Kafka does not answer" if sending.why is None else f"Kafka does not take them ({sending.why.str()})"
            raise Unconfirmed(sending.confirmed, len(records), why)

    def missing(self) -> str | None:
        """What is missing for events to be taken; None where nothing is."""
        try:
            topics = self._producer.list_topics(timeout=_ASKED_SECONDS).topics
        except KafkaException:
            return "Kafka does not answer"
        return None if EVENTS in topics else f"Kafka has no topic {EVENTS}: make it with `rxpulse topics create`"

    def close(self) -> None:
        """Sends what is on its way, then ends."""
        give_up, last = monotonic() + _SECONDS, _Sending()
        # Not `flush`: where the producer meets its end in there, the answers for its records fail with it.
        while len(self._producer) and monotonic() < give_up:
            _hear(self._producer, last)
        if last.why is not None:
            log.warning("the producer ended before it was closed: %s", last.why.str())

    def _renew(self, ended: Producer) -> None:
        # Another thread may have been first.
        if self._producer is ended:
            self._producer = Producer(self._settings)


def _put(producer: Producer, record: Cleaned, sending: _Sending, give_up: float) -> bool:
    """False where the producer takes no more."""
    headers: dict[str, str | bytes | None] | None = {DROPPED: str(record.dropped).encode()} if record.dropped else None
    while monotonic() < give_up:
        try:
            producer.produce(EVENTS, record.value, record.subject, headers=headers, on_delivery=sending.delivered)
            return True
        except BufferError:
            _hear(producer, sending)
        except KafkaException as fault:
            sending.heard(fault.args[0])
            return False
    return False


def _hear(producer: Producer, sending: _Sending) -> None:
    """Hears the broker's answers. After an error that ends the producer it answers for the records on their way as well."""
    try:
        producer.poll(_POLL_SECONDS)
    except KafkaException as fault:
        sending.heard(fault.args[0])
