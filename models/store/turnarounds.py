"""How long work took lately: the figures of each clock at each site over seven days, and over the seven before them.

Only the latest revision of each interval counts, and none that late evidence took away. Quantiles are exact, type 7, as
everywhere (PostgreSQL's `percentile_cont` is that).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, LiteralString

from psycopg import Connection

from models.store.latest import LATEST
from models.store.rights import Rights

WEEK = timedelta(days=7)
DAYS = 14


@dataclass(frozen=True, slots=True)
class Taken:
    """Of the intervals that stopped in one stretch of time. `in_target` is the share among those with a due, None where
    none has one."""

    n: int
    median: timedelta
    p90: timedelta
    in_target: float | None


@dataclass(frozen=True, slots=True)
class Turnaround:
    """One clock at one site: the last seven days and the seven before, None where nothing stopped then."""

    clock: str
    site: str
    week: Taken | None
    before: Taken | None


@dataclass(frozen=True, slots=True)
class Day:
    """One day on the site's calendar."""

    day: date
    taken: Taken


def turnarounds(connection: "Connection[Any]", rights: Rights) -> tuple[datetime, tuple[Turnaround, ...]]:
    """The instant (UTC) up to which it goes, and every clock at every site of `rights` with intervals since 14 days before
    it, by clock and site."""
    now = connection.execute("SELECT now()").fetchall()[0][0]
    found: dict[tuple[str, str], dict[bool, Taken]] = {}
    rows = connection.execute(
        _WEEKS, {"scope": _scope(rights), "from": now - 2 * WEEK, "since": now - WEEK, "now": now}
    )
    for clock, site, recent, *figures in rows:
        found.setdefault((clock, site), {})[recent] = _taken(figures)
    return now, tuple(Turnaround(*key, weeks.get(True), weeks.get(False)) for key, weeks in sorted(found.items()))


def days(connection: "Connection[Any]", clock: str, zones: Mapping[str, str], rights: Rights) -> dict[str, list[Day]]:
    """The last fourteen days of a clock by site, oldest first; days on which nothing stopped are left out. `zones` has the
    time zone of each declared site; the days of any other are those of UTC."""
    asked = {
        "scope": _scope(rights),
        "clock": clock,
        "sites": list(zones),
        "zones": list(zones.values()),
        "days": DAYS,
    }
    found: dict[str, list[Day]] = {}
    for site, day, *figures in connection.execute(_BY_DAY, asked):
        found.setdefault(site, []).append(Day(day, _taken(figures)))
    return found


def _scope(rights: Rights) -> list[str] | None:
    return None if rights.sites is None else list(rights.sites)


def _taken(figures: "list[Any]") -> Taken:
    n, median, p90, in_target = figures
    return Taken(n, timedelta(microseconds=median), timedelta(microseconds=p90), in_target)


_LATEST: LiteralString = f"""NOT i.retracted AND {LATEST}
    AND (%(scope)s::text[] IS NULL OR site = ANY(%(scope)s))"""
_FIGURES: LiteralString = """count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY net),
    percentile_cont(0.9) WITHIN GROUP (ORDER BY net), avg(in_target::int)::float8"""
_WEEKS: LiteralString = f"""
SELECT clock, site, stopped >= %(since)s AS recent, {_FIGURES} FROM intervals i
WHERE stopped >= %(from)s AND stopped < %(now)s AND {_LATEST} GROUP BY clock, site, recent
"""
_BY_DAY: LiteralString = f"""
SELECT * FROM (
    SELECT site, (stopped AT TIME ZONE coalesce(z.zone, 'UTC'))::date AS day, {_FIGURES}
    FROM intervals i LEFT JOIN unnest(%(sites)s::text[], %(zones)s::text[]) z(name, zone) ON z.name = i.site
    WHERE clock = %(clock)s AND stopped >= now() - make_interval(days => %(days)s + 1) AND stopped < now() AND {_LATEST}
    GROUP BY site, day
) d WHERE day > (now() AT TIME ZONE 'UTC')::date - %(days)s ORDER BY site, day
"""
