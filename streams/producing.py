"""Events go into Kafka: many at once, from a file or a simulation, each confirmed by the broker or named as missing.

Whoever feeds sends events as fast as he has them and asks at the end. What the broker did not confirm is an error that
says how many events lie in the topic, how many do not and why; giving the same events again does no harm, for an event
that is there already changes nothing.
"""

from collections.abc import Mapping
from time import monotonic

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from models.errors import CallerFault
from models.event import Event
from models.settings import Settings
from models.wire import MAX_RECORD, encode
from streams.connection import confluent
from streams.topics import EVENTS

_ANSWER_SECONDS = 10.0
_DELIVERY_MS = 60_000
"""How long the broker may be away before an event counts as not sent."""
_FULL_SECONDS = 0.1
_LEFT_SECONDS = 0.02
_EVERY = 4096
"""Events between two looks at what the broker refused."""


class NotSent(CallerFault):
    """`confirmed` events lie in the topic, `missing` do not, or nobody knows."""

    def __init__(self, confirmed: int, missing: int, why: str) -> None:
        super().__init__(
            f"{confirmed} events lie in {EVENTS}, {missing} do not: {why}. Mend that and send all of them again: what is"
            " there already changes nothing"
        )
        self.confirmed, self.missing = confirmed, missing


def producer_settings(settings: Settings) -> dict[str, object]:
    """What every producer of `rx.events` needs: the worker's partitioner, every record confirmed by all replicas and
    written once, records up to the bound of the format."""
    return {
        **confluent(settings),
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
        "message.max.bytes": 2 * MAX_RECORD,
        "delivery.timeout.ms": _DELIVERY_MS,
    }


class Feeding:
    """A stream of events into `rx.events`, in the order given for each subject. For one thread."""

    def __init__(self, settings: Settings, linger_ms: int = 20) -> None:
        """`linger_ms`: how long a record may wait for company. Raises CallerFault where Kafka does not answer or has no
        topic for events."""
        self._producer = Producer(
            {
                **producer_settings(settings),
                "linger.ms": linger_ms,
                "batch.size": MAX_RECORD,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 200_000,
                # What arrives need not be said one by one: who finishes knows that nothing is left and nothing failed.
                "delivery.report.only.error": True,
            }
        )
        self._sent = 0
        self._failed = 0
        self._why: KafkaError | None = None
        _require_topic(self._producer, settings)

    @property
    def confirmed(self) -> int:
        """Events that lie in the topic by now."""
        return max(self._sent - self._failed - len(self._producer), 0)

    def send(self, event: Event) -> None:
        """One event. It may wait for room; raises NotSent soon after the broker refused an earlier one."""
        self.send_record(event.subject, encode(event))

    def send_record(self, subject: str, record: bytes, headers: Mapping[str, bytes] | None = None) -> None:
        """One event that is encoded already; `headers` go with it."""
        self._sent += 1
        while not self._taken(subject, record, headers):
            self._hear(_FULL_SECONDS)
            self._check()
        if self._sent % _EVERY == 0:
            self._hear(0)
            self._check()

    def finish(self) -> int:
        """Waits until the broker has confirmed every event, and returns how many. Raises NotSent."""
        # A record that the broker leaves unanswered fails by itself within the delivery timeout.
        give_up = monotonic() + _DELIVERY_MS / 1000 + _ANSWER_SECONDS
        # Not `flush`: where the producer meets its end in there, the answers for its records fail with it.
        while len(self._producer) and monotonic() < give_up:
            self._hear(_LEFT_SECONDS)
        if self._why is not None or len(self._producer):
            raise NotSent(self.confirmed, self._sent - self.confirmed, self._reason())
        return self._sent

    def _taken(self, subject: str, record: bytes, headers: Mapping[str, bytes] | None) -> bool:
        """False where there is no room yet."""
        try:
            self._producer.produce(
                EVENTS, record, subject, headers=dict(headers) if headers else None, on_delivery=self._refused
            )
        except BufferError:
            return False
        except KafkaException as fault:
            self._failed += 1
            self._why = self._why or fault.args[0]
        return True

    def _hear(self, seconds: float) -> None:
        """Hears what the broker refused. An error that ends the producer is said once, before the answers for the records
        on their way, and tells more than those."""
        try:
            self._producer.poll(seconds)
        except KafkaException as fault:
            self._why = fault.args[0]

    def _check(self) -> None:
        if self._why is not None:
            self.finish()

    def _refused(self, fault: KafkaError | None, _: Message) -> None:
        if fault is not None:
            self._failed += 1
            self._why = self._why or fault

    def _reason(self) -> str:
        return "the broker does not answer" if self._why is None else self._why.str()


def _require_topic(producer: Producer, settings: Settings) -> None:
    address = settings.required_kafka()
    try:
        # All topics: to ask for one by name would make it, with the broker's own defaults.
        known = producer.list_topics(timeout=_ANSWER_SECONDS).topics
    except KafkaException as fault:
        raise CallerFault(f"Kafka at {address} does not answer ({fault.args[0].str()}): is it up?") from fault
    if EVENTS not in known:
        raise CallerFault(f"Kafka at {address} has no topic {EVENTS}: make it with `rxpulse topics create`")
