"""The reports that were written, and each of them as it was written.

A report is a file of its own. It is shown to whoever may see its site, from the folder of this installation's reports and
from nowhere else, and it can run nothing in the browser that shows it.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus
from itertools import groupby
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, Response

from console.ageing import board_age, reads_history
from console.auth import Caller, Door
from console.listing import UNAUTHORIZED
from console.pages import notice, page
from console.shell import DOCUMENT_POLICY
from console.showing import Words
from models.store.console import ConsoleStore
from models.store.reporting import Published, Written

NOT_THERE = "There is no such report, or none of a site that you look after."
_LARGEST = 1_000_000
"""Bytes; a report is written to stay below a fifth of it."""
log = logging.getLogger("rxpulse.console")


@dataclass(frozen=True, slots=True)
class ReportItem:
    """A report as interfaces 9 lists it. `period` is an ISO week, `revision` counts from 1, `made` is UTC; `path` is the
    file on the machine that wrote it, absolute, and `link` where the console shows it."""

    kind: str
    site: str
    period: str
    revision: int
    made: datetime
    path: str
    link: str


@dataclass(frozen=True, slots=True)
class ReportList:
    """By site, the newest week first; `next` is always null: there is one page."""

    items: tuple[ReportItem, ...]
    next: None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A report as the page lists it; `days` are its first and last in words."""

    item: ReportItem
    days: str


def router(store: ConsoleStore, door: Door, folder: Path) -> APIRouter:
    """`/reports`, each report, and the list as JSON. `folder` holds the files."""
    routes = APIRouter()

    @routes.get("/api/v1/reports", tags=["reports"], responses=UNAUTHORIZED)
    def read(
        caller: Annotated[Caller, Depends(door.caller)], site: Annotated[list[str] | None, Query()] = None
    ) -> ReportList:
        """The latest revision of each report. `site` may be repeated."""
        found = store.published(caller.rights)
        return ReportList(tuple(_item(one) for one in found if not site or one.written.site in site))

    @routes.get("/reports", include_in_schema=False)
    def show(request: Request) -> HTMLResponse:
        who = door.signed_in(request)
        items = map(_item, store.published(who.rights))
        lines = {site: [Line(one, days(one.period)) for one in found] for site, found in groupby(items, _site)}
        words = Words(store.policy())
        freshness = store.freshness()
        return page(
            "reports.html",
            sites=lines,
            how_old=board_age(freshness, words, "this list"),
            reading=reads_history(freshness),
            words=words,
            session=who.session,
        )

    @routes.get("/reports/{kind}/{site:path}/{period}", include_in_schema=False)
    def open_one(kind: str, site: str, period: str, request: Request) -> Response:
        who = door.signed_in(request)
        wanted = (kind, site, period)
        found = [one.written for one in store.published(who.rights) if _key(one.written) == wanted]
        if not found:
            return notice(HTTPStatus.NOT_FOUND, "Not found", NOT_THERE)
        html = _content(found[0], folder)
        if html is None:
            text = f"{found[0].path} is recorded and is not in this console's folder of reports, {folder}."
            return notice(HTTPStatus.NOT_FOUND, "The file is missing", f"{text} `rxpulse report week` makes it again.")
        store.record(who.name, "report", "/".join(wanted))
        return HTMLResponse(html, headers={"content-security-policy": DOCUMENT_POLICY})

    return routes


def days(period: str) -> str:
    """The days of an ISO week such as `2026-W46` in words: `9 to 15 Nov 2026`."""
    year, _, week = period.partition("-W")
    monday = date.fromisocalendar(int(year), int(week), 1)
    sunday = monday + timedelta(days=6)
    month = "" if monday.month == sunday.month else f" {monday:%b}"
    before = "" if monday.year == sunday.year else f" {monday.year}"
    return f"{monday.day}{month}{before} to {sunday.day} {sunday:%b} {sunday.year}"


def _content(written: Written, folder: Path) -> bytes | None:
    """The file of a report; None where it is gone, or lies (or leads) elsewhere than in the folder of reports."""
    path = Path(written.path).resolve()
    if not path.is_relative_to(folder.resolve()) or path.suffix != ".html":
        log.error("the report %s is recorded outside the folder of reports", written.path)
        return None
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as fault:
        log.error("the report %s cannot be read: %s", written.path, fault)
        return None


def _item(one: Published) -> ReportItem:
    about = one.written
    link = f"/reports/{quote(about.kind, safe='')}/{quote(about.site)}/{quote(about.period, safe='')}"
    return ReportItem(about.kind, about.site, about.period, about.revision, one.made, about.path, link)


def _key(one: Written) -> tuple[str, str, str]:
    return one.kind, one.site, one.period


def _site(one: ReportItem) -> str:
    return one.site
