"""`doctor` and `policy` where no stack runs in the home, in a container or on a host with workers of its own: they ask the
servers that they are given."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from models import policy_text
from models.store.connecting import connect
from models.store.policies import append
from rxpulse import cli
from rxpulse import home as homes
from tests.conftest import RunningStack
from tests.live import Live, living, now, stat, until

SITES = 'extends = "inpatient"\n[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n'


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, policy_text.read(SITES, file="test")) as one:
        yield one


def run(live: Live, *words: str, **env: str | None) -> Result:
    given = {name: value for name, value in live.env.items() if name.startswith("RXPULSE_")}
    return CliRunner(env={"RXPULSE_POLICY": None, **given, **env}).invoke(cli.main, words)


def looked(live: Live, **env: str) -> dict[str, Any]:
    return json.loads(run(live, "doctor", "--json", **env).stdout)


def said(document: dict[str, Any], level: str) -> list[str]:
    return [one["what"] for one in document["findings"] if one["level"] == level]


def test_a_worker_that_keeps_up_is_no_fault_although_the_home_is_no_stacks(live: Live) -> None:
    worker = live.worker()
    live.send(stat(1, now()))
    live.await_applied()
    assert any((live.folder / "home").iterdir()), "the worker has a place there"
    found = looked(live, RXPULSE_BIND="0.0.0.0", RXPULSE_BEHIND_PROXY="1", RXPULSE_PORT="8080")
    assert found["healthy"] is True and said(found, "fault") == []
    good = said(found, "good")
    assert "0 events are still to be applied" in good
    assert any("connections to the database are in use" in one for one in good)
    assert any(one.startswith("rx.deadletter holds nothing") for one in good)
    assert any(one.endswith("kept as long as the reports part is told") for one in good), "nobody here knows how long"
    assert not any("finds its ports" in one or "the first start makes it" in one for one in good), (
        "nobody starts a stack there"
    )
    assert worker.stop() == 0


def test_that_nobody_tells_people_is_a_fault_that_names_the_dispatcher(live: Live) -> None:
    worker = live.worker()
    live.send(stat(1, now() - timedelta(minutes=11)))
    until(lambda: live.one("SELECT count(*) FROM signals WHERE attention"), why="the late order's signals")
    assert not any("should have been told" in one for one in said(looked(live), "fault")), "it is new"
    live.database.execute("UPDATE signals SET changed = now() - interval '2 minutes'")
    [found] = [one for one in looked(live)["findings"] if "should have been told" in one["what"]]
    assert found["level"] == "fault" and "dispatcher" in found["where"] and "watch the board" in found["remedy"]
    assert worker.stop() == 0


@pytest.mark.parametrize("home", ["there is none", "it is empty"])
def test_a_worker_that_stands_is_a_fault_and_its_log_is_named_by_whose_it_is(live: Live, home: str) -> None:
    if home == "it is empty":
        (live.folder / "home").mkdir()
    live.database.execute(
        "INSERT INTO positions (partition, cluster, position, beat, owner)"
        " VALUES (0, 'another', 7, now() - interval '2 minutes', 'worker-w0-7')"
    )
    ran = run(live, "doctor")
    assert ran.exit_code == 1 and "no home of RxPulse" not in ran.stdout
    assert "the worker has written nothing since" in ran.stdout and "(the log of worker)" in ran.stdout
    assert "counted on the Kafka cluster another" in ran.stdout
    assert "logs/" not in ran.stdout and "rxpulse up" not in ran.stdout and "rxpulse down" not in ran.stdout


def test_the_file_beside_the_store_and_its_latest_policy_are_looked_at(live: Live, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text('extends = "retail"\n', encoding="utf-8")
    found = looked(live, RXPULSE_POLICY=str(file))
    assert any("differs from version 1 of the policy" in one for one in said(found, "warning"))
    assert any("no ladder takes S1 signals" in one for one in said(found, "warning"))


def test_a_home_in_which_a_stack_was_started_is_looked_at_as_its_home(live: Live) -> None:
    home = live.folder / "home"
    homes.open_home(home)
    homes.write_state(home, homes.StackState(pid=2**22 + 1, born="a while ago", base=7400, failure="no room"))
    assert "the last stack ended: no room" in said(looked(live), "fault")


def test_policy_speaks_of_the_version_that_judges(live: Live) -> None:
    with connect(live.database_url, "a test") as store:
        append(store, policy_text.read(SITES + '[clock.stat-verified]\ntarget = "7m"\n', file="test"), None, "ana")
    assert "7 min" in run(live, "policy", "explain", "stat-verified").stdout
    assert "7 min" not in run(live, "policy", "explain", "stat-verified", RXPULSE_DATABASE_URL=None).stdout


def test_policy_check_of_a_file_is_held_against_what_the_sites_send(live: Live, tmp_path: Path) -> None:
    file = tmp_path / "site.toml"
    file.write_text(SITES, encoding="utf-8")
    live.database.execute("INSERT INTO seen_types (site, type) VALUES ('mercy', 'rx.adc.vend')")
    live.database.execute(
        "INSERT INTO feed_hours (source, site, hour, partition, minutes)"
        " VALUES ('/a', 'mercy', now() - interval '20 days', 0, 1), ('/a', 'mercy', now(), 0, 1)"
    )
    ran = run(live, "policy", "check", str(file), "--json")
    assert any("cannot speak at mercy" in one["message"] for one in json.loads(ran.stdout)["warnings"]), ran.output
