"""From one's own number of an order to its case.

Staff know an order by the number that their own system gave it; here a case has a pseudonym of it. The number is turned
into the pseudonym and forgotten: it comes in the body of a form, stands in no address, no log and no table, and what is
recorded of a search is who made it and the hash of what he found.
"""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import auth
from console.auth import Door, SignedIn
from console.pages import page
from console.showing import Words
from models.pseudonym import cases_of
from models.store.console import ConsoleStore

LONGEST = 256
"""Characters; the longest id of a case."""


def router(store: ConsoleStore, door: Door, key: str | None) -> APIRouter:
    """`/search`. `key` makes pseudonyms; None: only numbers that feeds sent as they are can be found."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/search")
    def ask(request: Request) -> Response:
        return _page(door.signed_in(request), HTTPStatus.OK, "")

    @routes.post("/search")
    def find(request: Request, fields: auth.Form) -> Response:
        who = door.signed_in(request)
        auth.check_word(fields, who)
        number = fields.get("number", "").strip()
        if not number:
            return _page(who, HTTPStatus.UNPROCESSABLE_ENTITY, "Type the number of an order or prescription.")
        if len(number) > LONGEST:
            long = f"That has {len(number):,} characters, and a number at most {LONGEST}: type the number alone."
            return _page(who, HTTPStatus.UNPROCESSABLE_ENTITY, long)
        wanted = cases_of(key, number)
        found = store.known(wanted, who.rights)
        for case in found or wanted[:1]:
            store.record(who.name, "search" if found else "search in vain", case)
        if len(found) == 1:
            return RedirectResponse(f"/cases/{found[0]}", HTTPStatus.SEE_OTHER)
        if found:
            return _page(who, HTTPStatus.OK, "", found)
        return _page(
            who, HTTPStatus.NOT_FOUND, "No case of that number is here, or none at the sites that you look after."
        )

    def _page(who: SignedIn, status: HTTPStatus, wrong: str, found: list[str] | None = None) -> HTMLResponse:
        words = Words(store.policy())
        return page(
            "search.html",
            status,
            wrong=wrong,
            found=found or [],
            keyed=key is not None,
            longest=LONGEST,
            words=words,
            session=who.session,
        )

    return routes
