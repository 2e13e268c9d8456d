"""The dashboard that ships, without Grafana: made from the catalogue, laid out without overlap, its sources provisioned."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from metrics.catalog import CATALOG
from metrics.grafana import COLUMNS, Look, Source, Unit

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "dashboards" / "board-and-turnaround.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = [one for one in DASHBOARD["panels"] if one["type"] != "row"]
NUMBER = {"type": "integer", "minimum": 0}
REFERENCE = {
    "type": "object",
    "properties": {"type": {"enum": [one.value for one in Source]}, "uid": {"enum": [one.uid for one in Source]}},
    "required": ["type", "uid"],
    "additionalProperties": False,
}
PLACE = {
    "type": "object",
    "properties": dict.fromkeys("xywh", NUMBER),
    "required": [*"xywh"],
    "additionalProperties": False,
}
TARGET = {
    "oneOf": [
        {"required": ["refId", "datasource", "expr", "legendFormat"]},
        {"required": ["refId", "datasource", "rawSql", "format", "rawQuery"]},
    ],
    "properties": {"datasource": REFERENCE, "format": {"enum": ["table", "time_series"]}},
}
PANEL = {
    "properties": {
        "id": NUMBER,
        "gridPos": PLACE,
        "type": {"enum": [one.value for one in Look]},
        "title": {"type": "string", "minLength": 3},
        "description": {"type": "string", "minLength": 10},
        "datasource": REFERENCE,
        "targets": {"type": "array", "minItems": 1, "items": TARGET},
        "fieldConfig": {
            "properties": {
                "defaults": {"properties": {"unit": {"enum": [one.value for one in Unit]}}, "required": ["unit"]}
            },
            "required": ["defaults", "overrides"],
        },
        "options": {"type": "object"},
    },
    "required": ["id", "gridPos", "type", "title", "description", "datasource", "targets", "fieldConfig", "options"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_all_that_grafana_and_a_reader_need(panel: dict[str, Any]) -> None:
    jsonschema.validate(panel, PANEL)


def test_no_two_panels_share_an_id_a_title_or_a_place() -> None:
    everything = DASHBOARD["panels"]
    assert len({one["id"] for one in everything}) == len(everything)
    assert len({one["title"] for one in everything}) == len(everything)
    for one, other in combinations((panel["gridPos"] for panel in everything), 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"], (one, other)


def test_every_line_is_filled_from_the_left_and_none_is_wider_than_the_page() -> None:
    lines: dict[int, int] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] == lines.get(place["y"], 0) and place["w"] > 0 and place["h"] > 0
        lines[place["y"]] = place["x"] + place["w"]
    assert set(lines.values()) == {COLUMNS}


def test_nobody_changes_it_in_grafana_where_the_change_would_be_lost() -> None:
    assert DASHBOARD["editable"] is False
    [provider] = yaml.safe_load((FOLDER / "provisioning" / "dashboards" / "rxpulse.yml").read_text("utf-8"))[
        "providers"
    ]
    assert provider["allowUiUpdates"] is False and provider["disableDeletion"] is True


def test_its_data_sources_are_those_that_are_provisioned_and_hold_no_password() -> None:
    said = yaml.safe_load((FOLDER / "provisioning" / "datasources" / "rxpulse.yml").read_text("utf-8"))
    assert {(one["uid"], one["type"]) for one in said["datasources"]} == {(one.uid, one.value) for one in Source}
    [password] = [one["secureJsonData"]["password"] for one in said["datasources"] if "secureJsonData" in one]
    assert password == "${RXPULSE_READER_PASSWORD}"


def test_prometheus_is_asked_for_figures_of_the_catalogue_alone() -> None:
    known = {metric.name for metric in CATALOG}
    texts = [one["expr"] for panel in PANELS for one in panel["targets"] if "expr" in one]
    named = {re.sub(r"_(bucket|count|sum)$", "", name) for text in texts for name in re.findall(r"rxpulse_\w+", text)}
    assert named and named <= known


@pytest.mark.parametrize("look", Look)
def test_every_look_is_used(look: Look) -> None:
    assert look.value in {panel["type"] for panel in PANELS}


def test_a_limit_that_is_shown_is_the_one_that_alerts() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text("utf-8")
    drawn = {
        re.findall(r"rxpulse_\w+", panel["targets"][0]["expr"])[0]: panel["fieldConfig"]["defaults"]["thresholds"][
            "steps"
        ][-1]
        for panel in PANELS
        if "expr" in panel["targets"][0] and len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1
    }
    assert len(drawn) == 3
    for name, step in drawn.items():
        assert re.search(rf"{name}(?:\s*>\s*0)?\)+\s*>\s*{step['value']}\b", rules), (name, step)
