"""The decisions inside the worker, each by itself: where to begin, what is caught up, when to stop, what was published."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from msgspec import structs

from models.case import Admission
from models.errors import CallerFault
from models.event import CaseId
from models.settings import Settings
from models.store.ledger import FeedCount, FeedKey, HourKey, SignalFact
from models.store.memory import Memory, MemoryLedger
from models.store.records import case_row, unpack
from models.tracking import Step, Watched, tick, track
from models.wire import Decoded, Rejected
from streams.cases import Cases
from streams.deadletter import ENTIRE, DeadLetters, Origin, Undelivered
from streams.draft import Draft, Held, Partition
from streams.extents import EndsShort, TopicDiffers, check_held, check_same
from streams.feed import Extent
from streams.relay import Relay
from streams.ticks import Question, Ticker, caught_up, horizon
from tests.heart import NOON, ONE, at, event
from tests.integration.test_desk import LATE

WHY = Rejected("not json", "the record is no JSON")


class Broker:
    """Takes records as a producer does; the test says when they are confirmed."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, bytes] | None]] = []
        self.places: list[int] = []
        self.values: list[bytes] = []
        self.reports: list[Callable[[KafkaError | None, Any], None]] = []

    def produce(
        self, topic: str, value: bytes, key: object, partition: int = -1, *, headers: object = None, on_delivery: Any
    ) -> None:
        self.taken.append((topic, headers if isinstance(headers, dict) else None))
        self.places.append(partition)
        self.values.append(value)
        self.reports.append(on_delivery)

    def poll(self, _: float) -> int:
        return 0

    def flush(self, _: float) -> int:
        return len(self.reports)

    def confirm(self, count: int, fault: KafkaError | None = None) -> None:
        for _ in range(count):
            self.reports.pop(0)(fault, None)


@pytest.mark.parametrize("position", [4, 7, 9])
def test_a_position_that_the_topic_holds_is_good(position: int) -> None:
    check_held(0, position, Extent(4, 9))


@pytest.mark.parametrize(
    ("position", "said"), [(10, "ends at 9"), (3, "1 records were deleted before"), (0, "only up to 0: 4 records")]
)
def test_a_position_that_the_topic_does_not_hold_is_refused_with_the_remedy(position: int, said: str) -> None:
    with pytest.raises(TopicDiffers, match=said) as refused:
        check_held(0, position, Extent(4, 9))
    assert "reset --facts" in str(refused.value)


RECEIVED = datetime(2026, 1, 5, 12, 0, 0, 123_000, UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """What Kafka gave of partition 0: a record with the broker's time, or a fault."""

    at: int = 8
    received: datetime = RECEIVED
    fault: int | None = None

    def error(self) -> KafkaError | None:
        return None if self.fault is None else KafkaError(self.fault)

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return 1, round(self.received.timestamp() * 1000)


def test_the_record_before_the_position_is_the_one_that_was_applied() -> None:
    check_same(0, 8, RECEIVED, Found())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found",
    [
        Found(received=RECEIVED + timedelta(milliseconds=1)),
        Found(received=RECEIVED - timedelta(days=1)),
        Found(at=9),
        Found(at=9, fault=KafkaError._PARTITION_EOF),
        None,
    ],
)
def test_another_record_before_the_position_is_refused_with_the_remedy(found: Found | None) -> None:
    said = r"partition 0 of rx.events does not hold at offset 8 the record of 2026-01-05T12:00:00.123.*reset --facts"
    with pytest.raises(TopicDiffers, match=said):
        check_same(0, 8, RECEIVED, found)  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [7, 8])
def test_a_broker_that_does_not_know_its_last_records_yet_is_asked_again_and_not_another_topic(end: int) -> None:
    with pytest.raises(EndsShort, match=f"partition 0 of rx.events ends at {end}"):
        check_same(0, 8, RECEIVED, Found(at=end, fault=KafkaError._PARTITION_EOF))  # type: ignore[arg-type]
    assert not issubclass(EndsShort, CallerFault), "the worker is started again, and does not stay down"


def test_a_broker_that_does_not_let_the_record_be_read_is_no_other_topic() -> None:
    with pytest.raises(KafkaException):
        check_same(0, 8, RECEIVED, Found(fault=KafkaError.TOPIC_AUTHORIZATION_FAILED))  # type: ignore[arg-type]


def test_only_partitions_read_up_to_the_end_asked_for_are_caught_up() -> None:
    here, behind, unasked = Partition(0, 1, 5, 0, 5), Partition(1, 1, 4, 0, 4), Partition(2, 1, 9, 0, 9)
    question = Question(NOON, {0: 5, 1: 5}, asked=100.0)
    assert caught_up(question, [here, behind, unasked], 101.0) == [here]


def test_marks_after_the_last_record_count_as_read() -> None:
    assert caught_up(Question(NOON, {0: 6}, 100.0), [Partition(0, 1, 5, 0, 5, end=6)], 101.0)


def test_an_old_answer_is_not_trusted() -> None:
    assert caught_up(Question(NOON, {0: 5}, 100.0), [Partition(0, 1, 5, 0, 5)], 105.1) == []


class Answering:
    """A client whose broker says that each partition ends at `end`; with None it does not answer."""

    def __init__(self, end: int | None) -> None:
        self._end = end

    def __len__(self) -> int:
        """As confluent-kafka's own: what waits to be sent, so that a client at rest is false."""
        return 0

    def list_offsets(self, wanted: dict[TopicPartition, Any], request_timeout: float) -> dict[TopicPartition, Any]:
        return {part: SimpleNamespace(result=self._result) for part in wanted}

    def _result(self) -> SimpleNamespace:
        if self._end is None:
            raise KafkaException(KafkaError(KafkaError.FENCED_LEADER_EPOCH))
        return SimpleNamespace(offset=self._end)


def test_while_kafka_does_not_answer_nothing_is_judged_and_a_new_client_asks_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.ticks.EVERY", 0.0)
    ledger, draft = MemoryLedger(Memory(ONE)), Draft()
    clients = [Answering(5), Answering(None)]
    ticker = Ticker(ledger, clients.pop, Cases(ledger), timedelta(), ledger.now, lambda _: None)  # type: ignore[arg-type]
    partition = Partition(0, 1, 5, 0, 5)
    ticker.judge({0: partition}, [draft], draft, ONE)
    assert draft.empty
    ticker.judge({0: partition}, [draft], draft, ONE)
    assert not draft.empty


def test_one_client_asks_for_as_long_as_it_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one may need three seconds to find the broker, and the worker waits for it."""
    monkeypatch.setattr("streams.ticks.EVERY", 0.0)
    ledger, draft = MemoryLedger(Memory(ONE)), Draft()
    connected: list[Answering] = []

    def connect() -> Answering:
        connected.append(Answering(5))
        return connected[-1]

    ticker = Ticker(ledger, connect, Cases(ledger), timedelta(), ledger.now, lambda _: None)  # type: ignore[arg-type]
    for _ in range(3):
        ticker.judge({0: Partition(0, 1, 5, 0, 5)}, [draft], draft, ONE)
    assert len(connected) == 1


def test_without_partitions_there_is_nothing_to_ask_and_nothing_to_do_at_once() -> None:
    """Of more workers than partitions some have none: they wait, and do not turn as fast as they can."""
    ledger, draft, clients = MemoryLedger(Memory(ONE)), Draft(), [Answering(5)]
    ticker = Ticker(ledger, clients.pop, Cases(ledger), timedelta(), ledger.now, lambda _: None)  # type: ignore[arg-type]
    ticker.judge({}, [draft], draft, ONE)
    assert ticker.wait > 0.0 and len(clients) == 1 and draft.empty


@pytest.mark.parametrize(("most", "judged"), [(3, at(10)), (2, at(7) + timedelta(microseconds=1))])
def test_silence_is_judged_as_far_as_all_cases_due_by_then_are_known(most: int, judged: datetime) -> None:
    due = [(at(6), CaseId("order/1")), (at(7), CaseId("order/2"))]
    assert horizon(due, most, at(10)) == judged


def test_of_many_missed_deadlines_the_longest_missed_come_first_and_all_in_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streams.ticks.AT_ONCE", 4)
    monkeypatch.setattr("streams.ticks._LEAST", 1)
    monkeypatch.setattr("streams.ticks.EVERY", 1000.0)
    memory = Memory(ONE)
    for number in range(20):
        step = track(Watched(CaseId(f"order/{number}")), event("order.entered", number, case=f"order/{number}"), ONE)
        assert step.look is not None
        memory.cases[step.case.id] = case_row(step.case, number % 2, step.look)
    ledger, draft = MemoryLedger(memory), Draft()
    ticker = Ticker(ledger, lambda: Answering(5), Cases(ledger), timedelta(), ledger.now, lambda _: None)  # type: ignore[arg-type]
    partitions = {number: Partition(number, 1, 5, 0, 5) for number in (0, 1)}
    found: list[set[CaseId]] = []
    while not found or ticker.wait == 0.0:
        before = set(draft.cases)
        ticker.judge(partitions, [draft], draft, ONE)
        found.append(set(draft.cases) - before)
    assert found[0] == {f"order/{number}" for number in range(4)}
    assert max(map(len, found)) <= 4 + 2 and set().union(*found) == memory.cases.keys()
    told = {fact.signal.id: fact.signal for fact in draft.facts if isinstance(fact, SignalFact)}
    at_once = [tick(unpack(row.id, row.body, ONE)[0], ONE, ledger.now()) for row in memory.cases.values()]
    assert {structs.replace(one, revision=0) for one in told.values()} == {
        structs.replace(signal, revision=0) for step in at_once for signal in step.signals
    }


def test_while_much_waits_to_be_written_no_more_silence_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.ticks._WRITTEN_FIRST", 1)
    monkeypatch.setattr("streams.ticks.EVERY", 0.0)
    ledger, draft = MemoryLedger(Memory(ONE)), Draft()
    ticker = Ticker(ledger, lambda: Answering(5), Cases(ledger), timedelta(), ledger.now, lambda _: None)  # type: ignore[arg-type]
    case = track(Watched(CaseId("order/1")), event("order.entered", 0), ONE).case
    draft.cases[case.id] = Held(0, case, None)
    ticker.judge({0: Partition(0, 1, 5, 0, 5)}, [draft], draft, ONE)
    assert draft.empty
    ticker.judge({0: Partition(0, 1, 5, 0, 5)}, [later := Draft()], later, ONE)
    assert not later.empty


def dead_letters(broker: Broker, limit: int, window: int) -> DeadLetters:
    return DeadLetters(broker, limit, window)  # type: ignore[arg-type]


def put(letters: DeadLetters, offset: int, *, counts: bool = True) -> None:
    letters.put(None, b"junk", Origin(0, offset), WHY, counts=counts)


def test_a_dead_letter_says_why_and_where_it_came_from() -> None:
    broker = Broker()
    dead_letters(broker, 5, 10).put(b"k", b"junk", Origin(3, 17), WHY, counts=True)
    [(topic, headers)] = broker.taken
    assert topic == "rx.deadletter" and headers is not None
    assert headers["reason"] == b"not json" and (headers["partition"], headers["offset"]) == (b"3", b"17")


def test_more_dead_letters_than_the_limit_among_the_last_stop_the_worker() -> None:
    letters = dead_letters(Broker(), 2, 10)
    put(letters, 0)
    put(letters, 1)
    assert letters.overrun is None
    put(letters, 2)
    assert "3 of the last 10" in str(letters.overrun)


def test_dead_letters_that_lie_further_back_do_not_count() -> None:
    letters = dead_letters(Broker(), 2, 10)
    for offset in range(6):
        put(letters, offset)
        letters.fine(4)
    assert letters.overrun is None


def test_what_is_put_aside_for_its_case_alone_does_not_count() -> None:
    letters = dead_letters(Broker(), 2, 10)
    for offset in range(6):
        put(letters, offset, counts=False)
    assert letters.overrun is None


@pytest.mark.parametrize("window", [1, 1_000_000])
def test_the_limit_that_the_stop_names_is_never_reached(window: int) -> None:
    letters = dead_letters(Broker(), ENTIRE, window)
    for offset in range(3):
        put(letters, offset)
    assert letters.overrun is None
    assert Settings.from_env({"RXPULSE_DEADLETTER_LIMIT": str(ENTIRE)}).deadletter_limit == ENTIRE
    with pytest.raises(CallerFault):
        Settings.from_env({"RXPULSE_DEADLETTER_WINDOW": str(ENTIRE + 1)})


def test_what_was_put_aside_before_is_known_and_another_topics_record_is_not() -> None:
    letters = dead_letters(Broker(), 2, 10)
    letters.remember({Origin(0, 7): NOON, Origin(0, 8): NOON})
    assert letters.known(Origin(0, 7), NOON - timedelta(seconds=1))
    assert not letters.known(Origin(0, 8), NOON + timedelta(minutes=1))
    assert not letters.known(Origin(1, 7), NOON)


def test_a_record_is_put_where_its_case_belongs_whatever_the_producer_thinks() -> None:
    """A producer that knows of more partitions than the worker would send it elsewhere, and the worker back, for ever."""
    broker = Broker()
    letters = dead_letters(broker, 2, 10)
    letters.reroute(b"order/1", b"{}", Origin(0, 7), 3)
    put(letters, 0)
    assert broker.places == [3, -1]


def test_a_broker_that_has_no_room_yet_is_waited_for() -> None:
    class Full(Broker):
        def produce(self, *args: Any, **more: Any) -> None:
            if not self.polled:
                raise BufferError
            super().produce(*args, **more)

        def poll(self, _: float) -> int:
            self.polled = True
            return 0

        polled = False

    broker = Full()
    put(dead_letters(broker, 2, 10), 0)
    assert len(broker.taken) == 1


def test_a_dead_letter_that_the_broker_does_not_take_ends_the_batch() -> None:
    broker = Broker()
    letters = dead_letters(broker, 5, 10)
    put(letters, 0)
    with pytest.raises(Undelivered):
        letters.settle()


def fact(sequence: int) -> SignalFact:
    return SignalFact(0, sequence, 0, None, LATE)


def test_the_publish_mark_moves_over_whole_batches_in_order() -> None:
    broker = Broker()
    relay = Relay(broker, pytest.fail)  # type: ignore[arg-type]
    relay.resume(0, 3, 0)
    relay.publish([fact(3), fact(4)])
    relay.publish([fact(5)])
    broker.confirm(1)
    assert relay.mark(0) == 3
    late = broker.reports.pop(0)
    broker.confirm(1)
    assert relay.mark(0) == 3, "the second batch is confirmed before the first"
    late(None, None)
    assert relay.mark(0) == 6


def test_what_is_confirmed_of_an_earlier_ownership_moves_no_mark() -> None:
    broker = Broker()
    relay = Relay(broker, pytest.fail)  # type: ignore[arg-type]
    relay.resume(0, 3, 0)
    relay.resume(1, 3, 0)
    relay.publish([fact(3), structs.replace(fact(3), partition=1)])
    relay.resume(0, 0, 100_000)
    broker.confirm(2)
    assert (relay.mark(0), relay.mark(1)) == (0, 4), "the facts of 0 were made again since: none of them went out"


def test_facts_go_out_under_the_revisions_of_their_own_partition() -> None:
    broker = Broker()
    relay = Relay(broker, pytest.fail)  # type: ignore[arg-type]
    relay.resume(0, 0, 0)
    relay.resume(1, 0, 100_000)
    relay.publish([fact(0), structs.replace(fact(0), partition=1)])
    assert [json.loads(value)["data"]["revision"] for value in broker.values] == [1, 100_001]


def test_a_record_that_cannot_be_delivered_is_said() -> None:
    broker, said = Broker(), list[str]()
    relay = Relay(broker, said.append)  # type: ignore[arg-type]
    relay.resume(0, 0, 0)
    relay.publish([fact(0)])
    broker.confirm(1, KafkaError(KafkaError._MSG_TIMED_OUT))
    assert len(said) == 1 and "not delivered" in said[0]


def test_a_draft_counts_each_feed_by_partition_and_hour_in_whatever_order_its_events_come() -> None:
    draft, partitions = Draft(), [Partition(number, 1, 0, 0, 0) for number in range(2)]
    told = [
        (event(name, minutes, recorded=minutes + late), partition, dropped)
        for minutes in (0, 59.9, 60, 61.5, 185, 3 * 1440)
        for late, name, dropped in ((0, "order.entered", 0), (70, "no.such", 2), (-6, "order.verified", 1))
        for partition in partitions
    ]
    Random(5).shuffle(told)
    for one, partition, dropped in told:
        case = Watched(one.subject)
        draft.track(partition, case, [Decoded(one, dropped)], Step(case, (Admission.DUPLICATE,), (), (), (), None))
    batch = draft.batch(lambda _: 0, timedelta())
    hours: dict[HourKey, int] = {}
    for one, partition, _ in told:
        hour = HourKey(one.source, one.site, one.recorded.replace(minute=0, second=0, microsecond=0), partition.number)
        hours[hour] = hours.get(hour, 0) | 1 << one.recorded.minute
    assert batch.hours == hours
    assert batch.feeds == {
        FeedKey("/mercy/pis", "mercy", number): FeedCount(18, 18, 6, 18, 6, at(3 * 1440), at(3 * 1440 + 70))
        for number in (0, 1)
    }
    assert set(batch.seen) == {("mercy", f"rx.{name}") for name in ("order.entered", "no.such", "order.verified")}
