"""What Kafka remembers is lost, what was not read is deleted, the topic loses its end, and it gets more partitions.

Seen red when reading began at Kafka's offsets, when a gap was skipped, when one before the first record that was ever applied
of a partition was, when nobody asked whether the record before a position is the one that was applied, when another number of
partitions was taken as it came, and when what lies where its case belongs no more was taken there, or not sent on.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place
from confluent_kafka.admin import AdminClient
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from msgspec import structs

from models.event_types import SIGNS_OF_LIFE
from models.policy import Kind
from models.store.facts import snapshot
from models.wire import encode
from streams.admission import home
from streams.app import STOPPED_ON_PURPOSE
from streams.topics import EVENTS
from tests.faults.feeding import Sent
from tests.faults.moments import feed_and_read
from tests.faults.oracle import Expected
from tests.faults.owning import owners
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
from tests.faults.servers import Servers
from tests.faults.trial import Trial
from tests.live import GROUP, PARTITIONS, Worker, empty_group, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
APPLIED = "SELECT partition, position, accepted, duplicates, rejected FROM positions ORDER BY 1"
STOOD = "SELECT partition, position, sequence, accepted, duplicates, rejected FROM positions ORDER BY 1"


def stopped_halfway(trial: Trial) -> None:
    """Up to half of the feed is applied, and the worker has stopped in peace."""
    trial.hire()
    trial.forget_to_verify(2)
    trial.feed(trial.portion(2))
    trial.rest()


def administer(trial: Trial) -> KafkaAdminClient:
    return KafkaAdminClient(bootstrap_servers=trial.kafka)


def test_kafka_has_forgotten_the_offsets_or_says_others(trial: Trial) -> None:
    """The group is deleted; then it comes back with offsets at the beginning of everything, and then at the end: the store's
    positions decide."""
    stopped_halfway(trial)
    nobody_reads(trial)
    groups = AdminClient({"bootstrap.servers": trial.kafka})
    groups.delete_consumer_groups([GROUP])[GROUP].result(30)
    reads_some(trial)
    nobody_reads(trial)
    say_offsets(trial, dict.fromkeys(trial.ends(), 0))
    reads_some(trial)
    trial.feed(len(trial.left))
    nobody_reads(trial)
    say_offsets(trial, trial.ends())
    trial.hire()
    trial.settle()
    prove(trial)


def nobody_reads(trial: Trial) -> None:
    """The group has no member any more."""
    admin = administer(trial)
    empty_group(admin)
    admin.close()


def reads_some(trial: Trial) -> None:
    """A worker applies some of what comes in now, and stops in peace."""
    records = trial.portion(6)
    trial.feed(records)
    trial.hire()
    trial.progress(trial.chance.randint(1, records // 2))
    trial.dismiss()


def say_offsets(trial: Trial, offsets: Mapping[int, int]) -> None:
    """From now on Kafka says that the group has read up to there."""
    consumer = Consumer({"bootstrap.servers": trial.kafka, "group.id": GROUP})
    consumer.commit(offsets=[Place(EVENTS, number, at) for number, at in offsets.items()], asynchronous=False)
    consumer.close()


def test_records_were_deleted_before_they_were_read(trial: Trial) -> None:
    """A stop longer than the retention: refused with the remedy, nothing skipped, the store as it was."""
    stopped_halfway(trial)
    everywhere = [number for number, *_ in trial.rows(STOOD)]
    refuse_the_gap(trial, everywhere)
    accept_the_gap(trial)


def test_the_first_records_of_a_partition_were_deleted_before_they_were_read(trial: Trial) -> None:
    """The same, where nothing was ever applied of the one partition that lost some: it is not begun behind the gap."""
    trial.hire()
    trial.forget_to_verify(2)
    spoken = {home(case, PARTITIONS) for case in trial.late}
    silent = trial.chance.choice([number for number in range(PARTITIONS) if number not in spoken])
    half = trial.portion(2)
    first, trial.left = trial.left[:half], trial.left[half:]
    trial.give([one for one in first if stays_out(one, silent)])
    trial.rest()
    withheld = [one for one in first if not stays_out(one, silent)]
    trial.left = [one for one in withheld if one.event is not None] + trial.left
    for one in (one for one in withheld if one.event is None):
        # As far apart as it was: all at once it would stop the worker.
        trial.left.insert(trial.chance.randrange(len(trial.left)), one)
    assert dict(trial.rows("SELECT partition, position FROM positions"))[silent] == 0
    refuse_the_gap(trial, [silent])
    accept_the_gap(trial)


def test_the_topic_loses_its_end_and_grows_on(trial: Trial, servers: Servers) -> None:
    """As when a machine loses power: what was confirmed last never reached the disk, and what comes next lies where that lay.
    It is refused though the topic holds the position again; nothing is skipped, the store stays as it was. Then its senders
    send again what was lost."""
    trial.hire()
    trial.forget_to_verify(2)
    feed_and_read(trial, 3)
    trial.tending(trial.applied)
    kept = sizes(servers)
    lost = [one for one in trial.take(trial.portion(6)) if one.event is not None]
    trial.give(lost)
    trial.tending(trial.applied)
    stood = trial.rows(APPLIED)
    with servers.away("kafka", 0.0):
        for file, size in kept.items():
            os.truncate(file, size)
    # Who was sending when it happened is refused by the broker from now on, and starts again.
    trial.producer = trial.sender()
    while any(trial.ends()[number] <= position for number, position, *_ in stood):
        trial.feed(trial.portion(12))
    refused_anew(trial)
    assert trial.rows(APPLIED) == stood
    trial.reset()
    trial.give(lost)
    trial.hire()
    trial.settle()
    prove(trial)


def refused_anew(trial: Trial) -> None:
    """Whoever is at work ends, whoever starts refuses, and so does the next one."""
    trial.may_end = (1, STOPPED_ON_PURPOSE)
    trial.tending(lambda: STOPPED_ON_PURPOSE in trial.codes)
    again = trial.crew.pop("w0")
    assert again.ended() == STOPPED_ON_PURPOSE
    assert "that the store applied last" in again.said() and "rxpulse reset --facts" in again.said()
    trial.may_end = ()


def sizes(servers: Servers) -> dict[Path, int]:
    """The files that hold the events, and how much of each is written by now, in bytes."""
    return {file: file.stat().st_size for file in servers.records.glob(f"{EVENTS}-*/*.log")}


def stays_out(record: Sent, partition: int) -> bool:
    """Whether it neither lies in this partition nor belongs there; nobody knows where one without a key lies."""
    if record.event is None:
        return False
    return partition not in (record.partition, home(record.event.subject, PARTITIONS))


def refuse_the_gap(trial: Trial, partitions: Sequence[int]) -> None:
    """More is sent, and of each of these partitions some that was not read is deleted: the worker refuses."""
    sent, stood = list(trial.sent), trial.rows(STOOD)
    positions = {number: position for number, position, *_ in stood}
    trial.feed(trial.portion(4))
    ends = trial.ends()
    gone = {number: trial.chance.randint(positions[number] + 1, ends[number]) for number in partitions}
    admin = administer(trial)
    admin.delete_records({TopicPartition(EVENTS, number): offset for number, offset in gone.items()})
    admin.close()
    for _ in range(2):
        worker = trial.worker()
        assert worker.ended() == STOPPED_ON_PURPOSE
        said = worker.said()
        assert "rxpulse reset --facts" in said
        assert any(
            f"partition {number} of {EVENTS} begins at {offset}, and the store has applied it only up to"
            f" {positions[number]}: {offset - positions[number]} records were deleted before they were read" in said
            for number, offset in gone.items()
        )
        assert trial.rows(STOOD) == stood
    told = foretold(trial, sent)
    right(*store_differs(trial, told), *tally_differs(trial, told, came_after(trial)), *said_otherwise(trial))


def accept_the_gap(trial: Trial) -> None:
    """`rxpulse reset --facts`: the store is made from what the topic still holds, by two workers, of whom one comes when the
    other has begun, and nobody is told again."""
    trial.reset()
    trial.late.clear()
    trial.hire()
    trial.progress()
    trial.hire("w1")
    trial.tending(lambda: len(owners(trial)) == 2)
    trial.settle()
    held = {message.value() for message in trial.topic(EVENTS)}
    told = foretold(trial, [event for event in trial.sent if encode(event) in held])
    told = told if came_after(trial) == 0 else as_begun(trial, told)
    assert 0 < told.accepted < len(trial.sent)
    right(
        *store_differs(trial, told),
        *tally_differs(trial, told, came_after(trial)),
        *topics_differ(trial, told),
        *said_otherwise(trial),
        *trial.people.differs(set()),
    )


def as_begun(trial: Trial, told: Expected) -> Expected:
    """The same, with each feed's case begun by the first sign of life that came before later ones had left. What began it ever
    was deleted, and what was sent on to where it belongs lies far behind what it came with."""
    with snapshot(trial.database_url) as facts:
        rows = [row for number in facts.positions() for row in facts.cases(number) if row.kind == Kind.FEED]
    begun = {row.id: max(row.opened, told.cases[row.id].opened) for row in rows}
    cases = {
        name: structs.replace(case, since=begun[name], opened=begun[name]) if name in begun else case
        for name, case in told.cases.items()
    }
    return replace(told, cases=cases)


def test_the_topic_gets_more_partitions(trial: Trial) -> None:
    """Refused by the worker that runs and by the one that starts, for a case would be in two places; after `rxpulse reset
    --facts` everything finds its new place. Step by step as the operator's page has it."""
    runs = trial.hire()
    trial.forget_to_verify(2)
    feed_and_read(trial, 2)
    trial.env["RXPULSE_PARTITIONS"] = str(PARTITIONS + 2)
    admin = administer(trial)
    admin.create_partitions({EVENTS: PARTITIONS + 2})
    until(lambda: len(admin.describe_topics([EVENTS])[0]["partitions"]) == PARTITIONS + 2)
    trial.feed(trial.portion(4))
    # The running one looks when the group shares out, as it does when somebody comes: else within five minutes.
    del trial.crew["w0"]
    refused(runs, trial.worker("w1"))
    stood = trial.rows(STOOD)
    assert len(stood) == PARTITIONS
    # As after half a minute: a worker that comes back within its session is given its old partitions alone.
    empty_group(admin)
    refused(trial.worker())
    assert trial.rows(STOOD) == stood
    trial.reset()
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


def refused(*workers: Worker) -> None:
    """They stop on purpose, with the number of partitions and the remedy."""
    for worker in workers:
        assert worker.ended() == STOPPED_ON_PURPOSE, worker.said()
        assert f"{PARTITIONS + 2} partitions" in worker.said() and "rxpulse reset --facts" in worker.said()
