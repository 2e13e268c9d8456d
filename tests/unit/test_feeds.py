"""When a feed has gone silent, by what its policy allows or by its own gaps."""

from datetime import UTC, datetime, time, timedelta

from models.event import Site, Source
from models.feeds import ENOUGH, LEAST, astray, learned, silence, silent_since, spoken
from models.hours import WorkingTime
from models.policy import Feed, Kind, Severity
from tests.heart import ALWAYS, policy

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NOON = datetime.combine(MONDAY.date(), time(12), UTC)
MINUTE, HOUR, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(weeks=1)
NEW_YORK = WorkingTime(timezone="America/New_York", weekly=None, holidays=frozenset(), us_federal=False)
BY_DAY = WorkingTime(timezone="UTC", weekly=(((8 * 60, 18 * 60),),) * 7, holidays=frozenset(), us_federal=False)


def every(step: timedelta, begins: datetime, ends: datetime) -> list[datetime]:
    return [begins + step * at for at in range((ends - begins) // step + 1)]


def test_the_bits_of_an_hour_are_its_minutes() -> None:
    assert spoken([(NOON, 0b101), (NOON + HOUR, 1 << 59)]) == [NOON, NOON + 2 * MINUTE, NOON + HOUR + 59 * MINUTE]


def test_a_regular_feed_may_be_silent_for_three_of_its_gaps() -> None:
    assert learned(every(20 * MINUTE, NOON - 2 * WEEK, NOON), NOON, ALWAYS) == HOUR


def test_no_silence_shorter_than_ten_minutes_is_learned() -> None:
    assert learned(every(MINUTE, NOON - 2 * WEEK, NOON), NOON, ALWAYS) == LEAST


def test_in_its_first_week_nothing_is_learned_of_a_feed() -> None:
    minutes = every(20 * MINUTE, NOON - WEEK, NOON)
    assert learned(minutes, NOON, ALWAYS) == HOUR
    assert learned(minutes[1:], NOON, ALWAYS) is None
    assert learned([], NOON, ALWAYS) is None


def test_each_hour_of_the_week_has_its_own_gaps() -> None:
    """Every minute, every fourth from 12 to 13 on Mondays: 120 gaps in eight weeks."""
    minutes = [at for at in every(MINUTE, MONDAY - 8 * WEEK, NOON) if not monday_noon(at) or at.minute % 4 == 0]
    assert learned(minutes, NOON, ALWAYS) == 12 * MINUTE
    assert learned([*minutes, *every(MINUTE, NOON, NOON + 24 * HOUR)], NOON + 24 * HOUR, ALWAYS) == LEAST


def monday_noon(at: datetime) -> bool:
    return (at.weekday(), at.hour) == (0, 12)


def test_an_hour_of_few_gaps_asks_that_hour_of_every_day() -> None:
    """Every minute by day; every hour at night, so that no hour of the week has a hundred gaps there."""
    minutes = [
        at for at in every(MINUTE, MONDAY - 9 * WEEK, MONDAY + 3 * HOUR) if 8 <= at.hour < 20 or at.minute % 20 == 0
    ]
    assert learned(minutes, MONDAY + 3 * HOUR, ALWAYS) == HOUR


def test_a_rest_that_comes_again_is_no_silence_however_many_short_gaps_there_are() -> None:
    """Every minute for eight weeks, and on two nights a rest of two hours: 2 of 480 gaps of that hour of the week."""
    here = MONDAY + 3 * HOUR
    rests = [here - 2 * WEEK, here - 5 * WEEK]
    every_minute = every(MINUTE, here - 8 * WEEK, here)
    minutes = [at for at in every_minute if not any(rest < at < rest + 2 * HOUR for rest in rests)]
    assert learned(minutes, here, ALWAYS) == 4 * HOUR


def test_one_outage_does_not_hide_the_next() -> None:
    minutes = every(MINUTE, NOON - 4 * WEEK, NOON)
    without = [at for at in minutes if not NOON - 2 * WEEK < at < NOON - 2 * WEEK + 5 * HOUR]
    assert learned(without, NOON, ALWAYS) == LEAST


def test_fewer_than_a_hundred_gaps_teach_nothing() -> None:
    minutes = every(6 * HOUR, NOON - 100 * 6 * HOUR, NOON)
    assert len(minutes) - 1 == ENOUGH
    assert learned(minutes, NOON, ALWAYS) == 18 * HOUR
    assert learned(minutes[1:], NOON, ALWAYS) is None


def test_the_hour_of_the_week_is_that_of_the_site() -> None:
    """Every fourth minute on Mondays from 8 to 9 in New York, in summer and in winter; every minute else."""
    change = datetime(2026, 3, 8, 7, tzinfo=UTC)
    winter = [(change - timedelta(days=6) - WEEK * past).replace(hour=13) for past in range(8)]
    slow = [*winter, (change + timedelta(days=1)).replace(hour=12)]
    minutes = [
        at
        for at in every(MINUTE, change - 8 * WEEK, slow[-1])
        if at.minute % 4 == 0 or not any(begins <= at < begins + HOUR for begins in slow)
    ]
    assert learned(minutes, slow[-1], NEW_YORK) == 12 * MINUTE
    assert learned(minutes, slow[-1], ALWAYS) == LEAST


def test_what_lies_more_than_eight_weeks_back_is_forgotten() -> None:
    old = every(2 * HOUR, NOON - 10 * WEEK, NOON - 8 * WEEK - HOUR)
    minutes = old + every(20 * MINUTE, NOON - 8 * WEEK, NOON)
    assert learned(minutes, NOON, ALWAYS) == HOUR


def test_an_hour_in_which_it_never_spoke_is_judged_by_all_the_others() -> None:
    tuesday = MONDAY + timedelta(days=1, hours=3)
    minutes = every(20 * MINUTE, tuesday - 2 * WEEK, tuesday)
    others = [at for at in minutes if (at.weekday(), at.hour) != (1, 3)]
    assert learned([*others, tuesday], tuesday, ALWAYS) == HOUR


def test_closed_time_is_no_silence() -> None:
    minutes = [at for at in every(20 * MINUTE, NOON - 2 * WEEK, NOON) if 8 <= at.hour < 18]
    evening = MONDAY - timedelta(hours=6, minutes=20)
    up_to = [at for at in minutes if at <= evening]
    assert learned(up_to, evening, BY_DAY) == HOUR
    assert silent_since(evening, HOUR, BY_DAY) == MONDAY + 8 * HOUR + 40 * MINUTE
    assert silent_since(evening, HOUR, ALWAYS) == evening + HOUR


def test_a_site_that_never_opens_has_no_silent_feed() -> None:
    closed = WorkingTime(timezone="UTC", weekly=((),) * 7, holidays=frozenset(), us_federal=False)
    assert silent_since(NOON, HOUR, closed) is None


def test_the_99th_percentile_lies_between_the_gaps_next_to_it() -> None:
    """Of 151 gaps the 149th is ten minutes and the 150th three weeks: the percentile lies halfway."""
    regular = every(10 * MINUTE, NOON - 149 * 10 * MINUTE, NOON)
    early, late = NOON - 7 * WEEK, NOON - 4 * WEEK
    halfway = 10 * MINUTE + (3 * WEEK - 10 * MINUTE) / 2
    assert learned([early, late, *regular], NOON + 15 * HOUR, ALWAYS) == 3 * halfway


def test_the_signal_of_a_silence_is_named_by_the_feed_and_when_it_was_last_heard_of() -> None:
    source, site = Source("/mercy/pis"), Site("mercy")
    bare = policy()
    said = silence(source, site, NOON, NOON + HOUR, bare)
    assert (said.kind, said.name, said.site, said.severity) == (Kind.FEED, source, site, Severity.S2)
    assert said.raised == said.known == NOON + HOUR
    assert silence(source, site, NOON + MINUTE, NOON + HOUR, bare).id != said.id
    bare.feeds[source] = Feed(source=source, severity=Severity.S3)  # type: ignore[index]
    assert silence(source, site, NOON, NOON + HOUR, bare).severity is Severity.S3


def test_clocks_apart_are_one_signal_a_worker_and_site() -> None:
    ids = {astray(worker, Site(site), NOON).id for worker in ("w0", "w1") for site in ("mercy", "east")}
    assert len(ids) == 4
