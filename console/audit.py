"""The page of the audit: who did what, when; for admins of the whole installation.

What it was about stands there as a hash. Whoever has a case, an escalation or an account in hand types it, and sees who
looked at it.
"""

from dataclasses import replace
from datetime import date
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse

from console import auth
from console.auth import Door, Refused
from console.pages import page
from console.showing import DONE, Words
from models.store.auditing import Wanted
from models.store.console import ConsoleStore

ROWS = 100
_LONGEST = 256


def wanted(
    person: str = "",
    what: str = "",
    about: str = "",
    since: str = "",
    until: str = "",
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
) -> Wanted:
    """Reads what is asked for. Raises Refused for a day that is none."""
    return Wanted(
        person.strip()[:_LONGEST], what.strip()[:_LONGEST], about.strip()[:_LONGEST], _day(since), _day(until), before
    )


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/audit`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/audit")
    def show(request: Request, asked: Annotated[Wanted, Depends(wanted)]) -> HTMLResponse:
        who = door.signed_in(request)
        auth.need_everywhere(who)
        words = Words(store.policy())
        found, kinds = store.audit(replace(asked, zone=words.shared_zone() or "UTC"), ROWS + 1)
        lines = found[:ROWS]
        # Reading on is one look, not several.
        if asked.before is None:
            store.record(who.name, "audit")
        return page(
            "audit.html",
            lines=lines,
            asked=asked,
            kinds=[(key, DONE.get(key, key)) for key in kinds],
            done=DONE,
            further=_further(asked, lines[-1].number) if len(found) > ROWS else None,
            words=words,
            session=who.session,
        )

    return routes


def _further(asked: Wanted, last: int) -> str:
    said = {"person": asked.person, "what": asked.what, "about": asked.about}
    days = {"since": asked.since, "until": asked.until}
    given = {key: value for key, value in {**said, **days}.items() if value}
    return f"/audit?{urlencode({**given, 'before': last})}"


def _day(text: str) -> date | None:
    if not text.strip():
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"'{text[:20]}' is no day: give it as 2026-11-15") from None
