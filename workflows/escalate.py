"""One message on its way to a person, as a Prefect flow.

Prefect shows every page that went out, and when; but no page waits for it. The flow has a moment to begin; if it has not
by then (the server is slow, away or stalled), the message is sent by the same plain function without it, and the run is
noted when Prefect is back. Whoever comes second finds the message sent. Flows run in a thread of their own: on the way to
one Prefect asks its server within plain calls, and whoever shared its loop would stand still with it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from threading import Event as Flag
from typing import Any

from prefect import flow

from workflows.beside import Beside
from workflows.notify.answer import Answer

BEGIN_WITHIN = 0.4
"""Seconds that a flow has to begin."""
AT_ONCE = 5
"""Flows at once; more only queue in the server."""
_MISSED_KEPT = 100
log = logging.getLogger("rxpulse.dispatcher")
Send = Callable[[], Awaitable[Answer]]


class Once:
    """Sends exactly once, whoever comes first, and gives everybody the same answer. Belongs to the loop it is made in."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._task: asyncio.Task[Answer] | None = None
        self._loop = asyncio.get_running_loop()
        self.begun = asyncio.Event()

    async def run(self) -> Answer:
        """The answer; sends if nobody has."""
        if self._task is None:
            self.begun.set()
            self._task = asyncio.ensure_future(self._send())
        # Whoever waits may be cancelled; what is being sent goes on.
        return await asyncio.shield(self._task)

    async def run_from_elsewhere(self) -> Answer:
        """The answer, for whoever runs in another thread's loop; it is sent in this one's."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.run(), self._loop))


_under_way: dict[str, Once] = {}
"""What the flows of this process are to send: a flow's parameters are names only."""


@flow(name="escalate", flow_run_name="{escalation}/{key}", persist_result=False, log_prints=False)
async def escalate(escalation: str, key: str) -> str:
    """Sends the message `key` of an escalation, unless that was done already. Returns what became of it."""
    once = _under_way.get(key)
    if once is None:
        return "sent without Prefect before this run began"
    answer = await once.run_from_elsewhere()
    return f"{type(answer).__name__}: {answer.answer}"


@flow(name="noted-later", persist_result=False)
async def noted_later(keys: list[str]) -> int:
    """Messages that went out while Prefect did not answer. Returns how many."""
    return len(keys)


class Orchestration:
    """Runs messages as flows while `healthy` is set, else without. `missed` are the keys sent without."""

    def __init__(
        self, run: Callable[..., Awaitable[Any]] = escalate, note: Callable[..., Awaitable[Any]] = noted_later
    ) -> None:
        self._run = run
        self._note = note
        self._prefect = Beside("prefect")
        self._runs: set[Future[None]] = set()
        self.healthy = Flag()
        self.missed: list[str] = []

    async def send(self, escalation: str, key: str, send: Send) -> Answer:
        """Sends once, through Prefect if it is quick enough."""
        once = Once(send)
        if not self.healthy.is_set() or len(self._runs) >= AT_ONCE:
            return await self._without(key, once)
        _under_way[key] = once
        self._begin(self._flow(escalation, key))
        try:
            await asyncio.wait_for(once.begun.wait(), BEGIN_WITHIN)
        except TimeoutError:
            return await self._without(key, once)
        return await once.run()

    def note(self) -> None:
        """Tells Prefect of what went out without it, and waits for nothing."""
        keys, self.missed = self.missed[-_MISSED_KEPT:], []
        if keys:
            self._begin(self._noted(keys))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        run = self._prefect.begin(work)
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    async def _without(self, key: str, once: Once) -> Answer:
        self.missed.append(key)
        return await once.run()

    async def _flow(self, escalation: str, key: str) -> None:
        try:
            await self._run(escalation, key)
        except Exception as fault:
            # Prefect's own troubles come in many classes; the message has gone out, or goes out, without it.
            self.healthy.clear()
            log.warning("Prefect did not run the flow of %s: %s", key, fault)
        finally:
            _under_way.pop(key, None)

    async def _noted(self, keys: list[str]) -> None:
        try:
            await self._note(keys)
        except Exception as fault:
            # Prefect went away again; what it missed is in the store in any case.
            log.warning("Prefect could not be told what went out without it: %s", fault)
