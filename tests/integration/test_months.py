"""Turnaround times lie in months: rows of the version before are taken along, none is written twice, none is refused
because its month is missing."""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from alembic import command
from psycopg import sql
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from models import store
from models.keeping import AHEAD, BEHIND, Month
from models.store.ledger import Advance, Batch, Fenced, IntervalFact
from models.store.migrating import configuration, driver_url
from models.store.months import Kept, look, make_months
from models.store.sql import SqlLedger
from models.tracking import Interval
from tests.conftest import RunningStack

CLUSTER = "a-cluster"
NOW = datetime.now(UTC)
THIS = Month.of(NOW)
COLUMNS = (
    "partition, sequence, position, id, clock, site, priority, case_id, started, stopped, net, target, in_target,"
    " revision, retracted"
)


def reading(stopped: datetime, name: str = "i", revision: int = 1, **changes: Any) -> Interval:
    whole: dict[str, Any] = {
        "id": name,
        "clock": "stat-verified",
        "site": "mercy",
        "priority": "stat",
        "case": "order/1",
        "started": stopped - timedelta(minutes=5),
        "stopped": stopped,
        "net": timedelta(minutes=5),
        "target": None,
        "in_target": None,
        "revision": revision,
        "retracted": False,
    }
    return Interval(**whole | changes)


def rows(url: str, query: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, values)  # type: ignore[arg-type]
        return cursor.fetchall() if cursor.description else []


def where(url: str) -> dict[str, int]:
    """How many rows lie in which table."""
    found = rows(url, "SELECT tableoid::regclass::text, count(*) FROM intervals GROUP BY 1")
    return {name.removeprefix("months.intervals_"): count for name, count in found}


def months(url: str) -> Kept:
    found = look(url)
    assert found is not None
    return found


@pytest.fixture
def empty(stack: RunningStack) -> Iterator[str]:
    """The URL of a database without tables."""
    name = f"months_{secrets.token_hex(4)}"
    with psycopg.connect(stack.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield stack.url_of(name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def ledger(database_url: str) -> Iterator[SqlLedger]:
    one = SqlLedger(database_url, "w0")
    one.claim(CLUSTER, [0], "w0")
    yield one
    one.close()


def batch(was: int, first: int, *readings: Interval) -> Batch:
    facts = [IntervalFact(0, first + n, was, one) for n, one in enumerate(readings)]
    return Batch([Advance(0, 1, was, was + 1, first + len(facts), 0)], intervals=facts)


def upgrade(url: str, version: str) -> None:
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.begin() as connection:
        command.upgrade(configuration(connection), version)
    engine.dispose()


def test_a_database_of_the_version_before_is_taken_along_with_all_its_rows(empty: str) -> None:
    upgrade(empty, "0012")
    last = THIS.begins + (NOW - THIS.begins) / 2
    dates = [last - timedelta(days=11 * n) for n in range(100)]
    dates += [datetime(2150, 6, 1, tzinfo=UTC), datetime(1950, 1, 1, tzinfo=UTC)]
    for number, stopped in enumerate(dates):
        values = [
            0,
            number,
            number,
            f"i{number}",
            "c",
            "mercy",
            "",
            "order/1",
            stopped,
            stopped,
            0,
            None,
            None,
            1,
            False,
        ]
        rows(empty, f"INSERT INTO intervals ({COLUMNS}) VALUES ({', '.join(['%s'] * 15)}) RETURNING 1", *values)
    everything = f"SELECT {COLUMNS} FROM intervals ORDER BY sequence"
    before = rows(empty, everything)
    store.migrate(empty)
    assert rows(empty, everything) == before
    lying = where(empty)
    assert lying.pop("rest") == 2
    assert lying.keys() == {Month.of(one).label.replace("-", "_") for one in dates[:100]}
    store.migrate(empty)
    assert rows(empty, everything) == before
    assert rows(empty, "SELECT count(*) FROM grafana.turnarounds") == [(102,)]


def test_a_new_store_has_the_months_around_now(database_url: str) -> None:
    found = months(database_url)
    # It was copied from one that the first test made: a month may have ended between NOW and then, or since.
    around = [[made.after(away) for away in range(-BEHIND, AHEAD + 1)] for made in (THIS, Month.of(found.now))]
    assert [one.month for one in found.months] in around
    assert found.rest == {}


def test_a_batch_is_taken_whatever_month_its_readings_are_of(database_url: str, ledger: SqlLedger) -> None:
    old, far = NOW - timedelta(days=500), datetime(2150, 6, 1, tzinfo=UTC)
    ledger.commit(batch(0, 0, reading(NOW, "a"), reading(old, "b"), reading(far, "c")))
    assert where(database_url) == {THIS.label.replace("-", "_"): 1, "rest": 2}
    assert months(database_url).rest == {Month.of(old): 1, Month.of(far): 1}
    assert [fact.interval.id for fact in ledger.facts(0, 0) if isinstance(fact, IntervalFact)] == ["a", "b", "c"]
    # In order. Where a month has ended since the store was made, one to come is made after it.
    assert make_months(database_url)[:1] == [Month.of(old)]
    assert months(database_url).rest == {Month.of(far): 1}
    assert where(database_url)[Month.of(old).label.replace("-", "_")] == 1
    assert make_months(database_url) == []


def test_a_number_is_given_once_though_the_key_holds_the_month(database_url: str, ledger: SqlLedger) -> None:
    first = batch(0, 0, reading(NOW, "a"), reading(NOW, "b"))
    ledger.commit(first)
    with pytest.raises(Fenced):
        ledger.commit(first)
    other_month = reading(THIS.after(-1).begins, "other")
    for again in (0, 1):
        with pytest.raises(Fenced):
            ledger.commit(batch(1, again, other_month))
    short = batch(1, 2, other_month)
    with pytest.raises(Fenced):
        # A number that the position does not cover would be given again.
        ledger.commit(Batch([Advance(0, 1, 1, 2, 2, 0)], intervals=short.intervals))
    assert sum(where(database_url).values()) == 2
    ledger.commit(short)
    assert sum(where(database_url).values()) == 3


def test_one_reading_is_not_written_twice_under_one_number(database_url: str, ledger: SqlLedger) -> None:
    ledger.commit(batch(0, 0, reading(NOW, "a")))
    with pytest.raises(psycopg.errors.UniqueViolation):
        rows(database_url, f"INSERT INTO intervals ({COLUMNS}) SELECT {COLUMNS} FROM intervals RETURNING 1")


def test_a_correction_counts_in_its_own_month_and_no_more_where_it_was(database_url: str, ledger: SqlLedger) -> None:
    was = THIS.after(-1).begins + timedelta(days=3)
    ledger.commit(batch(0, 0, reading(was, "a"), reading(was, "b")))
    ledger.commit(batch(1, 2, reading(max(NOW - timedelta(minutes=1), THIS.begins), "a", 2)))
    query = "SELECT date_trunc('month', stopped, 'UTC'), count(*) FROM grafana.turnarounds GROUP BY 1 ORDER BY 1"
    assert rows(database_url, query) == [(THIS.after(-1).begins, 1), (THIS.begins, 1)]


def test_who_may_only_write_rows_writes_into_every_month(
    stack: RunningStack, database_url: str, ledger: SqlLedger
) -> None:
    role = f"writer_{secrets.token_hex(4)}"
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(role)))
        admin.execute(sql.SQL("GRANT SELECT, INSERT ON intervals TO {}").format(sql.Identifier(role)))
        admin.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
        for number, stopped in enumerate((NOW, NOW - timedelta(days=2000))):
            one = [0, number, 0, f"i{number}", "c", "mercy", "", "order/1", stopped, stopped, 0, None, None, 1, False]
            admin.execute(f"INSERT INTO intervals ({COLUMNS}) VALUES ({', '.join(['%s'] * 15)})", one)  # type: ignore[arg-type]
        assert admin.execute("SELECT count(*) FROM intervals").fetchone() == (2,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            admin.execute("CREATE TABLE months.intervals_1999_01 (LIKE intervals)")
        admin.execute("RESET ROLE")
        admin.execute(sql.SQL("DROP OWNED BY {0}").format(sql.Identifier(role)))
        admin.execute(sql.SQL("DROP ROLE {0}").format(sql.Identifier(role)))
