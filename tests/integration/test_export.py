"""`rxpulse export`: facts as tables, and the same turnaround times as `rxpulse replay` of the same events."""

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result
from pyarrow import parquet

from models import policy_text
from models.event import Event
from models.store.auditing import ref_of
from models.store.rebuilding import forget_facts
from models.store.revisions import STEP
from models.wire import FIELDS, encode
from rxpulse.cli import main
from rxpulse.commands.export import _EVENTS
from rxpulse.enacted import operator
from streams.topics import INTERVALS, SIGNALS
from tests.conftest import RunningStack
from tests.live import Live, living, now, simulated, stat, until


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, policy_text.shipped_default()) as one:
        yield one


def run(live: Live, *arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments], env=live.env, catch_exceptions=False)


@contextmanager
def interruptible(*arguments: str, to: IO[bytes], live: Live) -> Iterator[subprocess.Popen[bytes]]:
    """The command as it runs in the foreground of a terminal: where these tests run in the background of a shell without
    job control, Ctrl-C is ignored, and what they start would inherit that."""
    one = subprocess.Popen(
        [sys.executable, "-m", "rxpulse", *arguments],
        env=live.env,
        stdout=to,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with one:
        try:
            yield one
        finally:
            one.kill()


def exported(live: Live, what: str, *options: str) -> list[dict[str, str]]:
    out = live.folder / f"{what}.csv"
    found = run(live, "export", what, "--out", str(out), *options)
    assert found.exit_code == 0, found.output
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert f"{len(rows)} {what}" in found.stderr
    return rows


def without(columns: set[str], lines: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: value for name, value in line.items() if name not in columns} for line in lines]


def test_exported_intervals_are_those_of_a_replay_line_by_line(live: Live) -> None:
    events = simulated(volume=0.5)
    disorder = events[1::2] + events[::2]
    live.worker()
    for at in range(0, len(disorder), 100):
        live.send(*disorder[at : at + 100])
    live.await_applied()
    file, out = live.folder / "events.ndjson", live.folder / "replayed.csv"
    file.write_bytes(b"".join(encode(one) + b"\n" for one in events))
    assert run(live, "replay", str(file), "--intervals", str(out)).exit_code == 0
    with out.open(newline="") as stream:
        replayed = list(csv.DictReader(stream))
    found = exported(live, "intervals")
    assert len(found) > 50
    assert list(found[0]) == list(replayed[0])
    assert any(int(row["revision"]) > 1 for row in exported(live, "intervals", "--all-revisions"))
    assert without({"revision"}, found) == without({"revision"}, replayed)


def test_all_revisions_tell_the_story_of_an_interval(live: Live) -> None:
    """The order is verified; then it turns out that it was verified earlier; then that all this was another order."""
    entered, late = stat(1, now()), stat(1, now(), "order.verified")
    early = Event("earlier", late.source, late.type, entered.time, late.recorded, late.subject, late.data)
    voids = {"site": entered.site, "voids": [entered.source, entered.id]}
    kind = type(entered.type)("rx.event.voided")
    live.worker()
    live.send(entered, late, early)
    live.await_applied()
    live.send(Event("v", entered.source, kind, now(), now(), entered.subject, voids))  # type: ignore[arg-type]
    live.await_applied()
    story = [row for row in exported(live, "intervals", "--all-revisions") if row["clock"] == "stat-verified"]
    assert [(row["revision"], row["state"]) for row in story] == [("1", "closed"), ("2", "closed"), ("3", "retracted")]
    assert [row for row in exported(live, "intervals") if row["clock"] == "stat-verified"] == []


def test_files_go_on_with_the_revisions_that_the_public_topics_show(live: Live) -> None:
    live.worker()
    live.send(stat(1, now() - timedelta(minutes=11)), stat(1, now(), "order.verified"))
    live.await_applied()
    forget_facts(live.database_url)
    live.workers[0].ended()
    live.worker()
    live.await_applied()
    until(lambda: live.one("SELECT bool_and(published = sequence) FROM positions"))
    for what, name, topic in (("intervals", "interval", INTERVALS), ("signals", "signal", SIGNALS)):
        public = [json.loads(one.value() or b"")["data"] for one in live.topic(topic)]
        highest = {one[name]: max(o["revision"] for o in public if o[name] == one[name]) for one in public}
        assert highest and min(highest.values()) > STEP
        for options in ((), ("--all-revisions",)):
            rows = exported(live, what, *options)
            assert {row[name]: int(row["revision"]) for row in rows} == highest


def test_the_number_of_rows_is_told_as_json(live: Live) -> None:
    out = live.folder / "told.csv"
    found = json.loads(run(live, "export", "deliveries", "--out", str(out), "--json").stdout)
    assert found == {"what": "deliveries", "file": str(out), "rows": len(out.read_text().splitlines()) - 1}
    assert live.rows("SELECT person, what, ref FROM audit") == [(operator(), "export", ref_of("deliveries"))]


def test_exported_signals_say_what_was_told(live: Live) -> None:
    live.worker()
    live.send(*simulated(), stat(1, now() - timedelta(minutes=11)))
    live.await_applied()
    live.send(stat(1, now(), "order.verified"))
    live.await_applied()
    rows = exported(live, "signals")
    assert len(rows) == live.one("SELECT count(*) FROM signals")
    assert list(rows[0])[:10] == [
        *("signal", "kind", "name", "severity", "site", "case", "raised", "cleared", "reason", "told")
    ]
    assert {row["told"] for row in rows} == {"old", "cleared", ""}
    assert {row["severity"] for row in rows} <= {"S1", "S2", "S3", "S4"}
    changes = exported(live, "signals", "--all-revisions")
    assert len(changes) == live.one("SELECT count(*) FROM signal_changes") > len(rows)


def test_exported_events_come_once_and_only_where_they_belong(live: Live) -> None:
    events = simulated()
    again = [Event(e.id, e.source, e.type, e.time, now(), e.subject, e.data) for e in events[:5]]
    live.send(*events, *again)
    live.produce([(None, b"garbage", None), (b"other", encode(events[0]), None)])
    rows = exported(live, "events")
    assert sorted((row["subject"], row["source"], row["id"]) for row in rows) == sorted(
        (e.subject, e.source, e.id) for e in events
    )
    kept = {(row["source"], row["id"]): row for row in rows}
    for e in events:
        row = kept[e.source, e.id]
        assert (row["time"], row["recorded"], row["site"]) == (e.time.isoformat(), e.recorded.isoformat(), e.site)
        assert row["links.fill"] == e.data.get("links", {}).get("fill", "")
    assert len(exported(live, "events", "--all-revisions")) == len(events) + len(again)


def test_exported_deliveries_are_one_row_each(live: Live) -> None:
    live.database.execute(
        "INSERT INTO deliveries (key, escalation, signal, type, step, loop, person, channel, state, attempts, gives_up,"
        " first_attempt, last_attempt, answer, message) VALUES ('k1', 'e1', 's1', 'page', 1, 1, 'ana', 'webhook', 'sent',"
        " 2, now(), '2026-11-20T12:00:00Z', '2026-11-20T12:00:01Z', 'HTTP 204, \"thanks\"', '{}')"
    )
    assert exported(live, "deliveries") == [
        {
            **{"delivery": "k1", "escalation": "e1", "signal": "s1", "step": "1", "loop": "1", "person": "ana"},
            **{"channel": "webhook", "key": "k1", "state": "sent", "attempts": "2", "type": "page"},
            **{"first_attempt": "2026-11-20T12:00:00+00:00", "last_attempt": "2026-11-20T12:00:01+00:00"},
            "answer": 'HTTP 204, "thanks"',
        }
    ]


def test_a_topic_is_printed_as_it_lies_there(live: Live) -> None:
    live.send(stat(1, now()))
    live.produce([(None, b"\xff no event", None)])
    found = run(live, "topics", "tail", "rx.events")
    assert found.exit_code == 0
    lines = sorted(found.stdout.splitlines())
    assert lines[0] == "\\xff no event"
    assert [json.loads(line)["subject"] for line in lines[1:]] == ["order/1"]
    assert run(live, "topics", "tail", "rx.signals").stdout == ""


def test_what_was_put_aside_is_shown_with_the_reason_and_its_place(live: Live) -> None:
    live.produce((None, record, 1) for record in (b"\xff\nno event", b'{"specversion":"0.3"}'))
    live.worker()
    live.send(stat(1, now()))
    live.await_applied()
    found = run(live, "topics", "tail", "rx.deadletter")
    assert found.exit_code == 0
    when = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    first, second = found.stdout.splitlines()
    assert re.fullmatch(
        rf"{when} from rx.events partition 1 offset 0: not json: the record is no JSON: .* \| \\xff\\nno event", first
    )
    assert re.fullmatch(
        rf'{when} from rx.events partition 1 offset 1: specversion: specversion must be "1.0" \| {{"specversion":"0.3"}}',
        second,
    )
    assert run(live, "topics", "tail", "rx.deadletter", "-n", "1").stdout.splitlines() == [second]
    assert run(live, "topics", "tail", "rx.deadletter", "--from", "1").stdout.splitlines() == [second]
    past = run(live, "topics", "tail", "rx.deadletter", "--from", "99")
    assert past.stdout == "" and "rx.deadletter ends at offset 2: nothing lies at 99 or beyond" in past.stderr


def test_the_latest_records_of_all_partitions_come_in_their_order(live: Live) -> None:
    for number in range(8):
        live.send(stat(number, now()))
        sent = now()
        until(lambda sent=sent: now() - sent > timedelta(milliseconds=1))  # the broker's clock tells no less apart
    found = run(live, "topics", "tail", "rx.events", "-n", "3")
    assert [json.loads(one)["subject"] for one in found.stdout.splitlines()] == ["order/5", "order/6", "order/7"]
    assert len(run(live, "topics", "tail", "rx.events", "-n", "50").stdout.splitlines()) == 8
    assert len(run(live, "topics", "tail", "rx.events", "--from", "beginning").stdout.splitlines()) == 8
    assert run(live, "topics", "tail", "rx.events", "--from", "900").stdout == ""


def test_what_comes_next_is_followed_without_what_was_there(live: Live) -> None:
    live.send(stat(1, now()))
    out = live.folder / "followed"
    words = ("topics", "tail", "rx.events", "--from", "end", "--follow")
    with out.open("wb") as stream, interruptible(*words, to=stream, live=live) as one:
        sent = 1

        def shown() -> str:
            nonlocal sent
            sent += 1
            live.send(stat(sent, now()))
            return out.read_text()

        until(shown)
        one.send_signal(signal.SIGINT)
        assert one.communicate(timeout=10)[1] == b""
    seen = [json.loads(text)["subject"] for text in out.read_text().splitlines()]
    assert seen and "order/1" not in seen


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("-n", "3", "--from", "end"), "give one of them"),
        (("--from", "yesterday"), "give beginning, end, or an offset such as 1200"),
        (("--from", "-5"), "give beginning, end, or an offset such as 1200"),
        (("--from", "end"), "add --follow"),
        (("-n", "0"), "0 is not in the range"),
    ],
)
def test_a_beginning_that_is_none_is_refused_with_the_remedy(words: tuple[str, ...], remedy: str) -> None:
    found = CliRunner().invoke(main, ["topics", "tail", "rx.events", *words])
    assert found.exit_code == 2
    assert remedy in found.stderr


def test_a_topic_that_is_not_there_is_said_with_those_that_are(live: Live) -> None:
    found = run(live, "topics", "tail", "rx.event")
    assert found.exit_code == 2
    assert "there is no topic rx.event; there are rx.control, rx.deadletter, rx.events" in found.stderr


def test_following_a_topic_goes_on_until_it_is_interrupted(live: Live) -> None:
    out = live.folder / "followed"
    with (
        out.open("wb") as stream,
        interruptible("topics", "tail", "rx.events", "--follow", to=stream, live=live) as one,
    ):
        for number in (1, 2):
            live.send(stat(number, now()))
            until(lambda number=number: f"order/{number}" in out.read_text())
        one.send_signal(signal.SIGINT)
        assert one.communicate(timeout=10)[1] == b""
    assert one.returncode == 0


def test_every_field_of_an_event_has_its_column() -> None:
    assert {name.partition(".")[0] for name in _EVENTS} >= FIELDS


@pytest.mark.parametrize(
    ("out", "remedy"), [("facts.xlsx", "end the name in .csv or .parquet"), ("no/where.csv", "there is no folder")]
)
def test_a_file_that_cannot_be_written_is_said_before_anything_is_read(tmp_path: Path, out: str, remedy: str) -> None:
    found = CliRunner().invoke(main, ["export", "intervals", "--out", str(tmp_path / out)])
    assert found.exit_code == 2
    assert remedy in found.stderr


def test_a_parquet_file_holds_what_the_csv_file_holds_with_types(live: Live) -> None:
    live.worker()
    live.send(*simulated(), stat(1, now() - timedelta(minutes=11)))
    live.await_applied()
    for what, instants, numbers in (
        ("intervals", {"started", "stopped"}, {"net_seconds", "target_seconds"}),
        ("signals", {"raised", "cleared", "known"}, set[str]()),
        ("events", {"time", "recorded", "promised"}, {"qty", "amount", "value"}),
    ):
        text, out = exported(live, what), live.folder / f"{what}.parquet"
        found = run(live, "export", what, "--out", str(out))
        assert found.exit_code == 0, found.output
        table = parquet.read_table(out)
        assert table.num_rows == len(text) > 0
        assert table.column_names == list(text[0])
        kinds = {name: str(table.schema.field(name).type) for name in table.column_names}
        assert {name for name, kind in kinds.items() if kind == "timestamp[us, tz=UTC]"} == instants
        assert {name for name, kind in kinds.items() if kind == "double"} == numbers
        assert [[as_text(value) for value in row.values()] for row in table.to_pylist()] == [
            list(row.values()) for row in text
        ]


def as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case datetime():
            return value.isoformat()
        case _:
            return str(value)
