"""Who is on duty, by example: rotations over the change of clocks, overrides, and the time before the first turn."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from models.hours import local_instant
from models.policy import Override, Roster
from models.roster import Duty, Reason, Turn, gaps, on_duty, spans
from tests.telling import roster

NEW_YORK = "America/New_York"


def wall(text: str, zone: str = NEW_YORK) -> datetime:
    return local_instant(zone, datetime.fromisoformat(text))


def override(begins: str, finishes: str, who: str) -> Override:
    return Override(begins=wall(begins), finishes=wall(finishes), who=who)


def weekly(*rotation: str, **settings: object) -> Roster:
    told: dict[str, object] = {"begins": wall("2026-11-02T07:00"), "handover": (0, 420), **settings}
    return roster(*rotation, **told)  # type: ignore[arg-type]


def who(one: Roster, text: str) -> str | None:
    duty = on_duty(one, wall(text))
    return duty.person if duty else None


def turns(one: Roster, begin: str, end: str) -> list[tuple[str, str, str, str]]:
    def shown(instant: datetime) -> str:
        return instant.astimezone(ZoneInfo(one.timezone)).strftime("%m-%dT%H:%M")

    found = spans(one, wall(begin), wall(end))
    return [(shown(turn.begins), shown(turn.finishes), turn.person, turn.why) for turn in found]


def test_the_first_named_person_starts_and_each_handover_brings_the_next_and_after_the_last_the_first():
    one = weekly("ana", "ben", "cara")
    days = ("2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23")
    assert [who(one, f"{day}T07:00") for day in days] == ["ana", "ben", "cara", "ana"]
    assert [who(one, f"{day}T06:59") for day in days] == [None, "ana", "ben", "cara"]


def test_a_roster_that_begins_between_handovers_gives_the_first_person_the_time_to_the_next_one():
    one = weekly("ana", "ben", begins=wall("2026-11-04T09:00"))
    assert [who(one, day) for day in ("2026-11-04T09:00", "2026-11-09T06:59", "2026-11-09T07:00")] == [
        "ana",
        "ana",
        "ben",
    ]


def test_a_daily_handover_keeps_its_wall_time_over_both_changes_of_clocks():
    one = roster("ana", "ben", begins=wall("2026-03-07T07:00"))
    assert turns(one, "2026-03-07T07:00", "2026-03-09T07:00") == [
        ("03-07T07:00", "03-08T07:00", "ana", "rotation"), ("03-08T07:00", "03-09T07:00", "ben", "rotation"),
    ]  # fmt: skip
    first, second = spans(one, wall("2026-10-31T07:00"), wall("2026-11-02T07:00"))
    assert first.finishes - first.begins == timedelta(hours=25)
    assert second.finishes - second.begins == timedelta(hours=24)


def test_a_handover_in_the_hour_that_comes_twice_is_at_the_first():
    one = roster("ana", "ben", begins=wall("2026-10-31T01:30"), handover=(None, 90))
    assert on_duty(one, datetime(2026, 11, 1, 5, 29, tzinfo=UTC)) == Duty("ana", Reason.ROTATION)
    assert on_duty(one, datetime(2026, 11, 1, 5, 30, tzinfo=UTC)) == Duty("ben", Reason.ROTATION)
    assert on_duty(one, datetime(2026, 11, 1, 6, 45, tzinfo=UTC)) == Duty("ben", Reason.ROTATION)


def test_a_handover_in_the_hour_that_is_skipped_is_at_the_first_instant_after_it():
    one = roster("ana", "ben", begins=wall("2026-03-07T02:30"), handover=(None, 150))
    assert on_duty(one, datetime(2026, 3, 8, 6, 59, tzinfo=UTC)) == Duty("ana", Reason.ROTATION)
    assert on_duty(one, datetime(2026, 3, 8, 7, 0, tzinfo=UTC)) == Duty("ben", Reason.ROTATION)


def test_a_clock_that_goes_back_over_midnight_hands_over_once():
    # Saint John's, 7 November 2010: at 00:01 the clock went back to 23:01 of the day before.
    one = roster("ana", "ben", "cara", timezone="America/St_Johns", begins=wall("2010-11-06T00:00", "America/St_Johns"),
                 handover=(None, 0))  # fmt: skip
    begin = datetime(2010, 11, 7, 2, 0, tzinfo=UTC)
    found = spans(one, begin, begin + timedelta(hours=4))
    assert [(turn.begins.strftime("%H:%M"), turn.person) for turn in found] == [("02:00", "ana"), ("02:30", "ben")]
    assert on_duty(one, begin + timedelta(minutes=45)) == Duty("ben", Reason.ROTATION)


def test_a_date_that_the_calendar_left_out_hands_over_all_the_same():
    # Samoa went from 29 to 31 December 2011; a handover of the 30th is at the first instant of the 31st.
    apia = "Pacific/Apia"
    one = roster("ana", "ben", "cara", timezone=apia, begins=wall("2011-12-29T07:00", apia))
    assert on_duty(one, wall("2011-12-31T00:00", apia)) == Duty("ben", Reason.ROTATION)
    assert on_duty(one, wall("2011-12-31T07:00", apia)) == Duty("cara", Reason.ROTATION)


def test_one_person_alone_is_on_duty_from_the_begin_for_good():
    one = roster("ana")
    assert who(one, "2026-11-02T06:59") is None
    assert who(one, "2226-01-01T00:00") == "ana"


def test_an_override_holds_from_its_from_and_not_at_its_to():
    one = weekly("ana", "ben", overrides=(override("2026-11-03T07:00", "2026-11-03T19:00", "cara"),))
    asked = ("2026-11-03T06:59", "2026-11-03T07:00", "2026-11-03T18:59", "2026-11-03T19:00")
    assert [who(one, text) for text in asked] == ["ana", "cara", "cara", "ana"]


def test_of_two_overrides_that_overlap_the_later_in_the_list_wins():
    both = (
        override("2026-11-03T07:00", "2026-11-03T19:00", "cara"),
        override("2026-11-03T12:00", "2026-11-03T13:00", "dan"),
    )
    asked = ("2026-11-03T11:59", "2026-11-03T12:00", "2026-11-03T13:00")
    assert [who(weekly("ana", "ben", overrides=both), text) for text in asked] == ["cara", "dan", "cara"]
    assert [who(weekly("ana", "ben", overrides=both[::-1]), text) for text in asked] == ["cara", "cara", "cara"]


def test_an_override_also_holds_before_the_rosters_begin():
    one = weekly("ana", "ben", overrides=(override("2026-11-01T07:00", "2026-11-01T19:00", "cara"),))
    assert on_duty(one, wall("2026-11-01T08:00")) == Duty("cara", Reason.OVERRIDE)
    assert who(one, "2026-11-01T19:00") is None


def test_an_override_does_not_shift_the_rotation():
    one = weekly("ana", "ben", overrides=(override("2026-11-05T00:00", "2026-11-12T00:00", "cara"),))
    assert turns(one, "2026-11-02T07:00", "2026-11-17T00:00") == [
        ("11-02T07:00", "11-05T00:00", "ana", "rotation"), ("11-05T00:00", "11-12T00:00", "cara", "override"),
        ("11-12T00:00", "11-16T07:00", "ben", "rotation"), ("11-16T07:00", "11-17T00:00", "ana", "rotation"),
    ]  # fmt: skip


def test_turns_are_cut_to_the_time_asked_for():
    one = weekly("ana", "ben")
    assert turns(one, "2026-11-08T00:00", "2026-11-10T00:00") == [
        ("11-08T00:00", "11-09T07:00", "ana", "rotation"), ("11-09T07:00", "11-10T00:00", "ben", "rotation"),
    ]  # fmt: skip


def test_neighbours_with_one_person_and_one_reason_are_joined_and_those_with_another_reason_are_not():
    touching = (
        override("2026-11-03T07:00", "2026-11-04T07:00", "ana"),
        override("2026-11-04T07:00", "2026-11-05T07:00", "ana"),
    )
    assert turns(weekly("ana", "ben", overrides=touching), "2026-11-03T00:00", "2026-11-06T00:00") == [
        ("11-03T00:00", "11-03T07:00", "ana", "rotation"), ("11-03T07:00", "11-05T07:00", "ana", "override"),
        ("11-05T07:00", "11-06T00:00", "ana", "rotation"),
    ]  # fmt: skip
    assert len(spans(weekly("ana", "ana"), wall("2026-11-02T07:00"), wall("2027-11-02T07:00"))) == 1


def test_gaps_are_where_nobody_is_on_duty():
    one = weekly("ana", "ben", overrides=(override("2026-10-31T07:00", "2026-10-31T19:00", "cara"),))
    assert gaps(one, wall("2026-10-31T00:00"), wall("2026-11-05T00:00")) == (
        (wall("2026-10-31T00:00"), wall("2026-10-31T07:00")), (wall("2026-10-31T19:00"), wall("2026-11-02T07:00")),
    )  # fmt: skip
    assert gaps(one, wall("2026-11-02T07:00"), wall("2026-12-05T00:00")) == ()


def test_no_time_asked_for_holds_no_turn_and_no_gap():
    same = wall("2026-11-03T00:00")
    assert (spans(weekly("ana"), same, same), gaps(weekly("ana"), same, same)) == ((), ())


def test_instants_may_be_asked_for_in_any_zone_and_come_back_in_utc():
    east = datetime(2026, 11, 3, 9, tzinfo=timezone(timedelta(hours=9)))
    (turn,) = spans(weekly("ana", "ben"), east, east + timedelta(hours=1))
    begins = datetime(2026, 11, 3, tzinfo=UTC)
    assert turn == Turn(begins=begins, finishes=begins + timedelta(hours=1), person="ana", why=Reason.ROTATION)
    assert turn.begins.tzinfo is UTC


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"])
@pytest.mark.parametrize("handover", [(None, 0), (None, 150), (6, 119), (2, 1439)])
def test_turns_say_what_asking_at_every_half_hour_says(zone, handover):
    begins = wall("2026-03-03T10:00", zone)
    swap = Override(begins=wall("2026-03-20T01:30", zone), finishes=wall("2026-03-29T02:30", zone), who="dan")
    one = roster("ana", "ben", "cara", timezone=zone, begins=begins, handover=handover, overrides=(swap,))
    found = spans(one, begins - timedelta(days=1), begins + timedelta(days=60))
    assert all(before.finishes <= behind.begins for before, behind in pairwise(found))
    at = begins - timedelta(days=1)
    while at < begins + timedelta(days=60):
        held = [Duty(turn.person, turn.why) for turn in found if turn.begins <= at < turn.finishes]
        assert held == ([duty] if (duty := on_duty(one, at)) else [])
        at += timedelta(minutes=30)
