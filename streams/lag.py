"""How far the topic of events reaches: what is there, set against what was applied, is what is still to come."""

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from models.errors import CallerFault
from models.settings import Settings
from streams.connection import confluent
from streams.topics import EVENTS

_SECONDS = 5.0


def ends(settings: Settings) -> dict[int, int]:
    """The end offset of each partition of the events; empty before there is a topic. Raises CallerFault where Kafka does
    not answer."""
    return _offsets(settings, OffsetSpec.latest())


def beginnings(settings: Settings) -> dict[int, int]:
    """The offset of the earliest record that each partition still holds, in the same way."""
    return _offsets(settings, OffsetSpec.earliest())


def _offsets(settings: Settings, wanted_offset: OffsetSpec) -> dict[int, int]:
    # A broker that is away is told by the answer, once, and not by librdkafka again and again.
    admin = AdminClient({**confluent(settings), "log_level": 0})
    try:
        topic = admin.list_topics(timeout=_SECONDS).topics.get(EVENTS)
        if topic is None:
            return {}
        wanted = {TopicPartition(EVENTS, number): wanted_offset for number in topic.partitions}
        answers = admin.list_offsets(wanted, request_timeout=_SECONDS)
        return {part.partition: answer.result().offset for part, answer in answers.items()}
    except KafkaException as fault:
        raise CallerFault(f"Kafka at {settings.required_kafka()} does not answer: {fault.args[0].str()}") from fault
