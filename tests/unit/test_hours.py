"""A site's time by example: each rule of opening hours, holidays and business days, with its odd days."""

import pickle
import struct
from datetime import date, timedelta
from importlib import resources
from itertools import pairwise

import pytest

from models.elapsed import net, total
from models.holidays import us_federal_holidays
from models.hours import (
    day_end,
    is_business_day,
    is_open,
    local_date,
    merge,
    next_opening,
    open_spans,
    parse_opening,
    subtract,
)
from tests.sites import ALL_DAYS, HOUR, INSTANT, NINE_TO_FIVE, at, site, utc

# --- the text of a policy


def test_always_is_no_week():
    assert parse_opening("always") is None


def test_a_range_of_days_and_a_list_of_times_give_minutes_of_each_day():
    week = parse_opening({"mon-tue": "08:00-21:30", "sat": ["13:00-24:00", "09:00-12:00"]})
    assert week == (((480, 1290),), ((480, 1290),), (), (), (), ((540, 720), (780, 1440)), ())


def test_a_range_may_run_over_the_weekend():
    week = parse_opening({"fri-mon": "10:00-11:00"})
    assert [bool(day) for day in week] == [True, False, False, False, True, True, True]


def test_openings_that_touch_are_one():
    assert parse_opening({"mon": ["08:00-12:00", "12:00-13:00"]})[0] == ((480, 780),)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("sometimes", "always"),
        ({"mon-fri": "08:00-21:00", "wed": "08:00-12:00"}, "open.wed: wed stands in two keys"),
        ({"monday": "08:00-21:00"}, "open.monday: not a day"),
        ({"mon-": "08:00-21:00"}, "open.mon-: not a day"),
        ({"sat": "8-12"}, "open.sat = '8-12': write times as"),
        ({"sat": "08:60-12:00"}, "write times as"),
        ({"sat": 8}, "open.sat = 8: write times as"),
        ({"sat": "08:00-24:01"}, "a day ends at 24:00"),
        ({"sat": "21:00-08:00"}, "past midnight is two entries"),
        ({"sat": "08:00-08:00"}, "closes before it opens"),
        ({"sat": ["08:00-12:00", "11:59-13:00"]}, "open.sat: two openings overlap"),
        ({}, "no day has an opening"),
        ({"sat": []}, "no day has an opening"),
    ],
)
def test_a_fault_in_the_opening_hours_names_the_key_and_the_remedy(value, says):
    with pytest.raises(ValueError, match=says.replace("[", r"\[")):
        parse_opening(value)


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "America", ""])
def test_a_time_zone_that_does_not_exist_is_refused_with_the_remedy(name):
    with pytest.raises(ValueError, match="write an IANA name"):
        site(timezone=name)


def test_equal_working_times_are_one_key_also_after_a_journey_to_another_process():
    one, two = site(NINE_TO_FIVE, holidays=[date(2026, 1, 2)]), site(NINE_TO_FIVE, holidays=[date(2026, 1, 2)])
    assert len({one, two, pickle.loads(pickle.dumps(one)), site(NINE_TO_FIVE)}) == 2


# --- holidays


def test_the_federal_holidays_of_2026_are_those_that_the_office_of_personnel_management_lists():
    assert sorted(us_federal_holidays(2026)) == [
        date(2026, 1, 1),
        date(2026, 1, 19),
        date(2026, 2, 16),
        date(2026, 5, 25),
        date(2026, 6, 19),
        date(2026, 7, 3),
        date(2026, 9, 7),
        date(2026, 10, 12),
        date(2026, 11, 11),
        date(2026, 11, 26),
        date(2026, 12, 25),
    ]


def test_a_new_years_day_on_a_saturday_is_observed_in_the_year_before():
    assert date(2021, 12, 31) in us_federal_holidays(2021)
    assert not {date(2022, 1, 1), date(2021, 12, 31)} & us_federal_holidays(2022)


def test_a_holiday_on_a_sunday_is_observed_on_the_monday_after():
    assert date(2023, 1, 2) in us_federal_holidays(2023)
    assert date(2023, 1, 1) not in us_federal_holidays(2023)


def test_every_year_observes_eleven_holidays():
    observed = sum(len(us_federal_holidays(year)) for year in range(1900, 2300))
    # 1 January 2300 is a Monday: nothing moves over the ends of the range.
    assert observed == 11 * 400


def test_memorial_day_is_the_last_monday_also_where_may_ends_on_one():
    assert date(2027, 5, 31) in us_federal_holidays(2027)


def test_a_holiday_closes_the_whole_local_day():
    wt = site(ALL_DAYS, us_federal=True)
    july_third = at("America/New_York", 2026, 7, 3, 0)
    assert list(open_spans(wt, july_third - HOUR, july_third + 25 * HOUR)) == [
        (july_third - HOUR, july_third),
        (july_third + 24 * HOUR, july_third + 25 * HOUR),
    ]


def test_a_holiday_does_not_close_a_site_that_is_always_open():
    assert is_open(site("always", us_federal=True), utc(2026, 12, 25, 15))


def test_an_explicit_holiday_holds_beside_the_federal_ones():
    wt = site(NINE_TO_FIVE, holidays=[date(2026, 11, 27)], us_federal=True)
    assert next_opening(wt, at("America/New_York", 2026, 11, 25, 17)) == at("America/New_York", 2026, 11, 30, 9)


# --- wall times and dates


def test_a_wall_time_that_comes_twice_means_the_first():
    assert at("America/New_York", 2026, 11, 1, 1, 30) == utc(2026, 11, 1, 5, 30)


def test_a_wall_time_that_the_change_skips_means_the_first_instant_after_the_gap():
    assert at("America/New_York", 2026, 3, 8, 2, 0) == utc(2026, 3, 8, 7)
    assert at("America/New_York", 2026, 3, 8, 2, 59, 59, 999999) == utc(2026, 3, 8, 7)
    assert at("America/New_York", 2026, 3, 8, 3, 0) == utc(2026, 3, 8, 7)


def test_a_gap_of_half_an_hour_is_found_as_well():
    assert at("Australia/Lord_Howe", 2026, 10, 4, 2, 15) == utc(2026, 10, 3, 15, 30)


def test_the_day_that_samoa_left_out_means_the_start_of_the_next():
    assert at("Pacific/Apia", 2011, 12, 30, 12) == utc(2011, 12, 30, 10)


def test_local_mean_time_with_its_seconds_is_exact():
    assert at("America/New_York", 1883, 11, 18, 9) == utc(1883, 11, 18, 13, 56, 2)


def test_a_day_ends_at_the_first_midnight_where_the_clock_goes_back_over_it():
    wt = site(timezone="America/St_Johns")
    # 00:01 became 23:01 of the day before.
    assert day_end(wt, date(2006, 10, 28)) == utc(2006, 10, 29, 2, 30)


def test_a_day_that_begins_late_ends_the_one_before_at_the_gap():
    assert day_end(site(timezone="America/Sao_Paulo"), date(2018, 11, 3)) == utc(2018, 11, 4, 3)


def test_the_local_date_is_that_of_the_sites_calendar():
    assert local_date(site(), utc(2026, 11, 21, 4, 59)) == date(2026, 11, 20)


# --- open time


def test_a_site_is_open_from_its_opening_instant_to_before_its_closing_instant():
    wt = site(NINE_TO_FIVE)
    opens, closes = at("America/New_York", 2026, 11, 20, 9), at("America/New_York", 2026, 11, 20, 17)
    assert (is_open(wt, opens - INSTANT), is_open(wt, opens)) == (False, True)
    assert (is_open(wt, closes - INSTANT), is_open(wt, closes)) == (True, False)


def test_instants_of_another_offset_are_the_same_instants():
    wt = site(NINE_TO_FIVE)
    tokyo = utc(2026, 11, 20, 21, 59).astimezone(at("Asia/Tokyo", 2026, 1, 1).tzinfo)
    assert is_open(wt, tokyo) == is_open(wt, utc(2026, 11, 20, 21, 59)) is True


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("America/New_York", date(2026, 11, 1), 25),
        ("America/New_York", date(2026, 3, 8), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
        ("Pacific/Apia", date(2011, 12, 30), 0),
        ("Asia/Kathmandu", date(1986, 1, 1), 23.75),
        ("America/New_York", date(2298, 11, 6), 25),
    ],
)
def test_a_day_is_open_as_long_as_its_clock_runs(zone, day, hours):
    wt = site(ALL_DAYS, zone)
    assert net(day_end(wt, day - timedelta(days=1)), day_end(wt, day), holes=(), working=wt) == hours * HOUR


def test_an_opening_inside_the_hour_that_comes_twice_counts_twice():
    wt = site({"sun": "01:00-02:00"})
    assert list(open_spans(wt, utc(2026, 11, 1), utc(2026, 11, 2))) == [(utc(2026, 11, 1, 5), utc(2026, 11, 1, 7))]


def test_a_part_of_that_hour_gives_two_openings():
    wt = site({"sun": "01:00-01:30"})
    assert list(open_spans(wt, utc(2026, 11, 1), utc(2026, 11, 2))) == [
        (utc(2026, 11, 1, 5), utc(2026, 11, 1, 5, 30)),
        (utc(2026, 11, 1, 6), utc(2026, 11, 1, 6, 30)),
    ]


def test_an_opening_inside_the_hour_that_is_skipped_does_not_count():
    wt = site({"sun": "02:00-03:00"})
    assert list(open_spans(wt, utc(2026, 3, 8), utc(2026, 3, 9))) == []


def test_where_the_clock_goes_back_over_midnight_both_dates_keep_their_minutes():
    wt = site({"sat": "23:30-24:00"}, "America/St_Johns")
    assert list(open_spans(wt, utc(2006, 10, 29), utc(2006, 10, 30))) == [
        (utc(2006, 10, 29, 2), utc(2006, 10, 29, 2, 30)),
        (utc(2006, 10, 29, 3), utc(2006, 10, 29, 3, 30)),
    ]


def test_nights_that_are_written_as_two_entries_are_one_span():
    wt = site({"mon": "20:00-24:00", "tue": "00:00-06:00"})
    monday = at("America/New_York", 2026, 11, 16, 20)
    assert list(open_spans(wt, monday - HOUR, monday + 24 * HOUR)) == [(monday, monday + 10 * HOUR)]


def test_the_next_opening_of_an_open_site_is_now():
    now = at("America/New_York", 2026, 11, 20, 12)
    assert next_opening(site(NINE_TO_FIVE), now) == next_opening(site(), now) == now


def test_a_site_whose_holidays_close_it_for_two_years_has_no_next_opening():
    holidays = [date(2026, 1, 1) + timedelta(days=day) for day in range(800)]
    assert next_opening(site(NINE_TO_FIVE, holidays=holidays), utc(2026, 1, 2)) is None


# --- spans


def test_the_union_joins_what_overlaps_or_touches_and_drops_what_has_no_length():
    t = [utc(2026, 1, 1) + HOUR * n for n in range(8)]
    assert merge([(t[4], t[5]), (t[0], t[2]), (t[1], t[3]), (t[3], t[4]), (t[7], t[7])]) == ((t[0], t[5]),)


def test_holes_are_cut_out_wherever_they_lie():
    t = [utc(2026, 1, 1) + HOUR * n for n in range(9)]
    holes = [(t[5], t[7]), (t[0], t[1]), (t[2], t[3])]
    assert list(subtract([(t[0], t[4]), (t[4], t[6]), (t[7], t[8])], holes)) == [
        (t[1], t[2]),
        (t[3], t[4]),
        (t[4], t[5]),
        (t[7], t[8]),
    ]


def test_the_total_adds_lengths():
    t = utc(2026, 1, 1)
    assert total([(t, t + HOUR), (t + 3 * HOUR, t + 5 * HOUR)]) == 3 * HOUR
    assert total([]) == timedelta()


# --- business days


def test_a_business_day_does_not_ask_for_the_opening_hours():
    assert is_business_day(site({"sat": "09:00-12:00"}), date(2026, 11, 20))
    assert not is_business_day(site({"sat": "09:00-12:00"}), date(2026, 11, 21))


def test_a_holiday_is_no_business_day_even_where_the_site_is_always_open():
    assert not is_business_day(site("always", us_federal=True), date(2026, 11, 26))


def test_a_date_that_the_zone_left_out_is_no_business_day():
    assert not is_business_day(site(timezone="Pacific/Apia"), date(2011, 12, 30))
    assert is_business_day(site(timezone="Pacific/Pago_Pago"), date(2011, 12, 30))


# --- what the search for a clock change relies on


def _changes(name):
    """Instants (seconds) at which a zone of the tzdata package changes its offset: RFC 9636, the version 2 data."""
    data = resources.files("tzdata.zoneinfo").joinpath(*name.split("/")).read_bytes()
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    data = data[44 + times * 5 + types * 6 + chars + leap * 8 + isstd + isut :]
    isut, isstd, leap, times, types, chars = struct.unpack(">6l", data[20:44])
    instants = struct.unpack(f">{times}q", data[44 : 44 + times * 8])
    kinds, table = data[44 + times * 8 : 44 + times * 9], data[44 + times * 9 :]
    offsets = [struct.unpack(">l", table[kind * 6 : kind * 6 + 4])[0] for kind in kinds]
    return [instants[n] for n in range(times) if n == 0 or offsets[n] != offsets[n - 1]]


def test_no_zone_changes_its_offset_twice_within_a_day():
    zones = resources.files("tzdata").joinpath("zones").read_text("utf-8").split()
    gaps = {name: min((b - a for a, b in pairwise(c)), default=1e9) for name in zones if (c := _changes(name))}
    assert len(gaps) > 300
    assert min(gaps.values()) > 86_400
