"""Writes docs/operations/metrics.md from the catalogue of metrics and the rules of the alerts.

.venv/bin/python tools/metrics_page.py            writes it
.venv/bin/python tools/metrics_page.py --check    says whether what is there is what would be written
"""

import re
import sys
from itertools import groupby

import yaml
from generated import ROOT, write_or_check

from metrics.catalog import CATALOG, Metric

FILE = ROOT / "docs" / "operations" / "metrics.md"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"

HEAD = """# Metrics

Written by `tools/metrics_page.py` from the catalogue (`metrics/catalog.py`) and the rules of the [alerts](alerts.md). Each
role shows its own at `/metrics` of its port ([ports](one-machine.md#ports); in containers 8080). No label holds anything about a
person or a case.
"""


def text() -> str:
    """The page as it is to lie in FILE: a table a role, in the order of the catalogue."""
    alerts = alerts_of(RULES.read_text("utf-8"))
    roles = groupby(sorted(CATALOG, key=lambda one: one.role), key=lambda one: one.role)
    return HEAD + "".join(section(role, list(found), alerts) for role, found in roles)


def section(role: str, metrics: list[Metric], alerts: dict[str, list[str]]) -> str:
    """The table of one role."""
    lines = [f"| {shown(one)} | {one.meaning} | {one.remedy}{watched(alerts.get(one.name, []))} |" for one in metrics]
    return "\n".join((f"\n## {role.capitalize()}", "| figure | what it is | what to do |", "|---|---|---|", *lines, ""))


def shown(metric: Metric) -> str:
    """Its name and labels; that of a distribution also as such."""
    labels = f"{{{', '.join(metric.labels)}}}" if metric.labels else ""
    return f"`{metric.name}{labels}`" + (" (histogram)" if metric.buckets else "")


def watched(names: list[str]) -> str:
    """The alerts made of it, with their runbooks; nothing where there are none."""
    return "".join(f" [{name}](alerts.md#{name.lower()})" for name in names)


def alerts_of(rules: str) -> dict[str, list[str]]:
    """Which alerts are made of each metric, by its name."""
    found: dict[str, list[str]] = {}
    for group in yaml.safe_load(rules)["groups"]:
        for rule in group["rules"]:
            for name in dict.fromkeys(re.findall(r"rxpulse_\w+", rule["expr"])):
                found.setdefault(name, []).append(rule["alert"])
    return found


if __name__ == "__main__":
    sys.exit(write_or_check(FILE, text(), sys.argv))
