"""Dead letters as an operator meets them: listed without content, shown with a warning and an entry in the audit, and sent
again through a real Kafka into a real worker, once."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer

from models import policy_text
from models.store.auditing import ref_of
from models.wire import MAX_RECORD, Rejected, encode
from rxpulse import cli
from streams.deadletter import DeadLetters, Origin
from streams.feed import reader
from streams.letters import letter_at, place_of
from streams.topics import EVENTS
from tests.conftest import RunningStack
from tests.live import Live, living, now, stat

NAME = "Maria Muster"
BAD = f'{{"patient": "{NAME}"'.encode()
GOOD = stat(1, now())


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, policy_text.shipped_default()) as one:
        yield one


def put_aside(live: Live, *letters: tuple[bytes, str]) -> None:
    """As an earlier release of the worker may have done."""
    aside = DeadLetters(Producer({"bootstrap.servers": live.kafka, "message.max.bytes": 2 * MAX_RECORD}), 100, 1000)
    for offset, (value, reason) in enumerate(letters):
        aside.put(b"nobody", value, Origin(2, 40 + offset), Rejected(reason, "what to mend"), counts=True)
        aside.settle()


def run(live: Live, *words: str, **env: str) -> Result:
    return CliRunner(env=live.env | {"RXPULSE_PREFECT_URL": ""} | env).invoke(cli.main, ["deadletter", *words])


def audit(live: Live) -> list[tuple[str, str]]:
    return live.rows("SELECT what, ref FROM audit ORDER BY number")


def mark(live: Live, place: str) -> str:
    with reader(live.settings) as consumer:
        return ref_of(letter_at(consumer, place_of(place)).mark)


def test_what_is_in_order_by_now_is_sent_once_and_applied_once(live: Live) -> None:
    put_aside(live, (encode(GOOD), "bad subject"), (BAD, "not json"), (encode(GOOD), "bad subject"))
    live.worker()
    ran = run(live, "replay", "0:0", "0:1", "--yes", "--json")
    assert ran.exit_code == 1 and "0:1 not json" in ran.stderr and NAME not in ran.output
    said = json.loads(ran.stdout)
    assert (said["sent"], said["replayed_before"], said["before_known"]) == (1, [], True)
    assert [(one["id"], one["reason"]) for one in said["refused"]] == [("0:1", "not json")]
    live.await_applied()
    (record,) = live.topic(EVENTS)
    assert (record.key(), record.value()) == (b"order/1", encode(GOOD))
    assert dict(record.headers() or []) == {"replayed-from": b"0:0"}
    assert live.rows("SELECT sum(accepted), sum(rerouted), sum(rejected) FROM positions") == [(1, 0, 0)]
    assert ("dead letter replayed", mark(live, "0:0")) in audit(live)

    again = run(live, "replay", "--reason", "bad subject", "--yes", "--json")
    assert (again.exit_code, json.loads(again.stdout)["sent"]) == (0, 1), "only the one that was never sent"
    assert json.loads(again.stdout)["replayed_before"] == ["0:0"]
    assert run(live, "replay", "--all", "--again", "--yes").exit_code == 1
    live.await_applied()
    assert live.rows("SELECT sum(accepted), sum(duplicates) FROM positions") == [(1, 3)], (
        "what is there changes nothing"
    )


def test_a_list_and_a_letter_tell_all_but_the_content(live: Live) -> None:
    put_aside(live, (BAD, "not json"), (encode(GOOD), "bad subject"), (BAD, "not json"))
    listed = json.loads(run(live, "list", "--json").stdout)
    assert (listed["kept"], listed["matching"], listed["reasons"]) == (3, 3, {"not json": 2, "bad subject": 1})
    assert [(one["id"], one["times"], one["today"] is None) for one in listed["items"]] == [
        ("0:2", 2, False),
        ("0:1", 1, True),
        ("0:0", 2, False),
    ]
    assert (listed["items"][0]["partition"], listed["items"][0]["offset"]) == (2, 42)
    assert [
        one["id"] for one in json.loads(run(live, "list", "-n", "1", "--reason", "not json", "--json").stdout)["items"]
    ]
    plain, piped, none = run(live, "list"), run(live, "show", "0:0"), run(live, "list", "--since", "2100-01-01T00:00Z")
    assert "2 not json" in plain.stderr and "0:1" in plain.stdout and none.stdout == ""
    typo = run(live, "list", "--reason", "nojson")
    assert 'did you mean "not json"?' in typo.stderr and typo.stdout == ""
    assert "the record itself is left out" in piped.stderr and "mend the sender" in piped.stdout
    assert NAME not in json.dumps(listed) + plain.output + piped.output
    assert audit(live) == [], "nobody saw a record"


def test_who_sees_a_record_is_warned_and_recorded(live: Live) -> None:
    put_aside(live, (BAD, "not json"), (b"\xff\x00", "not json"))
    raw = run(live, "show", "0:0", "--raw")
    assert raw.stdout_bytes == BAD and "may name a patient" in raw.stderr
    found = json.loads(run(live, "show", "0:1", "--raw", "--json").stdout)
    assert found["content"] == {"as": "hex", "text": "ff00"} and found["key"] == {"as": "text", "text": "nobody"}
    assert audit(live) == [("dead letter shown", mark(live, one)) for one in ("0:0", "0:1")]
    away = run(live, "show", "0:0", "--raw", RXPULSE_DATABASE_URL="postgresql://a:b@127.0.0.1:9/none")
    assert away.exit_code == 0 and "is not recorded" in away.stderr


def test_who_reads_the_topic_of_dead_letters_is_warned_and_recorded_too(live: Live) -> None:
    put_aside(live, (BAD, "not json"), (BAD, "not json"), (encode(GOOD), "bad subject"))

    def tail(*words: str, **env: str) -> Result:
        return CliRunner(env=live.env | env).invoke(cli.main, ["topics", "tail", *words])

    some = tail("rx.deadletter", "-n", "2")
    assert some.stdout.count(NAME) == 1 and "may name a patient" in some.stderr
    assert audit(live) == [("dead letter shown", mark(live, one)) for one in ("0:1", "0:2")]
    away = tail("rx.deadletter", "-n", "1", RXPULSE_DATABASE_URL="postgresql://a:b@127.0.0.1:9/none")
    assert away.exit_code == 0 and "is not recorded" in away.stderr
    other = tail("rx.events")
    assert "patient" not in other.stderr and len(audit(live)) == 2


def test_at_a_terminal_the_record_is_shown_and_can_give_it_no_orders(live: Live) -> None:
    put_aside(live, (BAD + b"\x1b[2J", "not json"))
    leader, terminal = pty.openpty()
    command = [sys.executable, "-m", "rxpulse", "deadletter", "show", "0:0"]
    done = subprocess.run(command, env=live.env, stdout=terminal, stderr=subprocess.PIPE, text=True, check=True)
    os.close(terminal)
    shown = os.read(leader, 65536).decode()
    os.close(leader)
    assert NAME in shown and "\\x1b[2J" in shown and "\x1b" not in shown
    assert "may name a patient" in done.stderr
    assert audit(live) == [("dead letter shown", mark(live, "0:0"))]


def test_what_is_not_there_and_a_no_are_said(live: Live) -> None:
    put_aside(live, (encode(GOOD), "bad subject"))
    gone = run(live, "show", "0:7")
    assert gone.exit_code == 1 and "there is no dead letter 0:7: rx.deadletter holds 0:0 to 0:0" in gone.stderr
    some = run(live, "replay", "0:0", "3:9", "--yes")
    assert some.exit_code == 1 and "there is no dead letter 3:9" in some.stderr
    no = CliRunner(env=live.env).invoke(cli.main, ["deadletter", "replay", "--all"], input="n\n")
    assert no.exit_code == 1 and "Send 1 to rx.events again?" in no.stderr
    assert live.topic(EVENTS) == [] and audit(live) == []
