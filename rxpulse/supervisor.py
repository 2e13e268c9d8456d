"""Starts, watches, restarts and stops a handful of processes that need each other. It knows no product.

A unit starts once all it needs is ready. Ready means that a real question was answered, not that a port is open. A
service that ends is started again, after a pause that grows; one that others cannot do without ends everything, with
the reason, after six starts in a row that never became healthy. Stopping goes in waves: who needs others goes first.
"""

import asyncio
import contextlib
import graphlib
import signal
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from metrics.logbook import message_of
from models.errors import CallerFault, RxPulseError
from rxpulse.process import Command, end, last_lines, rotate, spawn

STARTS_IN_VAIN = 6
"""So many starts in a row without ever being healthy and a part is given up."""
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 10.0
"""After so long in health the next restart comes quickly again: a part that works and is ended from outside, however
often, must not be kept waiting like one that fails by itself."""
_ASK_EVERY_SECONDS = 0.1
_LOOK_AT_LOGS_EVERY_SECONDS = 60.0


class StackFailed(CallerFault):
    """A part that the others need cannot be brought up. The message says which, why, and its last words, so that
    whoever runs the stack can mend it."""


class NotReady(RxPulseError):
    """The answer to a readiness question is no, or not yet."""


class Weight(StrEnum):
    """What it means for the others that a service does not come up. ESSENTIAL: everything ends. WANTED: it is tried for
    ever, and the whole is unhealthy meanwhile. BYSTANDER: nothing; nobody waits for it and it never counts."""

    ESSENTIAL = "essential"
    WANTED = "wanted"
    BYSTANDER = "bystander"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A process that is to run all the time.

    `ready` raises NotReady or OSError until the service does its work. `url` is shown to people. An exit code in
    `stays_down_on` says that it stopped on purpose: it is not started again."""

    name: str
    command: Command
    ready: Callable[[], Awaitable[None]]
    needs: tuple[str, ...] = ()
    url: str | None = None
    weight: Weight = Weight.ESSENTIAL
    stays_down_on: frozenset[int] = frozenset()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_within: float = 10.0
    ready_within: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A process that has to end well once before others start. It is essential."""

    name: str
    command: Command
    needs: tuple[str, ...] = ()


Unit = Service | Task


class Phase(StrEnum):
    """Where a unit stands."""

    WAITING = "waiting"
    STARTING = "starting"
    HEALTHY = "healthy"
    PAUSING = "pausing"
    STAYS_DOWN = "stays-down"
    DONE = "done"
    STOPPED = "stopped"


@dataclass(slots=True)
class Life:
    """What has become of a unit so far. `in_vain` counts starts in a row that never became healthy, `hasty` ends in
    quick succession, `restarts` all starts that followed the first; `detail` is the last mishap in words."""

    unit: Unit
    phase: Phase = Phase.WAITING
    process: asyncio.subprocess.Process | None = None
    detail: str = ""
    in_vain: int = 0
    hasty: int = 0
    restarts: int = 0
    log_start: int = 0
    up: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def counts(self) -> bool:
        """Whether the whole is healthy only with it."""
        return isinstance(self.unit, Task) or self.unit.weight is not Weight.BYSTANDER

    @property
    def pid(self) -> int | None:
        """Of the running process, None where there is none."""
        return self.process.pid if self.process and self.process.returncode is None else None


def pause_seconds(hasty: int) -> float:
    """Seconds before the next start after `hasty` (1 or more) ends in quick succession: 0.5, 1, 2, 4, 8, 16, 30, 30."""
    return min(0.5 * 2 ** min(hasty - 1, 10), LONGEST_PAUSE_SECONDS)


def hasty_after(hasty: int, healthy_seconds: float) -> int:
    """How many ends in quick succession there were, once a start has ended that was healthy for so long (0: never):
    one more than before, or the first again."""
    return 1 if healthy_seconds >= STEADY_SECONDS else hasty + 1


class Supervisor:
    """Runs `units` until it is told to stop. `say` gets a line for people at each turn, `changed` all lives at each
    change of one; both return at once. Raises ValueError for a need that is no unit, or that goes in a circle."""

    def __init__(
        self,
        units: Iterable[Unit],
        logs: Path,
        say: Callable[[str], None],
        changed: Callable[[dict[str, Life]], None] = lambda _: None,
    ) -> None:
        self.lives = {unit.name: Life(unit) for unit in units}
        for life in self.lives.values():
            if strangers := set(life.unit.needs) - set(self.lives):
                raise ValueError(f"{life.unit.name} needs {', '.join(sorted(strangers))}, which is not among the units")
        graphlib.TopologicalSorter({life.unit.name: life.unit.needs for life in self.lives.values()}).prepare()
        self._logs, self._say, self._changed = logs, say, changed
        self._stop, self._hurry, self._began = asyncio.Event(), asyncio.Event(), time.monotonic()

    def stop(self) -> None:
        """Asks for the end; asked twice, it does not wait for anyone."""
        (self._hurry if self._stop.is_set() else self._stop).set()

    async def run(self, once_healthy: Callable[[], Awaitable[None]] | None = None) -> None:
        """Starts everything and returns when all is stopped: after `stop`, or after `once_healthy`, which is called
        when every unit that counts is healthy for the first time, has returned. Raises StackFailed, and what `once_healthy`
        raises, when everything is stopped."""
        tenders = [asyncio.create_task(self._tend(life)) for life in self.lives.values()]
        others = [asyncio.create_task(self._stop.wait()), asyncio.create_task(self._play(once_healthy))]
        logs = asyncio.create_task(self._mind_logs())
        try:
            pending = {*tenders, *others, logs}
            while not any(task.done() for task in others):
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            self._stop.set()
            for task in (*tenders, *others, logs):
                task.cancel()
            await asyncio.gather(*tenders, *others, logs, return_exceptions=True)
            await self._stop_all()

    async def _play(self, once_healthy: Callable[[], Awaitable[None]] | None) -> None:
        await asyncio.gather(*(life.up.wait() for life in self.lives.values() if life.counts))
        if once_healthy is None:
            await asyncio.Event().wait()
        else:
            await once_healthy()

    async def _tend(self, life: Life) -> None:
        """Keeps one unit going, start after start."""
        while True:
            await asyncio.gather(*(self.lives[name].up.wait() for name in life.unit.needs))
            if not await self._start(life):
                return
            match life.unit:
                case Task():
                    finished = await self._see_through(life)
                case Service() as service:
                    finished = await self._see_live(life, service)
            if finished:
                return
            await self._pause(life)

    async def _start(self, life: Life) -> bool:
        """Whether there is a process now; a bystander that cannot be started is left out."""
        log = self._log(life)
        rotate(log)
        life.log_start = log.stat().st_size if log.exists() else 0
        try:
            life.process = await spawn(life.unit.command, log)
        except OSError as error:
            if life.counts:
                raise StackFailed(f"{life.unit.name} cannot be started: {error}") from error
            life.detail = f"cannot be started: {error}"
            self._turn(life, Phase.STAYS_DOWN, f"{life.detail}; the others go on without it")
            return False
        self._turn(life, Phase.STARTING)
        return True

    async def _see_through(self, life: Life) -> bool:
        """One run of a task; whether it ended well."""
        assert life.process is not None
        code = await life.process.wait()
        if code == 0:
            life.up.set()
            self._turn(life, Phase.DONE, f"done {self._after()}")
            return True
        life.in_vain += 1
        life.hasty = hasty_after(life.hasty, 0.0)
        self._note_end(life, code)
        return False

    async def _see_live(self, life: Life, service: Service) -> bool:
        """One life of a service, from its start to its end; whether it is to stay down."""
        assert life.process is not None
        exited = asyncio.create_task(life.process.wait())
        asked = asyncio.create_task(self._until_ready(service))
        try:
            await asyncio.wait({asked, exited}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done() and asked.exception() is None:
                await self._in_health(life, service, exited)
            else:
                await self._in_vain(life, service, asked, exited)
        finally:
            for task in (asked, exited):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, NotReady):
                    await task
            life.up.clear()
        code = life.process.returncode
        assert code is not None
        self._note_end(life, code)
        if code not in service.stays_down_on:
            return False
        life.detail = f"stopped on purpose (exit {code}): {self._last_word(life)}"
        self._turn(life, Phase.STAYS_DOWN, f"{life.detail}; it stays down")
        return True

    async def _in_health(self, life: Life, service: Service, exited: "asyncio.Task[int]") -> None:
        life.in_vain, life.detail, healthy_since = 0, "", time.monotonic()
        life.up.set()
        self._turn(life, Phase.HEALTHY, f"ready {self._after()}{f'  {service.url}' if service.url else ''}")
        await asyncio.shield(exited)
        life.hasty = hasty_after(life.hasty, time.monotonic() - healthy_since)

    async def _in_vain(
        self, life: Life, service: Service, asked: "asyncio.Task[None]", exited: "asyncio.Task[int]"
    ) -> None:
        assert life.process is not None
        life.in_vain += 1
        life.hasty = hasty_after(life.hasty, 0.0)
        if not exited.done():
            reason = asked.exception()
            if reason is not None and not isinstance(reason, NotReady):
                raise reason
            self._say(f"  {service.name:<10} is not ready: {reason}")
            await end(life.process, service.stop_signal, service.stop_within, self._hurry)

    async def _until_ready(self, service: Service) -> None:
        """Asks until the answer is yes. Raises NotReady with the last answer after `ready_within` seconds."""
        answer: Exception | None = None
        try:
            async with asyncio.timeout(service.ready_within):
                while True:
                    try:
                        return await service.ready()
                    except (OSError, NotReady) as error:
                        answer = error
                    await asyncio.sleep(_ASK_EVERY_SECONDS)
        except TimeoutError as late:
            raise NotReady(f"no good answer within {service.ready_within:g} s ({answer})") from late

    async def _pause(self, life: Life) -> None:
        essential = isinstance(life.unit, Task) or life.unit.weight is Weight.ESSENTIAL
        if essential and life.in_vain >= STARTS_IN_VAIN:
            raise StackFailed(self._last_words(life))
        life.restarts += 1
        seconds = pause_seconds(life.hasty)
        self._turn(life, Phase.PAUSING, f"{life.detail}; started again in {seconds:g} s")
        await asyncio.sleep(seconds)

    def _note_end(self, life: Life, code: int) -> None:
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        life.detail = how + (f" ({life.in_vain} starts in a row without health)" if life.in_vain > 1 else "")

    def _last_word(self, life: Life) -> str:
        lines = [line for line in last_lines(self._log(life), 20, life.log_start) if line.strip()]
        return message_of(lines[-1].strip()) if lines else "it said nothing"

    def _last_words(self, life: Life) -> str:
        lines = last_lines(self._log(life), 20, life.log_start) or ["(nothing)"]
        return f"{life.unit.name} {life.detail}; the last lines of {self._log(life)}:\n" + "\n".join(
            f"  {message_of(line)}" for line in lines
        )

    def _log(self, life: Life) -> Path:
        return self._logs / f"{life.unit.name}.log"

    def _after(self) -> str:
        return f"after {time.monotonic() - self._began:.1f} s"

    def _turn(self, life: Life, phase: Phase, words: str = "") -> None:
        life.phase = phase
        if words:
            self._say(f"  {life.unit.name:<10} {words}")
        self._changed(self.lives)

    async def _mind_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AT_LOGS_EVERY_SECONDS)
            for life in self.lives.values():
                rotate(self._log(life))

    async def _stop_all(self) -> None:
        """In waves: a unit stops once nobody who needs it is left."""
        left = dict(self.lives)
        while left:
            needed = {name for life in left.values() for name in life.unit.needs}
            wave = [life for life in left.values() if life.unit.name not in needed]
            await asyncio.gather(*(self._stop_one(life) for life in wave))
            for life in wave:
                del left[life.unit.name]

    async def _stop_one(self, life: Life) -> None:
        if life.process is not None and life.process.returncode is None:
            polite, within = signal.SIGTERM, 10.0
            if isinstance(life.unit, Service):
                polite, within = life.unit.stop_signal, life.unit.stop_within
            if not await end(life.process, polite, within, self._hurry):
                self._say(f"  {life.unit.name:<10} had to be killed")
        self._turn(life, life.phase if life.phase is Phase.STAYS_DOWN else Phase.STOPPED)
