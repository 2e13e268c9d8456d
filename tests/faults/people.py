"""Somebody who is told, and the dispatcher that tells him: nobody may be told twice, whatever happens to the servers.

Where the dispatcher ends just after something was sent, nobody can write down that it was: once its lease is over it is sent
again under the same key, by which a receiver tells a repetition. So does the one here.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from threading import Event as Flag
from threading import Thread
from typing import Any

import psycopg

from metrics.recorder import NullRecorder
from models.policy import Channel, Person
from models.store.connecting import DatabaseAway
from models.store.deliveries import LEASE
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
_LONG_AGO = "SELECT id FROM signals WHERE id = ANY(%s) AND kind <> 'feed' AND raised < now() - interval '1 day'"
_SOON = LEASE.total_seconds() / 2
"""Seconds within which no lease can be over: it began before the first of two was sent."""


class People:
    """Ana's gateway and a dispatcher in a thread, started again where the database took it down, as its supervisor would.
    `heard` are the messages that were accepted by their keys, `times` when each was, `downs` when the dispatcher was taken down
    (both of the monotonic clock)."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._stop = Flag()
        self._thread = Thread(target=self._live, name="people", daemon=True)
        self._fault: BaseException | None = None
        self.heard: dict[str, dict[str, Any]] = {}
        self.times: dict[str, list[float]] = defaultdict(list)
        self.downs: list[float] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(30)

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Delivered:
        """The gateway takes everything."""
        assert person.key == "ana"
        self.heard[key] = message
        self.times[key].append(time.monotonic())
        return Delivered("taken")

    def told(self) -> set[str]:
        """The ids of the signals that somebody has heard of."""
        return {about["signal"]["id"] for about in self._pages() if about["signal"]}

    def differs(self, late: set[str]) -> Iterator[str]:
        """Where somebody was told twice, or not at all. `late` are the ids of the signals that somebody is to hear of."""
        if self._fault is not None:
            yield f"the dispatcher ended: {self._fault!r}"
        for key, times in list(self.times.items()):
            if not all(self._excused(earlier, later) for earlier, later in pairwise(times)):
                yield f"{key} was sent {len(times)} times, and again while its lease held or its sender lived"
        first = Counter(about["signal"]["id"] for about in self._pages() if about["signal"] and about["loop"] == 1)
        yield from (f"signal {name} was told {count} times" for name, count in first.items() if count > 1)
        yield from (f"signal {name} was told to nobody" for name in late - set(first))
        yield from (f"signal {name} was told long after it was raised" for name in self._stale(first))

    def _excused(self, earlier: float, later: float) -> bool:
        """Whether nobody could write down that something was sent, and its lease was over when it was sent again."""
        return later - earlier >= _SOON and any(earlier <= down <= later for down in self.downs)

    def _stale(self, told: Iterable[str]) -> set[str]:
        """What was told of the feed, which happened long ago: reading history pages nobody."""
        with psycopg.connect(self._database_url) as connection:
            return {name for (name,) in connection.execute(_LONG_AGO, [list(told)])}

    def _pages(self) -> list[dict[str, Any]]:
        return [message["data"] for message in list(self.heard.values()) if message["type"] == "rx.escalation.page"]

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
                self.downs.append(time.monotonic())

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
