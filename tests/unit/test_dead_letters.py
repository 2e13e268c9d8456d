"""What is said of dead letters: which are in order by now, how often the same came, and nothing of their content in a list."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from models.errors import UsageFault
from models.policy import Policies
from models.policy_text import parse
from models.wire import Decoded, Rejected, encode
from rxpulse import cli
from rxpulse.commands.deadletter import beginning, without
from rxpulse.lettertext import content, described, line, printable, row
from streams.admission import CROWDED
from streams.aside import Why
from streams.letters import Letter, Place, judge, overview, place_of, remedy
from streams.resending import review
from tests.heart import event

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAME = b"Maria Muster"
STRICT = Policies.only(parse('extends = "retail"\nstrict_sites = true\n', file="test"))


def letter(value: bytes, offset: int = 0, reason: str = "not json", at: datetime = NOW) -> Letter:
    why = Why(at, reason, "what to mend", "rx.events", "2", str(40 + offset))
    return Letter(Place(0, offset), why, b"order/1", value, None)


GOOD = encode(event("order.entered", 0))


def test_a_record_that_today_can_be_read_is_in_order() -> None:
    assert isinstance(judge(letter(GOOD), NOW, None), Decoded)
    assert isinstance(judge(letter(GOOD), NOW, Policies.only(parse('extends = "retail"\n', file="test"))), Decoded)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (letter(NAME), "not json"),
        (replace(letter(GOOD), cut_from=5 << 20), "cut"),
        (letter(GOOD, reason=CROWDED), CROWDED),
    ],
)
def test_a_record_that_stays_refused_says_why_and_what_to_do(one: Letter, reason: str) -> None:
    found = judge(one, NOW, None)
    assert isinstance(found, Rejected) and found.reason == reason
    assert "replay 0:0" not in remedy(one, found) and "sender" in remedy(one, found)


def test_the_policy_and_the_clock_decide_anew() -> None:
    ahead = json.loads(GOOD) | {"time": "2026-11-28T12:20:00Z", "recorded": "2026-11-28T12:20:00Z"}
    one = letter(json.dumps(ahead).encode(), reason="recorded ahead")
    found = judge(one, NOW, None)
    assert isinstance(found, Rejected) and found.reason == "recorded ahead"
    assert isinstance(judge(one, NOW + timedelta(minutes=16), None), Decoded)
    strict = judge(letter(GOOD, reason="unknown site"), NOW, STRICT)
    assert isinstance(strict, Rejected) and strict.reason == "unknown site"
    assert "policy" in remedy(one, strict)


@pytest.mark.parametrize("value", [NAME, b"[]", b"{}", b'{"id": 7}'])
def test_bytes_without_an_id_are_not_asked_for_again_under_the_same_one(value: bytes) -> None:
    one = letter(value)
    found = judge(one, NOW, None)
    assert isinstance(found, Rejected)
    assert "same id" not in remedy(one, found) and "no id can be read" in remedy(one, found)
    known = json.loads(GOOD) | {"specversion": "9"}
    other = letter(json.dumps(known).encode())
    assert "same id" in remedy(other, judge(other, NOW, None))


def test_a_reason_that_no_letter_has_is_answered_with_those_there_are() -> None:
    found = overview([letter(NAME), letter(b"other", 1, "missing id")], lambda _: False, 2)
    assert without("nojson", found.reasons) == (
        'none was put aside for "nojson"; did you mean "not json"? The reasons there are: "missing id" (1), "not json" (1)'
    )
    assert without("\x1b", found.reasons).startswith('none was put aside for "\\x1b". The reasons')


def test_an_overview_keeps_the_newest_and_counts_how_often_the_same_came() -> None:
    some = [letter(NAME, n, at=NOW + timedelta(minutes=n)) for n in range(3)]
    some += [letter(b"other", 3, "missing id", NOW + timedelta(minutes=3))]
    found = overview(some, lambda _: True, 2)
    assert [one.place.offset for one in found.newest] == [3, 2]
    assert (found.kept, dict(found.matching)) == (4, {"not json": 3, "missing id": 1})
    assert [found.times(one) for one in found.newest] == [1, 3]
    late = overview(some, lambda one: one.why.reason == "not json", 1)
    assert [one.place.offset for one in late.newest] == [2] and dict(late.matching) == {"not json": 3}


def test_a_review_sorts_them_into_ready_sent_before_and_refused() -> None:
    some = [letter(GOOD, 0), letter(GOOD, 1), letter(NAME, 2)]
    found = review(some, lambda one: judge(one, NOW, None), lambda one: one.mark == some[1].mark)
    assert found.ready == {Place(0, 0): event("order.entered", 0).subject}
    assert (found.before, list(found.refused), found.total) == ([Place(0, 1)], [Place(0, 2)], 3)


def test_a_topic_made_anew_has_other_letters_under_the_same_ids() -> None:
    assert letter(GOOD).mark != letter(GOOD, at=NOW + timedelta(seconds=1)).mark


def test_a_list_never_shows_content() -> None:
    one = letter(b'{"name":"' + NAME + b'"')
    shown = row(one, judge(one, NOW, None), None) | {"times": 1}
    told = line(shown) + json.dumps(shown) + described(shown)
    assert NAME.decode() not in told and NAME.hex() not in told and "order/1" not in told
    assert "0:0" in told and "rx.events 2:40" in told and "once; refused" in told
    assert (shown["partition"], shown["offset"], shown["bytes"]) == (2, 40, len(one.value))


def test_what_is_shown_can_give_a_terminal_no_orders() -> None:
    shown = row(letter(GOOD), judge(letter(GOOD), NOW, None), NOW) | {"content": content(b"\x1b[2J\xe2\x80\xaename\n")}
    told = described(shown)
    assert "\x1b" not in told and "\u202e" not in told and "(text) \\x1b[2J\\u202ename\\n" in told
    assert "in order" in told and "2026-11-28T12:00:00Z" in told
    assert content(b"\xff\x00") == {"as": "hex", "text": "ff00"}
    assert printable("Zoë, Ω") == "Zoë, Ω"


@pytest.mark.parametrize("text", ["", "17", "0:", ":1", "0:-1", "a:1", "0:1:2", "0:\u0661"])
def test_what_is_no_id_of_a_letter_is_said(text: str) -> None:
    with pytest.raises(UsageFault, match="no id of a dead letter"):
        place_of(text)


def test_since_is_an_age_or_an_instant() -> None:
    assert beginning("2d", NOW) == NOW - timedelta(days=2)
    assert beginning("2026-11-27T07:00:00-05:00", NOW) == NOW - timedelta(days=1)
    for wrong in ("yesterday", "2026-11-27T07:00:00", "5000d", "2bd"):
        with pytest.raises(UsageFault, match="--since"):
            beginning(wrong, NOW)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["replay"], 2, "say which: ids such as 0:17"),
        (["replay", "0:1", "--all"], 2, "one of these alone"),
        (["replay", "--reason", "x", "--all"], 2, "one of these alone"),
        (["replay", "0-1"], 2, "no id of a dead letter"),
        (["show", "first"], 2, "no id of a dead letter"),
        (["list", "--since", "noon"], 2, "--since noon"),
        (["list", "-n", "0"], 2, "-n"),
        (["list"], 1, "no stack runs in"),
    ],
)
def test_a_wrong_command_is_told_before_anything_is_asked(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    none = dict.fromkeys(("RXPULSE_KAFKA", "RXPULSE_DATABASE_URL"), "")
    ran = CliRunner(env=none | {"RXPULSE_HOME": str(tmp_path / "home")}).invoke(cli.main, ["deadletter", *words])
    assert ran.exit_code == code and said in ran.stderr and not ran.stdout, ran.output
