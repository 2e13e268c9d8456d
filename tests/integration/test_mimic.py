"""The real MIMIC-IV demo: the figures it is known for, and that what the command writes is what `replay` takes."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from metrics.replay import Replay, document
from models.policy import Policies
from models.policy_text import load
from models.wire import Decoded
from rxpulse import cli
from streams.intake.mimic import Import

KEY = "a key that is long enough to be one"


def run(*words: object) -> dict[str, dict[str, int]]:
    done = CliRunner().invoke(cli.main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def imported(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, dict[str, int]]]:
    monkeypatch.setenv("RXPULSE_PSEUDONYM_KEY", KEY)
    out = tmp_path / "orders.ndjson.gz"
    return out, run("import", "mimic", test_data / "mimic-iv-demo", "--out", out, "--json")


def test_replay_takes_every_event_that_the_import_wrote(imported: tuple[Path, dict[str, dict[str, int]]]) -> None:
    out, told = imported
    plain = out.with_suffix("")
    plain.write_bytes(gzip.decompress(out.read_bytes()))
    found = run("replay", plain, "--json")
    assert found["events"]["accepted"] == told["records"]["events"] > 40_000
    assert (found["events"]["rejected"], found["events"]["duplicates"]) == (0, 0)


def test_every_record_of_the_tables_is_an_event_or_counted(imported: tuple[Path, dict[str, dict[str, int]]]) -> None:
    _, told = imported
    # 9170 pharmacy rows give up to three events each, 19731 bedside rows one; 13 rows have no provider order, 19 name
    # one that is missing.
    assert told["records"]["read"] == 3 * 9170 + 19731
    assert told["records"]["read"] == told["records"]["events"] + told["records"]["skipped"]
    assert told["skipped_reasons"]["no order time"] == 13 + 19


def test_the_checked_file_is_the_file(imported: tuple[Path, dict[str, dict[str, int]]], tmp_path: Path) -> None:
    out, _ = imported
    run("import", "ndjson", out, "--out", tmp_path / "again.ndjson.gz", "--json")
    assert (tmp_path / "again.ndjson.gz").read_bytes() == out.read_bytes()


def test_order_to_verified_agrees_with_the_published_figures(test_data: Path) -> None:
    heart = Replay(Policies.only(load(None)))
    for event in Import(KEY).rows(test_data / "mimic-iv-demo", None):
        heart.take(Decoded(event))
    found = document(heart)
    [row] = [r for r in found["intervals"] if (r["clock"], r["site"]) == ("order-to-verified", "*")]  # type: ignore[attr-defined]
    assert row["n"] == 6498
    assert row["p50"] == pytest.approx(6.667, abs=0.001)
    assert row["p90"] == pytest.approx(77.217, abs=0.001)
    assert found["conflicts"]["negative_interval"] == 1501  # type: ignore[index]


def test_rebasing_moves_each_patient_by_whole_weeks_into_the_week_before(test_data: Path) -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    folder = test_data / "mimic-iv-demo"
    plain, moved = Import(KEY).rows(folder, None), Import(KEY).rows(folder, day)
    shifts = {b.time - a.time for a, b in zip(plain, moved, strict=True)}
    assert all(shift % timedelta(weeks=1) == timedelta() for shift in shifts)
    latest = max(max(event.time, event.recorded) for event in Import(KEY).rows(folder, day))
    assert day - timedelta(days=7) <= latest < day
