"""The demo's pharmacies go on where they left off, and the same play gives the same events."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from models.errors import CallerFault
from streams.demonstration import EMERGENCY_BEFORE, HISTORY, Played, _incidents, emergency, note, resume
from streams.simulate import demo_sites, simulate

NOW = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)


def test_a_fresh_play_begins_at_midnight_nine_weeks_ago(tmp_path: Path) -> None:
    played = resume(tmp_path / "demo.json", NOW)
    assert played.start == datetime(2026, 9, 23, tzinfo=UTC) and timedelta(weeks=9) == HISTORY and played.sent is None


def test_what_was_noted_is_resumed(tmp_path: Path) -> None:
    played = emergency(Played(NOW - HISTORY, 7, NOW), NOW)
    note(tmp_path / "demo.json", played)
    assert resume(tmp_path / "demo.json", NOW + timedelta(days=1)) == played


def test_a_note_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    with pytest.raises(CallerFault, match=r"demo\.json cannot be read"):
        resume(tmp_path / "demo.json", NOW)


def test_an_emergency_changes_nothing_that_was_sent() -> None:
    assert emergency(Played(NOW - HISTORY, 7, None), NOW).emergencies == (NOW - EMERGENCY_BEFORE,)
    assert emergency(Played(NOW - HISTORY, 7, NOW), NOW).emergencies == (NOW,)


def test_the_same_play_gives_the_same_events_up_to_a_later_emergency() -> None:
    start = NOW - timedelta(hours=6)
    begun = Played(start, 7, None, (start + timedelta(hours=1),))
    again = Played(start, 7, None, (*begun.emergencies, start + timedelta(hours=5)))
    first = list(islice(simulate(demo_sites(), start, 7, _incidents(begun)), 500))
    second = list(islice(simulate(demo_sites(), start, 7, _incidents(again)), 500))
    assert first[-1].recorded < again.emergencies[1] and first == second
