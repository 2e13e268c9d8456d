"""Events on their way into a real Kafka: all of them confirmed, or an error that says how many are not."""

import os
from collections.abc import Iterator

import pytest

from models.errors import CallerFault
from models.event import Event, Source
from models.settings import Settings
from models.wire import MAX_RECORD
from tests.conftest import RunningStack
from tests.heart import event
from tests.topics import Tail, tail  # before streams, which reads kafka-python

# isort: split
from streams import producing, topics
from streams.producing import Feeding, NotSent


@pytest.fixture
def settings(stack: RunningStack) -> Settings:
    found = Settings(home=stack.home, cache=stack.home, kafka=stack.kafka)
    topics.create(found)
    return found


@pytest.fixture
def written(settings: Settings) -> Iterator[Tail]:
    with tail(settings.required_kafka()) as found:
        yield found


def told(source: str, count: int) -> list[Event]:
    made = [event("order.entered", number, case=f"order/{number % 50}", key=f"e{number}") for number in range(count)]
    return [Event(e.id, Source(source), e.type, e.time, e.recorded, e.subject, e.data) for e in made]


def test_what_was_sent_lies_in_the_topic_once_and_each_subject_in_order(settings: Settings, written: Tail) -> None:
    feed = Feeding(settings)
    sent = told("/test/feeding", 10_000)
    for one in sent:
        feed.send(one)
    assert feed.finish() == 10_000 == feed.confirmed
    found = written.events("/test/feeding")
    assert len(found) == 10_000
    by_subject = {subject: [e for e in found if e.subject == subject] for subject in {e.subject for e in sent}}
    assert all(by_subject[subject] == [e for e in sent if e.subject == subject] for subject in by_subject)


def test_a_record_lies_where_its_subject_belongs(settings: Settings, written: Tail) -> None:
    feed = Feeding(settings)
    for one in told("/test/places", 200):
        feed.send(one)
    feed.finish()
    records = written.records()
    assert {(m.key(), m.partition()) for m in records} == {
        (m.key(), murmur2(m.key() or b"") % settings.partitions) for m in records
    }


def murmur2(key: bytes) -> int:
    """Another implementation of the partitioner than the producer's."""
    from kafka.partitioner.default import murmur2 as reference

    return reference(key) & 0x7FFFFFFF


def test_a_record_that_the_broker_refuses_is_an_error_with_both_counts(settings: Settings, written: Tail) -> None:
    feed = Feeding(settings)
    for one in told("/test/refused", 20):
        feed.send(one)
    feed.send_record("order/1", os.urandom(MAX_RECORD + MAX_RECORD // 2))
    with pytest.raises(NotSent, match=r"20 events lie in rx\.events, 1 do not: .*too large") as refused:
        feed.finish()
    assert (refused.value.confirmed, refused.value.missing) == (20, 1)
    assert len(written.events("/test/refused")) == 20


def test_a_record_that_is_too_large_even_to_send_is_an_error_too(settings: Settings) -> None:
    feed = Feeding(settings)
    feed.send_record("order/1", bytes(3 * MAX_RECORD))
    with pytest.raises(NotSent, match=r"0 events lie in rx\.events, 1 do not"):
        feed.finish()


def test_a_broker_that_is_away_is_said_before_anything_is_sent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "_ANSWER_SECONDS", 1.0)
    away = Settings(home=settings.home, cache=settings.cache, kafka="127.0.0.1:1")
    with pytest.raises(CallerFault, match=r"Kafka at 127\.0\.0\.1:1 does not answer .*is it up\?"):
        Feeding(away)
