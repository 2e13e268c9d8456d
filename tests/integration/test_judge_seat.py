"""Who judges: one worker at a time, and another when he is gone or stands still; what he found is published once for all, even
if he was killed before he sent it."""

import json
import time
from contextlib import closing
from datetime import datetime
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from models.rates import MINUTE, minute_of
from models.settings import Settings
from models.signals import Cleared
from models.store import policies as versions
from models.store import seat as seats
from models.store.rebuilding import forget_facts
from models.store.revisions import STEP
from models.store.seat import Elsewhere, Round, Seat
from streams import topics
from streams.outcomes import Judge
from streams.relay import Relay
from streams.topics import SIGNALS
from tests.clockwork import MovedClock
from tests.conftest import RunningStack
from tests.judging import FIRST, Floor, always, bad_hour, now, told


def test_a_round_says_what_is_added_to_revisions_once_facts_were_forgotten(floor: Floor, seat: Seat) -> None:
    assert revision_base(seat) == 0
    forget_facts(floor.url)
    again = Seat(floor.url, "w0")
    assert revision_base(again) == STEP
    again.close()


def revision_base(seat: Seat) -> int:
    found = seat.judge(None, always)
    assert isinstance(found, Round)
    return found.revision_base


def test_what_a_killed_judge_did_not_send_is_sent_by_the_next(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    [change] = told(seat.judge(None, always))
    seat.close()
    with closing(Seat(floor.url, "w0")) as restarted:
        assert told(restarted.judge(None, always)) == [change]
        restarted.judge(change.sequence + 1, always)
    with closing(Seat(floor.url, "w0")) as after:
        assert told(after.judge(None, always)) == []


def test_of_two_judges_one_has_the_seat_and_the_other_takes_it_when_the_first_is_gone(database_url: str) -> None:
    clock = MovedClock(database_url)
    versions.begin(database_url, FIRST, "a test")
    with closing(Seat(database_url, "w0")) as one, closing(Seat(database_url, "w1")) as other:
        assert isinstance(one.judge(None, always), Round)
        aside = other.judge(None, always)
        assert isinstance(aside, Elsewhere) and aside.beat is not None
        clock.forward(seconds=2)
        assert isinstance(other.judge(None, always), Elsewhere)
        clock.forward(seconds=4)
        assert isinstance(other.judge(None, always), Round)
        assert isinstance(one.judge(0, always), Elsewhere)
    clock.close()


def test_while_one_judges_the_other_passes_by_and_the_worker_goes_on_counting(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    met: list[Round | Elsewhere] = []

    def meanwhile() -> bool:
        with closing(Seat(floor.url, "w0")) as other:
            met.append(other.judge(None, always))
        with floor.ledger._writer.transaction():
            floor.ledger._writer.execute("SET lock_timeout = '5s'")
        floor.count(dict.fromkeys(bad_hour(begins), (0, -1)), begins)
        return True

    assert len(told(seat.judge(None, meanwhile))) == 1
    assert isinstance(met[0], Elsewhere)
    assert [change.signal.reason for change in told(seat.judge(1, always))] == [Cleared.DISPROOF]


def test_a_judge_that_stands_still_is_ended_and_leaves_nothing(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "_FREEZE", "200ms")
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)

    def frozen() -> bool:
        with psycopg.connect(floor.url, autocommit=True) as watcher:
            gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'judges for frozen'"
            give_up = time.monotonic() + 30
            while watcher.execute(gone).fetchone() != (True,):
                assert time.monotonic() < give_up, "nobody ended the judge"
        return True

    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout), closing(Seat(floor.url, "frozen")) as still:
        still.judge(None, frozen)
    assert floor.signals() == []
    with closing(Seat(floor.url, "w1")) as other:
        assert len(told(other.judge(None, always))) == 1


def test_what_is_found_reaches_the_public_topic_and_is_marked_as_sent(
    floor: Floor, seat: Seat, stack: RunningStack
) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    faults: list[object] = []
    beats: list[datetime] = []
    topics.create(Settings(home=stack.home, cache=stack.home, kafka=stack.kafka))
    consumer = Consumer({"bootstrap.servers": stack.kafka, "group.id": "judges", "enable.auto.commit": False})
    relay = Relay(Producer({"bootstrap.servers": stack.kafka}), faults.append)
    judge = Judge(seat, relay, lambda: None, beats.append, faults.append)
    judge.judge()
    assert relay.flush(30)
    judge.judge()
    assert floor.row("SELECT published FROM judge") == 1
    consumer.assign([TopicPartition(SIGNALS, p, 0) for p in consumer.list_topics(SIGNALS).topics[SIGNALS].partitions])
    name = floor.row("SELECT id FROM signals")
    found: list[dict[str, Any]] = []
    while not found:
        message = consumer.poll(30)
        assert message is not None and message.error() is None
        if message.key() == name.encode():
            found.append(json.loads(message.value() or b""))
    assert found[0]["type"] == "rx.signal.raised" and found[0]["data"]["name"] == "not-given"
    assert len(beats) == 2 and faults == []
    consumer.close()
