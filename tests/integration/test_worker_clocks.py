"""A worker whose clock is not that of the database or of Kafka: that is a signal, and no silence is listened to
meanwhile."""

from datetime import timedelta

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from models.policy import Kind, Policies, Severity
from models.settings import Settings
from models.signals import Cleared
from models.store.memory import Memory as MemoryStore
from models.store.memory import MemoryLedger
from models.store.silences import silent_feeds
from streams import topics
from streams.backlog import Unread
from streams.cases import Cases
from streams.draft import Draft, Partition
from streams.ticks import Ticker
from tests.conftest import RunningStack
from tests.hearing import LEARNED, Ear
from tests.live import until


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


@pytest.mark.parametrize(("apart", "listens"), [(29, True), (-29, True), (31, False), (-31, False)])
def test_no_silence_is_listened_to_while_the_clocks_are_apart(
    stack: RunningStack, apart: int, listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    topics.create(Settings(home=stack.home, cache=stack.home, kafka=stack.kafka))
    ledger = MemoryLedger(MemoryStore(Policies.only(LEARNED.policy)))
    # Both clocks stand still: what lies between looking at one and at the other does not count.
    instant = ledger.now()
    monkeypatch.setattr(ledger, "now", lambda: instant)
    measured: list[timedelta] = []
    answers: list[Unread] = []
    ticker = Ticker(
        ledger,
        lambda: AdminClient({"bootstrap.servers": stack.kafka}),
        Cases(ledger),
        timedelta(seconds=1),
        lambda: instant + timedelta(seconds=apart),
        measured.append,
        answers.append,
    )
    draft, partition = Draft(), Partition(0, 1, 10**6, 0, 10**6)

    def judged() -> bool:
        """Whether silence was listened to, or, where it shall not be, whether Kafka's answer was there to do so."""
        ticker.judge({0: partition}, [draft], draft, Policies.only(LEARNED.policy))
        return not draft.empty if listens else bool(answers)

    # Kafka may be slow to answer a client that has just come.
    until(judged)
    assert set(measured) == {timedelta(seconds=apart)}
    assert draft.empty is not listens
