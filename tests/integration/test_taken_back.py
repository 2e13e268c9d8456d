"""What stood open when facts were forgotten and does not come again is taken back; nothing else is."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any

import psycopg
import pytest
from msgspec import structs

from models import policy_text
from models.event import CaseId, Site, Source
from models.feeds import silence
from models.policy import Policies
from models.signals import Cleared, Signal
from models.store import policies as versions
from models.store.facts import snapshot
from models.store.ledger import Advance, Batch, SignalFact
from models.store.rebuilding import forget_facts
from models.store.records import case_row
from models.store.revisions import STEP
from models.store.seat import Elsewhere, Round, Seat
from models.store.sql import SqlLedger
from models.tracking import Watched, tick, track
from tests.heart import NOON, event
from tests.live import until

POLICY = policy_text.shipped_default()
POLICIES = Policies.only(POLICY.policy)
CASE = track(Watched(CaseId("order/1")), event("order.entered", 0, priority="stat"), POLICIES).case
[LATE] = (one for one in tick(CASE, POLICIES, NOON + timedelta(minutes=30)).signals if one.name == "stat-verified")


class Store:
    """A database, a worker's ledger over one partition of it, and the judge's seat."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ledger, self.seat = SqlLedger(url, "worker-w0-1"), Seat(url, "w0")
        [claim] = self.ledger.claim("a-cluster", [0], "worker-w0-1")
        self.advance = Advance(0, claim.epoch, claim.position, claim.position, claim.sequence, claim.published)

    def read(self, *signals: Signal, sent: bool = True, judged: datetime | None = None) -> None:
        """One batch more; what it found was sent, or not."""
        last = self.advance
        facts = [SignalFact(0, last.sequence + place, 1, None, one) for place, one in enumerate(signals)]
        sequence = last.sequence + len(facts)
        published = sequence if sent else last.published
        self.advance = replace(
            last, was=last.position, position=last.position + 1, sequence=sequence, published=published, judged=judged
        )
        self.ledger.commit(Batch([self.advance], [case_row(CASE, 0, None)], signals=facts))

    def found(self) -> list[Signal]:
        """What one round of the judge finds."""
        one = self.seat.judge(None, lambda: True)
        assert isinstance(one, Round)
        mark = one.published + len(one.changes)
        again = self.seat.judge(mark, lambda: True)
        assert not isinstance(again, Elsewhere) and again.changes == []
        return [change.signal for change in one.changes]

    def forget(self) -> "Store":
        """The facts are forgotten, which ends whoever made them; what somebody else makes again."""
        forget_facts(self.url)
        self.close()
        return Store(self.url)

    def close(self) -> None:
        self.ledger.close()
        self.seat.close()


@pytest.fixture
def url(database_url: str) -> str:
    versions.begin(database_url, POLICY, "a test")
    return database_url


def forgotten(url: str, *signals: Signal, sent: bool = True) -> Store:
    """A store whose facts were forgotten when these signals had been found, and are being made again."""
    before = Store(url)
    before.read(*signals, sent=sent)
    return before.forget()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    one = forgotten(url, LATE)
    yield one
    one.close()


def now() -> datetime:
    return datetime.now(UTC)


def row(url: str, query: str) -> tuple[Any, ...]:
    with psycopg.connect(url) as connection:
        [found] = connection.execute(query).fetchall()  # type: ignore[arg-type]
    return found


def test_it_is_taken_back_once_everything_was_read_and_listened_to_again(store: Store) -> None:
    assert store.found() == [], "nothing was read yet"
    store.read(judged=now() - timedelta(minutes=5))
    assert store.found() == [], "it may have become late since"
    store.read(judged=now())
    [back] = store.found()
    assert back == structs.replace(LATE, revision=0, cleared=back.cleared, reason=Cleared.DISPROOF)
    assert back.cleared is not None and timedelta() <= now() - back.cleared < timedelta(minutes=1)
    assert row(store.url, "SELECT reason, revision FROM signals") == ("disproof", 0)
    assert store.found() == []


def test_what_comes_again_is_not_taken_back(store: Store) -> None:
    store.read(LATE)
    store.read(judged=now())
    assert store.found() == []
    assert row(store.url, "SELECT count(*) FROM forgotten") == (0,)


def test_what_is_just_coming_again_is_waited_for(store: Store) -> None:
    store.read(judged=now())
    rounds: list[list[Signal]] = []
    judge = Thread(target=lambda: rounds.append(store.found()))
    with psycopg.connect(store.url) as worker, psycopg.connect(store.url, autocommit=True) as locks:
        worker.execute(
            "INSERT INTO signals (id, kind, name, severity, site, raised, known, revision, attention)"
            " VALUES (%s, 'clock', 'stat-verified', 1, 'mercy', now(), now(), 1, false)",
            [LATE.id],
        )
        judge.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'signals'::regclass"
        until(lambda: locks.execute(waiting).fetchone())
        worker.commit()
    judge.join(30)
    assert rounds == [[]]
    assert row(store.url, "SELECT revision, cleared FROM signals") == (1, None)


def test_evidence_that_comes_later_raises_it_again(store: Store) -> None:
    store.read(judged=now())
    assert len(store.found()) == 1
    store.read(LATE)
    assert row(store.url, "SELECT revision, cleared, reason FROM signals") == (1, None, None)


def test_what_was_over_and_told_outside_stays_as_it_was(url: str) -> None:
    over = structs.replace(LATE, revision=2, cleared=NOON + timedelta(hours=1), reason=Cleared.STOP)
    store = forgotten(url, LATE, over)
    store.read(judged=now())
    assert store.found() == []
    store.close()


def test_what_was_over_and_perhaps_not_told_outside_is_taken_back(url: str) -> None:
    over = structs.replace(LATE, revision=2, cleared=NOON + timedelta(hours=1), reason=Cleared.STOP)
    store = forgotten(url, LATE, over, sent=False)
    store.read(judged=now())
    assert [one.id for one in store.found()] == [LATE.id]
    store.close()


def test_forgetting_again_before_it_was_taken_back_loses_nothing(store: Store) -> None:
    store.read(judged=now())
    again = store.forget()
    again.read(judged=now())
    assert [one.id for one in again.found()] == [LATE.id]
    again.close()


def test_what_a_person_cleared_stays_his_and_verify_leaves_it_out(url: str) -> None:
    before = Store(url)
    before.read(LATE)
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE signals SET cleared = now(), reason = 'person', cleared_by = 'ana', code = 'known'")
    store = before.forget()
    store.read(judged=now())
    assert [one.reason for one in store.found()] == [Cleared.DISPROOF]
    assert row(url, "SELECT reason, cleared_by FROM signals") == ("person", "ana")
    with snapshot(url) as facts:
        assert list(facts.signals(0)) == [] and len(list(facts.signals())) == 1
        assert facts.strays() == [] and facts.revision_base() == STEP
    store.close()


def test_a_feed_that_was_silent_is_said_to_have_spoken(url: str) -> None:
    silent = silence(Source("/mercy/pis"), Site("mercy"), NOON, NOON + timedelta(hours=1), POLICY.policy)
    store = forgotten(url, silent)
    store.read(judged=now())
    [back] = store.found()
    assert (back.reason, back.revision) == (Cleared.SPOKE, 0)
    store.close()


def test_a_rate_is_taken_back_only_when_its_minutes_were_followed_again(url: str) -> None:
    store = forgotten(url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO forgotten (id, kind, name, severity, site, raised, known, at)"
            " VALUES ('r', 'rate', 'no-longer-known', 2, 'mercy', '2026-01-01T12:05Z', '2026-01-01T12:05Z', now())"
        )
        connection.execute(
            "INSERT INTO touched (site, rate, entry, since) VALUES ('mercy', 'no-longer-known', 'e', '2026-01-01T12:00Z')"
        )
        store.read(judged=now())
        assert store.found() == []
        connection.execute("DELETE FROM touched")
    assert [one.reason for one in store.found()] == [Cleared.DISPROOF]
    store.close()
