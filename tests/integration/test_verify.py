"""`rxpulse verify`: what the worker did is recomputed from the topic, and whatever does not agree is found."""

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient
from msgspec import structs

from models import policy_text
from models.event import CaseId, Event
from models.store.facts import snapshot
from models.store.ledger import ForeignCluster
from models.store.policies import append
from models.store.records import evidence_of
from models.wire import encode
from rxpulse.cli import main
from streams.extents import TopicDiffers
from streams.topics import EVENTS
from streams.verify import BeginningGone, Verified, uncounted, verify
from tests.conftest import RunningStack
from tests.heart import event
from tests.judging import FIRST, dose
from tests.live import PARTITIONS, Live, living, now, simulated, stat, until

SHIPPED = policy_text.shipped_default()


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, SHIPPED) as one:
        yield one


def verified(live: Live, database_url: str | None = None) -> Verified:
    with snapshot(database_url or live.database_url) as facts:
        return verify(live.settings, facts, uncounted)


def fed(live: Live) -> None:
    """What a worker meets in its life: order and disorder, repetitions, corrections, what is no event, silence, a kill."""
    events = simulated()
    late = events[100:300:3]
    worker = live.worker()
    live.send(*(one for one in events[:400] if one not in late), *events[50:80])
    live.produce([(b"k", b"garbage", 0), (b"other", encode(stat(7, now())), None)])
    live.send(stat(1, now() - timedelta(minutes=15)), stat(2, now() - timedelta(minutes=6)))
    until(lambda: live.rows("SELECT 1 FROM signals WHERE case_id = 'order/1'"), why=live.told)
    worker.kill()
    worker = live.worker()
    live.send(*late, *events[400:], stat(1, now(), "order.verified"), other_content(events[10]), voiding(events[20]))
    live.await_applied()
    assert worker.stop() == 0
    left = let_some_leave(live)
    worker = live.worker()
    live.send(*[one for one in events if one.subject in left][:20])
    live.await_applied()
    assert worker.stop() == 0


def let_some_leave(live: Live) -> set[str]:
    """The finished cases of before noon are put back as if nothing had been applied to them for long, and leave."""
    waiting = "applied < now() - interval '90 days'"
    live.rows(
        "UPDATE cases SET applied = applied - interval '91 days' WHERE look IS NULL AND finished < %s AND NOT EXISTS"
        " (SELECT FROM signals s WHERE s.case_id = id AND s.cleared IS NULL) RETURNING id",
        datetime(2025, 1, 6, 17, tzinfo=UTC),
    )
    resting = {case for (case,) in live.rows(f"SELECT id FROM cases WHERE {waiting}")}
    worker = live.worker()
    until(lambda: not live.rows(f"SELECT FROM cases WHERE {waiting}"), why=live.told)
    assert worker.stop() == 0
    assert {case for (case,) in live.rows("SELECT case_id FROM departures")} == resting and len(resting) > 5
    return resting


def other_content(event: Event) -> Event:
    """The same identity, and something else said."""
    return Event(
        event.id, event.source, event.type, event.time + timedelta(minutes=1), event.recorded, event.subject, event.data
    )


def voiding(event: Event) -> Event:
    kind = type(event.type)("rx.event.voided")
    data = {"site": event.site, "voids": [event.source, event.id]}
    return Event("void", event.source, kind, event.time, event.recorded, event.subject, data)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def worked(stack: RunningStack, _template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Live, str]]:
    """The topic and the store after a worker's life, and the name of the database."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(stack.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {_template}")  # type: ignore[arg-type]
        with living(stack.kafka, stack.url_of(name), tmp_path_factory.mktemp("worked"), SHIPPED) as live:
            fed(live)
            live.database.close()
            yield live, name
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture
def copied(stack: RunningStack, worked: tuple[Live, str]) -> Iterator[str]:
    """The URL of a copy of that database, which a test may spoil."""
    copy = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(stack.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {copy} TEMPLATE {worked[1]}")  # type: ignore[arg-type]
        yield stack.url_of(copy)
        admin.execute(f"DROP DATABASE {copy} WITH (FORCE)")  # type: ignore[arg-type]


def test_a_worker_s_life_is_recomputed_without_a_difference(worked: tuple[Live, str]) -> None:
    live, _ = worked
    found = CliRunner().invoke(main, ["verify", "--json"], env=live.env)
    document = json.loads(found.stdout)
    assert document["differences"] == 0, document["examples"]
    assert found.exit_code == 0
    assert list(document) == [
        *(
            "from",
            "to",
            "events",
            "cases_compared",
            "intervals_compared",
            "signals_compared",
            "differences",
            "examples",
        ),
        "rates_not_judged_yet",
        "kept_since",
    ]
    assert document["kept_since"] is None
    assert document["from"] == {str(number): 0 for number in range(PARTITIONS)}
    assert sum(document["to"].values()) == document["events"]
    with snapshot(live.database_url) as facts:
        tallies = [applied.tally for applied in facts.positions().values()]
        ticks = [tick for number in range(PARTITIONS) for tick in facts.ticks(number)]
    assert sum(t.rejected for t in tallies) == 1 and sum(t.rerouted for t in tallies) == 1
    assert sum(t.duplicates for t in tallies) == 30 and sum(t.id_reused for t in tallies) == 1
    assert sum(t.after_close for t in tallies) == 20
    assert len(ticks) > PARTITIONS
    assert min(document[f"{what}_compared"] for what in ("cases", "intervals", "signals")) > 10


SPOILED = {
    "a lost interval": (
        "DELETE FROM intervals WHERE (partition, sequence) IN (SELECT partition, sequence FROM intervals"
        " WHERE NOT retracted AND revision = 1 ORDER BY id LIMIT 1)",
        "interval",
    ),
    "a changed length": (
        "UPDATE intervals SET net = net + 1 WHERE id = (SELECT max(id) FROM intervals WHERE NOT retracted)",
        "interval",
    ),
    "a fact written twice": (
        "INSERT INTO signal_changes SELECT partition, sequence + 1000000, position, judged, id, kind, name, severity,"
        " site, case_id, raised, known, cleared, reason, revision FROM signal_changes ORDER BY id LIMIT 1",
        "fact",
    ),
    "a lost signal": ("DELETE FROM signals WHERE id = (SELECT min(id) FROM signals)", "signal"),
    "a signal cleared by nobody": (
        "UPDATE signals SET cleared = now(), reason = 'stop' WHERE id = (SELECT min(id) FROM signals WHERE cleared IS"
        " NULL)",
        "signal",
    ),
    "a lost case": ("DELETE FROM cases WHERE id = 'order/2'", "case"),
    "a case in another queue": ("UPDATE cases SET waits = 'nowhere' WHERE id = 'order/1'", "case"),
    "a case with fewer events": (
        "UPDATE cases SET body = (SELECT body FROM cases WHERE id = 'order/2') WHERE id = 'order/1'",
        "case",
    ),
    "a count too many": (
        "UPDATE outcomes SET clean = clean + 1 WHERE minute = (SELECT min(minute) FROM outcomes)",
        "outcomes",
    ),
    "an event counted twice": ("UPDATE positions SET accepted = accepted + 1 WHERE partition = 1", "tally"),
    "a signal of no case": ("UPDATE signals SET case_id = 'order/nobody' WHERE case_id = 'order/1'", "signal"),
    "a case that left unseen": ("DELETE FROM departures WHERE case_id = (SELECT min(case_id) FROM departures)", "case"),
    "a case that left too early": (
        "UPDATE departures SET position = 0 WHERE case_id = (SELECT min(case_id) FROM departures)",
        "tally",
    ),
    "a case that left and is there": (
        "INSERT INTO cases SELECT d.case_id, d.partition, c.site, kind, c.priority, waits, since, c.opened, c.finished,"
        " look, pace, applied, body FROM cases c, departures d ORDER BY d.case_id, c.id LIMIT 1",
        "case",
    ),
    "a case that left and never was": (
        "INSERT INTO departures SELECT 'order/nobody', partition, position, site, priority, opened, finished, departed"
        " FROM departures LIMIT 1",
        "departure",
    ),
    "a forgotten tick": ("DELETE FROM ticks", "signal"),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_whatever_was_spoiled_is_found(worked: tuple[Live, str], copied: str, spoiled: str) -> None:
    statement, what = SPOILED[spoiled]
    with psycopg.connect(copied, autocommit=True) as database:
        assert database.execute(statement).rowcount > 0  # type: ignore[arg-type]
    found = verified(worked[0], copied)
    assert found.differences > 0
    assert what in {example.what for example in found.examples}
    assert len(found.examples) <= 20


def test_what_a_person_cleared_is_taken_from_the_store(worked: tuple[Live, str], copied: str) -> None:
    with psycopg.connect(copied, autocommit=True) as database:
        cleared = database.execute(
            "UPDATE signals SET cleared = now(), reason = 'person', cleared_by = 'ana', code = 'seen' WHERE id ="
            " (SELECT min(id) FROM signals WHERE cleared IS NULL)"
        )
        assert cleared.rowcount == 1
    assert verified(worked[0], copied).differences == 0


def test_positions_of_another_cluster_are_refused(worked: tuple[Live, str], copied: str) -> None:
    with psycopg.connect(copied, autocommit=True) as database:
        database.execute("UPDATE positions SET cluster = 'another'")
    with pytest.raises(ForeignCluster, match="another"):
        verified(worked[0], copied)


def test_a_position_beyond_the_end_is_refused(worked: tuple[Live, str], copied: str) -> None:
    with psycopg.connect(copied, autocommit=True) as database:
        database.execute("UPDATE positions SET position = position + 1 WHERE partition = 2")
    with pytest.raises(TopicDiffers, match="reset --facts"):
        verified(worked[0], copied)


def test_a_topic_that_holds_another_record_where_the_last_one_was_applied_is_refused(
    worked: tuple[Live, str], copied: str
) -> None:
    with psycopg.connect(copied, autocommit=True) as database:
        database.execute("UPDATE positions SET received = received - interval '1 ms' WHERE partition = 2")
    with pytest.raises(TopicDiffers, match=f"partition 2 of {EVENTS} does not hold at offset"):
        verified(worked[0], copied)
    doctor = CliRunner().invoke(main, ["doctor"], env=worked[0].env | {"RXPULSE_DATABASE_URL": copied})
    assert f"partition 2 of {EVENTS}" in doctor.stdout and "the topic holds another record" in doctor.stdout


def test_differences_end_with_one(worked: tuple[Live, str], copied: str) -> None:
    with psycopg.connect(copied, autocommit=True) as database:
        database.execute("DELETE FROM cases WHERE id = 'order/2'")
    found = CliRunner().invoke(main, ["verify"], env=worked[0].env | {"RXPULSE_DATABASE_URL": copied})
    assert found.exit_code == 1
    assert "order/2" in found.stdout


def test_a_range_whose_beginning_is_gone_is_refused(live: Live) -> None:
    worker = live.worker()
    live.send(*(stat(number, now()) for number in range(20)))
    live.await_applied()
    assert worker.stop() == 0
    admin = KafkaAdminClient(bootstrap_servers=live.kafka)
    admin.delete_records({TopicPartition(EVENTS, 0): 1})
    admin.close()
    with pytest.raises(BeginningGone, match="RXPULSE_RETENTION_DAYS"):
        verified(live)


def test_an_empty_store_has_nothing_to_compare(live: Live) -> None:
    assert verified(live) == Verified()


def test_each_event_is_judged_by_the_version_in_force_for_it(live: Live) -> None:
    """A clock goes with the second version: what started before keeps it, what came later never has it."""
    change = now()
    second = policy_text.read("[clock.stat-verified]\nenabled = false\n", file="second")
    worker = live.worker()
    live.send(*(stat(n, change - timedelta(minutes=20)) for n in range(10)))
    live.await_applied()
    append(live.database, second, change, "a test")
    live.send(*(stat(n, now(), "order.verified") for n in range(10)), *(stat(n, now()) for n in range(10, 20)))
    live.await_applied()
    assert worker.stop() == 0
    assert live.one("SELECT count(*) FROM signals WHERE name = 'stat-verified'") == 10
    found = verified(live)
    assert found.differences == 0, found.examples


def test_a_case_that_gets_late_without_a_new_fact_is_late_in_both(live: Live, tmp_path: Path) -> None:
    """A warning of the mildest severity is as severe as the breach: silence changes the pace alone."""
    policy = policy_text.read(
        'extends = "none"\n[clock.mild]\ntitle = "t"\ncase = "order"\nstarts = "rx.order.entered"\n'
        'stops = "rx.order.verified"\ntarget = "10m"\nwarn_at = 0.5\nseverity = "S4"\nsource = "a test"\n',
        file="mild",
    )
    append(live.database, policy, datetime(1900, 1, 1, tzinfo=now().tzinfo), "a test")
    worker = live.worker()
    # The worker listens before the order comes, which is late in 20 seconds.
    live.send(stat(2, now()))
    live.await_applied()
    live.send(stat(1, now() - timedelta(minutes=9, seconds=40)))
    until(lambda: live.rows("SELECT 1 FROM cases WHERE pace = 'at_risk'"), why=live.told)
    until(lambda: live.rows("SELECT 1 FROM cases WHERE pace = 'late'"), why=live.told)
    assert live.one("SELECT count(*) FROM signal_changes") == 1
    assert worker.stop() == 0
    found = verified(live)
    assert found.differences == 0, found.examples


def test_a_refrigerator_of_half_a_year_forgets_and_is_recomputed_alike(live: Live) -> None:
    """Measured every hour, out of its range every ten days; its door has stood open since the fifth day."""
    begins, hours = now() - timedelta(days=200), 199 * 24
    measured = [_of_fridge("env.temp", begins + timedelta(hours=hour), measure="temperature") for hour in range(hours)]
    warm = [
        _of_fridge(f"env.excursion.{what}", begins + timedelta(days=days, minutes=minutes), measure="temperature")
        for days in range(10, 190, 10)
        for what, minutes in (("started", 1), ("ended", 41))
    ]
    opened = _of_fridge("env.excursion.started", begins + timedelta(days=5), measure="door")
    story = sorted([*measured, *warm, opened], key=lambda one: one.time)
    worker = live.worker()
    live.send(*story[:2000], *story[1900:1940])
    live.await_applied()
    worker.kill()
    worker = live.worker()
    live.send(*story[2000:])
    live.await_applied()
    assert live.rows("SELECT sum(duplicates)::int, sum(after_close)::int FROM positions") == [(40, 0)]
    old = [one for one in story if one.time < begins + timedelta(days=90)]
    never_heard = _of_fridge("env.excursion.started", begins + timedelta(days=3), measure="light")
    shut = _of_fridge("env.excursion.ended", begins + timedelta(days=199), measure="door")
    live.send(*old, never_heard, shut)
    live.await_applied()
    assert worker.stop() == 0
    [(duplicates, put_away)] = live.rows("SELECT sum(duplicates)::int, sum(after_close)::int FROM positions")
    assert duplicates + put_away == 40 + len(old) + 1
    assert put_away > len(old) - 20
    [body] = live.rows("SELECT body FROM cases")[0]
    assert len(evidence_of(CaseId(_FRIDGE), body).events) < 1250
    assert live.one("SELECT count(*) FROM intervals WHERE clock = 'excursion-over'") == 18 + 1
    assert live.one("SELECT max(stopped - started) FROM intervals") == timedelta(days=194)
    found = verified(live)
    assert found.differences == 0, found.examples
    assert (found.intervals, found.signals) == (19, 19)


_FRIDGE = "place/fridge-2"


def _of_fridge(name: str, when: datetime, measure: str) -> Event:
    return structs.replace(
        event(name, 0, key=f"{name}/{measure}/{when.timestamp()}", case=_FRIDGE, measure=measure),
        time=when,
        recorded=when,
    )


def test_many_deadlines_missed_at_once_are_judged_in_portions_and_recomputed_alike(live: Live) -> None:
    """Of a third of the orders the evidence that they were in time comes in meanwhile: before or after their silence."""
    orders, worker = range(1, 2401), live.worker()
    live.send(stat(0, now()))
    live.await_applied()
    # All warnings, due after five minutes, come within half a second, when everything is written.
    began = now() - timedelta(minutes=5) + timedelta(seconds=40)
    live.send(*(stat(number, began + number * timedelta(microseconds=200)) for number in orders))
    live.await_applied()
    assert live.one("SELECT count(*) FROM signals") == 0
    until(lambda: live.rows("SELECT 1 FROM signals"), within=120, why=live.told)
    live.send(*(stat(number, began + timedelta(minutes=1), "order.verified") for number in orders[::3]))
    live.await_applied()
    overdue = "SELECT count(*) FROM cases WHERE look < now() - interval '5 s'"
    until(lambda: now() > began + timedelta(minutes=5, seconds=6) and live.one(overdue) == 0, within=120, why=live.told)
    late = live.one("SELECT count(*) FROM signals WHERE name = 'stat-verified' AND cleared IS NULL")
    assert late == len(orders) - len(orders[::3])
    assert live.one("SELECT min(n) FROM (SELECT count(DISTINCT judged) n FROM ticks GROUP BY partition) t") >= 3
    assert worker.stop() == 0
    found = verified(live)
    assert found.differences == 0, found.examples


def test_the_signals_of_rates_are_held_against_the_trials_that_were_counted(
    stack: RunningStack, database_url: str, tmp_path: Path
) -> None:
    with living(stack.kafka, database_url, tmp_path, FIRST) as live:
        worker = live.worker()
        begins = now() - timedelta(minutes=5)
        live.send(*(dose("not_given", number, begins) for number in range(12)))
        until(lambda: live.rows("SELECT 1 FROM signals WHERE kind = 'rate'"), why=live.told)
        live.await_applied()
        until(lambda: not live.rows("SELECT 1 FROM touched WHERE since <= now()"), why=live.told)
        assert worker.stop() == 0
        sound = verified(live)
        assert (sound.differences, sound.waiting) == (0, 0), sound.examples
        assert sound.signals >= 1

        live.database.execute("UPDATE signals SET raised = raised - interval '1 minute' WHERE kind = 'rate'")
        assert [one.what for one in verified(live).examples] == ["rate"]
        live.database.execute(
            "INSERT INTO touched (site, rate, entry, since) SELECT site, rate, entry, since FROM shifts"
        )
        later = verified(live)
        assert (later.differences, later.waiting) == (0, 1)
        live.database.execute("TRUNCATE touched")
        live.database.execute("DELETE FROM signals WHERE kind = 'rate'")
        [missing] = verified(live).examples
        assert (missing.what, missing.stored) == ("rate", None)
