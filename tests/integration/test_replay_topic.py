"""`rxpulse replay --from-topic`: the plain heart over Kafka, without a database, says what it says of the same file."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from models import policy_text
from models.wire import encode
from rxpulse import cli
from tests.conftest import RunningStack
from tests.live import PARTITIONS, Live, living, simulated


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, policy_text.shipped_default()) as one:
        yield one


def replay(live: Live, *words: str) -> Result:
    nothing = {"RXPULSE_DATABASE_URL": "", "RXPULSE_POLICY": ""}
    return CliRunner(env=live.env | nothing).invoke(cli.main, ["replay", *words])


def figures(ran: Result) -> dict[str, Any]:
    assert ran.exit_code == 0, ran.stderr
    places = ("refused", "from", "to")
    return {name: value for name, value in json.loads(ran.stdout).items() if name not in places}


def test_the_topic_gives_the_document_of_the_file(live: Live, tmp_path: Path) -> None:
    events = simulated()
    lines = [encode(one) for one in [*events, *events[:40]]]
    file = tmp_path / "events.ndjson"
    file.write_bytes(b"\n".join([*lines, b"no event"]) + b"\n")
    live.send(*events, *events[:40])
    live.produce([(None, b"no event", 1)])
    told = replay(live, "--from-topic", "--intervals", str(tmp_path / "topic.csv"), "--json")
    assert figures(told) == figures(replay(live, str(file), "--intervals", str(tmp_path / "file.csv"), "--json"))
    assert (tmp_path / "topic.csv").read_bytes() == (tmp_path / "file.csv").read_bytes()
    document = json.loads(told.stdout)
    assert document["events"]["duplicates"] == 40 and document["intervals"], "it has something to say"
    assert document["to"] == {str(number): end for number, end in live.ends().items()}
    [refused] = document["refused"]
    assert (refused["partition"], refused["offset"], refused["reason"]) == (1, document["to"]["1"] - 1, "not json")

    until = "2025-03-01T00:00:00Z"
    later = figures(replay(live, "--from-topic", "--until", until, "--json"))
    assert later == figures(replay(live, str(file), "--until", until, "--json"))

    parts = [json.loads(replay(live, "--from-topic", "--partitions", n, "--json").stdout) for n in ("0,2", "1,3")]
    read: Counter[str] = sum((Counter(one["events"]) for one in parts), Counter())
    assert read == +Counter(document["events"]) and len(document["to"]) == PARTITIONS
    assert set(parts[0]["to"]) == {"0", "2"}


def test_what_the_topic_does_not_have_is_said(live: Live) -> None:
    empty = replay(live, "--from-topic")
    assert empty.exit_code == 1 and "rx.events: it holds no records" in empty.stderr
    strange = replay(live, "--from-topic", "--partitions", "0,9")
    assert strange.exit_code == 2 and "--partitions 9: rx.events has the partitions 0 to 3" in strange.stderr
    live.produce([(None, b"no event", 0)])
    assert "partition 0 offset 0: not json" in replay(live, "--from-topic", "--strict").stderr
