"""`rxpulse replay` over files as people have them."""

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from models.errors import CallerFault
from models.wire import encode
from rxpulse.commands.replay import replay
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


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    file = tmp_path / "events.gz"
    file.write_bytes(gzip.compress(EVENTS * 100)[:-20])
    with pytest.raises(CallerFault, match=r"events\.gz"), reading(file) as stream:
        list(records(stream))
