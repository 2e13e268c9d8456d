"""The intake's door: systems that speak our own format post their events here, and are told at once what became of them.

An answer of 202 means that every event lies in Kafka. Any other answer means that the sender has to send again, after
mending what the answer names; sending twice does no harm. A token opens the door for the sources and sites that it is
bound to, and for no others.
"""

# Named after what it speaks; nobody imports the standard library's package from beside it.
# ruff: noqa: A005
import asyncio
import hmac
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from metrics import catalog
from metrics.exporter import CONTENT_TYPE_PLAIN_0_0_4, PrometheusRecorder, may_read
from models.errors import OurFault
from models.event import Event
from models.store.intake import Standing
from models.store.tokens import Token, hashed
from models.wire import MAX_RECORD
from streams.intake import contract
from streams.intake.reception import (
    TOO_LARGE,
    Cleaned,
    Examined,
    Refused,
    Unconfirmed,
    Unreadable,
    examine,
    forbidden,
    read,
)

log = logging.getLogger(__name__)
MAX_BATCH = 8 * MAX_RECORD
"""Bytes of a batch."""
_RETRY_BEHIND, _RETRY_AWAY = "30", "5"
_DRAINED = 4
"""So many times the bytes allowed are read and thrown away, so that a sender of too many hears the answer."""
HOW = f"send one event as {contract.SINGLE} or a list as {contract.BATCH}"


@dataclass(frozen=True, slots=True)
class Behind:
    """What stands behind the door. `standing` and `deliver` may block; `standing` raises OurFault where the store never
    answered, `deliver` Unconfirmed. `missing` says what is missing for the role to work. A worker that is `max_lag_seconds`
    behind is not given more (0: it always is). `body_seconds` is how long the body of a request may take to come."""

    standing: Callable[[], Standing]
    deliver: Callable[[Sequence[Cleaned]], None]
    missing: Callable[[], str | None]
    recorder: PrometheusRecorder
    api_key: str | None
    pseudonym_key: str
    max_lag_seconds: float = 300.0
    body_seconds: float = 30.0


class _Answer(Exception):
    """The answer to a request of which nothing is taken. `more` stands in it beside the error and the items."""

    def __init__(
        self,
        status: int,
        error: str,
        items: Sequence[Refused] = (),
        more: Mapping[str, object] | None = None,
        **headers: str,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.body = {"error": error, "items": [asdict(item) for item in items], **(more or {})}
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def create_app(behind: Behind) -> FastAPI:
    """The intake as an ASGI application."""
    app = FastAPI(title="RxPulse intake", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    door = _Door(behind)

    @app.post(
        "/api/v1/events",
        status_code=202,
        summary="Take one event or a batch, all of it or nothing",
        responses=contract.ANSWERS,
        openapi_extra={"requestBody": contract.BODY, "security": [{"token": []}]},
    )
    async def events(request: Request) -> Response:
        return await door.take(request)

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        return Response("alive\n", media_type="text/plain")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        missing = await asyncio.to_thread(behind.missing)
        return Response(f"{missing or 'ready'}\n", 503 if missing else 200, media_type="text/plain")

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        if not may_read(_address(request), request.headers.get("authorization"), behind.api_key):
            return Response("give the bearer token of this installation\n", 401, media_type="text/plain")
        return Response(behind.recorder.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)

    @app.exception_handler(HTTPException)
    async def elsewhere(_: Request, fault: HTTPException) -> Response:
        """Another address or method, in the shape of every other refusal."""
        told = f"{fault.detail}: send events by POST to /api/v1/events"
        return JSONResponse({"error": told, "items": []}, fault.status_code, fault.headers)

    return app


class _Door:
    def __init__(self, behind: Behind) -> None:
        self._behind = behind

    async def take(self, request: Request) -> Response:
        try:
            answer = await self._taken(request)
        except _Answer as refusal:
            answer = JSONResponse(refusal.body, refusal.status, refusal.headers)
        except ClientDisconnect:
            answer = Response(status_code=400)
        self._behind.recorder.add(catalog.INTAKE_REQUESTS, 1, str(answer.status_code))
        return answer

    async def _taken(self, request: Request) -> Response:
        standing = await self._standing()
        may_send = self._sender(request, standing)
        batch = _media_type(request) == contract.BATCH
        self._keep_up(standing)
        body = await self._body(request, MAX_BATCH if batch else MAX_RECORD)
        found = await asyncio.to_thread(self._examined, body, batch, standing, may_send)
        await self._delivered(found)
        return JSONResponse(self._counted(found), 202)

    async def _standing(self) -> Standing:
        try:
            standing = await asyncio.to_thread(self._behind.standing)
        except OurFault as fault:
            raise _Answer(503, f"{fault}: send the same again later", Retry_After=_RETRY_AWAY) from fault
        if standing.policy is None:
            raise _Answer(503, "the store holds no policy yet: send the same again later", Retry_After=_RETRY_AWAY)
        return standing

    def _sender(self, request: Request, standing: Standing) -> Callable[[Event], bool]:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        given, key = given.strip(), self._behind.api_key
        if scheme.lower() == "bearer" and given:
            if key is not None and hmac.compare_digest(given.encode(), key.encode()):
                return lambda _: True
            token = standing.tokens.get(hashed(given))
            if token is not None:
                return _bound(token)
        raise _Answer(
            401, "give a token as `Authorization: Bearer ...`: see `rxpulse token add`", WWW_Authenticate="Bearer"
        )

    def _keep_up(self, standing: Standing) -> None:
        """Takes nothing while the worker is too far behind: the sender, who knows what is urgent, keeps it. Where that is
        not known, everything is taken, for what lies in Kafka is safe."""
        behind, most = standing.behind, self._behind.max_lag_seconds
        self._behind.recorder.set(catalog.INTAKE_BEHIND, behind or 0.0)
        if behind is not None and 0 < most < behind:
            told = f"the worker is {behind:.0f} seconds behind, and {most:g} are allowed: send the same again later"
            more = {"reason": "worker behind", "behind_seconds": round(behind, 1)}
            raise _Answer(429, told, more=more, Retry_After=_RETRY_BEHIND)

    async def _body(self, request: Request, limit: int) -> bytes:
        kept, size = bytearray(), 0
        try:
            async with asyncio.timeout(self._behind.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= limit:
                        kept += chunk
                    elif size > _DRAINED * limit:
                        break
        except TimeoutError as fault:
            raise _Answer(408, "the body came too slowly: send less at once", Connection="close") from fault
        if size > limit:
            raise _Answer(413, f"the body has more than {limit} bytes: send less at once", Connection="close")
        return bytes(kept)

    def _examined(self, body: bytes, batch: bool, standing: Standing, may_send: Callable[[Event], bool]) -> Examined:
        assert standing.policy is not None
        try:
            items = read(body, batch=batch)
        except Unreadable as fault:
            self._behind.recorder.add(catalog.INTAKE_REFUSED, 1, "unreadable")
            raise _Answer(400, f"{fault}; nothing was taken") from fault
        found = examine(items, datetime.now(UTC), standing.policy, self._behind.pseudonym_key)
        for one in found.refused:
            self._behind.recorder.add(catalog.INTAKE_REFUSED, 1, one.reason)
        if found.refused:
            large = any(one.reason == TOO_LARGE for one in found.refused)
            told = f"{len(found.refused)} of {len(items)} items cannot be taken; nothing was taken"
            raise _Answer(413 if large else 400, told, found.refused)
        if foreign := forbidden(found.events, may_send):
            self._behind.recorder.add(catalog.INTAKE_REFUSED, len(foreign), foreign[0].reason)
            raise _Answer(
                403, f"the token may not send {len(foreign)} of {len(items)} items; nothing was taken", foreign
            )
        return found

    async def _delivered(self, found: Examined) -> None:
        try:
            await asyncio.to_thread(self._behind.deliver, found.records)
        except Unconfirmed as fault:
            log.warning("%s", fault)
            told = f"{fault}. Send all of them again: what was taken already changes nothing"
            raise _Answer(503, told, Retry_After=_RETRY_AWAY) from fault

    def _counted(self, found: Examined) -> dict[str, int]:
        recorder = self._behind.recorder
        recorder.add(catalog.INTAKE_EVENTS, len(found.events))
        for source, fields in found.dropped.items():
            recorder.add(catalog.INTAKE_DROPPED, fields, source)
        for what in ("site", "type"):
            recorder.add(catalog.INTAKE_UNKNOWN, found.unknown[what], what)
        return {
            "accepted": len(found.events),
            "dropped_fields": found.dropped.total(),
            "unknown_sites": found.unknown["site"],
            "unknown_types": found.unknown["type"],
        }


def _bound(token: Token) -> Callable[[Event], bool]:
    return lambda event: token.may_send(event.source, event.site)


def _media_type(request: Request) -> str:
    named = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if named not in (contract.SINGLE, contract.BATCH):
        raise _Answer(415, HOW, Accept=f"{contract.SINGLE}, {contract.BATCH}")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise _Answer(415, "send the body as it is, without Content-Encoding", Accept_Encoding="identity")
    return named


def _address(request: Request) -> str:
    """Where a request comes from; an address of nowhere where that cannot be told."""
    try:
        return str(ip_address(request.client.host if request.client else ""))
    except ValueError:
        return "0.0.0.0"
