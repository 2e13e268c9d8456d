"""The worker's loop over records that Kafka gives in one go: what it takes of them, and of what it then knows that it has read
everything."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from metrics.recorder import NullRecorder
from models.errors import OurFault
from models.event import CaseId, Event, EventType, Source
from models.store.ledger import SignalFact
from models.store.memory import Memory, MemoryLedger
from models.wire import encode
from streams.app import owner_name
from streams.arrivals import ReadAgain
from streams.batch import Loop
from streams.cases import Cases
from streams.commit import Committer
from streams.deadletter import DeadLetters, TooManyDeadLetters
from streams.draft import Partition
from streams.extents import TopicDiffers
from streams.laps import Laps
from streams.ownership import Ownership
from streams.relay import Relay
from streams.ticks import Ticker
from streams.topics import EVENTS
from streams.watching import Watch
from tests.heart import ONE

LIMIT = 1


@dataclass(frozen=True)
class Given:
    """A record, the end of its partition (no value), or a fault, as Kafka's client gives it."""

    at: int
    content: bytes | None = None
    fault: int = KafkaError._PARTITION_EOF
    received: datetime | None = None

    def error(self) -> KafkaError | None:
        return None if self.content is not None else KafkaError(self.fault)

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return b"order/1"

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, int((self.received or datetime.now(UTC)).timestamp() * 1000)


class Topic:
    """A topic of one partition, read in the given goes; the loop is stopped after the last of them."""

    def __init__(self, goes: Sequence[Sequence[Given]]) -> None:
        self.goes = [list[Given](), *map(list, goes), [], []]
        self.lies: list[Given] = []
        self.end = max(one.at + (one.content is not None) for go in goes for one in go)
        self.told: dict[str, Any] = {}
        self.stopping = Flag()

    def subscribe(self, _: object, **told: Any) -> None:
        self.told = told

    def list_topics(self, *_: object) -> object:
        return SimpleNamespace(cluster_id="c", topics={EVENTS: SimpleNamespace(partitions=range(1), error=None)})

    def get_watermark_offsets(self, *_: object) -> tuple[int, int]:
        return 0, self.end

    def list_offsets(self, wanted: Sequence[TopicPartition], **_: object) -> object:
        return {part: SimpleNamespace(result=lambda: SimpleNamespace(offset=self.end)) for part in wanted}

    def incremental_assign(self, _: object) -> None: ...

    def incremental_unassign(self, _: object) -> None: ...

    def commit(self, **_: object) -> None: ...

    def consume(self, most: int, _: float) -> list[Given]:
        if self.told and "given" not in self.told:
            self.told["given"] = True
            self.told["on_assign"](self, [TopicPartition(EVENTS, 0)])
        if not self.lies:
            self.lies = self.goes.pop(0)
        if not self.goes:
            self.stopping.set()
        return self._given(most)

    def poll(self, _: float) -> Given | None:
        return next(iter(self._given(1)), None)

    def _given(self, most: int) -> list[Given]:
        given, self.lies = self.lies[:most], self.lies[most:]
        return given

    def close(self) -> None:
        self.told["on_revoke"](self, [TopicPartition(EVENTS, 0)])


class Taken:
    """A producer whose every record is taken at once."""

    def produce(self, *_: object, on_delivery: Any = None, **__: object) -> None:
        if on_delivery is not None:
            on_delivery(None, None)

    def poll(self, *_: object) -> int:
        return 0

    def flush(self, *_: object) -> int:
        return 0


def told(name: str, minutes_ago: int) -> bytes:
    time = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    about = {"site": "mercy", "priority": "stat"}
    return encode(Event(name, Source("/mercy/pis"), EventType(f"rx.{name}"), time, time, CaseId("order/1"), about))


class Life:
    """A worker's life over what was read in these goes: how it ended, and the store that it left behind. `memory` is what it
    found there, `apart` by how much its host's clock is wrong."""

    def __init__(self, *goes: Sequence[Given], memory: Memory | None = None, apart: timedelta = timedelta()) -> None:
        self.memory = memory or Memory(ONE)
        self.fault: BaseException | None = None
        topic, taken, watch = Topic(goes), Taken(), Watch(NullRecorder())
        reader: Any = topic
        producer: Any = taken
        ledger = MemoryLedger(self.memory)
        cases, relay, dead = Cases(ledger), Relay(producer, lambda _: None), DeadLetters(producer, LIMIT, 10)
        committer = Committer(ledger, relay, dead, watch.done, self._failed, Laps(watch.spent))
        owned = Ownership(reader, ledger, relay, owner_name("w0"), lambda *_: None, lambda: loop.drain())
        ticker = Ticker(
            ledger, lambda: reader, cases, timedelta(seconds=1), lambda: datetime.now(UTC) + apart, lambda _: None
        )
        loop = Loop(reader, ledger, owned, cases, ticker, committer, dead, watch)
        loop.stopping = topic.stopping
        committer.start()
        try:
            loop.run()
        except (OurFault, TopicDiffers, KafkaException) as fault:
            self._failed(fault)
        # What was handed over before it ended may still be on its way into the store.
        committer.wait()

    def _failed(self, fault: BaseException) -> None:
        self.fault = fault

    @property
    def position(self) -> int:
        return self.memory.positions[0].claim.position

    @property
    def late(self) -> list[str]:
        return [fact.signal.name for fact in self.memory.facts if isinstance(fact, SignalFact)]


ENTERED, VERIFIED, JUNK = told("order.entered", 30), told("order.verified", 25), b"junk"


def test_once_the_end_is_reached_silence_is_judged() -> None:
    life = Life([Given(0, ENTERED), Given(1)])
    assert life.fault is None and life.position == 1
    assert "stat-verified" in life.late


def test_who_ends_in_the_middle_of_what_was_read_has_not_reached_its_end() -> None:
    """The order was verified in time, and that was read, but not applied: nobody may be paged for it."""
    life = Life([Given(0, ENTERED), Given(1, JUNK), Given(2, JUNK), Given(3, VERIFIED), Given(4)])
    assert isinstance(life.fault, TooManyDeadLetters)
    assert life.position == 3
    assert life.late == []


def test_silence_is_not_judged_before_the_topic_was_seen_to_be_the_same() -> None:
    """The topic lost its end, and grew to just where it had ended: what verifies the order may lie there unread."""
    before = Life([Given(0, ENTERED), Given(1)], apart=timedelta(hours=1))
    assert before.fault is None and before.position == 1 and before.late == []
    later = Life([], [Given(0, VERIFIED, received=datetime.now(UTC) + timedelta(seconds=1))], memory=before.memory)
    assert isinstance(later.fault, TopicDiffers)
    assert later.late == []


def test_what_is_given_twice_is_not_read_twice() -> None:
    life = Life([Given(0, ENTERED), Given(1, VERIFIED)], [Given(1, VERIFIED)])
    assert isinstance(life.fault, ReadAgain)
    assert life.memory.positions[0].tally.duplicates == 0


@pytest.mark.parametrize("at_once", [10, 4, 1])
def test_an_id_that_is_used_for_everything_fills_no_case(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """However much of it is read together; what has an id of its own still counts."""
    monkeypatch.setattr("streams.admission.MOST_RIVALS", 3)
    read = [Given(number, told("order.noted", 30 - number)) for number in range(8)]
    read += [Given(8, read[0].content), Given(9, VERIFIED)]
    life = Life(*(read[first : first + at_once] for first in range(0, len(read), at_once)))
    tally = life.memory.positions[0].tally
    assert (tally.id_reused, tally.rejected, tally.accepted) == (3, 4, 2)
    assert tally.duplicates == 1, "what stands already is no rival"


def test_a_draft_that_is_full_takes_no_more_than_one_at_a_time_while_the_committer_writes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However long the database stands still, and however much comes meanwhile."""
    monkeypatch.setattr("streams.batch.LARGEST", 2)
    waited = list[float]()
    lies = [Given(number, told("order.entered", 30)) for number in range(9)]
    topic = Topic([lies])
    topic.goes = [lies]
    ledger = MemoryLedger(Memory(ONE))
    nobody: Any = None
    busy: Any = SimpleNamespace(idle=SimpleNamespace(wait=waited.append), writing=None)
    ownership: Any = SimpleNamespace(changed=0, partitions={}, proven=list)
    reader: Any = topic
    loop = Loop(reader, ledger, ownership, Cases(ledger), nobody, busy, nobody, Watch(NullRecorder()))
    assert loop._read() == lies[:2]
    loop._draft.read(Partition(0, 1, 0, 0, 0), 1, datetime.now(UTC), records=2)
    assert waited == []
    assert loop._read() == lies[2:3]
    assert waited == [0.1]


def test_a_fault_among_what_was_read_ends_the_worker_with_nothing_of_it_applied() -> None:
    life = Life([Given(0, ENTERED), Given(1, fault=KafkaError.TOPIC_AUTHORIZATION_FAILED)])
    assert isinstance(life.fault, KafkaException)
    assert life.position == 0


def test_the_database_keeps_the_whole_name_of_a_worker() -> None:
    longest = owner_name("w" * 47)
    assert len(longest) == 63 and owner_name("w" * 47) != longest
