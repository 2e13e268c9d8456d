"""Sites and feeds: the time zone, opening hours and holidays that a site's clocks count by, and how long its sources may
be silent."""

from collections.abc import Mapping
from datetime import date
from typing import cast

from models.event import Site, Source
from models.hours import WorkingTime, parse_opening
from models.policy import Feed, Severity, SiteProfile
from models.policy_text.entry import Entry
from models.policy_text.schema import REQUIRED

DEFAULT = "default"
"""The name of the entry that judges undeclared sites."""
UNDECLARED = SiteProfile(
    site=Site(DEFAULT),
    name=DEFAULT,
    setting=None,
    working=WorkingTime(timezone="UTC", weekly=None, holidays=frozenset(), us_federal=False),
)
"""What judges an undeclared site where the policy says nothing: UTC, always open."""
US_FEDERAL = "us-federal"


def site(entry: Entry) -> SiteProfile | None:
    """None where something in it was reported."""
    incomplete = entry.name != DEFAULT and entry.lacks(REQUIRED["site"])
    working = _working(entry)
    if incomplete or working is None:
        return None
    name = entry.text("name") or entry.name
    return SiteProfile(site=Site(entry.name), name=name, setting=entry.text("setting"), working=working)


def feed(entry: Entry) -> Feed:
    return Feed(
        source=Source(entry.name),
        silent_after=entry.length("silent_after", positive=True),
        severity=entry.severity() or Severity.S2,
        pseudonymise=entry.flag("pseudonymise"),
    )


def _working(entry: Entry) -> WorkingTime | None:
    opening = cast("str | Mapping[str, str | list[str]]", entry.table.get("open") or "always")
    # An unreadable `open` is reported; the week None that stands in for it is never used, the policy being refused.
    weekly = entry.try_(lambda: parse_opening(opening), "open")
    holidays = _holidays(entry)
    zone = entry.text("timezone") or "UTC"
    federal = US_FEDERAL in entry.names("holidays")
    return entry.try_(
        lambda: WorkingTime(timezone=zone, weekly=weekly, holidays=holidays, us_federal=federal), "timezone"
    )


def _holidays(entry: Entry) -> frozenset[date]:
    days: set[date] = set()
    for name in entry.names("holidays"):
        if name == US_FEDERAL:
            continue
        try:
            days.add(date.fromisoformat(name) if len(name) == 10 else _no_date(name))
        except ValueError:
            entry.fault(f'"{name}" is no holiday; write "us-federal", or a date such as "2026-12-24"', "holidays")
    return frozenset(days)


def _no_date(name: str) -> date:
    raise ValueError(name)
