"""What Kafka remembers is lost, what was not read is deleted, and the topic gets more partitions.

Seen red when reading began at Kafka's offsets, when a gap was skipped, when another number of partitions was taken as it
came, and when what lies where its case belongs no more was taken there, or not sent on.
"""

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from models.event_types import SIGNS_OF_LIFE
from models.wire import encode
from streams.app import STOPPED_ON_PURPOSE
from streams.topics import EVENTS
from tests.faults.proof import (
    all_differ,
    came_after,
    foretold,
    prove,
    recomputed,
    right,
    said_otherwise,
    store_differs,
    tally_differs,
    topics_differ,
)
from tests.faults.trial import Trial
from tests.live import GROUP, PARTITIONS, empty_group, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
STOOD = "SELECT partition, position, sequence, accepted, duplicates, rejected FROM positions ORDER BY 1"


def stopped_halfway(trial: Trial) -> None:
    """Half of the feed is applied, and the worker has stopped in peace."""
    trial.hire()
    trial.forget_to_verify(2)
    trial.feed(trial.total // 2)
    trial.rest()


def administer(trial: Trial) -> KafkaAdminClient:
    return KafkaAdminClient(bootstrap_servers=trial.kafka)


def test_kafka_has_forgotten_the_offsets_or_says_others(trial: Trial) -> None:
    """The group is deleted; then it comes back with offsets at the end of everything: the store's positions decide."""
    stopped_halfway(trial)
    trial.feed(trial.total // 4)
    admin = administer(trial)
    empty_group(admin)
    admin.close()
    groups = AdminClient({"bootstrap.servers": trial.kafka})
    groups.delete_consumer_groups([GROUP])[GROUP].result(30)
    trial.hire()
    trial.progress()
    trial.dismiss()
    trial.feed(len(trial.left))
    admin = administer(trial)
    empty_group(admin)
    admin.close()
    consumer = Consumer({"bootstrap.servers": trial.kafka, "group.id": GROUP})
    ends = [Place(EVENTS, number, end) for number, end in trial.ends().items()]
    consumer.commit(offsets=ends, asynchronous=False)
    consumer.close()
    trial.hire()
    trial.settle()
    prove(trial)


def test_records_were_deleted_before_they_were_read(trial: Trial) -> None:
    """A stop longer than the retention: refused with the remedy, nothing skipped, the store as it was."""
    stopped_halfway(trial)
    sent, stood = list(trial.sent), trial.rows(STOOD)
    trial.feed(trial.total // 4)
    admin = administer(trial)
    admin.delete_records({TopicPartition(EVENTS, number): position + 3 for number, position, *_ in stood})
    admin.close()
    for _ in range(2):
        worker = trial.worker()
        assert worker.ended() == STOPPED_ON_PURPOSE
        assert "were deleted before they were read" in worker.said() and "rxpulse reset --facts" in worker.said()
        assert trial.rows(STOOD) == stood
    told = foretold(trial, sent)
    right(*store_differs(trial, told), *tally_differs(trial, told, came_after(trial)), *said_otherwise(trial))
    accept_the_gap(trial)


def accept_the_gap(trial: Trial) -> None:
    """`rxpulse reset --facts`: the store is made from what the topic still holds, and nobody is told again."""
    trial.reset()
    trial.late.clear()
    trial.hire()
    trial.settle()
    held = {message.value() for message in trial.topic(EVENTS)}
    told = foretold(trial, [event for event in trial.sent if encode(event) in held])
    assert 0 < told.accepted < len(trial.sent)
    right(
        *store_differs(trial, told),
        *tally_differs(trial, told, came_after(trial)),
        *topics_differ(trial, told),
        *said_otherwise(trial),
        *trial.people.differs(set()),
    )


def test_the_topic_gets_more_partitions(trial: Trial) -> None:
    """Refused, for a case would be in two places; after `rxpulse reset --facts` everything finds its new place."""
    stopped_halfway(trial)
    stood = trial.rows(STOOD)
    admin = administer(trial)
    admin.create_partitions({EVENTS: PARTITIONS + 2})
    until(lambda: len(admin.describe_topics([EVENTS])[0]["partitions"]) == PARTITIONS + 2)
    worker = trial.worker()
    assert worker.ended() == STOPPED_ON_PURPOSE
    assert f"{PARTITIONS + 2} partitions" in worker.said() and "rxpulse reset --facts" in worker.said()
    assert trial.rows(STOOD) == stood
    trial.reset()
    # As after half a minute: a worker that comes back within its session is given its old partitions alone.
    empty_group(admin)
    admin.close()
    trial.hire()
    trial.feed(len(trial.left))
    trial.partitions = PARTITIONS + 2
    trial.settle()
    recomputed(trial)
    told = foretold(trial, trial.sent, partitions=PARTITIONS + 2)
    signs = sum(event.type in SIGNS_OF_LIFE for event in trial.sent)
    right(*all_differ(trial, told, signs))
