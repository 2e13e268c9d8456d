"""Net lengths and dues by example: pauses, closed hours and business days taken out, with their odd days."""

from datetime import date, timedelta

import pytest

from models.elapsed import net, nth_business_day_end, when_net_exceeds
from models.hours import OPEN_END, WorkingTime
from tests.sites import ALL_DAYS, HOUR, INSTANT, MINUTE, NINE_TO_FIVE, at, site, utc

# --- net lengths and dues


def test_two_pauses_that_overlap_are_taken_out_once():
    t = utc(2026, 1, 1)
    holes = [(t + HOUR, t + 3 * HOUR), (t + 2 * HOUR, t + 4 * HOUR)]
    assert net(t, t + 5 * HOUR, holes=holes, working=None) == 2 * HOUR


def test_a_pause_in_closed_time_takes_out_nothing_more():
    wt = site(NINE_TO_FIVE)
    closing = at("America/New_York", 2026, 11, 19, 17)
    pause = [(closing - HOUR, closing + 3 * HOUR)]
    assert net(closing - 2 * HOUR, closing + 17 * HOUR, holes=pause, working=wt) == 2 * HOUR


def test_a_stop_at_or_before_the_start_has_no_length():
    t = utc(2026, 1, 1)
    assert net(t, t, holes=(), working=None) == net(t, t - HOUR, holes=(), working=site(NINE_TO_FIVE)) == timedelta()


def test_two_days_are_48_hours_over_a_clock_change():
    start = at("America/New_York", 2026, 10, 31, 12)
    assert when_net_exceeds(start, timedelta(days=2), holes=(), working=site()) == start + 48 * HOUR


def test_net_reached_at_closing_time_is_due_at_the_next_opening():
    start = at("America/New_York", 2026, 11, 20, 16)
    due = when_net_exceeds(start, HOUR, holes=(), working=site(NINE_TO_FIVE))
    assert due == at("America/New_York", 2026, 11, 23, 9)


def test_net_a_moment_short_of_closing_time_is_due_before_it():
    start = at("America/New_York", 2026, 11, 20, 16)
    due = when_net_exceeds(start, HOUR - INSTANT, holes=(), working=site(NINE_TO_FIVE))
    assert due == at("America/New_York", 2026, 11, 20, 17) - INSTANT


def test_net_reached_as_a_pause_begins_is_due_at_its_end():
    start = utc(2026, 1, 1)
    pause = [(start + HOUR, start + 3 * HOUR)]
    assert when_net_exceeds(start, HOUR, holes=pause, working=None) == start + 3 * HOUR


def test_a_start_outside_opening_hours_counts_from_the_opening():
    start = at("America/New_York", 2026, 11, 21, 3)
    due = when_net_exceeds(start, 30 * MINUTE, holes=(), working=site(NINE_TO_FIVE))
    assert due == at("America/New_York", 2026, 11, 23, 9, 30)


def test_a_pause_without_an_end_never_lets_the_net_exceed():
    start = utc(2026, 1, 1)
    holes = [(start + HOUR, OPEN_END)]
    assert when_net_exceeds(start, HOUR, holes=holes, working=None) is None
    assert when_net_exceeds(start, HOUR, holes=holes, working=site(ALL_DAYS)) is None
    assert when_net_exceeds(start, HOUR - INSTANT, holes=holes, working=None) == start + HOUR - INSTANT


def test_an_amount_beyond_the_calendar_is_never_reached():
    assert when_net_exceeds(utc(2026, 1, 1), timedelta(days=4_000_000), holes=(), working=None) is None


def test_a_week_without_openings_never_lets_the_net_exceed():
    wt = WorkingTime(timezone="UTC", weekly=((),) * 7, holidays=frozenset(), us_federal=False)
    assert when_net_exceeds(utc(2026, 1, 1), HOUR, holes=(), working=wt) is None


# --- business days


def test_two_business_days_after_a_friday_end_on_tuesday():
    due = nth_business_day_end(site(), date(2026, 11, 20), 2, holes=())
    assert due == at("America/New_York", 2026, 11, 25)


def test_holidays_are_passed_over():
    due = nth_business_day_end(site(us_federal=True), date(2026, 11, 25), 1, holes=())
    assert due == at("America/New_York", 2026, 11, 28)


def test_a_day_that_a_pause_overlaps_by_more_than_an_instant_does_not_count():
    tuesday = at("America/New_York", 2026, 11, 24)
    pause = [(tuesday - 6 * HOUR, tuesday + INSTANT)]
    due = nth_business_day_end(site(), date(2026, 11, 23), 1, holes=pause)
    assert due == at("America/New_York", 2026, 11, 26)


def test_a_pause_that_only_touches_the_day_takes_nothing_out():
    tuesday = at("America/New_York", 2026, 11, 24)
    pauses = [(tuesday - 6 * HOUR, tuesday), (tuesday + 24 * HOUR, tuesday + 30 * HOUR)]
    due = nth_business_day_end(site(), date(2026, 11, 23), 1, holes=pauses)
    assert due == tuesday + 24 * HOUR


def test_a_pause_on_the_day_of_the_start_takes_nothing_out():
    monday = at("America/New_York", 2026, 11, 23, 10)
    due = nth_business_day_end(site(), date(2026, 11, 23), 1, holes=[(monday, monday + HOUR)])
    assert due == at("America/New_York", 2026, 11, 25)


def test_a_pause_without_an_end_leaves_too_few_business_days():
    pause = [(at("America/New_York", 2026, 11, 24, 12), OPEN_END)]
    assert nth_business_day_end(site(), date(2026, 11, 23), 1, holes=pause) is None
    pause = [(at("America/New_York", 2026, 11, 25), OPEN_END)]
    assert nth_business_day_end(site(), date(2026, 11, 23), 1, holes=pause) == at("America/New_York", 2026, 11, 25)
    assert nth_business_day_end(site(), date(2026, 11, 23), 2, holes=pause) is None


def test_no_business_days_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        nth_business_day_end(site(), date(2026, 11, 23), 0, holes=())
