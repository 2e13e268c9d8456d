"""The worker as it really runs: a process of its own, Kafka and PostgreSQL, killed and started again."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from metrics.replay import Replay
from models import policy_text
from models.event import Event
from models.policy import Policies
from models.signals import Cleared
from models.store.facts import snapshot
from models.wire import MAX_RECORD, Decoded, encode, stamp
from streams.admission import DROPPED
from streams.app import STOPPED_ON_PURPOSE
from streams.batch import LARGEST
from streams.deadletter import LARGEST_KEY
from streams.laps import Doing
from streams.topics import DEADLETTER, EVENTS, INTERVALS, SIGNALS
from streams.verify import uncounted, verify
from tests.conftest import RunningStack
from tests.heart import event
from tests.live import PARTITIONS, Live, free_port, living, now, renew_topics, simulated, stat, stops_in_time, until

SHIPPED = policy_text.shipped_default()
POLICIES = Policies.only(SHIPPED.policy)


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, SHIPPED) as one:
        yield one


def replayed(events: list[Event], until: datetime) -> Replay:
    """The plain heart over the same events, up to the same instant."""
    heart = Replay(POLICIES)
    for one in events:
        heart.take(Decoded(one))
    heart.end(until)
    return heart


def assert_as_replayed(live: Live, events: list[Event]) -> None:
    """The store holds what the plain heart says, each thing once."""
    heart = replayed(events, live.judged())
    counted = live.rows("SELECT sum(accepted), sum(duplicates), sum(rejected), sum(rerouted) FROM positions")
    assert [int(n) for n in counted[0]] == [heart.accepted, heart.duplicates, 0, 0]
    cases = live.rows("SELECT id, waits, finished FROM cases")
    assert {row[0]: row[1:] for row in cases} == {
        name: (said.waits, said.finished) if (said := case.progress) else (None, None)
        for name, case in heart.cases.items()
    }
    assert intervals_of(live) == Counter((i.id, i.started, i.stopped, i.net, i.in_target) for i in heart.intervals())
    signals = live.rows("SELECT id, raised, cleared, reason FROM signals WHERE reason IS DISTINCT FROM 'disproof'")
    held = [s for case in heart.cases.values() for s in case.signals.values() if s.reason is not Cleared.DISPROOF]
    assert Counter(signals) == Counter((s.id, s.raised, s.cleared, s.reason and s.reason.value) for s in held)
    trials = live.rows("SELECT site, rate, minute, sum(clean), sum(errors) FROM outcomes GROUP BY 1, 2, 3")
    found = {(s, r, m, error): int(n) for s, r, m, *both in trials for error, n in enumerate(both) if n}
    assert found == {(s, r, m, int(error)): n for (s, r, m, error), n in heart.trials.items() if n}


def intervals_of(live: Live) -> Counter[tuple[Any, ...]]:
    """The latest rows that are not retracted; a row written twice counts twice."""
    rows = live.rows(
        "SELECT id, started, stopped, net, in_target FROM intervals i WHERE NOT retracted AND revision ="
        " (SELECT max(revision) FROM intervals o WHERE o.id = i.id)"
    )
    return Counter((name, a, b, timedelta(microseconds=net), verdict) for name, a, b, net, verdict in rows)


def test_events_are_applied_once_and_give_what_the_plain_heart_gives(live: Live) -> None:
    events = simulated()
    live.worker()
    live.send(*events, *events[:50])
    live.await_applied()
    assert_as_replayed(live, [*events, *events[:50]])


def test_public_topics_hold_every_fact_under_its_stable_id(live: Live) -> None:
    live.worker()
    live.send(*simulated())
    live.await_applied()
    published = "SELECT bool_and(published = sequence) FROM positions"
    until(lambda: live.one(published), why=live.told)
    intervals = live.rows("SELECT DISTINCT id || '.' || revision FROM intervals")
    signals = live.rows("SELECT DISTINCT id || '.' || revision FROM signal_changes")
    assert intervals and signals
    for topic, rows in ((INTERVALS, intervals), (SIGNALS, signals)):
        assert {json.loads(message.value() or b"")["id"] for message in live.topic(topic)} == {name for (name,) in rows}


def test_a_stat_order_that_nobody_verifies_raises_a_signal_by_silence(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=15)))
    raised = "SELECT severity, cleared, case_id FROM signals WHERE name = 'stat-verified'"
    assert until(lambda: live.rows(raised), why=live.told) == [(2, None, "order/1")]
    assert live.rows("SELECT DISTINCT position FROM ticks") == [(1,)]
    live.send(stat(1, now(), "order.verified"))
    until(lambda: live.rows(f"{raised} AND reason = 'stop'"), why=live.told)


def test_a_partition_that_was_not_read_up_to_now_is_not_judged(live: Live) -> None:
    """The verification lies in the topic when the worker starts: no false alarm."""
    verified = [stat(n, now() - timedelta(minutes=30)) for n in range(200)]
    verified += [stat(n, now() - timedelta(minutes=25), "order.verified") for n in range(200)]
    live.send(*verified)
    live.worker()
    live.await_applied()
    changes = (
        "SELECT revision, judged, reason, count(*) FROM signal_changes WHERE name = 'stat-verified' GROUP BY 1, 2, 3"
    )
    assert live.rows(changes) == [(1, None, "stop", 200)]


def test_what_cannot_be_an_event_is_put_aside_with_reason_and_origin(live: Live) -> None:
    good, ahead = stat(1, now()), stat(2, now() + timedelta(hours=1))
    padded = encode(stat(3, now()))[:-1] + b',"x":"' + b"x" * MAX_RECORD + b'"}'
    records = [b"garbage", encode(ahead), b"", padded, b'{"specversion":"0.3"}']
    live.produce((b"k", value, 0) for value in records)
    live.send(good)
    live.worker()
    live.await_applied()
    found = {}
    for message in live.topic(DEADLETTER):
        told = dict(message.headers() or [])
        found[int(told["offset"])] = told["reason"].decode(), message.value() or b"", told["partition"], told["topic"]
    reasons = ["not json", "recorded ahead", "not json", "too large", "specversion"]
    wanted = zip(reasons, records, strict=True)
    assert found == {n: (reason, value, b"0", EVENTS.encode()) for n, (reason, value) in enumerate(wanted)}
    assert live.one("SELECT sum(rejected) FROM positions") == len(records)
    counted = live.rows("SELECT reason, sum(count) FROM doubts WHERE kind = 'dead_letter' GROUP BY reason")
    assert dict(counted) == Counter(reasons)
    assert live.rows("SELECT id FROM cases") == [("order/1",)]


def test_fields_that_the_intake_dropped_count_for_their_feed_as_those_that_the_worker_drops_itself(live: Live) -> None:
    cleaned, free = stat(1, now()), stat(2, now())
    value = encode(free).replace(b'"data":{', b'"note":"x","data":{"a":1,"b":2,')
    headers = {DROPPED: b"2"}
    live.producer.produce(EVENTS, encode(cleaned), cleaned.subject, headers=headers)
    live.producer.produce(EVENTS, value, free.subject, headers={DROPPED: b"many"})
    assert live.producer.flush(30) == 0
    live.worker()
    live.await_applied()
    assert live.one("SELECT sum(dropped_fields) FROM feeds") == 2 + 3


def test_an_event_of_the_year_2150_is_put_aside_with_the_reason_and_nothing_else_is_lost(live: Live) -> None:
    """A wrong clock, straight into the topic past the intake: with a time of recording that is as wrong, and without one."""
    late = datetime(2150, 6, 1, tzinfo=UTC)
    wrong = json.loads(encode(stat(1, late)))
    unrecorded = {name: value for name, value in wrong.items() if name != "recorded"} | {"id": "unrecorded"}
    live.send(stat(1, now() - timedelta(minutes=11)))
    live.produce((b"order/1", json.dumps(one).encode(), None) for one in (wrong, unrecorded))
    live.send(stat(2, now()))
    worker = live.worker()
    live.await_applied()
    reasons = {dict(one.headers() or [])["reason"]: one.value() for one in live.topic(DEADLETTER)}
    assert reasons == {b"recorded ahead": json.dumps(wrong).encode(), b"time ahead": json.dumps(unrecorded).encode()}
    assert live.rows("SELECT sum(accepted), sum(rejected) FROM positions") == [(2, 2)]
    assert live.rows("SELECT case_id, raised < now() FROM signals WHERE name = 'stat-verified'") == [("order/1", True)]
    assert worker.alive()


def test_a_record_that_was_packed_on_its_way_is_cut_for_the_dead_letters(live: Live) -> None:
    live.produce([(None, b"0" * (5 << 20), 0)])
    live.worker()
    live.await_applied()
    (letter,) = live.topic(DEADLETTER)
    assert dict(letter.headers() or [])["cut-from-bytes"] == str(5 << 20).encode()
    assert 1 << 20 < len(letter.value() or b"") < 2 << 20


def test_a_key_that_was_packed_on_its_way_is_cut_for_the_dead_letters(live: Live) -> None:
    """Else nothing could be put aside, and every worker that starts would end at this record."""
    live.produce([(b"k" * (3 << 20), b"junk", 0), (b"k" * 20_000, b"0" * (5 << 20), 1)])
    live.worker()
    live.await_applied()
    letters = live.topic(DEADLETTER)
    assert [len(letter.key() or b"") for letter in letters] == [LARGEST_KEY] * 2
    assert {dict(letter.headers() or [])["key-cut-from-bytes"] for letter in letters} == {b"3145728", b"20000"}


def test_a_record_in_the_wrong_place_is_put_where_its_case_belongs(live: Live) -> None:
    live.worker()
    live.send(stat(1, now()))
    live.await_applied()
    home = live.one("SELECT partition FROM cases")
    verified = encode(stat(1, now(), "order.verified"))
    live.produce([(b"order/1", verified, (home + 1) % PARTITIONS), (b"other", encode(stat(2, now())), None)])
    until(lambda: live.one("SELECT sum(rerouted) FROM positions") >= 1, why=live.told)
    live.await_applied()
    assert live.rows("SELECT id, partition, finished IS NULL FROM cases WHERE id = 'order/1'")[0][1] == home
    assert live.one("SELECT count(*) FROM intervals WHERE clock = 'stat-verified'") == 1
    assert live.one("SELECT sum(accepted) FROM positions") == 3


def test_a_case_that_only_the_store_remembers_is_not_drawn_into_another_partition(live: Live) -> None:
    first = live.worker()
    live.send(stat(1, now()))
    live.await_applied()
    assert first.stop() == 0
    home = live.one("SELECT partition FROM cases")
    live.produce([(b"order/1", encode(stat(1, now(), "order.verified")), (home + 1) % PARTITIONS)])
    live.worker()
    until(lambda: live.one("SELECT sum(accepted) FROM positions") == 2, why=live.told)
    assert live.one("SELECT sum(rerouted) FROM positions") == 1
    assert live.one("SELECT partition FROM cases") == home


def test_a_case_of_work_takes_five_thousand_events_and_no_more(live: Live) -> None:
    start = now() - timedelta(hours=2)

    def note(n: int) -> Event:
        said = event("unheard.of", 0, key=f"n{n}", case="order/1")
        at = start + timedelta(seconds=n)
        return Event(said.id, said.source, said.type, at, at, said.subject, said.data)

    live.send(*(note(n) for n in range(5003)))
    live.worker()
    live.await_applied()
    reasons = [dict(message.headers() or [])["reason"] for message in live.topic(DEADLETTER)]
    assert reasons == [b"case too large"] * 3
    assert live.rows("SELECT sum(accepted), sum(rejected) FROM positions") == [(5000, 3)]


def test_a_case_of_a_hundred_thousand_events_stops_nobody_elses_orders(live: Live) -> None:
    """A sender that gives every event the same subject: its own case is full, and everything else goes on."""
    whole, begun = 100_000, now() - timedelta(hours=2)
    record = (
        '{{"specversion":"1.0","id":"n{}","source":"/elm/pis","type":"rx.unheard.of","time":"{}","subject":"order/all",'
        '"data":{{"site":"elm"}}}}'
    )
    orders = [stat(number, now() - timedelta(minutes=11)) for number in range(40)]

    def send(numbers: range) -> None:
        at = (stamp(begun + timedelta(milliseconds=number)) for number in numbers)
        live.produce((b"order/all", record.format(*one).encode(), None) for one in zip(numbers, at, strict=True))

    send(range(whole // 2))
    live.send(*orders[:20])
    send(range(whole // 2, whole))
    live.send(*orders[20:])
    worker = live.worker()
    live.await_applied()
    assert worker.alive()
    assert live.rows("SELECT sum(accepted), sum(rejected) FROM positions") == [(5000 + 40, whole - 5000)]
    assert live.one("SELECT count(*) FROM signals WHERE name = 'stat-verified' AND cleared IS NULL") == 40
    letters = live.topic(DEADLETTER)
    assert Counter(dict(one.headers() or [])["reason"] for one in letters) == {b"case too large": whole - 5000}
    assert len({dict(one.headers() or [])["offset"] for one in letters}) == whole - 5000


def garbage(live: Live, count: int) -> None:
    live.produce((None, b"garbage", 0) for _ in range(count))


def origins(live: Live) -> list[int]:
    """Where the dead letters came from, in the order in which they were put aside."""
    return [int(dict(one.headers() or [])["offset"]) for one in live.topic(DEADLETTER)]


def test_too_many_dead_letters_stop_the_worker_and_each_start_goes_on_behind_them(live: Live) -> None:
    garbage(live, 210)
    live.send(*(stat(number, now()) for number in range(20)))
    for stops in (1, 2):
        worker = live.worker()
        assert worker.ended() == 3, worker.said()
        assert "101 of the last 1000 records cannot be events" in worker.said()
        assert live.one("SELECT sum(rejected) FROM positions") == 101 * stops
        assert origins(live) == list(range(101 * stops))
    worker = live.worker()
    live.await_applied()
    assert worker.alive()
    assert live.rows("SELECT sum(accepted), sum(rejected) FROM positions") == [(20, 210)]
    assert origins(live) == list(range(210))


def test_the_step_that_the_stop_names_puts_aside_everything_at_one_go(live: Live) -> None:
    garbage(live, 3000)
    live.send(*(stat(number, now()) for number in range(20)))
    stopped = live.worker()
    assert stopped.ended() == 3
    named = re.search(r"RXPULSE_(DEADLETTER_LIMIT)=(\d+)", stopped.said())
    assert named is not None
    worker = live.worker(**{f"RXPULSE_{named[1]}": named[2]})
    live.await_applied()
    assert worker.alive()
    assert live.rows("SELECT sum(accepted), sum(rejected) FROM positions") == [(20, 3000)]
    assert origins(live) == list(range(3000))


def test_what_was_put_aside_and_never_written_is_not_put_aside_again(live: Live) -> None:
    """As after a crash between the two: the letters lie there, and the position stands before them."""
    garbage(live, 90)
    first = live.worker(RXPULSE_DEADLETTER_LIMIT="95")
    live.await_applied()
    assert first.stop() == 0
    live.database.execute("UPDATE positions SET position = 20, rejected = 20 WHERE partition = 0")
    garbage(live, 10)
    second = live.worker(RXPULSE_DEADLETTER_LIMIT="15")
    live.await_applied()
    assert second.alive()
    assert origins(live) == list(range(100))
    assert live.one("SELECT sum(rejected) FROM positions") == 100


def test_a_hundred_dead_letters_among_a_thousand_are_borne(live: Live) -> None:
    garbage(live, 100)
    worker = live.worker()
    live.await_applied()
    assert worker.alive()
    assert live.one("SELECT sum(rejected) FROM positions") == 100


def test_a_worker_killed_again_and_again_loses_nothing_and_does_nothing_twice(live: Live) -> None:
    events = simulated(days=2)
    live.send(*events[:200])
    sent = 200
    for kill in range(4):
        worker = live.worker()
        more = events[sent : sent + 400]
        sent += len(more)
        live.send(*more)
        wanted = 100 + 400 * kill
        until(lambda n=wanted: (live.one("SELECT sum(accepted) FROM positions") or 0) > n, why=live.told)
        worker.kill()
    live.worker()
    live.send(*events[sent:])
    live.await_applied()
    assert_as_replayed(live, events)
    with snapshot(live.database_url) as facts:
        assert verify(live.settings, facts, uncounted).differences == 0


def test_two_workers_share_the_partitions_and_one_takes_over_from_the_other(live: Live) -> None:
    events = simulated()
    half = len(events) // 2
    second = live.worker("w1")

    def owners() -> Counter[str]:
        rows = live.rows("SELECT owner FROM positions WHERE owner IS NOT NULL")
        return Counter(owner.rsplit("-", 1)[0] for (owner,) in rows)

    until(lambda: owners() == Counter({"worker-w1": PARTITIONS}), why=live.told)
    live.send(*events[:half])
    first = live.worker("w0")
    shared = Counter({"worker-w0": PARTITIONS // 2, "worker-w1": PARTITIONS // 2})
    until(lambda: owners() == shared, why=live.told)
    assert first.alive() and second.alive()
    first.kill()
    live.send(*events[half:])
    until(lambda: owners() == Counter({"worker-w1": PARTITIONS}), why=live.told)
    live.await_applied()
    assert second.alive()
    assert_as_replayed(live, events)


def test_positions_of_another_cluster_are_refused_with_the_remedy(live: Live) -> None:
    live.rows("INSERT INTO positions (partition, cluster) VALUES (0, 'another') RETURNING 1")
    worker = live.worker()
    assert worker.ended() == STOPPED_ON_PURPOSE
    assert "rxpulse reset --facts" in worker.said() and "another" in worker.said()


def test_a_position_beyond_the_end_is_refused_with_the_remedy(live: Live) -> None:
    worker = live.worker()
    live.send(stat(1, now()))
    live.await_applied()
    assert worker.stop() == 0
    renew_topics(live.settings)
    worker = live.worker()
    assert worker.ended() == STOPPED_ON_PURPOSE
    assert "ends at 0" in worker.said() and "rxpulse reset --facts" in worker.said()


def test_a_worker_that_is_told_to_stop_finishes_its_batch_at_once(live: Live) -> None:
    worker = live.worker()
    live.send(*simulated())
    until(lambda: live.one("SELECT sum(accepted) FROM positions"), why=live.told)
    stops_in_time(worker, live.told)
    assert live.rows("SELECT owner FROM positions WHERE owner IS NOT NULL") == []


def test_a_worker_that_is_told_to_stop_amid_a_backlog_finishes_what_it_has_read(live: Live) -> None:
    """Its draft is full and the one before is being written: as much as it ever has to finish."""
    live.send(*simulated(days=3, volume=2.0, profile="inpatient"))
    worker, all_of_it = live.worker(), sum(live.ends().values())
    until(lambda: (live.one("SELECT sum(position) FROM positions") or 0) >= LARGEST, why=live.told)
    stops_in_time(worker, live.told)
    applied = live.one("SELECT sum(position) FROM positions")
    assert LARGEST < applied < all_of_it, f"{applied} of {all_of_it}"


def test_the_worker_shows_what_is_left_to_read_and_where_its_time_goes(live: Live) -> None:
    port = free_port()
    live.worker(RXPULSE_PORT=str(port))
    live.send(stat(1, now() - timedelta(minutes=2), "order.verified"), stat(1, now() - timedelta(minutes=3)))
    live.await_applied()

    def shown() -> dict[str, float]:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    steps = {f'rxpulse_worker_step_seconds_total{{step="{one}"}}' for one in Doing}
    until(lambda: steps <= shown().keys(), why=lambda: str(steps - shown().keys()))
    found = shown()
    assert all(found[name] > 0 for name in steps)
    assert (found["rxpulse_worker_lag_records"], found["rxpulse_worker_oldest_unread_seconds"]) == (0, 0)
    assert found["rxpulse_worker_refolds_total"] == 1, "the order was entered before it was verified"
