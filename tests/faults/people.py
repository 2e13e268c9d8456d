"""Somebody who is told, and the dispatcher that tells her: nobody may be told twice, whatever happens to the servers.

Where the dispatcher ends just after something was sent, nobody can write down that it was: once its lease is over it is sent
again under the same key, by which a receiver tells a repetition. So does the one here.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
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

HOOK = "https://ana.example.org/hook"
POLICY = f"""
[person.ana]
name = "Ana"
webhook = "{HOOK}"
[ladder.everything]
steps = [{{ after = "0s", to = ["person:ana"], by = ["webhook"] }}]
"""
_LONG_AGO = "SELECT id FROM signals WHERE id = ANY(%s) AND kind <> 'feed' AND raised < now() - interval '1 day'"
_SOON = LEASE.total_seconds() / 2
"""Seconds within which no lease can be over: it began before the first of two was sent."""


@dataclass(frozen=True, slots=True)
class Down:
    """A dispatcher was taken down `at` (of the monotonic clock). `in_flight` are the keys of what it was sending; None: nobody
    looked."""

    at: float
    in_flight: frozenset[str] | None = None

    def excuses(self, key: str, earlier: float, later: float) -> bool:
        """Whether a message that was sent then, and again later, may not have been written down."""
        return earlier <= self.at <= later and (self.in_flight is None or key in self.in_flight)


class People:
    """Ana, and the dispatchers that tell her. `tell` lets them live, one after the other, until the flag is set; None: in this
    process. `heard` are the messages that she got by their keys, `times` when each (of the monotonic clock), `downs` whenever a
    dispatcher was taken down."""

    def __init__(self, database_url: str, tell: "Callable[[People, Flag], None] | None" = None) -> None:
        self.database_url = database_url
        self._tell = tell or in_this_process
        self._stop = Flag()
        self._thread: Thread | None = None
        self._fault: BaseException | None = None
        self.heard: dict[str, dict[str, Any]] = {}
        self.times: dict[str, list[float]] = defaultdict(list)
        self.downs: list[Down] = []

    def start(self) -> None:
        """A dispatcher is at work from now on, if none is yet."""
        if self._thread is None:
            self._stop.clear()
            self._thread = Thread(target=self._live, name="people", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """None is at work any more."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join(30)
            assert not self._thread.is_alive(), "the dispatcher does not stop"
            self._thread = None

    def hear(self, key: str, message: dict[str, Any]) -> None:
        """A message has come."""
        self.heard[key] = message
        self.times[key].append(time.monotonic())

    def went_down(self, in_flight: Iterable[str] | None = None) -> None:
        """A dispatcher was taken down; see `Down`."""
        self.downs.append(Down(time.monotonic(), None if in_flight is None else frozenset(in_flight)))

    def told(self) -> set[str]:
        """The ids of the signals that somebody has heard of."""
        return {about["signal"]["id"] for about in self._pages() if about["signal"]}

    def differs(self, late: set[str]) -> Iterator[str]:
        """Where somebody was told twice, or not at all. `late` are the ids of the signals that somebody is to hear of."""
        if self._fault is not None:
            yield f"the dispatcher ended: {self._fault!r}"
        for key, times in list(self.times.items()):
            if not all(self._excused(key, earlier, later) for earlier, later in pairwise(times)):
                yield f"{key} was sent {len(times)} times, and again while its lease held or its sender lived"
        first = Counter(about["signal"]["id"] for about in self._pages() if about["signal"] and about["loop"] == 1)
        yield from (f"signal {name} was told {count} times" for name, count in first.items() if count > 1)
        yield from (f"signal {name} was told to nobody" for name in late - set(first))
        yield from (f"signal {name} was told long after it was raised" for name in self._stale(first))

    def _excused(self, key: str, earlier: float, later: float) -> bool:
        """Whether nobody could write down that something was sent, and its lease was over when it was sent again."""
        return later - earlier >= _SOON and any(down.excuses(key, earlier, later) for down in self.downs)

    def _stale(self, told: Iterable[str]) -> set[str]:
        """What was told of the feed, which happened long ago: reading history pages nobody."""
        with psycopg.connect(self.database_url) as connection:
            return {name for (name,) in connection.execute(_LONG_AGO, [list(told)])}

    def _pages(self) -> list[dict[str, Any]]:
        return [message["data"] for message in list(self.heard.values()) if message["type"] == "rx.escalation.page"]

    def _live(self) -> None:
        try:
            self._tell(self, self._stop)
        except BaseException as fault:  # said when everything is held together
            self._fault = fault


def in_this_process(people: People, stop: Flag) -> None:
    """The dispatcher as tasks of this thread, started again where the database took it down."""
    asyncio.run(_again_and_again(people, stop))


async def _again_and_again(people: People, stop: Flag) -> None:
    stopped = asyncio.create_task(asyncio.to_thread(stop.wait))
    while not stopped.done():
        try:
            await _dispatch(people, stopped)
        except (psycopg.OperationalError, DatabaseAway):
            people.went_down()


async def _dispatch(people: People, stopped: "asyncio.Task[bool]") -> None:
    """One life of a dispatcher."""
    pool = await asyncio.to_thread(Pool, people.database_url, "rxpulse dispatcher", 2)
    gateway, voice = {Channel.WEBHOOK: _Gateway(people)}, Voice("https://rx.example.org")
    dispatcher = Dispatcher(pool, people.database_url, lambda _: gateway, voice, NullRecorder(), None)
    work = asyncio.create_task(dispatcher.run())
    try:
        await asyncio.wait({work, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        await asyncio.to_thread(pool.close)


@dataclass(frozen=True, slots=True)
class _Gateway:
    """It takes everything."""

    people: People

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Delivered:
        assert person.key == "ana"
        self.people.hear(key, message)
        return Delivered("taken")
