"""The decisions inside the worker, each by itself: where to begin, what is caught up, when to stop, what was published."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from models.store.ledger import SignalFact
from models.store.memory import Memory, MemoryLedger
from models.wire import Rejected
from streams.cases import Cases
from streams.deadletter import DeadLetters, Origin, TooManyDeadLetters, Undelivered
from streams.draft import Draft, Partition
from streams.ownership import Extent, TopicTooShort, beginning
from streams.relay import Relay
from streams.ticks import Question, Ticker, caught_up
from tests.heart import NOON, ONE
from tests.integration.test_desk import LATE

WHY = Rejected("not json", "the record is no JSON")


class Broker:
    """Takes records as a producer does; the test says when they are confirmed."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, dict[str, bytes] | None]] = []
        self.reports: list[Callable[[KafkaError | None, Any], None]] = []

    def produce(self, topic: str, value: bytes, key: object, *, headers: object = None, on_delivery: Any) -> None:
        self.taken.append((topic, headers if isinstance(headers, dict) else None))
        self.reports.append(on_delivery)

    def poll(self, _: float) -> int:
        return 0

    def flush(self, _: float) -> int:
        return len(self.reports)

    def confirm(self, count: int, fault: KafkaError | None = None) -> None:
        for _ in range(count):
            self.reports.pop(0)(fault, None)


@pytest.mark.parametrize(("position", "begins"), [(0, 4), (4, 4), (7, 7), (9, 9)])
def test_reading_begins_at_the_stores_position(position: int, begins: int) -> None:
    assert beginning(0, position, Extent(4, 9)) == begins


@pytest.mark.parametrize(("position", "said"), [(10, "ends at 9"), (3, "1 records were deleted before")])
def test_a_position_that_the_topic_does_not_hold_is_refused_with_the_remedy(position: int, said: str) -> None:
    with pytest.raises(TopicTooShort, match=said) as refused:
        beginning(0, position, Extent(4, 9))
    assert "reset --facts" in str(refused.value)


def test_only_partitions_read_up_to_the_end_asked_for_are_caught_up() -> None:
    here, behind, unasked = Partition(0, 1, 5, 0, 5), Partition(1, 1, 4, 0, 4), Partition(2, 1, 9, 0, 9)
    question = Question(NOON, {0: 5, 1: 5}, asked=100.0)
    assert caught_up(question, [here, behind, unasked], 101.0) == [here]


def test_marks_after_the_last_record_count_as_read() -> None:
    assert caught_up(Question(NOON, {0: 6}, 100.0), [Partition(0, 1, 5, 0, 5, end=6)], 101.0)


def test_an_old_answer_is_not_trusted() -> None:
    assert caught_up(Question(NOON, {0: 5}, 100.0), [Partition(0, 1, 5, 0, 5)], 105.1) == []


class Away:
    """A broker that does not answer."""

    def list_offsets(self, wanted: dict[TopicPartition, Any], request_timeout: float) -> dict[TopicPartition, Any]:
        def never() -> None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

        return {part: SimpleNamespace(result=never) for part in wanted}


def test_while_kafka_does_not_answer_nothing_is_judged_and_nothing_ends() -> None:
    ledger, draft = MemoryLedger(Memory(ONE)), Draft()
    ticker = Ticker(ledger, Away(), Cases(ledger), timedelta(), ledger.now, lambda _: None)  # type: ignore[arg-type]
    ticker.judge({0: Partition(0, 1, 5, 0, 5)}, [draft], draft, ONE)
    assert draft.empty and ticker.wait > 0


def dead_letters(broker: Broker, limit: int, window: int) -> DeadLetters:
    return DeadLetters(broker, limit, window)  # type: ignore[arg-type]


def test_a_dead_letter_says_why_and_where_it_came_from() -> None:
    broker = Broker()
    dead_letters(broker, 5, 10).put(b"k", b"junk", Origin(3, 17), WHY)
    [(topic, headers)] = broker.taken
    assert topic == "rx.deadletter" and headers is not None
    assert headers["reason"] == b"not json" and (headers["partition"], headers["offset"]) == (b"3", b"17")


def test_more_dead_letters_than_the_limit_among_the_last_stop_the_worker() -> None:
    letters = dead_letters(Broker(), 2, 10)
    letters.put(None, b"a", Origin(0, 0), WHY)
    letters.put(None, b"b", Origin(0, 1), WHY)
    with pytest.raises(TooManyDeadLetters, match="3 of the last 10"):
        letters.put(None, b"c", Origin(0, 2), WHY)


def test_dead_letters_that_lie_further_back_do_not_count() -> None:
    letters = dead_letters(Broker(), 2, 10)
    for offset in range(6):
        letters.put(None, b"a", Origin(0, offset), WHY)
        letters.fine(4)


def test_a_dead_letter_that_the_broker_does_not_take_ends_the_batch() -> None:
    broker = Broker()
    letters = dead_letters(broker, 5, 10)
    letters.put(None, b"a", Origin(0, 0), WHY)
    with pytest.raises(Undelivered):
        letters.settle()


def fact(sequence: int) -> SignalFact:
    return SignalFact(0, sequence, 0, None, LATE)


def test_the_publish_mark_moves_over_whole_batches_in_order() -> None:
    broker = Broker()
    relay = Relay(broker, pytest.fail)  # type: ignore[arg-type]
    relay.resume(0, 3)
    relay.publish([fact(3), fact(4)])
    relay.publish([fact(5)])
    broker.confirm(1)
    assert relay.mark(0) == 3
    late = broker.reports.pop(0)
    broker.confirm(1)
    assert relay.mark(0) == 3, "the second batch is confirmed before the first"
    late(None, None)
    assert relay.mark(0) == 6


def test_a_record_that_cannot_be_delivered_is_said() -> None:
    broker, said = Broker(), list[str]()
    relay = Relay(broker, said.append)  # type: ignore[arg-type]
    relay.resume(0, 0)
    relay.publish([fact(0)])
    broker.confirm(1, KafkaError(KafkaError._MSG_TIMED_OUT))
    assert len(said) == 1 and "not delivered" in said[0]
