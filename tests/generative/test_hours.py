"""Working time against a reference that looks at the wall clock once a minute, around every kind of clock change."""

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from models.elapsed import net, nth_business_day_end, total, when_net_exceeds
from models.hours import (
    OPEN_END,
    WorkingTime,
    is_open,
    local_instant,
    merge,
    next_opening,
    open_spans,
    parse_opening,
)

MINUTE = timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

# Around a change forward and one back, of an hour, of half an hour, over midnight, of a whole day, beyond the tables.
CHANGES = [
    ("America/New_York", datetime(2026, 3, 8, 7, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 6, tzinfo=UTC)),
    ("America/New_York", datetime(2298, 11, 6, 6, tzinfo=UTC)),
    ("Europe/Dublin", datetime(2026, 10, 25, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 15, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 2, 18, 2, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
    ("America/St_Johns", datetime(2006, 10, 29, 2, 31, tzinfo=UTC)),
    ("America/St_Johns", datetime(2007, 3, 11, 3, 31, tzinfo=UTC)),
    ("Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
    ("Pacific/Kwajalein", datetime(1993, 8, 21, 12, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(1985, 12, 31, 18, 30, tzinfo=UTC)),
    ("Antarctica/Troll", datetime(2026, 3, 29, 1, tzinfo=UTC)),
    ("UTC", datetime(2026, 7, 1, tzinfo=UTC)),
]

# The federal holidays on the days around them, from a calendar: New Year's Day (that of 2012, a Sunday, on the Monday),
# Washington's Birthday, Independence Day (that of 2026, a Saturday, on the Friday).
FEDERAL = {date(1986, 1, 1), date(2012, 1, 2), date(2018, 2, 19), date(2026, 7, 3)}


@st.composite
def openings(draw):
    marks = sorted(draw(st.sets(st.integers(0, 96), min_size=2, max_size=6)))
    quarters = [(a * 15, b * 15) for a, b in zip(marks[::2], marks[1::2], strict=False)]
    return [f"{a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for a, b in quarters]


weeks = st.dictionaries(st.sampled_from(DAYS), openings(), min_size=3)


@st.composite
def scenes(draw):
    """A site, and minutes (start, end, holes) of the days around a change of its clock."""
    zone, change = draw(st.sampled_from(CHANGES))
    days = st.integers(-2, 2).map(lambda day: (change + timedelta(days=day)).date())
    week = draw(weeks)
    working = WorkingTime(
        timezone=zone,
        weekly=parse_opening(week),
        holidays=draw(st.frozensets(days, max_size=2)),
        us_federal=draw(st.booleans()),
    )
    instants = st.integers(-2000, 2000).map(lambda minute: change + minute * MINUTE)
    start, end = sorted((draw(instants), draw(instants)))
    pairs = draw(st.lists(st.tuples(instants, instants), max_size=4))
    holes = [(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]]
    return working, start, end, holes


@cache
def clock(zone, instant):
    wall = instant.astimezone(ZoneInfo(zone))
    return wall.date(), wall.weekday(), wall.hour * 60 + wall.minute


def shows_opening(working, instant):
    day, weekday, minute = clock(working.timezone, instant)
    closed = day in working.holidays or (working.us_federal and day in FEDERAL)
    return not closed and any(opens <= minute < closes for opens, closes in working.weekly[weekday])


def counted(working, start, end, holes):
    """The minutes from start to end in which the site is open and no hole lies, one look a minute."""
    minute = start
    while minute < end:
        if shows_opening(working, minute) and not any(begin <= minute < finish for begin, finish in holes):
            yield minute
        minute += MINUTE


@settings(max_examples=150)
@given(scenes())
def test_the_net_length_is_what_counting_minutes_gives(scene):
    working, start, end, holes = scene
    assert net(start, end, holes=holes, working=working) == MINUTE * sum(1 for _ in counted(*scene))


@settings(max_examples=150)
@given(scenes(), st.integers(0, 900))
def test_the_due_is_the_first_minute_counted_after_the_amount(scene, minutes):
    working, start, end, holes = scene
    due = when_net_exceeds(start, minutes * MINUTE, holes=holes, working=working)
    listed = list(counted(working, start, end, holes))
    if len(listed) > minutes:
        assert due == listed[minutes]
    else:
        assert due is None or due >= end


@settings(max_examples=150)
@given(scenes())
def test_open_spans_are_maximal_in_order_and_hold_exactly_the_open_minutes(scene):
    working, start, end, _ = scene
    spans = list(open_spans(working, start, end))
    assert list(merge(spans)) == spans
    minutes = [begin + n * MINUTE for begin, finish in spans for n in range((finish - begin) // MINUTE)]
    assert minutes == list(counted(working, start, end, []))


@settings(max_examples=150)
@given(scenes(), st.integers(0, 4000))
def test_the_net_length_is_additive(scene, cut):
    working, start, end, holes = scene
    middle = min(end, start + cut * MINUTE)
    parts = [net(a, b, holes=holes, working=working) for a, b in ((start, middle), (middle, end))]
    assert sum(parts, timedelta()) == net(start, end, holes=holes, working=working)


@settings(max_examples=150)
@given(scenes(), st.timedeltas(timedelta(), timedelta(hours=60)), st.booleans())
def test_the_due_is_the_inverse_of_the_net_length(scene, amount, by_hours):
    working, start, _, holes = scene
    working = working if by_hours else None
    due = when_net_exceeds(start, amount, holes=holes, working=working)
    assert net(start, due, holes=holes, working=working) == amount
    assert net(start, due + INSTANT, holes=holes, working=working) > amount


@settings(max_examples=150)
@given(scenes(), st.timedeltas(timedelta(), timedelta(hours=60)))
def test_a_pause_never_lengthens_and_never_hastens(scene, amount):
    working, start, end, holes = scene
    assert net(start, end, holes=holes, working=working) <= net(start, end, holes=holes[1:], working=working)
    assert net(start, end, holes=holes, working=working) <= net(start, end, holes=holes, working=None)
    later = when_net_exceeds(start, amount, holes=holes, working=working)
    assert later >= when_net_exceeds(start, amount, holes=holes[1:], working=working)


@settings(max_examples=150)
@given(scenes(), st.timedeltas(timedelta(), timedelta(hours=60)))
def test_a_pause_without_an_end_allows_only_what_was_counted_before_it(scene, amount):
    working, start, end, holes = scene
    due = when_net_exceeds(start, amount, holes=[*holes, (end, OPEN_END)], working=working)
    reached = net(start, end, holes=holes, working=working)
    assert (due is None) == (amount >= reached)
    assert due is None or due < end


@settings(max_examples=150)
@given(scenes())
def test_the_next_opening_is_the_first_minute_that_shows_an_opening_time(scene):
    working, start, end, _ = scene
    first = next(counted(working, start, end, []), None)
    opening = next_opening(working, start)
    assert opening == first if first else opening >= end
    assert is_open(working, opening)
    assert is_open(working, start) == (opening == start)


@settings(max_examples=300)
@given(st.sampled_from(CHANGES), st.timedeltas(timedelta(days=-2), timedelta(days=2)))
def test_a_wall_time_means_the_first_instant_at_which_the_clock_shows_it_or_a_later_time(change, distance):
    zone, around = change
    wall = (around + distance).replace(tzinfo=None)
    instant = local_instant(zone, wall)

    def shown(when):
        return when.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    assert shown(instant) >= wall
    assert shown(instant) == wall or shown(instant - INSTANT) < wall
    # Nothing earlier shows it: a day is more than any change but those of a date line, which go forward here.
    earlier = (instant - n * MINUTE for n in range(1, 24 * 60))
    assert all(shown(when) != wall for when in earlier)


@settings(max_examples=150)
@given(scenes(), st.integers(1, 6))
def test_one_business_day_more_ends_later_and_a_pause_never_earlier(scene, n):
    working, start, _, holes = scene
    day = start.date()
    due = nth_business_day_end(working, day, n, holes=holes)
    assert due < nth_business_day_end(working, day, n + 1, holes=holes)
    assert due >= nth_business_day_end(working, day, n, holes=())


@settings(max_examples=100)
@given(st.sampled_from(CHANGES), st.integers(1900, 2299), st.integers(0, 364))
def test_a_week_that_is_open_all_day_counts_all_time_in_every_year(change, year, day):
    working = WorkingTime(
        timezone=change[0], weekly=parse_opening({"mon-sun": "00:00-24:00"}), holidays=frozenset(), us_federal=False
    )
    start = datetime(year, 1, 1, 7, 3, tzinfo=UTC) + timedelta(days=day)
    end = start + timedelta(days=40, hours=5)
    assert total(open_spans(working, start, end)) == end - start
    assert list(open_spans(working, start, end)) == [(start, end)]
