"""Grafana's classic JSON: what a dashboard consists of, and where each picture stands.

It knows nothing of pharmacies; what is on the dashboard is in `metrics.dashboards`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

COLUMNS = 24
"""So many stand beside each other."""
SCHEMA = 41
"""Of Grafana 11.6; later ones bring it up to date when they load it."""


class Source(StrEnum):
    """Where a question goes: Grafana's plug-in, and the uid of the data source as deploy/grafana provisions it."""

    PROMETHEUS = "prometheus"
    STORE = "grafana-postgresql-datasource"

    @property
    def uid(self) -> str:
        return {Source.PROMETHEUS: "rxpulse-prometheus", Source.STORE: "rxpulse-store"}[self]

    @property
    def reference(self) -> dict[str, str]:
        return {"type": self.value, "uid": self.uid}


class Look(StrEnum):
    """Grafana's kinds of panels that are used."""

    STAT = "stat"
    LINES = "timeseries"
    TABLE = "table"
    BARS = "bargauge"


class Unit(StrEnum):
    """Grafana's names of units."""

    COUNT = "short"
    SECONDS = "s"
    SHARE = "percentunit"
    PER_SECOND = "cps"


@dataclass(frozen=True, slots=True)
class Question:
    """`text` is PromQL or SQL; `legend` names the lines of PromQL by their labels."""

    source: Source
    text: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """`steps` colour a value from each bound on, below the first it is green; `units` are those of a table's columns that
    differ from `unit`. `width` is in columns, `height` in Grafana's rows."""

    title: str
    description: str
    look: Look
    question: Question
    unit: Unit = Unit.COUNT
    width: int = 12
    height: int = 8
    steps: tuple[tuple[float, str], ...] = ()
    units: tuple[tuple[str, Unit], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: tuple[Panel, ...]


def dashboard(uid: str, title: str, rows: Sequence[Row], sites: str) -> dict[str, Any]:
    """The JSON. `sites` is the SQL that gives the choice of sites."""
    return {
        "uid": uid,
        "title": title,
        "tags": ["rxpulse"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_choice(sites)]},
        "annotations": {"list": []},
        "panels": list(_placed(rows)),
    }


def _choice(sites: str) -> dict[str, Any]:
    """The sites to look at: all of them unless somebody chooses."""
    return {
        "name": "site",
        "label": "Site",
        "type": "query",
        "datasource": Source.STORE.reference,
        "query": sites,
        "definition": sites,
        "refresh": 1,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": ["All"], "value": ["$__all"]},
    }


def _placed(rows: Iterable[Row]) -> Iterable[dict[str, Any]]:
    """Every panel with its place: from the left to the right, a new line where there is no room left."""
    number, y = 1, 0
    for row in rows:
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": place}
        number, x, y, tallest = number + 1, 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            place = {"x": x, "y": y, "w": panel.width, "h": panel.height}
            yield {"id": number, "gridPos": place} | _panel(panel)
            number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel) -> dict[str, Any]:
    steps = [{"color": "green", "value": None}, *({"color": color, "value": bound} for bound, color in panel.steps)]
    return {
        "type": panel.look.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": panel.question.source.reference,
        "targets": [_target(panel)],
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit.value,
                "thresholds": {"mode": "absolute", "steps": steps},
                "color": {"mode": "palette-classic" if panel.look is Look.LINES else "thresholds"},
                "custom": _custom(panel),
            },
            "overrides": [_override(column, unit) for column, unit in panel.units],
        },
        "options": _options(panel.look),
    }


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.look is not Look.LINES:
        return {}
    # One point a day is shown as a point; a limit is drawn as a line.
    return {"showPoints": "auto", "thresholdsStyle": {"mode": "line" if panel.steps else "off"}}


def _override(column: str, unit: Unit) -> dict[str, Any]:
    return {
        "matcher": {"id": "byName", "options": column},
        "properties": [{"id": "unit", "value": unit.value}],
    }


def _target(panel: Panel) -> dict[str, Any]:
    question = panel.question
    target: dict[str, Any] = {"refId": "A", "datasource": question.source.reference}
    match question.source:
        case Source.PROMETHEUS:
            return target | {"expr": question.text, "legendFormat": question.legend, "range": True}
        case Source.STORE:
            form = "time_series" if panel.look is Look.LINES else "table"
            return target | {"rawSql": question.text.strip(), "rawQuery": True, "editorMode": "code", "format": form}


def _options(look: Look) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": look is Look.BARS}
    match look:
        case Look.STAT:
            return {"reduceOptions": last, "colorMode": "background", "graphMode": "none", "textMode": "value"}
        case Look.BARS:
            return {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic"}
        case Look.LINES:
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        case Look.TABLE:
            return {"showHeader": True, "cellHeight": "sm"}
