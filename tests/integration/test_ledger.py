"""The worker's ledger: one suite for the store in PostgreSQL and the one in memory."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, fields
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from models.event import CaseId
from models.event_types import CATALOGUE
from models.store.facts import snapshot
from models.store.ledger import (
    Batch,
    Fenced,
    ForeignCluster,
    IntervalFact,
    OtherPartitions,
    SignalFact,
    Tally,
)
from models.store.memory import Memory, MemoryLedger
from models.store.records import case_row
from models.store.revisions import STEP
from models.store.sql import SqlLedger
from models.tracking import Watched, tick, track
from tests.heart import event
from tests.ledgers import CLUSTER, NOON, POLICIES, Open, advance, looking


def late_order() -> tuple[Watched, list[IntervalFact | SignalFact]]:
    """A STAT order that was verified far too late, with its facts numbered from 0."""
    case = Watched(CaseId("order/1"))
    facts: list[IntervalFact | SignalFact] = []
    steps = []
    for one in (event("order.entered", 0, priority="stat"), event("order.verified", 50)):
        steps.append(track(case, one, POLICIES))
        case = steps[-1].case
    for step in steps:
        facts += [IntervalFact(0, len(facts) + n, 1, one) for n, one in enumerate(step.intervals)]
        facts += [SignalFact(0, len(facts) + n, 1, None, one) for n, one in enumerate(step.signals)]
    return case, facts


def test_what_was_committed_is_read_back(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    case, facts = late_order()
    assert any(isinstance(fact, SignalFact) for fact in facts) and any(isinstance(fact, IntervalFact) for fact in facts)
    ledger.commit(
        Batch(
            [advance(sequence=len(facts))],
            cases=[case_row(case, 0, None)],
            intervals=[fact for fact in facts if isinstance(fact, IntervalFact)],
            signals=[fact for fact in facts if isinstance(fact, SignalFact)],
        )
    )
    assert ledger.load([case.id, CaseId("order/none")], POLICIES) == {case.id: (case, case.look)}
    assert ledger.facts(0, 0) == facts
    assert ledger.facts(0, len(facts)) == []


def test_a_claim_goes_on_where_the_last_commit_ended(ledgers: Open) -> None:
    first = ledgers("w0")
    assert [claim.position for claim in first.claim(CLUSTER, [0, 1], "w0")] == [0, 0]
    judged = datetime(2026, 1, 1, tzinfo=UTC)
    first.commit(Batch([advance(position=7, sequence=3, published=2, judged=judged)]))
    again = ledgers("w1").claim(CLUSTER, [0], "w1")[0]
    assert (again.epoch, again.position, again.sequence, again.published, again.judged) == (2, 7, 3, 2, judged)


def test_a_claim_says_when_the_last_record_that_was_applied_was_received(ledgers: Open) -> None:
    first = ledgers("w0")
    assert first.claim(CLUSTER, [0], "w0")[0].received is None
    later, earlier = NOON, NOON - timedelta(hours=1)
    first.commit(Batch([advance(received=later)]))
    first.commit(Batch([advance(was=1, position=1, judged=NOON)]))
    assert ledgers("w1").claim(CLUSTER, [0], "w1")[0].received == later, "silence that was listened to is no record"
    second = ledgers("w2")
    second.claim(CLUSTER, [0], "w2")
    second.commit(Batch([advance(epoch=3, was=1, position=2, received=earlier)]))
    assert ledgers("w3").claim(CLUSTER, [0], "w3")[0].received == earlier, "the broker's clock may have been set back"


def test_a_claim_says_what_is_added_to_revisions_once_facts_were_forgotten(
    ledgers: Open, forget: Callable[[], None]
) -> None:
    assert [claim.revision_base for claim in ledgers("w0").claim(CLUSTER, [0, 1], "w0")] == [0, 0]
    forget()
    assert [claim.revision_base for claim in ledgers("w1").claim(CLUSTER, [0, 1], "w1")] == [STEP, STEP]
    forget()
    forget()
    again = ledgers("w2").claim(CLUSTER, [0], "w2")[0]
    assert (again.revision_base, again.epoch, again.position, again.sequence) == (3 * STEP, 1, 0, 0)


def test_who_lost_his_partition_writes_nothing(ledgers: Open) -> None:
    loser, winner = ledgers("w0"), ledgers("w1")
    loser.claim(CLUSTER, [0, 1], "w0")
    winner.claim(CLUSTER, [1], "w1")
    case, _ = late_order()
    with pytest.raises((Fenced, psycopg.OperationalError)):
        loser.commit(Batch([advance(), advance(partition=1)], cases=[case_row(case, 0, None)]))
    assert winner.load([case.id], POLICIES) == {}
    assert winner.claim(CLUSTER, [0], "w1")[0].position == 0


def test_a_batch_acts_once_however_often_it_is_written(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    batch = Batch([advance(tally=Tally(accepted=1))])
    ledger.commit(batch)
    with pytest.raises(Fenced):
        ledger.commit(batch)


@pytest.fixture
def tally(ledgers: Open, request: pytest.FixtureRequest, memory: Memory) -> Callable[[int], Tally]:
    """What became of the records of a partition of that store."""
    if isinstance(ledgers("nobody"), MemoryLedger):
        return lambda partition: memory.positions[partition].tally

    def stored(partition: int) -> Tally:
        with snapshot(request.getfixturevalue("database_url")) as facts:
            return facts.positions()[partition].tally

    return stored


def test_what_became_of_records_is_added_up(ledgers: Open, tally: Callable[[int], Tally]) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0, 1], "w0")
    each = Tally(*range(1, 1 + len(fields(Tally))))
    ledger.commit(Batch([advance(tally=each), advance(partition=1, tally=Tally(after_close=9))]))
    ledger.commit(Batch([advance(was=1, position=2, tally=each)]))
    assert tally(0) == Tally(*(2 * count for count in astuple(each)))
    assert tally(1) == Tally(after_close=9)


def losses(url: str) -> dict[int, int]:
    with psycopg.connect(url) as connection:
        return dict(connection.execute("SELECT partition, losses FROM positions").fetchall())


def test_a_partition_that_was_given_back_is_none_that_was_lost(database_url: str) -> None:
    first, second = SqlLedger(database_url, "w0"), SqlLedger(database_url, "w1")
    first.claim(CLUSTER, [0, 1], "w0")
    first.release([0, 1], "w0")
    second.claim(CLUSTER, [0, 1], "w1")
    second.release([0, 1], "w1")
    first.claim(CLUSTER, [0, 1], "w0")
    first.close()
    second.close()
    assert losses(database_url) == {0: 0, 1: 0}


def test_a_partition_whose_worker_was_ended_before_is_none_that_was_lost(database_url: str) -> None:
    """As when the database is started again: its connections are gone before anybody takes over."""
    first, second = SqlLedger(database_url, "w0"), SqlLedger(database_url, "w1")
    first.claim(CLUSTER, [0, 1], "w0")
    with psycopg.connect(database_url) as connection:
        ended = connection.execute("SELECT pg_terminate_backend(max(backend)::int4, 10000) FROM positions").fetchall()
    assert ended == [(True,)]
    with pytest.raises(psycopg.OperationalError):
        first.commit(Batch([advance(), advance(partition=1)]))
    second.claim(CLUSTER, [0, 1], "w1")
    assert losses(database_url) == {0: 0, 1: 0}
    first.close()
    second.close()


def test_a_partition_taken_from_who_lives_counts_as_lost_once(database_url: str) -> None:
    loser, winner = SqlLedger(database_url, "w0"), SqlLedger(database_url, "w1")
    loser.claim(CLUSTER, [0, 1], "w0")
    winner.claim(CLUSTER, [1], "w1")
    assert losses(database_url) == {0: 0, 1: 1}
    with pytest.raises(psycopg.OperationalError):
        loser.commit(Batch([advance(), advance(partition=1)]))
    assert losses(database_url) == {0: 0, 1: 1}
    loser.close()
    winner.close()


def test_who_stands_still_inside_a_transaction_is_shut_out_at_once(database_url: str) -> None:
    first = SqlLedger(database_url, "w0")
    first.claim(CLUSTER, [0, 1], "w0")
    frozen = psycopg.connect(database_url, application_name="w0")
    frozen.execute("UPDATE positions SET backend = pg_backend_pid()")
    frozen.execute(SQL("ALTER DATABASE {} SET lock_timeout = '5s'").format(Identifier(frozen.info.dbname)))
    frozen.commit()
    frozen.execute("UPDATE positions SET position = 7")
    winner = SqlLedger(database_url, "w1")
    assert [claim.position for claim in winner.claim(CLUSTER, [0, 1], "w1")] == [0, 0]
    with pytest.raises(psycopg.OperationalError):
        frozen.commit()
    first.close()
    winner.close()


def test_a_transaction_that_is_refused_counts_as_a_loss_though_nothing_of_it_is_written(database_url: str) -> None:
    loser, winner = SqlLedger(database_url, "w0"), SqlLedger(database_url, "w1")
    loser.claim(CLUSTER, [0, 1], "w0")
    loser.release([1], "w0")
    winner.claim(CLUSTER, [1], "w1")
    with pytest.raises(Fenced):
        loser.commit(Batch([advance(), advance(partition=1)]))
    assert losses(database_url) == {0: 0, 1: 1}
    assert winner.claim(CLUSTER, [0], "w1")[0].position == 0
    loser.close()
    winner.close()


def test_positions_of_another_cluster_are_refused(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    with pytest.raises(ForeignCluster, match=CLUSTER):
        ledger.claim("another", [0], "w0")


def from_the_start(_: int) -> int:
    """The topic holds everything."""
    return 0


def test_an_empty_store_begins_with_the_first_that_is_held_of_every_partition_and_keeps_to_it(ledgers: Open) -> None:
    first, second = ledgers("w0"), ledgers("w1")
    first.spread(CLUSTER, 3, lambda number: 10 * number)
    first.claim(CLUSTER, [0], "w0")
    second.spread(CLUSTER, 3, lambda number: pytest.fail(f"asked again where {number} begins"))
    found = [(claim.epoch, claim.position) for claim in second.claim(CLUSTER, [0, 1, 2], "w1")]
    assert found == [(2, 0), (1, 10), (1, 20)]
    second.commit(Batch([advance(partition=2, was=20, position=21)]))
    assert [claim.position for claim in second.claim(CLUSTER, [1, 2], "w1")] == [10, 21]


@pytest.mark.parametrize("found", [2, 4])
def test_another_number_of_partitions_is_refused_with_the_remedy(ledgers: Open, found: int) -> None:
    ledger = ledgers("w0")
    ledger.spread(CLUSTER, 3, from_the_start)
    with pytest.raises(OtherPartitions, match=rf"has {found} partitions.* from 3: .*reset --facts"):
        ledger.spread(CLUSTER, found, from_the_start)


def test_of_another_cluster_it_is_the_cluster_that_is_refused(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.spread(CLUSTER, 3, from_the_start)
    ledger.spread("another", 4, from_the_start)
    with pytest.raises(ForeignCluster, match=CLUSTER):
        ledger.claim("another", [0], "w0")


def test_cases_are_due_in_the_order_of_their_looks(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    first, second = NOON + timedelta(minutes=1), NOON + timedelta(minutes=5)
    rows = [looking(number, look) for number, look in ((1, second), (2, first), (3, None))]
    ledger.commit(Batch([advance()], cases=rows))
    assert ledger.due([0], first, 9) == {}
    assert ledger.due([0, 1], NOON + timedelta(minutes=6), 9) == {0: [(first, "order/2"), (second, "order/1")]}
    assert ledger.due([1], NOON + timedelta(hours=1), 9) == {}


def test_of_each_partition_only_so_many_are_due_and_those_of_the_same_instant(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0, 1], "w0")
    first, second = NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)
    looks = (first, second, second, second + timedelta(minutes=1))
    rows = [looking(number, look) for number, look in enumerate(looks)] + [looking(9, second, partition=1)]
    ledger.commit(Batch([advance()], cases=rows))
    until = NOON + timedelta(hours=1)
    assert ledger.due([0, 1], until, 1) == {0: [(first, "order/0")], 1: [(second, "order/9")]}
    assert [name for _, name in ledger.due([0], until, 2)[0]] == ["order/0", "order/1", "order/2"]


def test_what_was_listened_to_is_not_taken_back_by_older_silence_of_late_cases(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    for was, judged in ((0, NOON), (1, NOON - timedelta(days=1))):
        ledger.commit(Batch([advance(was=was, position=was + 1, judged=judged)]))
    [claim] = ledger.claim(CLUSTER, [0], "w0")
    assert claim.judged == NOON


def test_a_case_read_back_is_the_case_that_was_watched(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    case = track(Watched(CaseId("order/1")), event("order.entered", 0, priority="stat"), POLICIES).case
    case = tick(case, POLICIES, case.evidence.events[0].time + timedelta(minutes=30)).case
    assert any(signal.open for signal in case.signals.values())
    case = track(case, event("order.verified", 2, recorded=31), POLICIES).case
    assert any(signal.revision > 1 for signal in case.signals.values())
    ledger.commit(Batch([advance()], cases=[case_row(case, 0, None)]))
    assert ledger.load([case.id], POLICIES)[case.id][0] == case


def test_unknown_types_make_a_case_too(ledgers: Open) -> None:
    assert "rx.unheard.of" not in CATALOGUE
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    case = track(Watched(CaseId("order/1")), event("unheard.of", 0), POLICIES).case
    ledger.commit(Batch([advance()], cases=[case_row(case, 0, None)]))
    assert ledger.load([case.id], POLICIES)[case.id][0] == case


def test_what_is_asked_while_a_batch_is_written_is_answered(ledgers: Open) -> None:
    """The loop asks and the committer writes, each in a thread of its own: nothing that is asked meets half a batch."""
    ledger, batches, each = ledgers("w0"), 100, 20
    ledger.claim(CLUSTER, [0], "w0")

    def write() -> None:
        for number in range(batches):
            rows = [looking(number * each + one, NOON) for one in range(each)]
            ledger.commit(Batch([advance(was=number, position=number + 1)], cases=rows))

    told = set[int]()
    with ThreadPoolExecutor(1) as pool, switching_often():
        written = pool.submit(write)
        while not written.done():
            told.add(len(ledger.due([0], NOON + timedelta(hours=1), batches * each).get(0, [])))
            assert ledger.worried([0], []) == [] and not ledger.departing([0], 0).found
            assert ledger.facts(0, 0) == []
        written.result()
    assert len(told) > 1 and all(count % each == 0 for count in told), told
    assert len(ledger.load([CaseId(f"order/{n}") for n in range(batches * each)], POLICIES)) == batches * each


@contextmanager
def switching_often() -> Iterator[None]:
    """Threads take turns as often as they can, so that what may come between two steps does."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
