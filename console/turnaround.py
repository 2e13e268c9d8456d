"""The page of turnaround: how long each step took in the last seven days, against the seven before, and day by day."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from markupsafe import Markup
from starlette.responses import HTMLResponse

from console.ageing import page_age
from console.auth import Caller, Door
from console.listing import UNAUTHORIZED
from console.pages import page
from console.showing import Words, age
from metrics.svg import Line, Point, line_chart
from metrics.targets import share_shown
from models.policy import Policy, Within
from models.store.console import ConsoleStore
from models.store.turnarounds import DAYS, Day, Taken, Turnaround

_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class FiguresAnswer:
    """`n` intervals; seconds."""

    n: int
    median_seconds: float
    p90_seconds: float
    in_target: float | None


@dataclass(frozen=True, slots=True)
class TurnaroundAnswer:
    """One clock at one site over seven days (`week`) and the seven before (`before`); lengths in seconds, `in_target` the
    share among those with a due. Null: nothing stopped then, or nothing was due."""

    clock: str
    site: str
    week: FiguresAnswer | None
    before: FiguresAnswer | None


@dataclass(frozen=True, slots=True)
class Chart:
    """One site's days as a picture and as a table."""

    site: str
    picture: str
    days: list[Day]


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/turnaround`, and the same as JSON."""
    routes = APIRouter()

    @routes.get("/turnaround", include_in_schema=False)
    def show(request: Request, clock: str = "") -> HTMLResponse:
        who = door.signed_in(request)
        policy = store.policy()
        words = Words(policy)
        _, found = store.turnarounds(who.rights)
        known = sorted({one.clock for one in found}, key=lambda name: words.entry("clock", name).casefold())
        by_site = store.days(clock, words.zones(), who.rights) if clock in known else {}
        return page(
            "turnaround.html",
            clocks=[(name, [one for one in found if one.clock == name]) for name in known],
            clock=clock if clock in known else "",
            charts=[_chart(clock, site, days, policy, words) for site, days in by_site.items()],
            shown=lambda name, taken: _shown(name, taken, policy),
            how_old=page_age(store, words),
            words=words,
            session=who.session,
        )

    @routes.get("/api/v1/turnaround", tags=["turnaround"], responses=UNAUTHORIZED)
    def read(caller: Annotated[Caller, Depends(door.caller)]) -> list[TurnaroundAnswer]:
        """Every clock at every site with intervals in the last fourteen days."""
        return [_answer(one) for one in store.turnarounds(caller.rights)[1]]

    return routes


def _shown(clock: str, taken: Taken | None, policy: Policy | None) -> float | None:
    """The share in target as it is told, 0 to 1; None where there is none to tell."""
    return share_shown(policy.clocks.get(clock) if policy else None, taken.in_target if taken else None)


def _chart(clock: str, site: str, days: list[Day], policy: Policy | None, words: Words) -> Chart:
    first, title = days[0].day, f"{words.entry('clock', clock)}, {words.site(site)}: median a day"
    points = [
        Point(
            (one.day - first).days,
            f"{one.day.day} {one.day:%b}",
            one.taken.median / _MINUTE,
            f"{one.day.day} {one.day:%b}: {age(one.taken.median)} of {one.taken.n}",
        )
        for one in days
    ]
    last = days[-1]
    told = f"{len(days)} days; {last.day.day} {last.day:%b}: {age(last.taken.median)} of {last.taken.n}."
    steps = min((last.day - first).days + 1, DAYS + 1)
    lines = _target(clock, policy, max(point.value for point in points))
    return Chart(site, Markup(line_chart(f"days-{site}", title, told, points, lines, steps=steps, unit="min")), days)


def _target(clock: str, policy: Policy | None, most: float) -> list[Line]:
    """The target as a line, where it is a length and does not press the days flat."""
    found = policy.clocks.get(clock) if policy else None
    match found.target if found else None:
        case Within(length) if length / _MINUTE <= 3 * most:
            return [Line("target", length / _MINUTE, "target")]
        case _:
            return []


def _answer(one: Turnaround) -> TurnaroundAnswer:
    return TurnaroundAnswer(one.clock, one.site, _figures(one.week), _figures(one.before))


def _figures(taken: Taken | None) -> FiguresAnswer | None:
    second = timedelta(seconds=1)
    return taken and FiguresAnswer(taken.n, taken.median / second, taken.p90 / second, taken.in_target)
