"""The live feed: every change of a signal or escalation, sent to whoever listens as it happens (server-sent events).

One question a moment to the database serves all listeners. A listener who was away says the last number he saw and is
given what came after; if that is no longer held, he is told to start afresh and given the present.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from console.auth import Caller, Door, Refused
from models.store.connecting import DatabaseAway
from models.store.console import ConsoleStore
from models.store.items import EscalationItem, SignalItem
from models.store.lists import Asked
from models.store.live import ESCALATION, SIGNAL, Happening, Held
from models.store.rights import Rights

LISTENERS = 64
KEEP_ALIVE_SECONDS = 15.0
_ASK_SECONDS = 0.5
_REMEMBERED = 2000
_PRESENT = 200
_BACK_AFTER = b"retry: 3000\n"
_item = TypeAdapter(SignalItem | EscalationItem)


class Feed:
    """What was announced lately, and those who wait for more. All methods belong to the loop of `run`."""

    def __init__(self, store: ConsoleStore) -> None:
        self._store = store
        self._lately: deque[Happening] = deque(maxlen=_REMEMBERED)
        self._last: int | None = None
        self._changed = asyncio.Condition()
        self._beginnings = 0
        self._ended = False
        self.listeners = 0

    async def run(self) -> None:
        """Asks for news until it is cancelled; while the database is away, it waits for it."""
        while not self._ended:
            try:
                news = await self._news()
            except DatabaseAway:
                news = []
            if news:
                async with self._changed:
                    self._lately.extend(news)
                    self._last = news[-1].number
                    self._changed.notify_all()
            else:
                await asyncio.sleep(_ASK_SECONDS)

    def end(self) -> None:
        """Lets all listeners go; each notices within a moment."""
        self._ended = True

    async def listen(
        self, seen: int | None, held: Held, rights: Rights, welcome: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        """The events that `rights` show to one listener who has seen `seen` (None: comes anew), while `welcome` says
        so."""
        self.listeners += 1
        try:
            if seen is None or held.can_resume(seen):
                at = held.last if seen is None else seen
                yield _BACK_AFTER + f"id: {at}\n\n".encode()
            else:
                at = held.last
                yield b"".join(await run_in_threadpool(self._present, at, rights))
            async for events in self._from(at, rights, welcome):
                yield events
        except DatabaseAway:
            return  # Who listens comes back, and says what he saw last.
        finally:
            self.listeners -= 1

    async def _from(self, at: int, rights: Rights, welcome: Callable[[], bool]) -> AsyncIterator[bytes]:
        quiet_since = asyncio.get_running_loop().time()
        beginning = self._beginnings
        while not self._ended and beginning == self._beginnings:
            news = await self._after(at)
            at = news[-1].number if news else at
            shown = [one for one in news if one.item is not None and rights.at(one.item.site)]
            if shown:
                # In one piece: a line that was cut is noticed between two pieces only, and each further one that is
                # written into it before is a complaint of the server's in the log.
                yield b"".join(_event(one.topic, one.number, _item.dump_json(one.item)) for one in shown)
            await self._wait(at)
            if asyncio.get_running_loop().time() - quiet_since >= KEEP_ALIVE_SECONDS:
                quiet_since = asyncio.get_running_loop().time()
                if not await run_in_threadpool(welcome):
                    return
                yield b": still here\n\n"

    async def _news(self) -> list[Happening]:
        held = await run_in_threadpool(self._store.held)
        if self._last is None:
            self._last = held.last
        elif held.last < self._last:
            # The store was emptied and counts afresh: everybody who listens has to come again.
            self._last, self._beginnings = held.last, self._beginnings + 1
            self._lately.clear()
        return await run_in_threadpool(self._store.since, self._last) if held.last > self._last else []

    async def _after(self, number: int) -> list[Happening]:
        if self._last is None or number >= self._last:
            return []
        if self._lately and self._lately[0].number <= number + 1:
            return [one for one in self._lately if one.number > number]
        return await run_in_threadpool(self._store.since, number)

    async def _wait(self, number: int) -> None:
        """Until there is more than `number`, or a moment has passed."""
        async with self._changed:
            if self._last is not None and self._last > number:
                return
            try:
                await asyncio.wait_for(self._changed.wait(), 1.0)
            except TimeoutError:
                return

    def _present(self, number: int, rights: Rights) -> list[bytes]:
        signals = self._store.signals(Asked(rights=rights), _PRESENT, None).items
        escalations = self._store.escalations(Asked(rights=rights), _PRESENT, None).items
        return [
            _BACK_AFTER + _event("reset", number, json.dumps({"from": number}).encode()),
            *(_event(SIGNAL, number, _item.dump_json(one)) for one in signals),
            *(_event(ESCALATION, number, _item.dump_json(one)) for one in escalations),
        ]


def router(store: ConsoleStore, door: Door, feed: Feed) -> APIRouter:
    """`GET /feed`."""
    routes = APIRouter()

    @routes.get("/api/v1/feed", tags=["feed"], response_class=StreamingResponse)
    async def listen(
        caller: Annotated[Caller, Depends(door.caller)],
        last_event_id: Annotated[str | None, Header()] = None,
    ) -> StreamingResponse:
        """Server-sent events `signal` and `escalation`, each with the list's item; `reset` where what was missed is no
        longer held. Resumed by `Last-Event-ID`."""
        if feed.listeners >= LISTENERS:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"{LISTENERS} listen already: try again later")
        held = await run_in_threadpool(store.held)
        events = feed.listen(_seen(last_event_id), held, caller.rights, lambda: door.still_signed_in(caller))
        return StreamingResponse(events, media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    return routes


def _seen(last_event_id: str | None) -> int | None:
    """The number that a listener saw last; one that is no number was never held."""
    if not last_event_id:
        return None
    return int(last_event_id) if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 19 else -2


def _event(topic: str, number: int, data: bytes) -> bytes:
    return f"event: {topic}\nid: {number}\ndata: ".encode() + data + b"\n\n"
