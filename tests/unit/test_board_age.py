"""How old the board says it is: up to date, catching up, or not to be relied on, and up to when history is read."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from console.ageing import Age, Look, board_age
from console.showing import Words
from models import policy_text
from models.store.freshness import Reading, read_so_far

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HISTORY = datetime(2026, 10, 12, 14, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


LATELY = ago(30)
NOBODY = Words(None)


def reading(judged: float | None, beat: float = 0.2, recorded: datetime | None = LATELY, partition: int = 0) -> Reading:
    return Reading(partition, None if judged is None else ago(judged), ago(beat), recorded)


def said(*partitions: Reading, words: Words = NOBODY) -> Age:
    return board_age(read_so_far(NOW, partitions), words)


def test_a_board_that_is_read_up_to_now_says_so() -> None:
    assert said(reading(1.5), reading(2.1, partition=1)) == Age(Look.FRESH, "Up to date, 2 s old")


def test_a_feed_that_is_quiet_makes_no_board_old() -> None:
    assert said(reading(1.5, recorded=HISTORY)).look is Look.FRESH


@pytest.mark.parametrize("judged", [4.0, 27.0, 50.0, 400.0, None])
def test_a_board_that_reads_history_is_red_and_says_how_far(judged: float | None) -> None:
    found = said(reading(1.2), reading(judged, recorded=HISTORY, partition=1))
    assert found.look is Look.OLD
    assert found.text.startswith("Still reading what happened before: up to 12 Oct 14:00 UTC.")


def test_how_far_is_said_by_the_partition_that_is_least_far() -> None:
    later = HISTORY + timedelta(days=3)
    assert "12 Oct" in said(reading(20, recorded=later), reading(30, recorded=HISTORY, partition=1)).text
    assert "15 Oct" in said(reading(20, recorded=later), reading(1, recorded=HISTORY, partition=1)).text


def test_how_far_is_said_by_the_clock_of_all_sites_where_they_share_one(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(
        'extends = "inpatient"\n[site.mercy]\nname = "Mercy"\nsetting = "inpatient"\ntimezone = "America/New_York"\n'
    )
    words = Words(policy_text.read(file).policy)
    assert "up to 12 Oct 10:00." in said(reading(20, recorded=HISTORY), words=words).text


def test_a_short_delay_is_amber_and_a_long_one_red() -> None:
    assert said(reading(27)) == Age(Look.BEHIND, "Catching up: lateness is judged up to 27 s ago only.")
    assert said(reading(61)).look is Look.OLD


def test_a_worker_that_is_gone_is_red_and_not_behind() -> None:
    away = Age(Look.OLD, "No worker judges since 11:59:48 UTC: what is late goes unnoticed. Do not rely on this board.")
    assert said(reading(12, beat=12), reading(14, beat=14, partition=1)) == away
    assert said(reading(12, beat=12, recorded=HISTORY)) == away
    assert said(reading(None, beat=12)) == away
    assert said(reading(90_000, beat=90_000)).text.startswith("No worker judges since 27 Nov 11:00:00 UTC:")


def test_as_long_as_any_worker_lives_the_others_are_behind() -> None:
    assert said(reading(12, beat=12), reading(1, partition=1)).look is Look.BEHIND
    assert said(reading(12, beat=9)).look is Look.BEHIND


def test_a_worker_that_never_was_reads_nothing() -> None:
    assert said().text == "Nothing was read yet: no worker has begun."
    assert said(reading(None, recorded=None)).text.startswith("Still reading what happened before: lateness is not")
