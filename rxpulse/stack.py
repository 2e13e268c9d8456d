"""Brings up the one-machine stack and keeps it until it is told to stop.

In order: the home, what an earlier stack left behind, room on the disk, keys, ports, the real parts, the files of
Kafka and PostgreSQL, and then every part as it becomes ready. Each step says so. Whatever ends it, Ctrl-C, a signal,
a part that cannot be brought up, everything that was started is stopped again.
"""

import asyncio
import contextlib
import errno
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import CallerFault
from models.settings import KafkaSecurity, Settings
from rxpulse import home as homes
from rxpulse import kafka, parts, ports, postgres, prometheus, services
from rxpulse.home import PartState, Purpose, StackState
from rxpulse.keys import ensure
from rxpulse.output import Say
from rxpulse.plan import Plan, decide, url
from rxpulse.supervisor import Life, Phase, Service, StackFailed, Supervisor

CTRL_C = "Ctrl-C stops everything"


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack in which every part is healthy for the first time. Who plays in it sets `loaded` when all that should
    be there before the live part begins is there."""

    plan: Plan
    supervisor: Supervisor
    loaded: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def settings(self) -> Settings:
        """With every address and key filled in."""
        return self.plan.settings

    def url(self, part: str) -> str:
        """The address of a part, without a password."""
        return url(self.plan, part)

    @property
    def healthy(self) -> bool:
        """Whether every part is healthy now."""
        return all(life.phase in (Phase.HEALTHY, Phase.DONE) for life in self.supervisor.lives.values() if life.counts)

    @property
    def restarts(self) -> int:
        """How often a part has been started again so far."""
        return sum(life.restarts for life in self.supervisor.lives.values() if life.counts)


Play = Callable[[Stack], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """All that is decided and fetched before the first process starts. `java` is Java followed by Kafka's jars, empty
    for an outside broker; `programs` holds PostgreSQL, None for an outside one."""

    plan: Plan
    java: list[Path]
    programs: Path | None


def run_stack(
    settings: Settings,
    environ: Mapping[str, str],
    say: Say,
    play: Play | None = None,
    only: Sequence[str] = (),
    purpose: Purpose = Purpose.WORK,
    ending: str = CTRL_C,
) -> None:
    """Runs the stack until a signal ends it or `play`, called once all parts are healthy, returns. `only` names the
    parts to run, empty for all; `purpose` is what the home must be for; `ending` tells people how to stop it. Raises
    CallerFault where it cannot start, StackFailed where it cannot go on."""
    _check_outside(settings, only)
    os.umask(0o077)  # what the parts write is for nobody else on this machine
    began = time.monotonic()
    with homes.told_when_full(settings.home):
        homes.open_home(settings.home, purpose)
        with homes.alone(settings.home):
            prepared = _prepare(settings, environ, say, only)
            say(f"  {'parts':<10} fetched and checked after {time.monotonic() - began:.1f} s")
            asyncio.run(_run(prepared, say, play, only, began, ending))
    say("stopped")


async def _run(
    prepared: _Prepared, say: Say, play: Play | None, only: Sequence[str], began: float, ending: str
) -> None:
    plan, logs = prepared.plan, prepared.plan.home / "logs"
    with _signals() as stop:
        if not await _unless(stop, asyncio.ensure_future(asyncio.gather(*_files(prepared)))):
            return
        book = _Book(plan)
        supervisor = Supervisor(services.units(plan, prepared.java, prepared.programs, only), logs, say, book.note)
        stop.then(supervisor.stop)
        stack = Stack(plan, supervisor)

        async def once_healthy() -> None:
            # Said before it is written down: whoever waits for a stack in the background passes on what was said.
            say(f"RxPulse is up after {time.monotonic() - began:.1f} s: {_where(stack, ending)}")
            book.complete(supervisor.lives)
            await (play(stack) if play else asyncio.Event().wait())

        try:
            await supervisor.run(once_healthy)
        except StackFailed as failure:
            told = StackFailed(f"{failure}{full}") if (full := homes.full(plan.home)) else failure
            book.failed(supervisor.lives, str(told))
            raise told from failure


def _where(stack: Stack, ending: str) -> str:
    lives = stack.supervisor.lives
    running = ", ".join(name for name, life in lives.items() if isinstance(life.unit, Service))
    return f"{stack.url('console') if 'console' in lives else running}  ({ending})"


def _check_outside(settings: Settings, only: Sequence[str]) -> None:
    if not only or {"console", "intake"} & set(only):
        settings.check_exposure()
    if settings.kafka is None and settings.kafka_security is not KafkaSecurity.PLAINTEXT:
        raise CallerFault(
            "RXPULSE_KAFKA_SECURITY is for a broker of your own: set RXPULSE_KAFKA too, or leave it out; the stack's"
            " own broker listens on loopback alone"
        )


def _prepare(settings: Settings, environ: Mapping[str, str], say: Say, only: Sequence[str]) -> _Prepared:
    home, last = settings.home, homes.read_state(settings.home)
    if ended := homes.reap(home, last):
        say(f"  {'cleared':<10} ended what a killed stack left behind: {', '.join(ended)}")
    if warning := homes.space_warning(home):
        say(f"  {'disk':<10} {warning}")
    base = ports.choose(settings.ports, settings.bind, last.base if last else None)
    if settings.ports not in ("auto", base):
        say(f"  {'ports':<10} {settings.ports} and up are taken: the block from {base} on is used")
    own_kafka = settings.kafka is None and (not only or "kafka" in only)
    own_postgres = settings.database_url is None and (not only or "postgres" in only)
    plan = decide(settings, ensure(home), base, kafka.cluster_id(home) if own_kafka else None, environ)
    homes.write_state(home, _state(plan, ()))
    java, programs = _fetch(plan, own_kafka, own_postgres, say)
    return _Prepared(plan, java, programs)


def _fetch(plan: Plan, own_kafka: bool, own_postgres: bool, say: Say) -> tuple[list[Path], Path | None]:
    """Java followed by Kafka's jars, and the folder of PostgreSQL's programs; empty and None where not wanted."""
    locked, cache = parts.read_lock(), plan.settings.cache / "maven"
    wanted = [
        *(parts.kafka_parts(locked) if own_kafka else []),
        *([parts.postgres_part(locked)] if own_postgres else []),
    ]
    java = [parts.java()] if own_kafka else []
    files = parts.fetch(wanted, cache, plan.settings.maven, lambda line: say(f"  {'parts':<10} {line}"))
    if not own_postgres:
        return [*java, *files], None
    return [*java, *files[:-1]], parts.unpack_postgres(files[-1], plan.home)


def _files(prepared: _Prepared) -> list[Awaitable[None]]:
    """What has to be made on the disk before the parts can start."""
    plan, java, programs = prepared.plan, prepared.java, prepared.programs
    home, port, work = plan.home, plan.ports, []
    prometheus.settings_file(home).write_text(services.prometheus_settings(plan))
    if java:
        flush = plan.settings.kafka_flush_records
        properties = kafka.properties(home, port["kafka"], port["controller"], flush)
        (home / "state" / "kafka.properties").write_text(properties)
        tool = services.java_command(plan, java, "kafka.tools.StorageTool")
        work.append(kafka.prepare(home, tool, kafka.cluster_id(home)))
    if programs:
        user = postgres.account()
        postgres.check_reachable(home, user)
        postgres.check_major(home)
        env = {"PATH": os.defpath, "LC_ALL": "C"}
        work.append(postgres.prepare(home, programs, user, plan.keys.admin, env))
    return work


class _Stop:
    """Signals that ask for the end: remembered, and passed on to whoever can carry it out."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._carry_out: Callable[[], None] = lambda: None

    def then(self, carry_out: Callable[[], None]) -> None:
        self._carry_out = carry_out
        if self.asked.is_set():
            carry_out()

    def ask(self) -> None:
        self.asked.set()
        self._carry_out()


@contextlib.contextmanager
def _signals():
    stop, loop = _Stop(), asyncio.get_running_loop()
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for kind in kinds:
        loop.add_signal_handler(kind, stop.ask)
    try:
        yield stop
    finally:
        for kind in kinds:
            loop.remove_signal_handler(kind)


async def _unless(stop: _Stop, work: "asyncio.Future[object]") -> bool:
    """Whether `work` came to its end before anybody asked to stop; otherwise it is cancelled."""
    asked = asyncio.create_task(stop.asked.wait())
    await asyncio.wait({asked, work}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if work.done():
        work.result()
        return True
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return False


class _Book:
    """Keeps `stack.json` as the parts turn."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._complete, self._born = plan, False, {}

    def note(self, lives: dict[str, Life], failure: str | None = None) -> None:
        shown = tuple(self._part(life) for life in lives.values())
        try:
            homes.write_state(self._plan.home, _state(self._plan, shown, self._complete, failure))
        except OSError as fault:
            if fault.errno != errno.ENOSPC:
                raise
            # What is written there is for others to read. A disk that is full must not keep the parts from being stopped
            # in order; that it is full is the reason that is given in the end.

    def complete(self, lives: dict[str, Life]) -> None:
        self._complete = True
        self.note(lives)

    def failed(self, lives: dict[str, Life], why: str) -> None:
        self.note(lives, why)

    def _part(self, life: Life) -> PartState:
        pid = life.pid
        if pid is not None and pid not in self._born:
            self._born[pid] = homes.born(pid)
        return PartState(
            name=life.unit.name,
            phase=life.phase,
            healthy=life.phase in (Phase.HEALTHY, Phase.DONE),
            pid=pid,
            born=self._born.get(pid),
            url=life.unit.url if isinstance(life.unit, Service) else None,
            detail=life.detail,
            restarts=life.restarts,
        )


def _state(plan: Plan, shown: tuple[PartState, ...], complete: bool = False, failure: str | None = None) -> StackState:
    pid = os.getpid()
    born = homes.born(pid)
    assert born is not None
    return StackState(
        pid=pid, born=born, base=plan.base, cluster=plan.cluster, complete=complete, failure=failure, parts=shown
    )
