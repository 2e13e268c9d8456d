"""Somebody who is told, and the dispatcher that tells him: nobody may be told twice, whatever happens to the servers."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from threading import Event as Flag
from threading import Thread
from typing import Any

import psycopg

from metrics.recorder import NullRecorder
from models.policy import Channel, Person
from models.store.connecting import DatabaseAway
from models.store.messages import Voice
from models.store.pool import Pool
from workflows.dispatcher import Dispatcher
from workflows.notify.answer import Delivered

POLICY = """
[person.ana]
name = "Ana"
webhook = "https://ana.example.org/hook"
[ladder.everything]
steps = [{ after = "0s", to = ["person:ana"], by = ["webhook"] }]
"""


class People:
    """Ana's gateway and a dispatcher in a thread, started again where the database took it down, as its supervisor would.
    `heard` are the keys and messages that were accepted."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._stop = Flag()
        self._thread = Thread(target=self._live, name="people", daemon=True)
        self._fault: BaseException | None = None
        self.heard: list[tuple[str, dict[str, Any]]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Delivered:
        """The gateway takes everything."""
        assert person.key == "ana"
        self.heard.append((key, message))
        return Delivered("taken")

    def told(self) -> set[str]:
        """The ids of the signals that somebody has heard of."""
        return {about["signal"]["id"] for about in self._pages() if about["signal"]}

    def differs(self, late: set[str]) -> Iterator[str]:
        """Where somebody was told twice, or not at all. `late` are the ids of the signals that somebody is to hear of."""
        if self._fault is not None:
            yield f"the dispatcher ended: {self._fault!r}"
        keys = Counter(key for key, _ in self.heard)
        yield from (f"{key} was sent {count} times" for key, count in keys.items() if count > 1)
        first = Counter(about["signal"]["id"] for about in self._pages() if about["signal"] and about["loop"] == 1)
        yield from (f"signal {name} was told {count} times" for name, count in first.items() if count > 1)
        yield from (f"signal {name} was told to nobody" for name in late - set(first))

    def _pages(self) -> list[dict[str, Any]]:
        return [message["data"] for _, message in self.heard if message["type"] == "rx.escalation.page"]

    def _live(self) -> None:
        try:
            asyncio.run(self._again_and_again())
        except BaseException as fault:  # said when everything is held together
            self._fault = fault

    async def _again_and_again(self) -> None:
        stopped = asyncio.create_task(asyncio.to_thread(self._stop.wait))
        while not stopped.done():
            try:
                await self._dispatch(stopped)
            except (psycopg.OperationalError, DatabaseAway):
                continue

    async def _dispatch(self, stopped: "asyncio.Task[bool]") -> None:
        """One life of a dispatcher."""
        pool = await asyncio.to_thread(Pool, self._database_url, "rxpulse dispatcher", 2)
        gateway, voice = {Channel.WEBHOOK: self}, Voice("https://rx.example.org")
        dispatcher = Dispatcher(pool, self._database_url, lambda _: gateway, voice, NullRecorder(), None)
        work = asyncio.create_task(dispatcher.run())
        try:
            await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await asyncio.to_thread(pool.close)
