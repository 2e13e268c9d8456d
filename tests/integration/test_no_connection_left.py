"""A PostgreSQL that lets nobody more in: `status` still says all else, and `doctor` finds out who holds the connections."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote, urlsplit

import psycopg
import pytest
from psycopg import sql

from models.policy_text import shipped_default
from models.settings import Secret, Settings
from models.store.connecting import DatabaseAway, connect
from models.store.crowd import crowd
from models.store.policies import begin
from rxpulse import plan, status
from rxpulse.examination import examine
from rxpulse.findings import Finding, Level
from rxpulse.postgres import MAX_CONNECTIONS
from rxpulse.running import with_running_stack
from streams.topics import create as create_topics
from tests.conftest import RunningStack
from tests.live import until

HELD = "a long export"
KEPT = 3
"""Connections that are kept for the administrator."""


@pytest.fixture
def running(stack: RunningStack, tmp_path: Path) -> Settings:
    """The settings of somebody beside a stack with a PostgreSQL of its own."""
    return Settings(home=stack.home, cache=tmp_path)


@pytest.fixture
def crowded(running: Settings, stack: RunningStack) -> Iterator[None]:
    """Somebody holds every connection but those of the administrator."""
    url = with_running_stack(running, {}).required_database_url()
    with ExitStack() as held:
        for _ in range(MAX_CONNECTIONS):
            try:
                held.enter_context(connect(url, HELD, autocommit=True))
            except DatabaseAway:
                break
        yield
    until(lambda: all(one.name != HELD for one in crowd(stack.database_url).connected))


@pytest.fixture
def shut_out(stack: RunningStack, database_url: str) -> Iterator[str]:
    """The URL of that database for a role to which it gives no connection."""
    begin(database_url, shipped_default(), "a test")
    found, role = urlsplit(database_url), sql.Identifier(name := f"role_{secrets.token_hex(4)}")
    with psycopg.connect(stack.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x' CONNECTION LIMIT 0").format(role))
        yield found._replace(netloc=f"{quote(name)}:x@{found.hostname}:{found.port}").geturl()
        admin.execute(sql.SQL("DROP ROLE {}").format(role))


def faults(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if one.level is Level.FAULT]


def test_status_says_what_the_server_says_and_that_no_figure_is_known(running: Settings, crowded: None) -> None:
    found = status.document(running, {})
    assert found["healthy"] is False and found["running"] is True
    parts = {part["name"]: part for part in found["parts"]}
    assert parts["kafka"]["healthy"] is True and parts["postgres"]["healthy"] is False
    assert parts["postgres"]["detail"].startswith("lets nobody in: remaining connection slots are reserved")
    assert (found["events_total"], found["lag_events"], found["cases"]) == (None, None, {})
    assert {*found["signals"].values(), *found["escalations"].values(), *found["turnaround"].values()} == {None}


def test_status_is_whole_although_not_even_the_policy_can_be_asked_for(
    running: Settings, stack: RunningStack, shut_out: str, tmp_path: Path
) -> None:
    """The file of RXPULSE_POLICY is held against the store's before anything is counted."""
    (tmp_path / "site.toml").write_text('extends = "retail"\n', encoding="utf-8")
    beside = Settings(home=stack.home, cache=tmp_path, policy=tmp_path / "site.toml", database_url=Secret(shut_out))
    [database] = [part for part in status.document(beside, {})["parts"] if part["name"] == "postgres"]
    assert database["healthy"] is False
    assert database["detail"].partition('for role "')[0] == "lets nobody in: too many connections "


def test_doctor_as_the_administrator_says_who_holds_the_connections(running: Settings, crowded: None) -> None:
    found = examine(running, {})
    who = next(one for one in faults(found) if "its administrator alone" in one.what)
    used = MAX_CONNECTIONS - KEPT
    assert f"{used + 1} of {MAX_CONNECTIONS} connections are in use: commands" in who.what, "his own is one more"
    assert who.what.endswith(f"; {used} are of {HELD}")
    assert "remaining connection slots are reserved" in who.what and "rxpulse down" in who.remedy
    assert any(one.what.startswith("commands holds") and "11 are meant for it" in one.what for one in found)
    assert any(one.what == "kafka is healthy" for one in found)
    [unwell] = [one for one in faults(found) if one.what.startswith("postgres is not healthy: lets nobody in")]
    assert unwell.remedy == "see who holds its connections: it is said in this list"


def test_doctor_of_a_database_of_ones_own_says_whom_to_ask_and_all_else(
    stack: RunningStack, shut_out: str, tmp_path: Path
) -> None:
    own = Settings(home=tmp_path / "home", cache=tmp_path, kafka=stack.kafka, database_url=Secret(shut_out))
    create_topics(own)
    found = examine(own, {})
    [only] = faults(found)
    assert only.what.startswith("the database has no connection left: too many connections for role")
    assert "connect as its administrator and ask pg_stat_activity" in only.remedy
    assert any(one.what.startswith("rx.deadletter holds") for one in found), "the topics are looked at all the same"


def test_doctor_that_is_told_the_administrator_looks_at_the_whole_store(
    stack: RunningStack, shut_out: str, tmp_path: Path
) -> None:
    own = Settings(
        home=tmp_path / "home",
        cache=tmp_path,
        kafka=stack.kafka,
        database_url=Secret(shut_out),
        admin_url=Secret(stack.database_url),
    )
    create_topics(own)
    found = examine(own, {})
    [who] = [one for one in faults(found) if "its administrator alone" in one.what]
    assert "rxpulse down" not in who.remedy, "the server is none of a stack's"
    assert any(one.what.startswith("turnaround times are there from the beginning on") for one in found)


def test_a_database_that_is_down_is_no_reason_to_stop_looking(stack: RunningStack, tmp_path: Path) -> None:
    away = Secret("postgresql://rxpulse:x@127.0.0.1:9/rxpulse")
    own = Settings(home=tmp_path / "home", cache=tmp_path, kafka=stack.kafka, database_url=away)
    create_topics(own)
    [only] = faults(examine(own, {}))
    assert only.what.startswith("the database lets nobody in: ") and "refused" in only.what
    assert only.where == "the log of postgres"


def test_who_is_connected_under_another_role_is_counted_too(running: Settings, stack: RunningStack) -> None:
    """PostgreSQL hides from a role what kind of process another role's is."""
    with connect(stack.database_url, "somebody else"):
        found = crowd(with_running_stack(running, {}).required_database_url())
    assert [one.user for one in found.connected if one.name == "somebody else"] == ["postgres"]
    assert [one.count for one in found.connected if one.user == plan.OWNER] == [1]
    assert all(one.user for one in found.connected) and found.most == MAX_CONNECTIONS
