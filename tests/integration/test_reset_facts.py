"""`rxpulse reset --facts` under a real worker: the same facts again, nobody told again, and what people did stays."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlmodel import SQLModel

from models import policy_text
from models.event import CaseId, Data, Event, EventType
from models.policy import Policies
from models.store import tables
from models.store.connecting import connect
from models.store.desk import Desk, act, attend
from models.store.messages import Voice
from models.store.rebuilding import KEPT, MADE
from models.store.revisions import STEP
from models.store.sql import SqlLedger
from models.wire import stamp
from rxpulse import cli
from streams.topics import DEADLETTER, INTERVALS, SIGNALS
from tests.conftest import RunningStack
from tests.heart import event
from tests.live import Live, living, now, simulated, stat, until

POLICY = policy_text.read(
    'extends = ["inpatient", "retail"]\n[person.ana]\nname = "Ana"\n'
    '[ladder.all]\nsteps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n',
    file="test",
)
FACTS = (
    "SELECT id, started, stopped, net, in_target FROM intervals i WHERE NOT retracted AND revision ="
    " (SELECT max(revision) FROM intervals o WHERE o.id = i.id)",
    "SELECT id, severity, raised, cleared, reason, told, cleared_by FROM signals",
    "SELECT id, waits, finished, pace FROM cases",
    "SELECT site, rate, entry, minute, clean, errors, late_clean, late_errors FROM outcomes",
    "SELECT site, type FROM seen_types",
    "SELECT site, kind, reason, hour, count FROM doubts WHERE count <> 0",
)
LATEST = "SELECT DISTINCT ON (id) id, stopped FROM intervals ORDER BY id, revision DESC"
DONE = (
    "SELECT id, state, opened FROM escalations",
    "SELECT escalation, number, at FROM escalation_entries",
    "SELECT key, state, made FROM deliveries",
    "SELECT number, version FROM policies",
)


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, POLICY) as one:
        yield one


def read(live: Live, queries: tuple[str, ...]) -> list[Counter[tuple[Any, ...]]]:
    return [Counter(live.rows(query)) for query in queries]


def tell(live: Live) -> None:
    """What a dispatcher does until nothing is left to do."""
    desk = Desk(POLICY.policy, now() - timedelta(hours=1), Voice("https://rx.example.org"))
    with connect(live.database_url, "a desk", autocommit=True) as connection:
        while attend(connection, desk) + act(connection, desk):
            pass


def reset(live: Live, *words: str, answer: str | None = None) -> Result:
    env = dict.fromkeys(name for name in os.environ if name.startswith("RXPULSE_")) | live.env
    return CliRunner(env=env).invoke(cli.main, ["reset", "--facts", *words], input=answer)


def wasted(number: int) -> Event:
    """A waste that is witnessed by who wasted: a broken rule."""
    case, at = CaseId(f"order/w{number}"), now()
    said = event("adc.wasted", 0, key=f"w{number}", case=case, actor="a_1", witness="a_1", setting="inpatient")
    return Event(said.id, said.source, said.type, at, at, case, said.data)


def test_the_facts_come_back_the_same_and_nobody_is_told_again(live: Live) -> None:
    live.worker()
    # One order has just become late and runs on, one was late and is verified, one is broken and cleared by a person.
    # After 15 minutes the dose is late as well: for none of them that comes while the test runs.
    live.send(*simulated(), stat(1, now() - timedelta(minutes=11)), stat(2, now() - timedelta(minutes=16)))
    live.send(wasted(3), wasted(4), stat(5, now(), "order.verified"))
    live.await_applied()
    tell(live)
    live.send(stat(2, now(), "order.verified"))
    live.await_applied()
    tell(live)
    live.database.execute(
        "UPDATE signals SET cleared = now(), reason = 'person', cleared_by = 'ana', code = 'seen', attention = true"
        " WHERE id ="
        " (SELECT id FROM signals WHERE name = 'waste-witnessed-by-same-person' ORDER BY id LIMIT 1)"
    )
    tell(live)
    facts, done = read(live, FACTS), read(live, DONE)
    assert live.one("SELECT count(*) FROM deliveries WHERE type = 'page'") >= 4
    assert live.rows("SELECT 1 FROM signals WHERE name = 'stat-verified' AND cleared IS NULL AND told = 'yes'")
    assert live.rows("SELECT 1 FROM doubts WHERE kind = 'impossible_transition' AND count > 0")

    ran = reset(live, "--yes")
    assert ran.exit_code == 0, ran.output
    assert live.workers[0].ended() != 0
    live.worker()
    live.await_applied()
    tell(live)
    assert read(live, FACTS) == facts
    assert read(live, DONE) == done


def test_what_was_put_aside_is_not_put_aside_again_and_stops_nobody(live: Live) -> None:
    live.produce((None, b"garbage", 0) for _ in range(150))
    live.send(stat(1, now()))
    live.worker(RXPULSE_DEADLETTER_LIMIT="1000000")
    live.await_applied()
    assert len(live.topic(DEADLETTER)) == 150
    assert reset(live, "--yes").exit_code == 0
    assert live.workers[0].ended() != 0
    worker = live.worker()
    live.await_applied()
    assert worker.alive()
    assert len(live.topic(DEADLETTER)) == 150
    assert live.rows("SELECT sum(accepted), sum(rejected) FROM positions") == [(1, 150)]


def test_a_late_order_that_was_told_of_is_resolved_by_its_stop_after_the_facts_were_made_again(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=11)))
    live.await_applied()
    tell(live)
    assert reset(live, "--yes").exit_code == 0
    live.workers[0].ended()
    live.worker()
    live.await_applied()
    tell(live)
    assert live.rows("SELECT state FROM escalations WHERE name = 'stat-verified'") == [("open",)]
    live.send(stat(1, now(), "order.verified"))
    live.await_applied()
    tell(live)
    assert live.rows("SELECT state FROM escalations WHERE name = 'stat-verified'") == [("resolved",)]


def test_what_becomes_late_after_the_reset_is_told(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=11)))
    live.await_applied()
    tell(live)
    pages = live.one("SELECT count(*) FROM deliveries WHERE type = 'page'")
    assert reset(live, "--yes").exit_code == 0
    live.workers[0].ended()
    live.worker()
    live.send(stat(5, now() - timedelta(minutes=12)))
    live.await_applied()
    tell(live)
    assert live.one("SELECT count(*) FROM deliveries WHERE type = 'page'") > pages


def verified(number: int, at: datetime, key: str) -> Event:
    """An order's verification at an instant, of which one hears now."""
    one = stat(number, at, "order.verified")
    return Event(key, one.source, one.type, at, now(), one.subject, one.data)


def taken_out(one: Event, key: str) -> Event:
    """A void of another event of the same case."""
    voids: Data = {"site": one.site, "voids": [one.source, key]}
    return Event(f"void-{key}", one.source, EventType("rx.event.voided"), now(), now(), one.subject, voids)


def known_outside(live: Live, topic: str, name: str) -> dict[str, dict[str, Any]]:
    """What a reader who read the topic all along holds of each id; no id said two things."""
    contents: dict[str, set[bytes]] = {}
    latest: dict[str, dict[str, Any]] = {}
    for message in live.topic(topic):
        value = message.value() or b""
        record = json.loads(value)
        contents.setdefault(record["id"], set()).add(value)
        data = record["data"]
        latest[data[name]] = max(latest.get(data[name], data), data, key=lambda one: one["revision"])
    assert not [name for name, said in contents.items() if len(said) > 1]
    return latest


def test_readers_of_the_public_topics_come_to_what_the_store_says(live: Live) -> None:
    """One order is corrected before the reset, one after it; one is late before it and in time for who reads now, and one
    was late and is done: who reads now sees it raised and over at once."""
    live.worker()
    begun = now() - timedelta(minutes=12)
    live.send(stat(1, begun), verified(1, begun + timedelta(minutes=9), "late"), stat(2, begun), stat(3, begun))
    live.send(verified(3, begun + timedelta(minutes=8), "late"), stat(4, begun))
    live.await_applied()
    live.send(verified(1, begun + timedelta(minutes=4), "early"), verified(4, now(), "too-late"))
    live.await_applied()
    tell(live)
    assert live.rows("SELECT state FROM escalations WHERE name = 'stat-verified' AND case_id = 'order/2'") == [
        ("open",)
    ]
    before = known_outside(live, INTERVALS, "interval")
    assert {one["revision"] for one in before.values() if one["clock"] == "stat-verified"} == {1, 2}

    assert reset(live, "--yes").exit_code == 0
    live.workers[0].ended()
    live.send(verified(2, begun + timedelta(minutes=5), "in-time"), verified(3, begun + timedelta(minutes=3), "early"))
    live.worker()
    live.await_applied()
    until(lambda: live.one("SELECT count(*) = 0 FROM forgotten"))
    tell(live)
    until(lambda: live.one("SELECT bool_and(published = sequence) FROM positions"))
    until(lambda: live.one("SELECT published = sequence FROM judge"))
    intervals = known_outside(live, INTERVALS, "interval")
    assert {(one["interval"], one["stopped"]) for one in intervals.values()} == {
        (name, stamp(stopped)) for name, stopped in live.rows(LATEST)
    }
    assert min(one["revision"] for one in intervals.values()) > STEP
    signals = known_outside(live, SIGNALS, "signal").values()
    late = {one["case"]: (one["reason"], one["revision"]) for one in signals if one["name"] == "stat-verified"}
    assert (late["order/2"], late["order/4"]) == (("disproof", STEP), ("stop", STEP + 1))
    assert live.rows("SELECT DISTINCT state FROM escalations WHERE name = 'stat-verified'") == [("resolved",)]

    # That verification was a mistake: the order is late again, and told anew.
    live.send(taken_out(stat(2, now()), "in-time"))
    live.await_applied()
    tell(live)
    assert live.rows("SELECT revision, cleared FROM signals WHERE case_id = 'order/2' AND name = 'stat-verified'") == [
        (1, None)
    ]
    assert ("open",) in live.rows("SELECT state FROM escalations WHERE case_id = 'order/2' AND name = 'stat-verified'")


def test_nothing_is_forgotten_before_somebody_agrees(live: Live) -> None:
    live.worker()
    live.send(stat(1, now()))
    live.await_applied()
    ran = reset(live, answer="n\n")
    assert ran.exit_code == 1 and "1 cases" in ran.stderr and "from 1 events" in ran.stderr
    assert live.one("SELECT count(*) FROM cases") == 1 and live.workers[0].alive()


def test_a_store_whose_facts_are_forgotten_may_be_made_again_from_another_cluster(
    live: Live, database_url: str
) -> None:
    first = SqlLedger(database_url, "worker-w9-1")
    first.claim("a-cluster", [0], "worker-w9-1")
    assert reset(live, "--yes").exit_code == 0
    with pytest.raises(psycopg.OperationalError):
        first.policies(Policies.only(POLICY.policy))
    first.close()
    second = SqlLedger(database_url, "worker-w9-2")
    assert [claim.position for claim in second.claim("another-cluster", [0], "worker-w9-2")] == [0]
    second.close()


def test_a_reader_that_is_at_work_makes_the_reset_wait_and_is_not_ended(live: Live, database_url: str) -> None:
    import threading

    with psycopg.connect(database_url) as reader:
        reader.execute("SELECT count(*) FROM signals")
        answers: list[Result] = []
        thread = threading.Thread(target=lambda: answers.append(reset(live, "--yes")))
        thread.start()
        waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
        until(lambda: live.rows(waiting))
        assert reader.execute("SELECT 1").fetchone() == (1,)
    thread.join(30)
    assert answers[0].exit_code == 0, answers[0].output


def test_each_table_is_either_made_again_or_kept() -> None:
    assert tables.Position.metadata is SQLModel.metadata
    assert sorted((*MADE, *KEPT)) == sorted(SQLModel.metadata.tables)
