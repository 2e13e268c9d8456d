"""The dashboard's questions to the store, asked by the role that only reads: each answers, and nothing else is open to it."""

import json
import re
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from models import policy_text
from models.policy import Policies
from models.settings import Secret
from models.store.migrating import migrate
from models.store.policies import begin
from models.store.provisioning import Reader, let_read, provision
from models.store.rebuilding import forget_facts
from streams.simulate import SiteSpec, simulate
from tests.conftest import RunningStack
from tests.history import load

FILE = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "board-and-turnaround.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text("utf-8"))
ASKED = {
    panel["title"]: target for panel in DASHBOARD["panels"] for target in panel.get("targets", ()) if "rawSql" in target
}
POLICY = policy_text.read('extends = ["inpatient", "retail"]\n', file="test")
TABLES = (
    "cases",
    "intervals",
    "signals",
    "deliveries",
    "escalations",
    "accounts",
    "sessions",
    "signing_key",
    "policies",
)


@pytest.fixture(scope="module")
def base(stack: RunningStack) -> Iterator[str]:
    """The administrator's URL of a database with two days of a pharmacy in it, up to now."""
    name = f"panels_{secrets.token_hex(4)}"
    with psycopg.connect(stack.database_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = stack.url_of(name)
        migrate(url)
        seed(url)
        yield url
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def seed(url: str) -> None:
    """Two days of a store's work, and somebody who was told."""
    now = datetime.now(UTC)
    begin(url, POLICY, "a test")
    events = simulate([SiteSpec("elm", "retail", volume=0.3)], now - timedelta(days=2), 7)
    load(url, Policies.only(POLICY.policy), takewhile(lambda one: one.recorded < now, events), now)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO escalations (id, kind, name, severity, site, setting, title, ladder, state, opened, about)"
            " VALUES ('e1', 'clock', 'fill-entered', 2, 'elm', 'retail', 't', 'all', 'open', now(), '{}'),"
            " ('e2', 'clock', 'fill-entered', 2, 'elm', 'retail', 't', 'all', 'acknowledged', now(), '{}')"
        )
        connection.execute(
            "INSERT INTO escalation_entries (escalation, number, at, entry)"
            """ VALUES ('e2', 1, now() + interval '90 s', '{"entry": "acknowledged"}')"""
        )
        connection.execute(
            "INSERT INTO deliveries (key, escalation, type, step, loop, person, channel, state, gives_up, message)"
            " VALUES ('d1', 'e1', 'page', 0, 0, 'ana', 'inbox', 'sent', now(), '{}'),"
            " ('d2', 'e1', 'page', 0, 0, 'ana', 'webhook', 'refused', now(), '{}')"
        )


@pytest.fixture(scope="module")
def reader(stack: RunningStack, base: str) -> Iterator[str]:
    """The URL of the role that only reads."""
    name, password = f"reader_{secrets.token_hex(4)}", Secret(secrets.token_urlsafe(18))
    database = urlsplit(base).path.strip("/")
    provision(stack.database_url, [], Reader(name, password, database, 3))
    assert let_read(base, name)
    found = urlsplit(base)
    yield found._replace(netloc=f"{name}:{password}@{found.hostname}:{found.port}").geturl()
    with psycopg.connect(base, autocommit=True) as admin:
        for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
            admin.execute(sql.SQL(statement).format(sql.Identifier(name)))


def asked(text: str, sites: str = "'elm'") -> Any:
    """As Grafana sends it: the sites chosen, the last seven days."""
    text = text.replace("${site:sqlstring}", sites)
    text = re.sub(
        r"\$__timeFilter\((\w+)\)", r"\1 BETWEEN now() - interval '7 days' AND now() + interval '1 minute'", text
    )
    assert "$" not in text
    return text


@pytest.mark.parametrize("title", ASKED)
def test_a_panel_gets_rows_with_the_columns_that_its_look_needs(reader: str, title: str) -> None:
    target = ASKED[title]
    with psycopg.connect(reader) as connection:
        found = connection.execute(asked(target["rawSql"]))
        rows = found.fetchall()
        names = [column.name for column in found.description or ()]
    assert rows and any(value is not None for row in rows for value in row), title
    if target["format"] == "time_series":
        assert names[:2] == ["time", "metric"] and all(isinstance(row[0], datetime) for row in rows)
    if title == "Open work":
        assert rows[0][0] > 0


def test_the_columns_with_units_of_their_own_are_there(reader: str) -> None:
    with psycopg.connect(reader) as connection:
        for panel in DASHBOARD["panels"]:
            for override in panel.get("fieldConfig", {}).get("overrides", ()):
                found = connection.execute(asked(panel["targets"][0]["rawSql"])).description or ()
                assert override["matcher"]["options"] in {column.name for column in found}, panel["title"]


def test_the_choice_of_sites_is_what_was_heard_of(reader: str) -> None:
    [variable] = DASHBOARD["templating"]["list"]
    with psycopg.connect(reader) as connection:
        assert connection.execute(variable["query"]).fetchall() == [("elm",)]


def test_a_site_that_was_not_chosen_is_left_out(reader: str) -> None:
    with psycopg.connect(reader) as connection:
        assert connection.execute(asked(ASKED["Where work waits"]["rawSql"], "'oak'")).fetchall() == []
        assert connection.execute(asked(ASKED["Open work"]["rawSql"], "'oak'")).fetchall() == [(0,)]


@pytest.mark.parametrize("table", TABLES)
def test_the_reader_sees_no_table(reader: str, table: str) -> None:
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))


def test_the_reader_writes_nothing(reader: str) -> None:
    with psycopg.connect(reader) as connection, pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        connection.execute("CREATE TEMP TABLE mine (n int)")


def test_no_view_shows_a_case_a_person_or_a_message(base: str) -> None:
    with psycopg.connect(base) as connection:
        found = connection.execute(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'grafana'"
        ).fetchall()
    assert len({view for view, _ in found}) == 8
    hidden = {
        "id",
        "case_id",
        "signal",
        "escalation",
        "person",
        "key",
        "message",
        "answer",
        "body",
        "acknowledged_by",
        "title",
    }
    assert not {column for _, column in found} & hidden


def test_the_views_stand_after_the_facts_are_forgotten(database_url: str) -> None:
    seed(database_url)
    forget_facts(database_url)
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM grafana.turnarounds").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM grafana.deliveries").fetchone() == (2,)


def test_a_role_that_is_not_there_is_not_let_in(database_url: str) -> None:
    assert not let_read(database_url, "nobody_of_that_name")
