"""The page of charts: whether a turnaround has changed or only wobbles, day by day over the last eight whole weeks.

They are the charts of the weekly report, by the same rules: limits come from the days themselves, are marked as trial
limits where they come from few, and are refused, with the reason, where they would mislead.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse

from console.ageing import page_age
from console.auth import Caller, Door
from console.listing import UNAUTHORIZED
from console.pages import page
from console.showing import Words
from metrics.day_chart import Day, day_chart
from metrics.spc import Chart, Limits, Refused, chart
from metrics.verdict import FEWEST_DAYS, MARKS, Judged, Verdict, judged, refusal
from metrics.wording import day_words, length_words
from models.event import Site
from models.period import Week
from models.policy import Policies
from models.store.console import ConsoleStore
from models.store.reporting import Turnaround, Window
from models.store.rights import Rights

DRAWN = 6
"""Charts of one page at most; the others are a link away."""
_ORDER = list(Verdict)
_MINUTE_MICROSECONDS = 60e6


@dataclass(frozen=True, slots=True)
class DayAnswer:
    """The median of a day of the site's calendar."""

    day: date
    n: int
    median_seconds: float
    outside: bool


@dataclass(frozen=True, slots=True)
class LimitsAnswer:
    """`trial`: from fewer than 20 days."""

    lower_seconds: float
    upper_seconds: float
    trial: bool


@dataclass(frozen=True, slots=True)
class ChartAnswer:
    """One clock at one site over the eight weeks up to `week`. `limits` null: they would mislead, and `refused` says why.
    `verdict` is of the week, with the rule that says so."""

    clock: str
    site: str
    week: str
    centre_seconds: float
    limits: LimitsAnswer | None
    refused: str | None
    verdict: str
    reason: str
    days: tuple[DayAnswer, ...]


@dataclass(frozen=True, slots=True)
class ChartList:
    """`next` is always null: there is one page."""

    items: tuple[ChartAnswer, ...]
    next: None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """One clock at one site: its days with work, oldest first, the chart over their medians, and what it says."""

    clock: str
    site: str
    week: Week
    days: tuple[Day, ...]
    chart: Chart
    judged: Judged


@dataclass(frozen=True, slots=True)
class Shown:
    """A chart as a page shows it: as a picture, and day by day in words."""

    one: Followed
    title: str
    picture: str
    limits: str
    rows: tuple[tuple[str, int, str, str], ...]


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/charts`, and the same as JSON."""
    routes = APIRouter()

    @routes.get("/api/v1/charts", tags=["charts"], responses=UNAUTHORIZED)
    def read(
        caller: Annotated[Caller, Depends(door.caller)],
        site: Annotated[list[str] | None, Query()] = None,
        clock: str = "",
    ) -> ChartList:
        """The chart of each clock at each site over its last eight whole weeks. `site` may be repeated."""
        asked = [one for one in _sites(store, caller.rights) if not site or one in site]
        return ChartList(tuple(map(_answer, _follow(store, asked, clock))))

    @routes.get("/charts", include_in_schema=False)
    def show(request: Request, site: str = "", clock: str = "") -> HTMLResponse:
        who = door.signed_in(request)
        words = Words(store.policy())
        sites = sorted(_sites(store, who.rights), key=lambda one: words.site(one).casefold())
        # A page without a choice shows one site: all of them would be hundreds of charts.
        heard = [one for one in sites if one in store.sites_seen(who.rights)]
        asked = [site] if site in sites else sites if clock else (heard or sites)[:1]
        found = sorted(_follow(store, asked, clock), key=lambda one: _ORDER.index(one.judged.verdict))
        drawn = found if clock else [one for one in found if len(one.days) >= FEWEST_DAYS][:DRAWN]
        return page(
            "charts.html",
            sites=[(key, words.site(key)) for key in sites],
            site=asked[0] if len(asked) == 1 else "",
            clock=clock,
            week=found[0].week if found else None,
            found=found,
            charts=[_shown(one, words) for one in drawn],
            marks=MARKS,
            how_old=page_age(store, words),
            words=words,
            session=who.session,
        )

    return routes


def follow(clock: str, site: str, week: Week, rows: Iterable[Turnaround]) -> Followed:
    """A clock at a site from its rows of the weeks up to `week`, at least one of a day."""
    days = tuple(Day(row.day, row.n, row.median / _MINUTE_MICROSECONDS) for row in rows if not row.whole_week)
    drawn = chart([day.median for day in days])
    return Followed(clock, site, week, days, drawn, judged([day.day for day in days], drawn, week.monday))


def _sites(store: ConsoleStore, rights: Rights) -> list[str]:
    """The sites of `rights` that are declared, or that the store has heard of."""
    policy = store.policy()
    declared = [str(one) for one in policy.sites if rights.at(one)] if policy else []
    return sorted({*declared, *store.sites_seen(rights)})


def _follow(store: ConsoleStore, sites: list[str], clock: str) -> list[Followed]:
    policies = store.policies()
    if policies is None:
        return []
    now, weeks = store.now(), dict[str, Week]()
    windows: list[Window] = []
    for site in sites:
        zone = _zone(policies, site)
        weeks[site] = Week.reported_at(zone, now)
        windows.append(Window.of(site, zone, weeks[site]))
    found: list[Followed] = []
    for site, rows in zip(sites, store.lengths(windows, clock), strict=True):
        by_clock: dict[str, list[Turnaround]] = defaultdict(list)
        for row in rows:
            by_clock[row.clock].append(row)
        found += [follow(name, site, weeks[site], some) for name, some in by_clock.items()]
    return found


def _zone(policies: Policies, site: str) -> str:
    return policies.latest.site(Site(site)).working.timezone


def _shown(one: Followed, words: Words) -> Shown:
    title, name = words.entry("clock", one.clock), f"{one.site}-{one.clock}"
    told = f"{title}, {words.site(one.site)}: median of each day"
    picture = Markup(day_chart(name, told, one.days, one.chart, one.judged, one.week.monday))
    rows = tuple(
        (day_words(day.day), day.n, length_words(day.median), "outside" if outside else "")
        for day, outside in zip(one.days, one.chart.outside, strict=True)
    )
    return Shown(one, title, picture, _limits_in_words(one), rows)


def _limits_in_words(one: Followed) -> str:
    limits = one.chart.limits
    mean = f"Mean {length_words(limits.centre)}"
    match limits:
        case Limits() if one.chart.level:
            return f"Always {length_words(limits.centre)}, so there are no limits to draw."
        case Limits():
            lower = f"from {length_words(limits.lower)} " if limits.lower > 0 else ""
            trial = " Trial limits: from fewer than 20 days." if limits.trial else ""
            return f"{mean}; usual {lower}to {length_words(limits.upper)}.{trial}"
        case Refused():
            reason = refusal(limits)
            return f"{mean}; no limits." if reason == one.judged.reason else f"{mean}. No limits: {reason}."


def _answer(one: Followed) -> ChartAnswer:
    limits = one.chart.limits
    return ChartAnswer(
        clock=one.clock,
        site=one.site,
        week=one.week.label,
        centre_seconds=limits.centre * 60,
        limits=LimitsAnswer(limits.lower * 60, limits.upper * 60, limits.trial) if isinstance(limits, Limits) else None,
        refused=refusal(limits) if isinstance(limits, Refused) else None,
        verdict=one.judged.verdict.value,
        reason=one.judged.reason,
        days=tuple(
            DayAnswer(day.day, day.n, day.median * 60, outside)
            for day, outside in zip(one.days, one.chart.outside, strict=True)
        ),
    )
