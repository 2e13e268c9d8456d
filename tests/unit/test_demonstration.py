"""The demo's pharmacies go on where they left off, and the same play gives the same events."""

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path

import pytest

from models.errors import CallerFault
from models.event import EventType
from streams.demonstration import EMERGENCY_BEFORE, HISTORY, OVERLOOKED_BEFORE, Played, before, note, resume, surge
from streams.simulate import demo_sites, simulate

NOW = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)


def test_a_fresh_play_begins_at_midnight_nine_weeks_ago(tmp_path: Path) -> None:
    played = resume(tmp_path / "demo.json", NOW)
    assert played.start == datetime(2026, 9, 23, tzinfo=UTC) and timedelta(weeks=9) == HISTORY and played.sent is None


def test_what_was_noted_is_resumed(tmp_path: Path) -> None:
    played = before(Played(NOW - HISTORY, 7, NOW), NOW)
    note(tmp_path / "demo.json", played)
    assert resume(tmp_path / "demo.json", NOW + timedelta(days=1)) == played


def test_a_note_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "demo.json").write_text("{}")
    with pytest.raises(CallerFault, match=r"demo\.json cannot be read"):
        resume(tmp_path / "demo.json", NOW)


def test_what_is_planted_changes_nothing_that_was_sent() -> None:
    begins = [incident.start for incident in before(Played(NOW - HISTORY, 7, None), NOW).planted]
    assert begins == [NOW - OVERLOOKED_BEFORE, NOW - EMERGENCY_BEFORE]
    assert {incident.start for incident in before(Played(NOW - HISTORY, 7, NOW), NOW).planted} == {NOW}


def test_the_same_play_gives_the_same_events_up_to_what_is_planted_later() -> None:
    start = NOW - timedelta(hours=6)
    begun = before(Played(start, 7, None), start + timedelta(hours=1))
    again = before(begun, start + timedelta(hours=5))
    first = list(islice(simulate(demo_sites(), start, 7, begun.planted), 500))
    second = list(islice(simulate(demo_sites(), start, 7, again.planted), 500))
    assert first[-1].recorded < again.planted[-2].start and first == second


def test_a_surge_planted_while_it_runs_comes_again_when_it_is_played_again() -> None:
    start = NOW - timedelta(hours=2)
    running = simulate(demo_sites(), start, 7)
    first = list(islice(running, 150))
    planted = running.plant(surge(first[-1].recorded)).incident
    first += islice(running, 400)
    assert first == list(islice(simulate(demo_sites(), start, 7, [planted]), 550))
    entries = [event for event in first if event.type == "rx.data_entry.completed" and event.data["site"] == "elm"]
    assert len(entries) >= 60
    assert sum(event.type == "rx.returned_to_entry" for event in first) >= 20


def test_overlooked_orders_are_late_at_the_start_and_verified_in_the_minutes_after() -> None:
    play = before(Played(NOW - timedelta(hours=1), 7, None), NOW)
    happened = takewhile(
        lambda event: event.recorded < NOW + timedelta(minutes=8), simulate(demo_sites(), play.start, 7, play.planted)
    )
    verified = EventType("rx.order.verified")
    entered, ended = {}, {}
    for event in happened:
        if event.type == "rx.order.entered" and event.data.get("priority") == "stat":
            entered[event.subject] = event.time
        if event.type == verified and event.subject in entered:
            ended[event.subject] = event.time
    late = [
        ended[case]
        for case, begun in entered.items()
        if case in ended and ended[case] - begun == timedelta(minutes=14.5)
    ]
    assert len(late) == 3
    assert all(NOW + timedelta(minutes=2) < end < NOW + timedelta(minutes=6) for end in late)
