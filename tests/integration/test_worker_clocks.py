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
from streams.cases import Cases
from streams.draft import Draft, Partition
from streams.ticks import Ticker
from tests.conftest import RunningStack
from tests.hearing import LEARNED, Ear


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
