"""One child process: started so that it cannot outlive us, its words kept in a log, ended politely or not.

Each child leads a session of its own, so that whatever it starts ends with it, and on Linux the kernel ends it when we
die without a word. What it prints goes straight to its log file, so that a child never waits for us to read.
"""

import asyncio
import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LOG_LIMIT = 20 * 2**20
"""Bytes of a log from which it moves to `NAME.log.1`, over the one that lies there: two of them a part at most."""
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run. `env` is the whole environment; `account` the user to become when we are root, None to stay;
    `death_signal` what the kernel sends should we be killed (Linux)."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    cwd: Path = Path("/")
    account: str | None = None
    death_signal: signal.Signals = signal.SIGKILL


async def spawn(command: Command, log: Path) -> asyncio.subprocess.Process:
    """Starts `command` with its output at the end of `log`. Raises OSError where the program cannot be started.

    To be called from a thread that lives as long as the child should: the kernel watches the thread, not the process.
    """
    as_account = {}
    if command.account:
        as_account = {"user": command.account, "group": pwd.getpwnam(command.account).pw_gid, "extra_groups": []}
    with log.open("ab", buffering=0) as out:
        return await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.env),
            cwd=command.cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=out,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tether(command.death_signal),
            **as_account,
        )


def tether(death_signal: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: binds the child's life to ours. None where the system cannot (macOS): there the next start
    reaps what is left. Runs after the change of account, which would undo it."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def bind() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # we died between the fork and the line above
            os._exit(1)

    return bind


async def end(process: asyncio.subprocess.Process, polite: signal.Signals, within: float, hurry: asyncio.Event) -> bool:
    """Asks the child to stop, and kills its whole session after `within` seconds or once `hurry` is set.

    Returns whether it went by itself."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(polite)
    waits = {asyncio.ensure_future(process.wait()), asyncio.ensure_future(hurry.wait())}
    await asyncio.wait(waits, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    went = process.returncode is not None
    for wait in waits:
        wait.cancel()
    kill_session(process.pid)
    await process.wait()
    return went


def kill_session(leader: int) -> None:
    """Ends every process in the group that `leader` leads, also when the leader is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


async def run_once(command: Command, log: Path) -> int:
    """Runs `command` to its end and returns its exit code; a cancelled run is killed."""
    process = await spawn(command, log)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            kill_session(process.pid)
            await process.wait()


def last_lines(log: Path, count: int = 20, since: int = 0) -> list[str]:
    """The last `count` lines of a log written after the byte `since`; empty where there is none."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = since if size >= since else 0  # it was cut in between
        file.seek(max(start, size - 64 * 1024))
        return file.read().decode(errors="replace").splitlines()[-count:]


def rotate(log: Path, limit: int = LOG_LIMIT) -> bool:
    """Copies a log that is longer than `limit` bytes to `NAME.log.1` and empties it: the child goes on appending to
    the same file. What it writes between the two is lost, at most a few lines."""
    if not log.exists() or log.stat().st_size <= limit:
        return False
    shutil.copyfile(log, log.with_name(log.name + ".1"))
    os.truncate(log, 0)
    return True
