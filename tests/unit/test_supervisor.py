"""The supervisor, with small real processes: order, readiness, restarts, giving up, stopping."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from rxpulse.process import Command, last_lines, rotate, run_once
from rxpulse.supervisor import (
    STARTS_IN_VAIN,
    STEADY_SECONDS,
    Life,
    NotReady,
    Phase,
    Service,
    StackFailed,
    Supervisor,
    Task,
    Weight,
    hasty_after,
    pause_seconds,
)

pytestmark = pytest.mark.anyio

FOREVER = "import signal; print('here', flush=True); signal.pause()"

DEAF = (
    "import signal\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True)\n"
    "while True: signal.pause()\n"
)


def command(code: str, *arguments: str) -> Command:
    return Command(argv=(sys.executable, "-c", code, *arguments), env=dict(os.environ))


async def yes() -> None:
    return


def service(
    name: str, code: str = FOREVER, *arguments: str, ready: Callable[[], Awaitable[None]] = yes, **more
) -> Service:
    return Service(name=name, command=command(code, *arguments), ready=ready, **more)


def exists(path: Path) -> Callable[[], Awaitable[None]]:
    there = path.exists

    async def ready() -> None:
        if not there():
            raise NotReady(f"{path.name} is not there")

    return ready


def speaks(log: Path) -> Callable[[], Awaitable[None]]:
    async def ready() -> None:
        if not last_lines(log):
            raise NotReady("silent")

    return ready


class Watch:
    """What the supervisor said, and a way to wait for a state of its lives."""

    def __init__(self, *units: Service | Task, logs: Path) -> None:
        self.said: list[str] = []
        self.turns: list[tuple[str, Phase]] = []
        self._turned = asyncio.Event()
        self.supervisor = Supervisor(units, logs, self.said.append, self._changed)

    def _changed(self, lives: dict[str, Life]) -> None:
        for name, life in lives.items():
            if (name, life.phase) not in self.turns[-len(lives) :]:
                self.turns.append((name, life.phase))
        self._turned.set()

    async def until(self, holds: Callable[[dict[str, Life]], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds(self.supervisor.lives):
                self._turned.clear()
                await self._turned.wait()

    async def during(self, story: Callable[["Watch"], Awaitable[None]]) -> None:
        """Runs the supervisor while `story` is told, then stops it."""
        run = asyncio.create_task(self.supervisor.run())
        try:
            await story(self)
        finally:
            self.supervisor.stop()
            await run


def in_order(watch: Watch, *turns: tuple[str, Phase]) -> bool:
    places = [watch.turns.index(turn) for turn in turns]
    return places == sorted(places)


async def test_a_unit_starts_when_what_it_needs_is_ready_and_stops_before_it(tmp_path: Path) -> None:
    watch = Watch(
        service("shop", needs=("stock",)),
        service("stock", needs=("lay-out",)),
        Task(name="lay-out", command=command("print('laid out')")),
        logs=tmp_path,
    )

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["shop"].phase is Phase.HEALTHY)

    await watch.during(story)
    assert in_order(
        watch,
        ("lay-out", Phase.DONE),
        ("stock", Phase.STARTING),
        ("stock", Phase.HEALTHY),
        ("shop", Phase.STARTING),
        ("shop", Phase.HEALTHY),
        ("shop", Phase.STOPPED),
        ("stock", Phase.STOPPED),
    )


async def test_ready_is_asked_until_the_answer_is_yes(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = "import pathlib, sys, signal; pathlib.Path(sys.argv[1]).touch(); signal.pause()"
    watch = Watch(service("slow", code, str(mark), ready=exists(mark)), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["slow"].phase is Phase.HEALTHY)
        assert mark.exists()

    await watch.during(story)


async def test_a_killed_service_comes_back_and_says_what_happened(tmp_path: Path) -> None:
    watch = Watch(service("one"), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["one"].phase is Phase.HEALTHY)
        first = watch.supervisor.lives["one"].pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await watch.until(lambda lives: lives["one"].restarts == 1 and lives["one"].phase is Phase.HEALTHY)
        assert watch.supervisor.lives["one"].pid not in (None, first)

    await watch.during(story)
    assert any("was ended by SIGKILL; started again in 0.5 s" in line for line in watch.said)


async def test_six_starts_in_vain_end_the_stack_with_the_reason_and_the_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxpulse.supervisor.LONGEST_PAUSE_SECONDS", 0.01)
    broken = "import sys; print('no such flag'); sys.exit(4)"
    watch = Watch(service("broken", broken, ready=exists(tmp_path / "never")), service("other"), logs=tmp_path)
    with pytest.raises(StackFailed) as failure:
        await watch.supervisor.run()
    assert "broken exited with 4 (6 starts in a row without health)" in str(failure.value)
    assert "no such flag" in str(failure.value) and str(tmp_path / "broken.log") in str(failure.value)
    assert (tmp_path / "broken.log").read_text().count("no such flag") == 6
    assert watch.supervisor.lives["other"].phase is Phase.STOPPED


async def test_a_service_that_nobody_needs_is_tried_for_ever_and_shown_unhealthy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxpulse.supervisor.LONGEST_PAUSE_SECONDS", 0.01)
    extra = service("extra", "raise SystemExit(1)", weight=Weight.WANTED, ready=exists(tmp_path / "never"))
    watch = Watch(extra, service("main"), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["extra"].restarts > 7)
        assert watch.supervisor.lives["main"].phase is Phase.HEALTHY
        assert "exited with 1" in watch.supervisor.lives["extra"].detail

    await watch.during(story)


async def test_a_bystander_that_never_comes_up_is_neither_waited_for_nor_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxpulse.supervisor.LONGEST_PAUSE_SECONDS", 0.01)
    aside = service("aside", "raise SystemExit(1)", weight=Weight.BYSTANDER, ready=exists(tmp_path / "never"))
    watch = Watch(aside, service("main"), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["aside"].restarts > STARTS_IN_VAIN)
        assert [life.unit.name for life in watch.supervisor.lives.values() if life.counts] == ["main"]

    await watch.during(story)


async def test_a_bystander_that_cannot_be_started_is_left_out(tmp_path: Path) -> None:
    program = tmp_path / "no-program"
    program.write_text("")
    aside = Service(name="aside", command=Command(argv=(str(program),), env={}), ready=yes, weight=Weight.BYSTANDER)
    watch = Watch(aside, service("main"), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: [life.phase for life in lives.values()] == [Phase.STAYS_DOWN, Phase.HEALTHY])

    await watch.during(story)
    assert any("cannot be started" in line for line in watch.said)


async def test_health_in_between_forgets_the_starts_in_vain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rxpulse.supervisor.LONGEST_PAUSE_SECONDS", 0.01)
    mark = tmp_path / "mark"
    # Dies at once, except in every fifth life, in which it is healthy until it is killed.
    code = (
        "import pathlib, signal, sys\n"
        "count, mark = pathlib.Path(sys.argv[1] + '.count'), pathlib.Path(sys.argv[1])\n"
        "lives = int(count.read_text()) + 1 if count.exists() else 1\n"
        "count.write_text(str(lives))\n"
        "if lives % 5: sys.exit(1)\n"
        "mark.touch(); signal.pause()\n"
    )
    watch = Watch(service("moody", code, str(mark), ready=exists(mark)), logs=tmp_path)

    async def story(watch: Watch) -> None:
        moody = watch.supervisor.lives["moody"]
        for _ in range(2):
            await watch.until(lambda lives: lives["moody"].phase is Phase.HEALTHY)
            mark.unlink()
            assert moody.pid is not None
            os.kill(moody.pid, signal.SIGKILL)
            await watch.until(lambda lives: lives["moody"].phase is not Phase.HEALTHY)
        assert moody.restarts >= 6

    await watch.during(story)


async def test_one_that_stops_on_purpose_stays_down_with_its_last_word(tmp_path: Path) -> None:
    code = "import sys; print('101 dead letters of the last 1000'); sys.exit(3)"
    poisoned = service("worker", code, stays_down_on=frozenset({3}), ready=exists(tmp_path / "never"))
    watch = Watch(poisoned, service("other"), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["worker"].phase is Phase.STAYS_DOWN)
        await watch.until(lambda lives: lives["other"].phase is Phase.HEALTHY)

    await watch.during(story)
    life = watch.supervisor.lives["worker"]
    assert life.detail == "stopped on purpose (exit 3): 101 dead letters of the last 1000"
    assert (life.phase, life.restarts) == (Phase.STAYS_DOWN, 0)


async def test_what_a_child_started_ends_with_it(tmp_path: Path) -> None:
    nested = (
        "import subprocess, sys, signal, pathlib\n"
        f"child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}])\n"
        "pathlib.Path(sys.argv[1]).write_text(str(child.pid)); signal.pause()\n"
    )
    mark = tmp_path / "pid"
    watch = Watch(service("parent", nested, str(mark), ready=exists(mark)), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["parent"].phase is Phase.HEALTHY)

    await watch.during(story)
    await dead(int(mark.read_text()))


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def dead(pid: int) -> None:
    """Waits until the killed process is gone or only waits to be reaped: the signal is sent, its effect takes a moment."""
    async with asyncio.timeout(10):
        while alive(pid):  # noqa: ASYNC110  the death of another's child raises no event here
            await asyncio.sleep(0.01)


async def test_one_that_does_not_listen_is_killed_after_its_time(tmp_path: Path) -> None:
    watch = Watch(service("deaf", DEAF, ready=speaks(tmp_path / "deaf.log"), stop_within=0.2), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["deaf"].phase is Phase.HEALTHY)

    await watch.during(story)
    assert any("had to be killed" in line for line in watch.said)


async def test_asking_twice_to_stop_waits_for_nobody(tmp_path: Path) -> None:
    watch = Watch(service("deaf", DEAF, ready=speaks(tmp_path / "deaf.log"), stop_within=3600), logs=tmp_path)

    async def story(watch: Watch) -> None:
        await watch.until(lambda lives: lives["deaf"].phase is Phase.HEALTHY)
        watch.supervisor.stop()

    async with asyncio.timeout(20):
        await watch.during(story)


async def test_what_is_played_once_all_is_healthy_ends_the_run_when_it_is_over(tmp_path: Path) -> None:
    watch = Watch(service("one"), service("two", needs=("one",)), logs=tmp_path)
    seen: list[Phase] = []

    async def play() -> None:
        seen.extend(life.phase for life in watch.supervisor.lives.values())

    async with asyncio.timeout(20):
        await watch.supervisor.run(play)
    assert seen == [Phase.HEALTHY, Phase.HEALTHY]
    assert watch.supervisor.lives["one"].pid is None


async def test_an_answer_that_is_a_failure_of_its_own_ends_the_stack(tmp_path: Path) -> None:
    async def stranger() -> None:
        raise StackFailed("port 7407 answers as another cluster")

    watch = Watch(service("kafka", ready=stranger), logs=tmp_path)
    with pytest.raises(StackFailed, match="another cluster"):
        await watch.supervisor.run()
    assert watch.supervisor.lives["kafka"].pid is None


def test_needs_that_do_not_exist_or_go_in_a_circle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shop needs stock"):
        Supervisor([service("shop", needs=("stock",))], tmp_path, print)
    with pytest.raises(ValueError, match="cycle"):
        Supervisor([service("a", needs=("b",)), service("b", needs=("a",))], tmp_path, print)


def test_pauses_double_up_to_half_a_minute() -> None:
    assert [pause_seconds(n) for n in (1, 2, 3, 6, 7, 8, 5000)] == [0.5, 1.0, 2.0, 16.0, 30.0, 30.0, 30.0]


def paused(*healthy_seconds: float) -> list[float]:
    """The pauses after starts that were healthy for so long each."""
    pauses, hasty = [], 0
    for seconds in healthy_seconds:
        hasty = hasty_after(hasty, seconds)
        pauses.append(pause_seconds(hasty))
    return pauses


def test_health_for_a_while_forgets_the_pauses_however_often_a_part_is_ended() -> None:
    assert paused(*[STEADY_SECONDS] * 20) == [0.5] * 20
    assert paused(0, 1, 2, 3, STEADY_SECONDS + 1, 0) == [0.5, 1.0, 2.0, 4.0, 0.5, 1.0]
    assert paused(*[STEADY_SECONDS - 1] * 8)[-1] == 30.0


def test_a_long_log_is_moved_aside_and_the_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"old\n" * 10)
        assert rotate(log, limit=20)
        writer.write(b"new\n")
    assert log.read_text() == "new\n"
    assert (tmp_path / "part.log.1").read_text() == "old\n" * 10
    assert not rotate(log, limit=20)


def test_the_last_lines_are_those_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    log.write_text("before\n")
    since = log.stat().st_size
    log.write_text("before\none\ntwo\nthree\n")
    assert last_lines(log, 2, since) == ["two", "three"]
    assert last_lines(log, 9, since) == ["one", "two", "three"]
    assert last_lines(tmp_path / "none.log") == []


async def test_a_command_runs_to_its_end_and_gives_its_exit_code(tmp_path: Path) -> None:
    assert await run_once(command("print('hello'); raise SystemExit(7)"), tmp_path / "once.log") == 7
    assert last_lines(tmp_path / "once.log") == ["hello"]
