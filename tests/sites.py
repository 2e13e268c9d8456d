"""Words for tests of a site's time: sites, instants and wall times."""

from datetime import UTC, datetime, timedelta

from models.hours import WorkingTime, local_instant, parse_opening

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
INSTANT = timedelta(microseconds=1)


def site(opening="always", timezone="America/New_York", holidays=(), us_federal=False):
    return WorkingTime(
        timezone=timezone, weekly=parse_opening(opening), holidays=frozenset(holidays), us_federal=us_federal
    )


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def at(zone, *parts):
    return local_instant(zone, datetime(*parts))  # noqa: DTZ001


NINE_TO_FIVE = {"mon-fri": "09:00-17:00"}
ALL_DAYS = {"mon-sun": "00:00-24:00"}
