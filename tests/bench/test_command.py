"""`rxpulse bench` as people call it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from rxpulse.bench.measurements import MEASUREMENTS, chosen
from rxpulse.cli import main

FIELDS = {"name", "events", "wall_s", "events_per_s", "cpu_s_per_million", "rss_mib", "p50_ms", "p99_ms"}


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "rxpulse", "bench", *arguments, "--json"]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_an_unknown_row_is_refused_with_those_there_are() -> None:
    found = CliRunner().invoke(main, ["bench", "fastest"])
    assert found.exit_code == 2 and "durable-full" in found.stderr


def test_the_real_data_is_measured_only_where_it_is(tmp_path: Path) -> None:
    assert "replay-mimic" not in chosen([], {})
    assert "replay-mimic" not in chosen([], {"RXPULSE_TEST_DATA": str(tmp_path)})
    (tmp_path / "mimic-iv-demo").mkdir()
    assert chosen([], {"RXPULSE_TEST_DATA": str(tmp_path)}) == list(MEASUREMENTS)


def test_the_real_data_that_is_asked_for_and_missing_is_said() -> None:
    env = {"RXPULSE_TEST_DATA": ""}
    found = CliRunner().invoke(main, ["bench", "replay-mimic"], env=env)
    assert found.exit_code == 2 and "RXPULSE_TEST_DATA" in found.stderr


def test_one_json_document_holds_every_field_of_a_row() -> None:
    found = bench("help")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    [row] = document["rows"]
    assert row.keys() >= FIELDS and row["name"] == "help" and row["wall_s"] > 0
    assert row["wanted"] == "wall_s <= 0.3"
    assert document["machine"]["cores"] >= 1 and document["ratios"] == {}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_row_is_measured_on_a_stack_of_its_own_and_nothing_is_left() -> None:
    before = set(os.listdir(tempfile.gettempdir()))
    found = bench(*(name for name in MEASUREMENTS if name != "replay-mimic"), "--events", "3000", "--samples", "3")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    rows = {row["name"]: row for row in document["rows"]}
    assert rows.keys() == MEASUREMENTS.keys() - {"replay-mimic"}
    assert rows["durable"]["events"] == rows["no-store"]["events"] == 3000
    assert set(rows["durable"]["cpu_s_per_million"]) == {"worker", "kafka", "postgres"}
    assert "postgres" not in rows["no-store"]["cpu_s_per_million"]
    assert set(document["ratios"]) == {"durable/no-store", "durable/durable-full"}
    assert rows["signal-latency"]["p50_ms"] <= rows["page-latency"]["p50_ms"]
    # The margin of ticks alone is a second.
    assert rows["deadline-page"]["p50_ms"] > 1000
    left = set(os.listdir(tempfile.gettempdir())) - before
    assert not [name for name in left if name.startswith("rxpulse-bench-")]
