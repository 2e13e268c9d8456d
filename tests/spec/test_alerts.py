"""The alerts that ship: without a fault, tested, explained, and about figures that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from metrics.catalog import CATALOG, Shape
from tests.conftest import require_program

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text("utf-8"))["groups"] for rule in group["rules"]
]
TESTS = ("rules.test.yml", "rules.days.test.yml")
RUNBOOK = ROOT / "docs" / "operations" / "alerts.md"


def promtool(*words: str) -> None:
    argv = [require_program("promtool", "prometheus"), *words]
    found = subprocess.run(argv, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_promtool_has_nothing_against_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", "rules.yml")


def test_each_rule_fires_when_it_should_and_not_before() -> None:
    promtool("test", "rules", *TESTS)


def test_each_rule_is_seen_to_fire_by_those_tests() -> None:
    cases = [case for file in TESTS for case in yaml.safe_load((FOLDER / file).read_text("utf-8"))["tests"]]
    fired = {one["alertname"] for case in cases for one in case.get("alert_rule_test", ()) if one["exp_alerts"]}
    assert fired == {rule["alert"] for rule in RULES} and len(RULES) == 15


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_is_explained_where_it_says(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning") and rule["annotations"]["summary"]
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / file == RUNBOOK and anchor == rule["alert"].lower()
    told = RUNBOOK.read_text("utf-8").partition(f"## {rule['alert']}\n")[2].partition("\n## ")[0]
    assert all(word in told for word in ("**Means**", "**Look at**", "**Do**")), told


def test_nothing_is_explained_that_is_no_rule() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_gauges_of_the_catalogue_by_labels_that_they_have(rule: dict[str, Any]) -> None:
    gauges = {metric.name: metric.labels for metric in CATALOG if metric.shape is Shape.GAUGE}
    named = re.findall(r"(rxpulse_\w+)(?:\{(\w+)=)?", rule["expr"])
    assert all(name in gauges and (not label or label in gauges[name]) for name, label in named), named
    scraped = re.findall(r'\bup\{job="rxpulse", role=~?"([a-z|]+)"\}', rule["expr"])
    assert named or scraped
    assert {role for roles in scraped for role in roles.split("|")} <= {metric.role for metric in CATALOG}, scraped


def test_amtool_has_nothing_against_the_alertmanager() -> None:
    program = require_program("amtool", "prometheus-alertmanager")
    file = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
    found = subprocess.run([program, "check-config", str(file)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_alertmanager_holds_back_only_alerts_that_exist() -> None:
    named = re.findall(r"RxPulse\w+", (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text("utf-8"))
    assert named and set(named) <= {rule["alert"] for rule in RULES}
