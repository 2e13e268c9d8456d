"""`rxpulse replay` over files as people have them."""

import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from models.errors import CallerFault, UsageFault
from models.wire import encode
from rxpulse.cli import main
from rxpulse.commands.replay import instant, replay
from rxpulse.eventfile import reading, records
from tests.heart import event

EVENTS = b"\n".join(encode(one) for one in (event("order.entered", 0), event("order.verified", 6)))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_is_read_plain_or_packed_whatever_its_name(tmp_path: Path, packed: bool) -> None:
    file = tmp_path / "events"
    told = b"\xef\xbb\xbf" + EVENTS.replace(b"\n", b"\r\n\r\n") + b"\nnot an event\n"
    file.write_bytes(gzip.compress(told) if packed else told)
    found = CliRunner().invoke(replay, [str(file), "--intervals", str(tmp_path / "out.csv"), "--json"])
    assert found.exit_code == 0
    document = json.loads(found.stdout)
    assert document["events"]["accepted"] == 2
    assert document["rejected_reasons"] == {"not json": 1}
    assert (tmp_path / "out.csv").read_text().count("order-to-verified,mercy") == 1


def test_a_file_without_one_event_ends_with_one(tmp_path: Path) -> None:
    file = tmp_path / "events"
    for content, said in ((b"nothing\n", "no line of it is an event"), (b"\xef\xbb\xbf\n\n", "it holds no records")):
        file.write_bytes(content)
        found = CliRunner().invoke(replay, [str(file), "--json"])
        assert found.exit_code == 1
        assert f"{file}: {said}; give one event a line" in found.stderr
        assert json.loads(found.stdout)["events"]["accepted"] == 0


def test_the_first_refusals_are_told_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_bytes(EVENTS + b"\n\n" + b"{\n" * 12)
    told = CliRunner().invoke(replay, [str(file)])
    lines = [line for line in told.stderr.splitlines() if line.startswith("line ")]
    assert len(lines) == 10
    assert lines[0] == "line 4: not json: the record is no JSON: it ends in the middle; send it whole"
    assert "and 2 more; `rxpulse import ndjson FILE --dry-run` shows every one" in told.stderr
    document = json.loads(CliRunner().invoke(replay, [str(file), "--json"]).stdout)
    assert document["refused"][0] == {
        "line": 4,
        "reason": "not json",
        "detail": "the record is no JSON: it ends in the middle; send it whole",
    }
    assert len(document["refused"]) == 10


@pytest.mark.parametrize(
    ("place", "said"),
    [("events", "the file that is read"), (".", "a folder"), ("none/out.csv", "no folder"), ("/dev/null", "no file")],
)
def test_a_place_that_cannot_take_the_intervals_is_refused_before_the_work(
    tmp_path: Path, place: str, said: str
) -> None:
    (tmp_path / "events").write_bytes(EVENTS)
    done = CliRunner().invoke(main, ["replay", str(tmp_path / "events"), "--intervals", str(tmp_path / place)])
    assert done.exit_code == 2
    assert "--intervals" in done.stderr and said in done.stderr and not done.stdout
    assert (tmp_path / "events").read_bytes() == EVENTS


def test_what_cannot_be_written_is_found_by_trying(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(EVENTS)
    done = CliRunner().invoke(main, ["replay", str(tmp_path / "events"), "--intervals", "/proc/out.csv"])
    assert done.exit_code == 2 and "cannot be written there" in done.stderr


@pytest.mark.parametrize("packed", [False, True])
def test_events_come_by_standard_input(packed: bool) -> None:
    done = CliRunner().invoke(replay, ["-", "--json"], input=gzip.compress(EVENTS) if packed else EVENTS)
    assert done.exit_code == 0 and json.loads(done.stdout)["events"]["accepted"] == 2


def test_text_in_utf_16_is_named(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(EVENTS.decode().encode("utf-16"))
    done = CliRunner().invoke(main, ["replay", str(tmp_path / "events")])
    assert done.exit_code == 1 and "UTF-16: save it as UTF-8" in done.stderr


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.gz"
    file.write_bytes(gzip.compress(EVENTS * 100)[:-20])
    with pytest.raises(CallerFault, match=r"events\.gz"), reading(file) as stream:
        list(records(stream))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to replay"),
        (["events", "--from-topic"], "say what to replay"),
        (["events", "--partitions", "0"], "say what to replay"),
        (["--from-topic", "--partitions", "0;1"], "--partitions 0;1: give numbers"),
        (["--from-topic", "--partitions", ""], "give numbers"),
    ],
)
def test_a_file_or_the_topic_and_not_both(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, ["replay", *words])
    assert done.exit_code == 2 and said in done.stderr and not done.stdout


def test_a_topic_without_a_broker_is_said_with_what_to_do(tmp_path: Path) -> None:
    environ = {"RXPULSE_KAFKA": "", "RXPULSE_DATABASE_URL": "", "RXPULSE_HOME": str(tmp_path / "home")}
    done = CliRunner(env=environ).invoke(main, ["replay", "--from-topic"])
    assert done.exit_code == 1 and "no stack runs in" in done.stderr and "RXPULSE_KAFKA" in done.stderr


@pytest.mark.parametrize("until", ["2026-11-20T14:03:07", "0001-01-01T00:00+05:00", "soon"])
def test_an_instant_that_cannot_be_is_refused_with_one_that_can(until: str) -> None:
    with pytest.raises(UsageFault, match=f"--until {re.escape(until)}: give ISO 8601 with an offset, such as 2026"):
        instant(until)
