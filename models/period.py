"""The week of a report: from Monday 00:00 to Monday 00:00 as the clock on the site's wall shows it.

Weeks are numbered as ISO 8601 does, so that `2026-W46` means the same days everywhere; which instants they are depends on
the site's time zone. A week is reported six hours after its end, when what happened in it has become known.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from models.errors import UsageFault
from models.hours import local_instant

REPORTED_AFTER = timedelta(hours=6)
"""After the end of a week, its figures are taken as known."""
LOOKED_BACK = 8
"""Weeks that a report's charts show, its own included; and for so long late facts make a revision."""
_DAYS = 7


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """`monday` is its first day, by the site's calendar."""

    monday: date

    @classmethod
    def parse(cls, text: str) -> "Week":
        """The week of a label such as `2026-W46`. Raises UsageFault."""
        found = re.fullmatch(r"(\d{4})-W(\d{2})", text, re.ASCII)
        try:
            if found is None:
                raise ValueError
            return cls(date.fromisocalendar(int(found[1]), int(found[2]), 1))
        except ValueError:
            raise UsageFault(
                f"'{text}' is no week: write year and ISO week such as 2026-W46, weeks 01 to 52 or 53"
            ) from None

    @classmethod
    def reported_at(cls, zone: str, now: datetime) -> "Week":
        """The last week that is to be reported by `now` (aware)."""
        today = (now - REPORTED_AFTER).astimezone(ZoneInfo(zone)).date()
        return cls(today - timedelta(days=today.weekday())).before(1)

    @property
    def label(self) -> str:
        year, week, _ = self.monday.isocalendar()
        return f"{year}-W{week:02}"

    @property
    def sunday(self) -> date:
        return self.monday + timedelta(days=_DAYS - 1)

    def before(self, weeks: int) -> "Week":
        """The week so many weeks earlier."""
        return Week(self.monday - timedelta(days=_DAYS * weeks))

    def begins(self, zone: str) -> datetime:
        """Its first instant, UTC."""
        return local_instant(zone, datetime.combine(self.monday, time()))

    def ends(self, zone: str) -> datetime:
        """The first instant after it, UTC."""
        return self.before(-1).begins(zone)

    def reported(self, zone: str) -> datetime:
        """From when on it is reported, UTC."""
        return self.ends(zone) + REPORTED_AFTER


def due_weeks(written: Sequence[Week], last: Week) -> list[Week]:
    """The weeks to look after once `last` is to be reported: it alone where nothing was `written` before, else all from
    the first one written on, at most LOOKED_BACK: those that an outage left out, and those that late facts may change."""
    first = max(min(written), last.before(LOOKED_BACK - 1)) if written else last
    weeks = (last.before(back) for back in range(LOOKED_BACK - 1, -1, -1))
    return [week for week in weeks if week >= first]
