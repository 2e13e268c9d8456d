"""Keeping a stack that runs: its logs, its connections, what doctor says, another policy, and facts made again."""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
import pytest

from models.settings import Settings
from models.store.crowd import crowd
from rxpulse import keys, ports, postgres
from rxpulse.running import with_running_stack
from streams.producing import Feeding
from tests.acceptance.test_kills import Stack
from tests.live import now, simulated, stat

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ROLES = ("worker", "dispatcher", "console", "intake")
FIRST = (
    'extends = ["inpatient", "retail", "specialty"]\n[person.ana]\nname = "Ana"\n'
    '[ladder.all]\nsteps = [{ after = "0s", to = ["person:ana"], by = ["inbox"] }]\n'
)
LONGER = FIRST + '[clock.stat-verified]\ntarget = "12m"\n'


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A whole stack that has applied a day of a store, and has told somebody of an order that is late now."""
    folder = Path(tempfile.mkdtemp(prefix="rxpulse-test-"))
    folder.chmod(0o755)
    running = Stack(folder / "home")
    policy = folder / "first.toml"
    policy.write_text(FIRST)
    running.env["RXPULSE_POLICY"] = str(policy)
    up = running.run("up", "--detach")
    del running.env["RXPULSE_POLICY"]
    assert up.returncode == 0, up.stderr
    feeding = Feeding(with_running_stack(Settings.from_env(running.env), running.env))
    # A site is asked about what it never sent once it has been there for a fortnight.
    for event in (*simulated(), stat(2, now() - timedelta(days=15)), stat(1, now() - timedelta(minutes=11))):
        feeding.send(event)
    feeding.finish()
    running.until(running.applied, "the events are applied")
    running.until(lambda: sent(running), "somebody is told")
    yield running
    running.run("down")
    shutil.rmtree(folder)


def shown(stack: Stack, *words: str) -> Any:
    ran = stack.run(*words, "--json")
    assert ran.stdout, ran.stderr
    return json.loads(ran.stdout)


def sent(stack: Stack) -> int:
    """Messages that were delivered."""
    return shown(stack, "status")["escalations"]["delivered_total"]


def held(stack: Stack) -> list[tuple[Any, ...]]:
    """The signals, but for those that were raised for a moment and disproved."""
    settings = with_running_stack(Settings.from_env(stack.env), stack.env)
    with psycopg.connect(settings.required_database_url()) as connection:
        return connection.execute(
            "SELECT id, severity, raised, cleared, reason, told FROM signals WHERE reason IS DISTINCT FROM 'disproof'"
            " ORDER BY id"
        ).fetchall()


def test_every_line_of_every_roles_log_is_one_json_object(stack: Stack) -> None:
    for role in ROLES:
        lines = (stack.home / "logs" / f"{role}.log").read_text().splitlines()
        for line in lines:
            try:
                assert json.loads(line)["role"] == role
            except ValueError:
                pytest.fail(f"{role}: {line[:300]}")


def test_each_answer_over_http_carries_the_id_of_its_request(stack: Stack) -> None:
    block = ports.block(stack.state().base)
    for role in ("console", "intake"):
        with urlopen(f"http://127.0.0.1:{block[role]}/healthz") as one, urlopen(one.url) as other:
            ids = {answer.headers["X-Request-ID"] for answer in (one, other)}
        assert len(ids) == 2 and None not in ids


def test_no_role_holds_more_connections_than_its_budget(stack: Stack) -> None:
    port, held = ports.block(stack.state().base)["postgres"], keys.ensure(stack.home)
    counts: Counter[str] = Counter()
    found = crowd(postgres.admin_url(held.admin, port))
    for one in found.connected:
        counts[postgres.role_of(one.user, one.name)] += one.count
    assert found.most == postgres.MAX_CONNECTIONS
    assert {*ROLES, "prefect"} <= set(counts)
    assert {role: n for role, n in counts.items() if n > postgres.CONNECTION_BUDGET.get(role, 3)} == {}


def test_doctor_finds_no_fault_and_says_how_the_worker_keeps_up(stack: Stack) -> None:
    found = shown(stack, "doctor")
    assert found["healthy"] is True, found
    said = [one["what"] for one in found["findings"]]
    assert any(what.endswith("events are still to be applied") for what in said)
    assert any("connections to the database are in use" in what for what in said)
    # The hospital has sent two orders and nothing else.
    [blind] = [one["remedy"] for one in found["findings"] if "rules cannot speak at mercy" in one["what"]]
    assert "dispensed-before-final-check" in blind


def test_a_version_that_is_applied_is_the_next_one_and_a_file_that_differs_is_said(stack: Stack) -> None:
    file = stack.home.parent / "site.toml"
    file.write_text(LONGER)
    beside = {**stack.env, "RXPULSE_POLICY": str(file)}
    plain, stack.env = stack.env, beside
    try:
        [worker] = [part for part in shown(stack, "status")["parts"] if part["name"] == "worker"]
        assert f"{file} differs from version 1 of the policy" in worker["detail"]
        made = shown(stack, "policy", "apply", str(file), "--yes")
        assert (made["number"], made["changes"][0]["name"]) == (2, "stat-verified")
        [worker] = [part for part in shown(stack, "status")["parts"] if part["name"] == "worker"]
        assert "differs" not in worker["detail"]
    finally:
        stack.env = plain
    assert [one["state"] for one in shown(stack, "policy", "history")] == ["in force", "to come"]
    # What is asked without a file is the version that judges now.
    assert "within 10 minutes" in stack.run("policy", "explain", "stat-verified").stdout
    warned = shown(stack, "policy", "check")["warnings"]
    assert any(one["file"] == "store" for one in warned)


def test_facts_are_made_again_while_the_stack_goes_on(stack: Stack) -> None:
    before, worker, signals = shown(stack, "status"), stack.pid("worker"), held(stack)
    ran = stack.run("reset", "--facts", "--yes")
    assert ran.returncode == 0, ran.stderr
    stack.until(lambda: stack.pid("worker") not in (0, worker), "another worker is healthy")
    stack.until(stack.applied, "the events are applied again")
    after = shown(stack, "status")
    assert (after["events_total"], after["cases"]) == (before["events_total"], before["cases"])
    stack.until(lambda: held(stack) == signals, "the signals are the same again")
    assert after["escalations"] == before["escalations"]
    assert shown(stack, "verify")["differences"] == 0
