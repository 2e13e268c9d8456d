"""The console: the pages that people see and the same as JSON for programs, put together from their parts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from console import (
    accounts,
    acting,
    audit,
    board,
    cases,
    charts,
    entrance,
    escalations,
    feed,
    first_run,
    links,
    listing,
    people,
    quality,
    reports,
    search,
    turnaround,
)
from console.auth import Door, Refused, SignInNeeded, log
from console.pages import turned_down
from console.policy_file import PolicyFile
from console.shell import HEADERS, Limited, Strict
from console.tally import Tallied
from metrics.exporter import CONTENT_TYPE_PLAIN_0_0_4, PrometheusRecorder, may_read
from models.errors import CallerFault
from models.settings import Settings
from models.store.connecting import DatabaseAway
from models.store.console import ConsoleStore
from models.store.messages import Voice

_STATIC = Path(__file__).parent / "static"


def create_app(
    settings: Settings,
    store: ConsoleStore,
    recorder: PrometheusRecorder,
    announce: first_run.Announce = first_run.unheard,
) -> FastAPI:
    """The console over a store, which it closes at its end. `app.state.feed.end()` lets all listeners go, without which
    they hold a server that stops. `announce` tells other programs of a version of the policy that was made here."""
    live = feed.Feed(store)

    @asynccontextmanager
    async def alive(app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(live.run())
        yield
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(store.close)

    app = FastAPI(
        title="RxPulse console",
        version=version("rxpulse"),
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=alive,
    )
    app.state.feed = live
    door = Door(settings, store)
    app.add_middleware(Limited)
    app.add_middleware(Strict, secure=door.secure)
    app.add_middleware(Tallied, recorder=recorder)
    for part in (
        entrance.router(store, door),
        board.router(store, door, PolicyFile(settings.policy)),
        accounts.router(store, door),
        audit.router(store, door),
        first_run.router(store, door, announce),
        people.router(store, door, Voice(settings.public_url or "http://127.0.0.1:7400")),
        listing.router(store, door),
        escalations.router(store, door),
        acting.router(store, door),
        links.router(store),
        charts.router(store, door),
        quality.router(store, door),
        reports.router(store, door, settings.home / "reports"),
        search.router(store, door, settings.pseudonym_key),
        turnaround.router(store, door),
        cases.router(store, door),
        feed.router(store, door, live),
    ):
        app.include_router(part)
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    _own_health(app, settings, store, recorder)
    _own_refusals(app)
    return app


def _own_health(app: FastAPI, settings: Settings, store: ConsoleStore, recorder: PrometheusRecorder) -> None:
    """`/healthz`, `/readyz` and `/metrics`, as every role has them."""

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> PlainTextResponse:
        return PlainTextResponse("alive\n")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> PlainTextResponse:
        missing = store.missing()
        return PlainTextResponse("ready\n") if missing is None else PlainTextResponse(f"{missing}\n", 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics(request: Request) -> PlainTextResponse:
        # Behind a proxy everybody seems to come from this machine.
        address = "0.0.0.0" if settings.behind_proxy or request.client is None else request.client.host
        if not may_read(address, request.headers.get("authorization"), settings.api_key):
            return PlainTextResponse("give the bearer token of this installation\n", 401)
        return PlainTextResponse(recorder.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _asked_wrongly(fault: RequestValidationError) -> tuple[HTTPStatus, str, str]:
    """Status, title and sentence for a program whose request does not fit: 400 where its body is no JSON or its address
    is wrong, 422 where something within the body is."""
    first = fault.errors()[0]
    where, *_ = place = [str(part) for part in first["loc"]]
    if first["type"] == "json_invalid":
        text = "The body is no JSON: send one object, as /api/v1/openapi.json shows it."
        return HTTPStatus.BAD_REQUEST, "That did not work", text
    status = HTTPStatus.UNPROCESSABLE_ENTITY if where == "body" else HTTPStatus.BAD_REQUEST
    named, limits = place[-1], first.get("ctx", {})
    match first["type"]:
        case "missing":
            text = f"{named} is missing."
        case "literal_error" | "enum":
            text = f"{named}: give {limits['expected']}."
        case "greater_than_equal":
            text = f"{named}: give at least {limits['ge']}."
        case "less_than_equal":
            text = f"{named}: give at most {limits['le']}."
        case _:
            text = f"{named} cannot be what it is; /api/v1/openapi.json says what it may be."
    return status, "That did not work", text


def _own_refusals(app: FastAPI) -> None:
    """How a request that is turned down is answered: in words for people, without a trace of the inside."""

    @app.exception_handler(SignInNeeded)
    def sign_in_needed(request: Request, fault: SignInNeeded) -> Response:
        if request.url.path.startswith("/api/"):
            text = "sign in, or give a bearer token"
            return turned_down(request, HTTPStatus.UNAUTHORIZED, "Sign in", text)
        return entrance.sign_in_page(HTTPStatus.UNAUTHORIZED)

    @app.exception_handler(Refused)
    def refused(request: Request, fault: Refused) -> Response:
        return turned_down(request, fault.status, "That did not work", fault.reason)

    @app.exception_handler(CallerFault)
    def caller_fault(request: Request, fault: CallerFault) -> Response:
        return turned_down(request, HTTPStatus.UNPROCESSABLE_ENTITY, "That did not work", str(fault))

    @app.exception_handler(DatabaseAway)
    def database_away(request: Request, fault: DatabaseAway) -> Response:
        log.error("%s", fault)
        text = "The database does not answer. Nothing is lost; this page comes back by itself."
        return turned_down(request, HTTPStatus.SERVICE_UNAVAILABLE, "One moment", text)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, fault: RequestValidationError) -> Response:
        if request.url.path.startswith("/api/"):
            return turned_down(request, *_asked_wrongly(fault))
        _, title, text = _asked_wrongly(fault)
        return turned_down(request, HTTPStatus.UNPROCESSABLE_ENTITY, title, text)

    @app.exception_handler(HTTPException)
    def not_there(request: Request, fault: HTTPException) -> Response:
        return turned_down(request, HTTPStatus(fault.status_code), "Not here", f"{fault.detail}.")

    @app.exception_handler(Exception)
    def broken(request: Request, fault: Exception) -> Response:
        text = "Something is wrong inside RxPulse; its log says what."
        answer = turned_down(request, HTTPStatus.INTERNAL_SERVER_ERROR, "That is our fault", text)
        answer.headers.update(HEADERS)
        return answer
