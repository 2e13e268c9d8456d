"""Partitions come and go: what stays is read on, and what may be of an earlier ownership is read again from the store's
positions."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from metrics.recorder import NullRecorder
from models.errors import OurFault
from models.store.ledger import Batch
from models.store.memory import Memory, MemoryLedger
from streams.batch import Loop
from streams.cases import Cases
from streams.extents import TopicDiffers
from streams.ownership import Ownership
from streams.relay import Relay
from streams.topics import EVENTS
from streams.watching import Watch
from tests.heart import ONE
from tests.ledgers import NOON, advance


@dataclass
class Group:
    """A consumer to whom partitions are given and from whom they are taken; `reads` are the offsets it was told to read from,
    `low` is where partitions of the topic begin whose first records are gone."""

    reads: dict[int, int] = field(default_factory=dict)
    told: dict[str, Any] = field(default_factory=dict)
    fault: KafkaError | None = None
    low: dict[int, int] = field(default_factory=dict[int, int])

    def subscribe(self, _: object, **told: Any) -> None:
        self.told = told

    def list_topics(self, *_: object) -> object:
        topic = SimpleNamespace(partitions=range(0 if self.fault else 3), error=self.fault)
        return SimpleNamespace(cluster_id="a-cluster", topics={EVENTS: topic})

    def get_watermark_offsets(self, part: TopicPartition, *_: object) -> tuple[int, int]:
        return self.low.get(part.partition, 0), 100

    def incremental_assign(self, parts: Iterable[TopicPartition]) -> None:
        self.reads |= {part.partition: part.offset for part in parts}

    def incremental_unassign(self, parts: Iterable[TopicPartition]) -> None:
        for part in parts:
            del self.reads[part.partition]

    def given(self, *partitions: int) -> None:
        self.told["on_assign"](self, [TopicPartition(EVENTS, one) for one in partitions])

    def taken(self, *partitions: int) -> None:
        self.told["on_revoke"](self, [TopicPartition(EVENTS, one) for one in partitions])


def member(
    group: Group,
    ledger: MemoryLedger,
    before_change: Callable[[], None] = lambda: None,
    before_reading: Callable[[Mapping[int, int], bool], None] = lambda *_: None,
) -> Ownership:
    nobody: Any = None
    relay = Relay(nobody, lambda _: None)
    owned = Ownership(group, ledger, relay, "w0", before_reading, before_change)  # type: ignore[arg-type]
    owned.subscribe()
    return owned


def lying_in(partition: int) -> Any:
    return SimpleNamespace(partition=lambda: partition)


def test_who_shares_partitions_goes_on_with_those_that_stay() -> None:
    group, changes = Group(), list[set[int]]()
    owned = member(group, MemoryLedger(Memory(ONE)), lambda: changes.append(set(owned.partitions)))
    group.given(0, 1)
    owned.sifted([])
    owned.partitions[0].position = 7
    group.given(2)
    assert group.reads == {0: 0, 1: 0, 2: 0}, "what it had is read on, not read again"
    group.taken(1)
    assert owned.partitions.keys() == group.reads.keys() == {0, 2}
    assert owned.partitions[0].position == 7
    assert changes == [set(), {0, 1}, {0, 1, 2}], "before each change all that was read is written"


def test_partitions_that_move_between_others_hold_up_nobody() -> None:
    group, changes = Group(), list[set[int]]()
    owned = member(group, MemoryLedger(Memory(ONE)), lambda: changes.append(set(owned.partitions)))
    group.given(0, 1)
    changed = owned.changed
    group.given()
    assert changes == [set()] and owned.changed == changed + 1
    assert owned.partitions.keys() == group.reads.keys() == {0, 1}


def test_a_topic_of_which_kafka_says_nothing_is_not_one_without_partitions() -> None:
    group, memory = Group(), Memory(ONE)
    owned = member(group, MemoryLedger(memory))
    group.given(0)
    group.fault = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, "not known yet")
    with pytest.raises(OurFault, match=f"what partitions {EVENTS} has: not known yet") as told:
        group.given(1)
    assert type(told.value) is OurFault, "the worker is started again, and does not stay down"
    assert owned.partitions.keys() == {0} and owned.count == 3


def test_an_empty_store_begins_with_what_the_topic_still_holds_of_each_partition_whenever_it_comes() -> None:
    group, memory = Group(low={0: 7, 2: 9}), Memory(ONE)
    begun = list[tuple[Mapping[int, int], bool]]()
    owned = member(group, MemoryLedger(memory), before_reading=lambda *told: begun.append(told))
    group.given(0)
    owned.sifted([])
    group.given(1, 2)
    owned.sifted([])
    assert group.reads == {0: 7, 1: 0, 2: 9}
    assert begun == [({0: 7}, True), ({1: 0, 2: 9}, True)], "each is read from its beginning"
    memory.forget()
    again = Group(low={0: 20})
    member(again, MemoryLedger(memory))
    again.given(0, 1, 2)
    assert again.reads == {0: 20, 1: 0, 2: 0}, "and so it is after the facts are forgotten"


@pytest.mark.parametrize("began", [{}, {1: 4}])
def test_records_deleted_before_the_first_of_their_partition_was_applied_are_refused(began: dict[int, int]) -> None:
    memory = Memory(ONE)
    group = Group(low=began)
    member(group, MemoryLedger(memory))
    group.given(0, 1)
    later = Group(low={1: 5})
    owned = member(later, MemoryLedger(memory))
    later.given(0)
    with pytest.raises(TopicDiffers, match=f"partition 1 of {EVENTS} begins at 5.*only up to {began.get(1, 0)}:"):
        later.given(1)
    assert owned.partitions.keys() == {0}


@dataclass(frozen=True)
class Lies:
    """A record in the topic, as Kafka's client gives it."""

    number: int
    at: int
    received: datetime

    def error(self) -> None:
        return None

    def partition(self) -> int:
        return self.number

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, round(self.received.timestamp() * 1000)


def applied(ledger: MemoryLedger, position: int) -> None:
    """A worker before applied partition 0 up to there, the last record received at noon."""
    ledger.spread("a-cluster", 3, lambda _: 0)
    ledger.claim("a-cluster", [0], "before")
    ledger.commit(Batch([advance(position=position, received=NOON)]))


def test_reading_goes_on_once_the_record_before_the_position_was_seen_to_be_the_one_that_was_applied() -> None:
    group, ledger = Group(), MemoryLedger(Memory(ONE))
    applied(ledger, 7)
    owned = member(group, ledger)
    group.given(0, 1)
    assert group.reads == {0: 6, 1: 0}, "of what was never read nothing can be known"
    owned.sifted([])
    assert group.reads == {0: 6, 1: 0}
    assert owned.proven_partitions.keys() == {1}, "nobody knows yet whether silence in the other is"
    other, new = Lies(1, 0, NOON), Lies(0, 7, NOON)
    assert owned.proven([other, Lies(0, 6, NOON), new]) == [other, new]
    assert owned.proven([new]) == [new], "once is enough"
    assert owned.proven_partitions is owned.partitions


def test_a_topic_that_lost_its_end_and_grew_past_the_position_is_refused() -> None:
    group, ledger = Group(), MemoryLedger(Memory(ONE))
    applied(ledger, 7)
    owned = member(group, ledger)
    group.given(0)
    owned.sifted([])
    with pytest.raises(TopicDiffers, match=f"partition 0 of {EVENTS} does not hold at offset 6 .*reset --facts"):
        owned.proven([Lies(0, 6, NOON + timedelta(minutes=5)), Lies(0, 7, NOON)])


def test_where_the_record_before_the_position_has_gone_with_the_years_reading_goes_on_at_the_position() -> None:
    group, ledger = Group(low={0: 7}), MemoryLedger(Memory(ONE))
    applied(ledger, 7)
    owned = member(group, ledger)
    group.given(0)
    owned.sifted([])
    new = Lies(0, 7, NOON)
    assert group.reads == {0: 7} and owned.proven([new]) == [new]


def test_who_gives_a_partition_back_before_it_read_of_it_asks_the_next_time() -> None:
    group, ledger = Group(), MemoryLedger(Memory(ONE))
    applied(ledger, 7)
    owned = member(group, ledger)
    group.given(0)
    group.taken(0)
    assert owned.proven([Lies(1, 3, NOON)]) == [Lies(1, 3, NOON)]
    group.given(0)
    owned.sifted([])
    assert group.reads == {0: 6} and owned.proven([Lies(0, 6, NOON)]) == []


def test_of_what_was_read_while_partitions_moved_only_what_lay_in_those_that_stayed_counts() -> None:
    group, ledger = Group(), MemoryLedger(Memory(ONE))
    owned = member(group, ledger)
    group.given(0, 1)
    owned.sifted([])
    messages = [lying_in(number) for number in (0, 1, 2)]
    group.taken(1)
    group.given(2)
    group.reads[2] = 5  # it has fetched on
    assert owned.sifted(messages) == messages[:1]
    assert group.reads == {0: 0, 2: 0}, "what was taken over is read from the store's position"
    assert owned.sifted(messages) == [messages[0], messages[2]]


def test_the_loop_sifts_what_it_read_while_partitions_moved() -> None:
    ownership = SimpleNamespace(changed=0, partitions={}, sifted=lambda messages: messages[1:], proven=list)
    shares = [True, False]

    def consume(*_: object) -> list[str]:
        ownership.changed += shares.pop(0)
        return ["of an earlier ownership", "a record"]

    ledger = MemoryLedger(Memory(ONE))
    nobody: Any = None
    at_rest: Any = SimpleNamespace(writing=None)
    loop = Loop(
        SimpleNamespace(consume=consume),  # type: ignore[arg-type]
        ledger,
        ownership,  # type: ignore[arg-type]
        Cases(ledger),
        *(nobody, at_rest, nobody),
        Watch(NullRecorder()),
    )
    assert loop._read() == ["a record"]
    assert loop._read() == ["of an earlier ownership", "a record"]
