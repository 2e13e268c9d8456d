"""`rxpulse simulate`: the same bytes for the same seed, and what goes wrong on purpose is written down as it was."""

import gzip
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.event import Event
from models.wire import Decoded, decode
from rxpulse import cli
from streams.simulate import KINDS


def run(*words: object) -> Result:
    return CliRunner().invoke(cli.main, ["simulate", *map(str, words)])


def made(out: Path, *words: object, profile: str = "retail", days: int = 2) -> list[Event]:
    done = run("--profile", profile, "--days", days, "--volume", 0.2, "--out", out, *words)
    assert done.exit_code == 0, done.output
    plain = gzip.decompress(out.read_bytes()) if out.suffix == ".gz" else out.read_bytes()
    found = [decode(line, None) for line in plain.splitlines()]
    return [one.event for one in found if isinstance(one, Decoded)]


def truth(out: Path) -> list[dict[str, object]]:
    return json.loads(Path(f"{out}.truth.json").read_text())["incidents"]


@pytest.mark.parametrize("name", ["week.ndjson", "week.ndjson.gz"])
def test_the_same_seed_gives_the_same_bytes_and_the_same_truth(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    words = ("--seed", 7, "--incident", "kickback-surge")
    one, other = tmp_path / "a" / name, tmp_path / "b" / name
    made(one, *words)
    made(other, *words)
    assert one.read_bytes() == other.read_bytes()
    assert Path(f"{one}.truth.json").read_bytes() == Path(f"{other}.truth.json").read_bytes()
    made(other, "--seed", 8, "--incident", "kickback-surge")
    assert one.read_bytes() != other.read_bytes()


def test_until_the_incident_nothing_is_different(tmp_path: Path) -> None:
    plain, surge = made(tmp_path / "plain.ndjson"), made(tmp_path / "surge.ndjson", "--incident", "kickback-surge")
    [told] = truth(tmp_path / "surge.ndjson")
    begins = datetime.fromisoformat(str(told["start"]))
    assert [e for e in plain if e.recorded < begins] == [e for e in surge if e.recorded < begins]
    minute = Counter(e.type for e in surge if begins <= e.time < begins + timedelta(minutes=1))
    assert minute["rx.data_entry.completed"] >= 90 == told["size"] and minute["rx.returned_to_entry"] >= 30
    assert truth(tmp_path / "plain.ndjson") == []


def test_an_incident_happens_in_the_middle_of_the_time_at_its_usual_local_hour(tmp_path: Path) -> None:
    made(tmp_path / "x.ndjson", "--start", "2025-07-07", "--incident", "scanner-outage")
    [told] = truth(tmp_path / "x.ndjson")
    assert (told["name"], told["start"], told["end"]) == (
        "scanner-outage", "2025-07-08T15:00:00+00:00", "2025-07-08T16:30:00+00:00",
    )  # fmt: skip


def test_several_incidents_are_all_written_down(tmp_path: Path) -> None:
    names = ("kickback-surge", "feed-silence", "scanner-outage")
    made(tmp_path / "x.ndjson", *(word for name in names for word in ("--incident", name)))
    assert [told["name"] for told in truth(tmp_path / "x.ndjson")] == list(names)


def test_a_silent_feed_says_afterwards_what_happened_meanwhile(tmp_path: Path) -> None:
    events = made(tmp_path / "x.ndjson", "--incident", "feed-silence")
    [told] = truth(tmp_path / "x.ndjson")
    begins, ends = (datetime.fromisoformat(str(told[name])) for name in ("start", "end"))
    late = [
        e for e in events if begins <= e.time < ends and e.source == "/retail/pms" and e.type != "rx.feed.heartbeat"
    ]
    assert late and all(e.recorded >= ends for e in late)


def test_several_sites_are_several_and_the_first_has_the_incident(tmp_path: Path) -> None:
    events = made(tmp_path / "x.ndjson", "--sites", 3, "--incident", "kickback-surge")
    assert {e.site for e in events} == {"retail-1", "retail-2", "retail-3"}
    assert [told["site"] for told in truth(tmp_path / "x.ndjson")] == ["retail-1"]


def test_the_first_day_is_the_local_one_that_was_asked_for(tmp_path: Path) -> None:
    events = made(tmp_path / "x.ndjson", "--start", "2026-07-04", days=1)
    known = [e.recorded for e in events]
    assert min(known) >= datetime(2026, 7, 4, 4, tzinfo=UTC) and max(known) < datetime(2026, 7, 5, 4, tzinfo=UTC)


def test_help_names_every_incident_with_what_it_is() -> None:
    shown = " ".join(run("--help").output.split())
    assert all(f"{name} (" in shown and kind.unit in shown for name, kind in KINDS.items())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--incident", "late-stat-night"), "cannot happen at retail: it needs inpatient"),
        (("--incident", "staff-short-saturday", "--days", 2), "it would begin after the last day"),
        (("--incident", "fire"), "'fire' is not one of"),
        (("--start", "2025-02-30"), "--start 2025-02-30: give a date"),
        (("--start", "2025-02-03T10:00"), "--start 2025-02-03T10:00: give a date"),
        (("--start", "0001-01-01"), "give a year from 1901 to 2280"),
        (("--volume", 51), "51"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(tmp_path: Path, words: tuple[object, ...], said: str) -> None:
    done = run("--profile", "retail", "--days", 1, "--out", tmp_path / "x.ndjson", *words)
    assert done.exit_code == 2 and said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_events_go_to_standard_output_without_a_file_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    poured = run("--profile", "retail", "--days", 1, "--out", "-")
    assert poured.exit_code == 0
    assert run("--profile", "retail", "--days", 1, "--out", tmp_path / "x.ndjson").exit_code == 0
    assert poured.stdout == (tmp_path / "x.ndjson").read_text("utf-8")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["x.ndjson", "x.ndjson.truth.json"]
    both = run("--profile", "retail", "--days", 1, "--out", "-", "--json")
    assert both.exit_code == 2 and "standard output" in both.stderr


@pytest.mark.parametrize("out", ["nowhere/x.ndjson", "."])
def test_a_place_where_no_file_can_be_is_said(tmp_path: Path, out: str) -> None:
    done = run("--profile", "retail", "--days", 1, "--out", tmp_path / out)
    assert done.exit_code == 2 and done.stderr.startswith("rxpulse: --out")
