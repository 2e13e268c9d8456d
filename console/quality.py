"""The page of data quality: what may be wrong with the figures before anybody believes them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse

from console.ageing import page_age
from console.auth import Caller, Door
from console.listing import UNAUTHORIZED
from console.pages import page
from console.showing import Words, age
from models.store.console import ConsoleStore
from models.store.quality import Quality

MANY = 0.2
"""Where more than a fifth of a site's outcomes are late, its rates are judged on too little (semantics 21)."""


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/quality`, and the same as JSON."""
    routes = APIRouter()

    @routes.get("/quality", include_in_schema=False)
    def show(request: Request) -> HTMLResponse:
        who = door.signed_in(request)
        found, words = store.quality(who.rights), Words(store.policy())
        return page(
            "quality.html",
            found=found,
            many=MANY,
            how_old=page_age(store, words),
            words=words,
            since=lambda instant: age(found.now - instant),
            session=who.session,
        )

    @routes.get("/api/v1/quality", tags=["quality"], responses=UNAUTHORIZED)
    def read(caller: Annotated[Caller, Depends(door.caller)]) -> Quality:
        """What each feed sent: events, duplicates, types nobody knows, fields dropped, clock skew, when it was last heard;
        how many outcomes were late; how many records could not be read."""
        return store.quality(caller.rights)

    return routes
