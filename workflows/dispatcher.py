"""The dispatcher: signals in, people told, within a second.

It wakes when the worker writes a signal that asks for attention, and looks by itself four times a second. What is to be
told is decided in one transaction; the messages go out side by side, each through Prefect if Prefect is there. If the
process dies, another one goes on: everything it knows stands in the store.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import Event as Flag
from time import monotonic, time

import httpx

from metrics import catalog
from metrics.logbook import correlate
from metrics.recorder import Recorder
from models.errors import OurFault
from models.policy import Channel, ChannelSettings, Person, Policies, Policy
from models.store import deliveries
from models.store.changes import ATTENTION
from models.store.connecting import DatabaseAway
from models.store.deliveries import Taken
from models.store.desk import Desk, act, attend, now
from models.store.gone import gone
from models.store.hearing import listen
from models.store.linking import signing_key
from models.store.messages import Voice, with_link
from models.store.policies import read_policies
from models.store.pool import Pool
from models.store.spoken import look_again
from models.store.stops import catch_up, look_back
from models.store.watchman import watch
from workflows.escalate import Orchestration
from workflows.notify.answer import Answer, Delivered, Notifier, Refused, RetryAfter

EVERY = 0.25
"""Seconds between two looks when nothing is heard."""
_PROBE_EVERY = 1.0
_PROBE_WITHIN = 0.5
_POLICY_EVERY = 1.0
_WATCH_EVERY = 1.0
log = logging.getLogger("rxpulse.dispatcher")


class NoPolicy(OurFault):
    """The store holds no policy yet."""


class Dispatcher:
    """`channels` makes the notifiers of what the policy sets up; one that is not there refuses. `prefect_url` None: no
    Prefect."""

    def __init__(
        self,
        pool: Pool,
        database_url: str,
        channels: Callable[[ChannelSettings], Mapping[Channel, Notifier]],
        voice: Voice,
        recorder: Recorder,
        prefect_url: str | None,
    ) -> None:
        self._pool = pool
        self._database_url = database_url
        self._channels = channels
        self._voice = voice
        self._recorder = recorder
        self._prefect_url = prefect_url
        self._orchestration = Orchestration()
        self._sending: set[asyncio.Task[None]] = set()
        self._unsettled: deque[tuple[Taken, Answer]] = deque()
        self._stop = Flag()
        self._policies: Policies | None = None
        self._policy_read = 0.0
        self._signing_key = b""
        self._watched = 0.0
        self.fault: str | None = "the dispatcher has not looked yet"

    def missing(self) -> str | None:
        """What keeps the dispatcher from its work, in words; None while it works."""
        return self.fault

    async def run(self) -> None:
        """Works until cancelled."""
        woken, loop = asyncio.Event(), asyncio.get_running_loop()
        listen(
            self._database_url,
            ATTENTION,
            "rxpulse dispatcher hears",
            lambda: loop.call_soon_threadsafe(woken.set),
            self._stop,
        )
        probe = asyncio.create_task(self._watch_prefect())
        try:
            desk = await asyncio.to_thread(self._begin)
            while True:
                await self._round(desk)
                await _first_of(woken, EVERY)
        finally:
            self._stop.set()
            probe.cancel()
            await asyncio.gather(probe, *self._sending, return_exceptions=True)

    async def _round(self, desk: Desk) -> None:
        try:
            desk = replace(desk, policy=await asyncio.to_thread(self._policy))
            while await asyncio.to_thread(self._decide, desk):
                pass
            if monotonic() - self._watched > _WATCH_EVERY:
                self._watched = monotonic()
                await asyncio.to_thread(self._watch, desk)
            await self._settle_late()
            for taken in await asyncio.to_thread(self._take):
                task = asyncio.create_task(self._deliver(desk.policy, taken))
                self._sending.add(task)
                task.add_done_callback(self._sent)
            self.fault = None
            self._recorder.set(catalog.ROUND, time())
        except DatabaseAway as fault:
            self.fault = str(fault)
            log.warning("%s", fault)
            await asyncio.sleep(1.0)

    def _begin(self) -> Desk:
        with self._pool.connection() as connection:
            self._signing_key = signing_key(connection)
            return Desk(self._policy(), now(connection), self._voice)

    def _policy(self) -> Policy:
        if self._policies is None or monotonic() - self._policy_read > _POLICY_EVERY:
            with self._pool.connection() as connection:
                self._policies = read_policies(connection, self._policies) or self._policies
            self._policy_read = monotonic()
        if self._policies is None:
            raise NoPolicy("the store holds no policy: run `rxpulse _migrate` first")
        return self._policies.latest

    def _decide(self, desk: Desk) -> int:
        """One step of everything that is to be decided now; 0 once there is nothing."""
        with self._pool.connection() as connection:
            attended = attend(connection, desk)
            acted = act(connection, desk)
        self._recorder.add(catalog.SIGNALS_ATTENDED, attended)
        return attended + acted

    def _watch(self, desk: Desk) -> None:
        """What nobody else would notice: a worker that does not judge, what a stop kept back, be it the
        dispatcher's own, and what a silent feed did."""
        with self._pool.connection() as connection:
            watch(connection, desk)
            look_back(connection, desk)
            catch_up(connection, desk)
            look_again(connection, desk)

    def _take(self) -> list[Taken]:
        with self._pool.connection() as connection:
            return deliveries.take(connection)

    async def _deliver(self, policy: Policy, taken: Taken) -> None:
        correlate(f"escalation {taken.escalation}")
        begun = monotonic()
        answer = await self._orchestration.send(taken.escalation, taken.key, lambda: self._attempt(policy, taken))
        try:
            await asyncio.to_thread(self._settle, taken, answer)
        except DatabaseAway as fault:
            log.warning("an answer waits to be written down: %s", fault)
            self._unsettled.append((taken, answer))
        self._recorder.add(catalog.DELIVERIES, 1, taken.channel, _OUTCOMES[type(answer)])
        if taken.attempt == 1:
            self._recorder.observe(catalog.PAGE_SECONDS, monotonic() - begun, taken.channel)

    async def _attempt(self, policy: Policy, taken: Taken) -> Answer:
        """One attempt, which always has an answer: what is not answered for is sent again with every lease."""
        try:
            return await self._send(policy, taken)
        except Exception as fault:
            # A channel that breaks in a way that nobody foresaw is tried again until the delivery gives up.
            log.exception("the channel %s failed over delivery %s", taken.channel, taken.key)
            return RetryAfter(f"could not be sent: {type(fault).__name__}: {fault}")

    async def _send(self, policy: Policy, taken: Taken) -> Answer:
        notifier = self._channels(policy.channels).get(Channel(taken.channel))
        person = policy.people.get(taken.person)
        if notifier is None:
            return Refused(f"the channel {taken.channel} is not set up")
        if person is None:
            return Refused(f"{taken.person} is no longer in the policy")
        if await asyncio.to_thread(self._gone, taken, person):
            return Refused(f"gone (410): not sent; give another address, or `rxpulse contact test {taken.person}`")
        # The board's own inbox needs no link that speaks for somebody: whoever reads it is signed in.
        inside = taken.channel == Channel.INBOX
        message = taken.message if inside else with_link(self._voice, self._signing_key, taken.message)
        return await notifier.send(person, taken.key, message)

    def _gone(self, taken: Taken, person: Person) -> bool:
        """Whether the address said that it is gone. A test message always goes out: it may find that it is back."""
        if taken.channel != Channel.WEBHOOK or not taken.escalation:
            return False
        with self._pool.connection() as connection:
            return gone(connection, person) is not None

    def _settle(self, taken: Taken, answer: Answer) -> None:
        with self._pool.connection() as connection:
            match answer:
                case Delivered(said):
                    deliveries.accepted(connection, taken.key, said)
                case Refused(said):
                    deliveries.refused(connection, taken.key, said)
                case RetryAfter(said, wait):
                    deliveries.try_again(connection, taken.key, taken.attempt, said, wait)

    async def _settle_late(self) -> None:
        """What was answered while the database was away is written down before anything is taken: else it would go out again."""
        while self._unsettled:
            await asyncio.to_thread(self._settle, *self._unsettled[0])
            self._unsettled.popleft()

    def _sent(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            # The lease gives the delivery back; it goes out again under the same key.
            log.error("a delivery was not settled", exc_info=fault)

    async def _watch_prefect(self) -> None:
        if self._prefect_url is None:
            return
        async with httpx.AsyncClient(timeout=_PROBE_WITHIN, trust_env=False) as client:
            while True:
                await self._probe(client)
                await asyncio.sleep(_PROBE_EVERY)

    async def _probe(self, client: httpx.AsyncClient) -> None:
        healthy = self._orchestration.healthy
        try:
            up = (await client.get(f"{self._prefect_url}/health")).status_code == 200
        except httpx.HTTPError:
            up = False
        if not up:
            healthy.clear()
        elif not healthy.is_set():
            healthy.set()
            self._orchestration.note()
        self._recorder.set(catalog.PREFECT, float(up))


_OUTCOMES: dict[type, str] = {Delivered: "delivered", Refused: "refused", RetryAfter: "retry"}


async def _first_of(woken: asyncio.Event, seconds: float) -> None:
    """Waits until woken, at most so long."""
    try:
        await asyncio.wait_for(woken.wait(), seconds)
    except TimeoutError:
        return
    finally:
        woken.clear()
