"""The topics of RxPulse, declared once: what each holds, how it is keyed, how long it is kept.

`rx.events` is the record of everything that happened; the others are made from it. A topic that exists is left as it is
and held against the declaration: what differs is said, for only an operator may change what is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from models.errors import CallerFault
from models.settings import Settings
from models.wire import MAX_RECORD
from streams.connection import kafka_python

DAY_MS = 86_400_000
EVENTS, INTERVALS, SIGNALS, DEADLETTER, CONTROL = (
    "rx.events",
    "rx.intervals",
    "rx.signals",
    "rx.deadletter",
    "rx.control",
)
_OVERHEAD = 4096
"""What a record's key and headers may add to its value."""


@dataclass(frozen=True, slots=True)
class Topic:
    """`key` says what records are keyed by, None for none; `partitions` None: as many as the settings say."""

    name: str
    key: str | None
    holds: str
    partitions: int | None
    config: Mapping[str, str]


def declared(settings: Settings) -> tuple[Topic, ...]:
    """Every topic, as these settings want it."""
    kept = str(settings.retention_days * DAY_MS)
    # Receipt at the worker is the broker's own time, whoever produced the record. What was put aside is held against it,
    # so that is the broker's time too: a host whose clock is wrong would not know its own dead letters again.
    received = {"retention.ms": kept, "message.timestamp.type": "LogAppendTime"}
    events = {**received, "max.message.bytes": str(MAX_RECORD + _OVERHEAD)}
    big = {**received, "max.message.bytes": str(2 * MAX_RECORD)}
    return (
        Topic(EVENTS, "case id", "everything that happened: the record", None, events),
        Topic(INTERVALS, "case id", "closed clocks: the public turnaround feed", None, {"retention.ms": kept}),
        Topic(SIGNALS, "signal id", "signals raised and cleared: the public alert feed", None, {"retention.ms": kept}),
        Topic(DEADLETTER, None, "what could not be read, and why", 1, big),
        Topic(CONTROL, None, "policy changed, replay asked", 1, {"retention.ms": str(7 * DAY_MS)}),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one topic: made, or there already with `differences` from its declaration."""

    name: str
    made: bool
    differences: tuple[str, ...] = ()


def create(settings: Settings) -> list[Outcome]:
    """Makes the topics that are missing. Raises CallerFault where the broker refuses or does not answer."""
    try:
        admin = KafkaAdminClient(**kafka_python(settings))
    except KafkaError as fault:
        raise CallerFault(f"Kafka at {settings.required_kafka()} does not answer ({fault}): is it up?") from fault
    try:
        return [_create(admin, settings, topic) for topic in declared(settings)]
    except KafkaError as fault:
        raise CallerFault(f"Kafka refused a topic: {fault}") from fault
    finally:
        admin.close()


def _create(admin: KafkaAdminClient, settings: Settings, topic: Topic) -> Outcome:
    partitions = topic.partitions or settings.partitions
    if topic.name not in admin.list_topics():
        wanted = {"num_partitions": partitions, "configs": dict(topic.config)}
        try:
            admin.create_topics({topic.name: wanted}, wait_for_metadata=True)
            return Outcome(topic.name, made=True)
        except TopicAlreadyExistsError:
            # Another worker was faster.
            pass
    return Outcome(topic.name, made=False, differences=tuple(_differences(admin, topic, partitions)))


def _differences(admin: KafkaAdminClient, topic: Topic, partitions: int) -> Iterator[str]:
    there = len(admin.describe_topics([topic.name])[0]["partitions"])
    if there != partitions:
        yield f"it has {there} partitions, and the settings say {partitions}"
    resource = ConfigResource(ConfigResourceType.TOPIC, topic.name)
    values = admin.describe_configs([resource])["topic"][topic.name]
    for name, wanted in topic.config.items():
        found = values.get(name, {}).get("value", "at the broker's default")
        if found != wanted:
            yield f"{name} is {found}, and the declaration says {wanted}"
