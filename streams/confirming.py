"""The intake's producer: what a sender is told was taken has been confirmed by the broker, record by record.

A sender waits for the answer, so a broker that is away is said within seconds; the sender tries again, and what had
arrived already changes nothing the second time.
"""

from collections.abc import Sequence
from threading import Lock
from time import monotonic

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer
from kafka.errors import KafkaConnectionError, KafkaError
from kafka.producer.future import FutureRecordMetadata

from models.settings import Settings
from models.wire import MAX_RECORD
from streams.connection import confluent, kafka_python
from streams.intake.reception import Unconfirmed
from streams.topics import EVENTS

_SECONDS = 10.0
"""How long a request waits for the broker."""
_ASKED_SECONDS = 2.0


class Confirming:
    """A producer into `rx.events` for several threads. It connects when the first events come."""

    def __init__(self, settings: Settings) -> None:
        """Raises CallerFault where the settings name no broker."""
        settings.required_kafka()
        self._settings = settings
        self._admin = AdminClient(confluent(settings))
        self._lock = Lock()
        self._producer: KafkaProducer | None = None

    def deliver(self, records: Sequence[tuple[str, bytes]]) -> None:
        """Sends (subject, record) and waits until the broker has every one of them. Raises Unconfirmed."""
        give_up = monotonic() + _SECONDS
        confirmed = 0
        try:
            producer = self._connected()
            sent = [producer.send(EVENTS, value=record, key=subject.encode()) for subject, record in records]
            for one in sent:
                _wait(one, give_up)
                confirmed += 1
        except KafkaError as fault:
            raise Unconfirmed(confirmed, len(records), f"Kafka does not take them ({type(fault).__name__})") from fault

    def missing(self) -> str | None:
        """What is missing for events to be taken; None where nothing is."""
        try:
            topics = self._admin.list_topics(timeout=_ASKED_SECONDS).topics
        except KafkaException:
            return "Kafka does not answer"
        return None if EVENTS in topics else f"Kafka has no topic {EVENTS}: make it with `rxpulse topics create`"

    def close(self) -> None:
        """Sends what is on its way, then ends."""
        if self._producer is not None:
            self._producer.close(timeout=_SECONDS)

    def _connected(self) -> KafkaProducer:
        with self._lock:
            if self._producer is None:
                # kafka-python leaves connections open when it finds no broker on its first attempt.
                if missing := self.missing():
                    raise KafkaConnectionError(missing)
                self._producer = KafkaProducer(
                    **kafka_python(self._settings),
                    # Its own partitioner is the murmur2 of the subject that all of RxPulse uses.
                    acks="all",
                    enable_idempotence=True,
                    linger_ms=2,
                    max_request_size=2 * MAX_RECORD,
                    max_block_ms=int(_SECONDS * 500),
                    request_timeout_ms=int(_SECONDS * 500),
                    delivery_timeout_ms=int(_SECONDS * 1000),
                    bootstrap_timeout_ms=int(_SECONDS * 500),
                )
            return self._producer


def _wait(sent: FutureRecordMetadata, give_up: float) -> None:
    sent.get(timeout=max(give_up - monotonic(), 0.001))
