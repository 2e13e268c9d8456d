"""The examples of docs/csv.md are read by the command as they stand there, and together they show every key of a map."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from rxpulse import cli
from streams.intake import tabular_map

PAGE = (Path(__file__).parents[2] / "docs" / "csv.md").read_text("utf-8")
TABLES = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
MAPS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("shape", "types"), [(0, [2, 1]), (1, [2, 1])], ids=["long", "wide"])
def test_an_example_of_the_page_is_imported_whole(
    shape: int, types: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RXPULSE_PSEUDONYM_KEY", "a key that is long enough to be one")
    monkeypatch.setenv("RXPULSE_HOME", str(tmp_path / "no stack"))
    table, mapping = tmp_path / "export.csv", tmp_path / "export.toml"
    table.write_text(TABLES[shape], encoding="utf-8")
    mapping.write_text(MAPS[shape], encoding="utf-8")
    done = CliRunner().invoke(cli.main, ["import", "csv", str(table), "--map", str(mapping), "--dry-run", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["records"] == {"read": 3, "events": 3, "skipped": 0}
    said = [one["type"] for one in found["events"]]
    assert [said.count("rx.order.entered"), said.count("rx.order.verified")] == types
    assert {one["data"]["priority"] for one in found["events"]} == {"stat", "routine"}
    assert all(one["data"]["actor"].startswith("a_") for one in found["events"])


def test_the_maps_of_the_page_show_every_key() -> None:
    long, wide = (tomllib.loads(text) for text in MAPS)
    assert long.keys() | wide.keys() == tabular_map.KEYS
    assert long["time"].keys() == {"format", "timezone", "ambiguous"}
    assert long["type"].keys() == {"column", "time", "codes"}
    assert all(one.keys() == {"type", "time", "actor"} for one in wide["event"])
