"""The judge of rates over a real database: what it finds follows from the counts alone, in whatever order they came,
whoever judges, and whatever is killed between."""

import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import structs

from models import policy_text
from models.event import CaseId, Event, Site, Source
from models.policy import Kind, Policies, Severity
from models.rates import MINUTE, Shift, Trials, design_of, minute_of, shifts
from models.settings import Settings
from models.signals import Cleared, Signal
from models.store import policies as versions
from models.store import seat as seats
from models.store.changes import ATTENTION
from models.store.figures import figures
from models.store.judging import expected_shifts, unjudged
from models.store.ledger import Advance, Batch, OutcomeCount, OutcomeKey, SignalFact
from models.store.memory import Memory as MemoryStore
from models.store.memory import MemoryLedger
from models.store.policies import read_policies
from models.store.rebuilding import forget_facts
from models.store.revisions import STEP
from models.store.seat import PARTITION, Elsewhere, Round, Seat
from models.store.silences import silent_feeds
from models.store.soundness import soundness
from models.store.sql import SqlLedger
from models.tracking import Watched, track
from models.wire import Decoded
from streams import topics
from streams.cases import Cases
from streams.draft import Draft, Partition
from streams.outcomes import Judge
from streams.relay import Relay
from streams.ticks import Ticker
from streams.topics import SIGNALS
from tests.clockwork import MovedClock
from tests.conftest import RunningStack
from tests.heart import event
from tests.live import living, until

PARTITIONS = 3
POLICY = """
extends = "none"
[site.mercy]
name = "Mercy"
setting = "inpatient"
timezone = "UTC"
[rate.not-given]
title = "Doses not given"
opportunity = "rx.dose.administered"
error = "rx.dose.not_given"
per_month = 2000
baseline = 0.05
detect = %s
false_alarms_per_month = 1
severity = "S3"
source = "a test"
"""
FIRST = policy_text.read(POLICY % "2.0", file="first.toml")
CHANGED = policy_text.read(POLICY % "3.0", file="changed.toml")
WITHOUT = policy_text.read(POLICY.split("[rate.", 1)[0], file="without.toml")
RATE = FIRST.policy.rates["not-given"]
DAY = timedelta(days=1)
Counts = dict[tuple[datetime, int], tuple[int, int]]
"""(clean, errors) by minute and partition."""


def always() -> bool:
    return True


@dataclass
class Floor:
    """A worker that counts trials, and the times up to which its partitions have read."""

    url: str
    ledger: SqlLedger
    advances: dict[int, Advance] = field(default_factory=dict)
    total: Counter[tuple[datetime, bool]] = field(default_factory=Counter)

    def count(
        self,
        counts: Mapping[tuple[datetime, int], tuple[int, int]],
        read: datetime,
        rate: Any = RATE,
        site: str = "mercy",
    ) -> None:
        """Adds trials in one batch; every partition has read up to `read` afterwards, or further if it had."""
        outcomes = {}
        for (minute, partition), (clean, errors) in counts.items():
            key = OutcomeKey(site, rate.name, rate.entry, minute, partition)
            outcomes[key] = OutcomeCount(clean, errors)
            self.total[minute, False] += clean
            self.total[minute, True] += errors
        self.ledger.commit(
            Batch([self._advance(partition, read) for partition in range(PARTITIONS)], outcomes=outcomes)
        )

    def _advance(self, partition: int, read: datetime) -> Advance:
        before = self.advances.get(partition) or Advance(partition, 1, 0, 0, 0, 0)
        now = replace(before, was=before.position, position=before.position + 1, recorded=read)
        self.advances[partition] = now
        return now

    def expected(self) -> list[Shift]:
        """What follows from everything counted, by the pure test."""
        minutes = sorted({minute for minute, _ in self.total})
        trials = [Trials(minute, self.total[minute, False], self.total[minute, True]) for minute in minutes]
        return list(shifts(trials, design_of(RATE)))

    def signals(self) -> list[tuple[Any, ...]]:
        """The signals of rates as they stand, without what was disproved."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                "SELECT raised, cleared, reason FROM signals WHERE kind = 'rate' AND reason IS DISTINCT FROM 'disproof'"
                " ORDER BY raised, cleared"
            ).fetchall()

    def row(self, query: str) -> Any:
        with psycopg.connect(self.url) as connection:
            found = connection.execute(query).fetchone()
            assert found is not None
            return found[0]


@pytest.fixture
def floor(database_url: str) -> Iterator[Floor]:
    versions.begin(database_url, FIRST, "a test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", range(PARTITIONS), "w0")
    yield Floor(database_url, ledger)
    ledger.close()


@pytest.fixture
def seat(floor: Floor) -> Iterator[Seat]:
    with closing(Seat(floor.url, "w0")) as opened:
        yield opened


def told(found: Round | Elsewhere) -> list[SignalFact]:
    assert isinstance(found, Round)
    return found.changes


def stand(shift: Shift) -> tuple[Any, ...]:
    return shift.raised, shift.cleared, None if shift.reason is None else shift.reason.value


def now(floor: Floor) -> datetime:
    return floor.row("SELECT now()")


def bad_hour(begins: datetime, partition: int = 0) -> Counts:
    """An hour in which every second dose is not given."""
    return {(begins + MINUTE * minute, partition): (1, 1) for minute in range(60)}


def good(begins: datetime, minutes: int) -> Counts:
    """Doses as they should be, one a minute."""
    return {(begins + MINUTE * minute, minute % PARTITIONS): (1, 0) for minute in range(minutes)}


def weeks(seed: int, begins: datetime) -> Counts:
    """Four days of doses on three partitions, the second of them bad."""
    dice = random.Random(seed)
    counts: Counts = {}
    for number in range(4 * 24 * 60):
        if dice.random() < 0.3:
            errors = sum(dice.random() < (0.15 if 1440 <= number < 2880 else 0.03) for _ in range(3))
            counts[begins + MINUTE * number, dice.randrange(PARTITIONS)] = (3 - errors, errors)
    return counts


def portions(counts: Counts, sizes: random.Random) -> Iterable[Counts]:
    rows = list(counts.items())
    at = 0
    while at < len(rows):
        size = sizes.randrange(1, 400)
        yield dict(rows[at : at + size])
        at += size


def test_a_shift_is_raised_from_minutes_that_are_still_open(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 8 * MINUTE
    floor.count({(begins + MINUTE * minute, 0): (5, 5) for minute in range(8)}, begins)
    with psycopg.connect(floor.url, autocommit=True) as dispatcher:
        dispatcher.execute(f"LISTEN {ATTENTION}")
        [change] = told(seat.judge(None, always))
        assert [notice.channel for notice in dispatcher.notifies(timeout=10, stop_after=1)] == [ATTENTION]
    assert (change.partition, change.sequence) == (PARTITION, 0)
    assert change.signal.open and change.signal.known == change.signal.raised
    assert [stand(shift) for shift in floor.expected()] == floor.signals()
    assert floor.row("SELECT count(*) FROM rate_states") == 0


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


def test_what_nobody_touched_is_not_followed_again(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    assert len(told(seat.judge(None, always))) == 1
    assert unjudged(seat._connection) == set()
    assert told(seat.judge(1, always)) == []


@pytest.mark.parametrize("seed", range(3))
def test_the_shifts_are_the_same_whatever_order_the_counts_came_in(floor: Floor, seat: Seat, seed: int) -> None:
    dice = random.Random(seed)
    begins = minute_of(now(floor)) - 4 * DAY
    counts = weeks(seed, begins)
    # Some trials are counted twice at first, and the second time is taken back.
    twice = dict(dice.sample(sorted(counts.items()), 200))
    rows = list(counts.items())
    dice.shuffle(rows)
    read, mark = begins, None
    for portion in portions(dict(rows), dice):
        floor.count(portion | {key: (2 * a, 2 * b) for key, (a, b) in portion.items() if key in twice}, read)
        found = seat.judge(mark, always)
        assert isinstance(found, Round)
        mark = found.published + len(found.changes)
        read += dice.choice((DAY, timedelta(hours=2)))
        read = min(read, begins + 4 * DAY)
    floor.count({key: (-a, -b) for key, (a, b) in twice.items()}, begins + 4 * DAY)
    seat.judge(mark, always)
    expected = [stand(shift) for shift in floor.expected()]
    assert len(expected) >= 1 and floor.signals() == expected
    with psycopg.connect(floor.url) as connection:
        policies = read_policies(connection, None)
        assert policies is not None
        assert sorted((s.raised, s.cleared, s.reason) for s in expected_shifts(connection, policies)) == expected


def test_history_is_followed_only_as_far_as_every_partition_has_read(floor: Floor, seat: Seat) -> None:
    # Not across midnight, where a checkpoint is kept of its own.
    begins = (minute_of(now(floor)) - 10 * DAY).replace(hour=3)
    bad = begins + timedelta(hours=1)
    floor.count(good(begins, 60) | bad_hour(bad), begins)
    assert told(seat.judge(None, always)) == []
    assert kept(floor) == []
    floor.count({}, bad + timedelta(minutes=10))
    assert told(seat.judge(0, always)) == []
    assert kept(floor) == [bad]
    floor.count({}, bad + timedelta(hours=1, minutes=10))
    [change] = told(seat.judge(0, always))
    assert change.signal.raised == floor.expected()[0].raised
    assert floor.row("SELECT told FROM signals") == "old"


def test_a_late_count_for_a_folded_minute_is_followed_from_the_checkpoint_before_it(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)).replace(hour=0, minute=0) - 3 * DAY
    floor.count(good(begins, 3 * 1440), begins + 3 * DAY)
    assert told(seat.judge(None, always)) == []
    folded = [begins + DAY * day for day in (1, 2)]
    assert [at for at in kept(floor) if at.hour == 0 and at.minute == 0][:2] == folded
    floor.count(bad_hour(begins + 2.5 * DAY, partition=2), begins + 3 * DAY)
    # Were it followed from the very first minute, this would show.
    with psycopg.connect(floor.url) as connection:
        connection.execute("UPDATE rate_states SET value = 0.5 WHERE folded = %s", [folded[1]])
    found = told(seat.judge(0, always))
    assert [change.signal.open for change in found] == [False]
    assert found[0].signal.raised > begins + 2.5 * DAY
    assert kept(floor)[:2] == folded


def test_a_checkpoint_that_late_counts_overtook_is_left_anew(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)).replace(hour=0, minute=0) - 3 * DAY
    midnight = begins + 2 * DAY
    floor.count(good(begins, 3 * 1440), begins + 3 * DAY)
    seat.judge(None, always)
    floor.count({(midnight - MINUTE * before, 0): (0, 1) for before in range(1, 20)}, begins + 3 * DAY)
    seat.judge(0, always)
    floor.count({(midnight + 10 * MINUTE, 0): (0, 3)}, begins + 3 * DAY)
    seat.judge(0, always)
    assert [stand(shift) for shift in floor.expected()] == floor.signals()
    assert floor.signals()[0][0] < midnight < floor.signals()[0][1]


def test_what_is_counted_between_the_look_and_the_following_is_not_lost(floor: Floor, seat: Seat) -> None:
    """More sites than are followed at once: while the first are, a late count comes for the last."""
    begins = minute_of(now(floor)) - 3 * DAY
    sites = [f"site-{number}" for number in range(9)]
    for site in sites:
        floor.count({(begins, 0): (1, 0)}, begins + 3 * DAY, site=site)
    seat.judge(None, always)
    for site in sites:
        floor.count({(begins + 3 * DAY, 0): (1, 0)}, begins + 3 * DAY, site=site)
    calls: list[int] = []

    def meanwhile() -> bool:
        if not calls:
            floor.count(bad_hour(begins + MINUTE), begins + 3 * DAY, site=sites[-1])
        calls.append(1)
        return True

    found = [*told(seat.judge(0, meanwhile)), *told(seat.judge(0, always))]
    assert len(calls) == 2 and found[0].signal.site == sites[-1]


def kept(floor: Floor) -> list[datetime]:
    with psycopg.connect(floor.url) as connection:
        return [at for (at,) in connection.execute("SELECT folded FROM rate_states ORDER BY folded")]


def test_a_raise_that_its_counts_deny_is_cleared_as_disproof(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    [raised] = told(seat.judge(None, always))
    floor.count(dict.fromkeys(bad_hour(begins), (0, -1)), begins)
    [denied] = told(seat.judge(1, always))
    assert denied.signal.id == raised.signal.id
    assert (denied.signal.reason, denied.signal.revision) == (Cleared.DISPROOF, 2)
    floor.count(dict.fromkeys(bad_hour(begins), (0, 1)), begins)
    [again] = told(seat.judge(2, always))
    assert (again.signal.open, again.signal.revision) == (True, 3)
    assert floor.row("SELECT cleared FROM signals") is None


def test_the_running_minute_may_raise_a_signal_and_only_when_it_is_over_clear_it(database_url: str) -> None:
    clock = MovedClock(database_url)
    versions.begin(database_url, FIRST, "a test")
    with closing(SqlLedger(database_url, "w0")) as ledger, closing(Seat(database_url, "w0")) as seat:
        ledger.claim("a-cluster", range(PARTITIONS), "w0")
        floor = Floor(database_url, ledger)
        clock.forward(seconds=70 - ledger.now().second)
        running = minute_of(ledger.now())
        floor.count({(running, 0): (0, 12)}, running)
        [raised] = told(seat.judge(None, always))
        assert raised.signal.raised == running + MINUTE
        clock.forward(minutes=1)
        floor.count({(running + MINUTE, 1): (200, 0)}, running)
        assert told(seat.judge(1, always)) == []
        assert len(unjudged(seat._connection)) == 1
        clock.forward(minutes=1)
        [cleared] = told(seat.judge(1, always))
        assert (cleared.signal.cleared, cleared.signal.reason) == (running + 2 * MINUTE, Cleared.SCORE)
    clock.close()


def test_what_a_killed_judge_did_not_send_is_sent_by_the_next(floor: Floor, seat: Seat) -> None:
    begins = minute_of(now(floor)) - 60 * MINUTE
    floor.count(bad_hour(begins), begins)
    [change] = told(seat.judge(None, always))
    seat.close()
    with closing(Seat(floor.url, "w0")) as restarted:
        assert told(restarted.judge(None, always)) == [replace(change, signal=change.signal)]
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
        clock.forward(seconds=4)
        assert isinstance(other.judge(None, always), Elsewhere)
        clock.forward(seconds=2)
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


def test_a_changed_entry_starts_at_0_and_its_open_signal_is_cleared_by_policy(database_url: str) -> None:
    clock = MovedClock(database_url)
    versions.begin(database_url, FIRST, "a test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", range(PARTITIONS), "w0")
    floor = Floor(database_url, ledger)
    begins = minute_of(now(floor)) - 60 * MINUTE
    effective = minute_of(now(floor)) + 10 * MINUTE
    with closing(Seat(database_url, "w0")) as seat:
        floor.count(bad_hour(begins), begins)
        [raised] = told(seat.judge(None, always))
        change_policy(database_url, CHANGED, effective)
        assert told(seat.judge(1, always)) == []
        clock.forward(minutes=11)
        [lapsed] = told(seat.judge(1, always))
        assert lapsed.signal == structs.replace(
            raised.signal, cleared=effective, reason=Cleared.POLICY, revision=2, raised=raised.signal.raised
        )
        assert told(seat.judge(2, always)) == []
        clock.forward(hours=2)
        floor.count(bad_hour(effective), effective, CHANGED.policy.rates["not-given"])
        [anew] = told(seat.judge(2, always))
        assert anew.signal.id != raised.signal.id and anew.signal.raised > effective
    ledger.close()
    clock.close()


def test_an_entry_that_comes_back_starts_at_0(database_url: str) -> None:
    clock = MovedClock(database_url)
    versions.begin(database_url, FIRST, "a test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", range(PARTITIONS), "w0")
    floor = Floor(database_url, ledger)
    begins = minute_of(now(floor)) - 60 * MINUTE
    gone, back = (minute_of(now(floor)) + MINUTE * at for at in (10, 20))
    change_policy(database_url, WITHOUT, gone)
    change_policy(database_url, FIRST, back)
    with closing(Seat(database_url, "w0")) as seat:
        errors = dict(list(bad_hour(begins).items())[:4])
        floor.count(errors, begins)
        assert told(seat.judge(None, always)) == []
        clock.forward(hours=1)
        # Half of what raises the signal lies on either side of the gap.
        floor.count({(minute - begins + back, part): n for (minute, part), n in errors.items()}, back)
        assert told(seat.judge(0, always)) == []
        assert len(floor.expected()) == 1, "without the gap it would have shifted"
    ledger.close()
    clock.close()


def change_policy(url: str, version: policy_text.Parsed, effective: datetime) -> None:
    with psycopg.connect(url) as connection:
        versions.append(connection, version, effective, "a test")


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


# Feeds

PIS = (Source("/mercy/pis"), Site("mercy"))
HEARD_FOR_20M = policy_text.read('extends = "none"\n[feed."/mercy/pis"]\nsilent_after = "20m"\n', file="feeds.toml")
LEARNED = policy_text.read(
    'extends = "none"\n[site.mercy]\nname = "Mercy"\nsetting = "inpatient"\ntimezone = "UTC"\n', file="plain.toml"
)


class Ear:
    """A worker that hears feeds, on a database whose clock the test moves, and the judge. Times are minutes after the
    beginning."""

    def __init__(self, url: str, policy: policy_text.Parsed) -> None:
        self.url = url
        self.clock = MovedClock(url)
        versions.begin(url, policy, "a test")
        self.policies = Policies.only(policy.policy)
        self.ledger = SqlLedger(url, "w0")
        claims = self.ledger.claim("a-cluster", range(PARTITIONS), "w0")
        self.partitions = [Partition.of(claim, 0) for claim in claims]
        self.seat = Seat(url, "w0")
        self.begins = self.ledger.now()
        self.heard = self.sent = 0

    def at(self, minutes: float) -> datetime:
        return self.begins + timedelta(minutes=minutes)

    def until(self, minutes: float) -> None:
        """Moves the database's clock there."""
        self.clock.forward(seconds=(self.at(minutes) - self.ledger.now()).total_seconds())

    def hear(self, *minutes: float, judged: Iterable[int] = range(PARTITIONS)) -> None:
        """One batch: events recorded then, one partition after the other, and silence up to now in those `judged`."""
        draft, now = Draft(), self.ledger.now()
        for at in minutes:
            self.heard += 1
            partition = self.partitions[self.heard % PARTITIONS]
            said = structs.replace(
                event("feed.heartbeat", 0, key=f"e{self.heard}", case=f"feed/{self.heard}"), recorded=self.at(at)
            )
            draft.read(partition, partition.position)
            case = Watched(said.subject)
            draft.track(partition, case, [Decoded(said)], track(case, said, self.policies))
        for number in judged:
            draft.listened(self.partitions[number], now, [])
        draft.seal()
        self.ledger.commit(draft.batch(lambda _: 0, timedelta(minutes=15)))

    def judge(self) -> list[Signal]:
        found = [change.signal for change in told(self.seat.judge(self.sent, always))]
        self.sent += len(found)
        return found

    def close(self) -> None:
        self.seat.close()
        self.ledger.close()
        self.clock.close()


@pytest.fixture
def ear(request: pytest.FixtureRequest, database_url: str) -> Iterator[Ear]:
    with closing(Ear(database_url, getattr(request, "param", HEARD_FOR_20M))) as opened:
        yield opened


def test_a_feed_is_silent_from_the_instant_at_which_its_policy_allows_no_more(ear: Ear) -> None:
    ear.hear(-5, 0, -3)
    ear.until(19.5)
    ear.hear()
    assert ear.judge() == []
    ear.until(21)
    ear.hear()
    [silent] = ear.judge()
    assert (silent.kind, silent.name, silent.site, silent.severity) == (Kind.FEED, *PIS, Severity.S2)
    assert silent.raised == silent.known == ear.at(20)
    with psycopg.connect(ear.url) as connection:
        assert silent_feeds(connection) == {PIS: ear.at(0)}
        assert connection.execute("SELECT told, attention FROM signals").fetchall() == [(None, True)]
    assert alarms(ear) == {PIS: True}
    ear.until(22)
    ear.hear()
    assert ear.judge() == []


def alarms(ear: Ear) -> dict[tuple[str, str], bool]:
    """What `rxpulse status` says of each feed."""
    found = figures(ear.url)
    assert found is not None
    return {(one.source, one.site): one.alarm for one in found.feeds}


def test_a_silent_feed_is_cleared_by_its_next_event_and_the_next_silence_is_another_signal(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear()
    [silent] = ear.judge()
    ear.until(25)
    ear.hear(25)
    assert ear.judge() == [structs.replace(silent, cleared=ear.at(25), reason=Cleared.SPOKE, revision=2)]
    with psycopg.connect(ear.url) as connection:
        assert silent_feeds(connection) == {}
    assert alarms(ear) == {PIS: False}
    ear.until(46)
    ear.hear()
    [again] = ear.judge()
    assert again.id != silent.id and again.raised == ear.at(45)


def test_no_feed_is_silent_while_a_partition_has_not_been_read_up_to_now(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear(judged=[0, 1])
    assert ear.judge() == []
    ear.hear(judged=[2])
    assert len(ear.judge()) == 1


def test_no_feed_is_silent_while_a_partition_was_never_read(ear: Ear) -> None:
    ear.hear(0, judged=[0, 1])
    ear.until(21)
    ear.hear(judged=[0, 1])
    assert ear.judge() == []


def test_no_feed_is_silent_while_nobody_listens_any_more(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear()
    ear.until(21.5)
    assert ear.judge() == []


def test_a_restarted_judge_still_knows_who_is_silent(ear: Ear) -> None:
    ear.hear(0)
    ear.until(21)
    ear.hear()
    [silent] = ear.judge()
    with closing(Seat(ear.url, "w0")) as after:
        ear.hear()
        assert [change.signal for change in told(after.judge(None, always))] == [silent]
        ear.hear(21)
        assert [change.signal.reason for change in told(after.judge(1, always))] == [Cleared.SPOKE]


@pytest.mark.parametrize("ear", [LEARNED], indirect=True)
def test_how_long_a_feed_may_be_silent_is_learned_over_all_partitions(ear: Ear) -> None:
    """An event every 20 minutes, each on another partition than the one before."""
    ear.begins = minute_of(ear.begins)
    ear.hear(*(-20.0 * at for at in range(14 * 72)))
    ear.until(59)
    ear.hear()
    assert ear.judge() == []
    ear.until(61)
    ear.hear()
    assert [one.raised for one in ear.judge()] == [ear.at(60)]


@pytest.mark.parametrize("ear", [LEARNED], indirect=True)
def test_in_its_first_week_a_feed_without_a_policy_is_never_silent(ear: Ear) -> None:
    ear.hear(*(-20.0 * at for at in range(6 * 72)))
    ear.until(600)
    ear.hear()
    assert ear.judge() == []


@pytest.mark.parametrize("ear", [LEARNED], indirect=True)
def test_a_worker_whose_clock_is_astray_is_a_signal_until_its_next_good_measure(ear: Ear) -> None:
    ear.hear()
    ear.seat.measure(timedelta(seconds=-30))
    assert ear.judge() == []
    ear.seat.measure(timedelta(seconds=-31))
    [astray] = ear.judge()
    assert (astray.kind, astray.name, astray.site, astray.severity) == (Kind.FEED, "clocks", "mercy", Severity.S2)
    assert ear.judge() == []
    with psycopg.connect(ear.url) as connection:
        assert silent_feeds(connection) == {}
    ear.seat.measure(timedelta(seconds=1))
    [good] = ear.judge()
    assert (good.id, good.reason, good.revision) == (astray.id, Cleared.SPOKE, 2)


@pytest.mark.parametrize("ear", [LEARNED], indirect=True)
def test_the_clock_of_a_worker_that_is_no_more_is_forgiven(ear: Ear) -> None:
    ear.hear()
    ear.seat.measure(timedelta(minutes=-31))
    assert len(ear.judge()) == 1
    ear.until(9)
    assert ear.judge() == []
    ear.until(11)
    assert [one.open for one in ear.judge()] == [False]
    assert ear.judge() == []


def test_what_feeds_are_learned_from_is_kept_for_nine_weeks(ear: Ear) -> None:
    week = 7 * 24 * 60.0
    ear.hear(-10 * week, -9 * week - 60, -8 * week, 0)
    ear.judge()
    with psycopg.connect(ear.url) as connection:
        rows = connection.execute("SELECT hour FROM feed_hours ORDER BY hour").fetchall()
    assert [hour > ear.at(-9 * week - 60) for (hour,) in rows] == [True, True]
    found = soundness(ear.url)
    assert found is not None and list(found.spans.values()) == [timedelta(weeks=8)]


@pytest.mark.parametrize(("apart", "listens"), [(29, True), (-29, True), (31, False), (-31, False)])
def test_no_silence_is_listened_to_while_the_clocks_are_apart(stack: RunningStack, apart: int, listens: bool) -> None:
    topics.create(Settings(home=stack.home, cache=stack.home, kafka=stack.kafka))
    ledger = MemoryLedger(MemoryStore(Policies.only(LEARNED.policy)))
    measured: list[timedelta] = []
    ticker = Ticker(
        ledger,
        lambda: AdminClient({"bootstrap.servers": stack.kafka}),
        Cases(ledger),
        timedelta(seconds=1),
        lambda: ledger.now() + timedelta(seconds=apart),
        measured.append,
    )
    draft, partition = Draft(), Partition(0, 1, 10**6, 0, 10**6)
    ticker.judge({0: partition}, [draft], draft, Policies.only(LEARNED.policy))
    assert [round(one.total_seconds()) for one in measured] == [apart]
    assert draft.empty is not listens


def test_a_worker_raises_a_shifted_rate_within_seconds_and_clears_it_when_doses_are_given_again(
    stack: RunningStack, database_url: str, tmp_path: Path
) -> None:
    with living(stack.kafka, database_url, tmp_path, FIRST) as live:
        live.worker()
        begins = datetime.now(UTC) - 5 * MINUTE
        live.send(*(dose("not_given", number, begins) for number in range(12)))
        [raised] = until(lambda: live.rows("SELECT id, name, site FROM signals WHERE kind = 'rate'"), why=live.told)
        assert raised[1:] == ("not-given", "mercy")
        live.send(*(dose("administered", number, begins) for number in range(200)))
        until(
            lambda: live.rows("SELECT 1 FROM signals WHERE id = %s AND cleared IS NOT NULL", raised[0]), why=live.told
        )
        types = [
            json.loads(one.value() or b"")["type"] for one in live.topic(SIGNALS) if one.key() == raised[0].encode()
        ]
        assert types[0] == "rx.signal.raised" and types[-1] == "rx.signal.cleared"
        assert live.one("SELECT ahead FROM worker_clocks WHERE worker = 'w0'") is not None
        assert live.workers[0].stop() == 0


def dose(what: str, number: int, at: datetime) -> Event:
    case = CaseId(f"dose/{what}-{number}")
    return structs.replace(event(f"dose.{what}", 0, case=case, key=f"{what}-{number}"), time=at, recorded=at)
