"""Nothing lost and nothing twice: parts of a running stack are killed again and again, and every figure is recomputed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stacks import SECONDS, Stack

KILLS = 10


@pytest.fixture
def stack(own_home: Path) -> Iterator[Stack]:
    with Stack(own_home).up() as running:
        yield running


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("part", ["worker", "kafka", "postgres"])
def test_ten_kills_in_a_row_change_no_figure(stack: Stack, part: str, tmp_path: Path) -> None:
    feed = tmp_path / "feed.ndjson"
    made = stack.run("simulate", "--profile", "inpatient", "--days", "4", "--seed", "3", "--out", str(feed))
    assert made.returncode == 0, made.stderr
    events = feed.read_bytes().splitlines(keepends=True)
    share = len(events) // KILLS + 1
    for number in range(KILLS):
        piece = tmp_path / f"piece{number}.ndjson"
        piece.write_bytes(b"".join(events[number * share : (number + 1) * share]))
        sent = stack.run("import", "ndjson", str(piece), "--to-kafka")
        assert sent.returncode == 0, sent.stderr
        stack.kill(part)
    stack.until(stack.applied, "everything is applied")
    verified = stack.run("verify", "--json")
    document = json.loads(verified.stdout)
    assert verified.returncode == 0 and document["differences"] == 0, document
    assert document["events"] == len(events)
