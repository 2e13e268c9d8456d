"""Starts a stack that goes on when the command has returned, and waits until all its parts are healthy."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.errors import CallerFault
from models.settings import PREFIX, Settings
from rxpulse import home as homes
from rxpulse.home import Purpose, StackState
from rxpulse.output import Say
from rxpulse.plan import PROMETHEUS
from rxpulse.process import last_lines, rotate
from rxpulse.running import running_state
from rxpulse.supervisor import Phase

WITHIN_SECONDS = 300.0


def start(settings: Settings, environ: Mapping[str, str], only: Sequence[str], say: Say, purpose: Purpose) -> None:
    """Returns when every part is healthy. Raises CallerFault when the stack ended, when a part stays down, or when
    some are still not healthy after five minutes (then the stack goes on)."""
    home = settings.home
    homes.open_home(home, purpose)
    if (state := running_state(home)) is not None:
        raise CallerFault(f"a stack is already running as pid {state.pid} in {home}: `rxpulse status` shows it")
    log = home / "logs" / "up.log"
    rotate(log)
    said = log.stat().st_size if log.exists() else 0
    options = ["--in-background"]
    options += [word for part in only for word in ("--only", part)]
    options += ["--demo-home"] if purpose is Purpose.DEMO else []
    process = _launch(home, environ, options, log)
    try:
        _wait(process, home, log, said, say)
    except KeyboardInterrupt:
        process.send_signal(signal.SIGTERM)
        process.wait()
        raise


def _launch(home: Path, environ: Mapping[str, str], options: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab", buffering=0) as out:
        return subprocess.Popen(
            [sys.executable, "-m", "rxpulse", "up", *options],
            env={**environ, PREFIX + "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(process: "subprocess.Popen[bytes]", home: Path, log: Path, said: int, say: Say) -> None:
    give_up = time.monotonic() + WITHIN_SECONDS
    while time.monotonic() < give_up:
        ended = process.poll() is not None
        said = _pass_on(log, said, say)
        if ended:
            raise CallerFault(f"the stack ended with {process.returncode}: " + "\n".join(last_lines(log, 1)))
        state = homes.read_state(home)
        if state is not None and state.pid == process.pid and _settled(state, log):
            _pass_on(log, said, say)
            process.returncode = 0  # it goes on without us; nobody has to bury it here
            return
        time.sleep(0.1)
    state = homes.read_state(home)
    late = [part.name for part in state.parts if not part.healthy] if state else []
    raise CallerFault(
        f"not healthy after {WITHIN_SECONDS:g} s: {', '.join(late)}; the stack goes on: `rxpulse status` shows it,"
        f" `rxpulse down` stops it, the logs are in {os.path.dirname(log)}"
    )


def _settled(state: StackState, log: Path) -> bool:
    for part in state.parts:
        if part.phase == Phase.STAYS_DOWN and part.name != PROMETHEUS:
            raise CallerFault(
                f"{part.name} {part.detail}; the stack goes on without it, see {log.parent}/{part.name}.log"
            )
    return state.complete


def _pass_on(log: Path, said: int, say: Say) -> int:
    """Says the whole lines of `log` after the byte `said`, and returns the byte after them."""
    with log.open("rb") as file:
        file.seek(said)
        whole, newline, _ = file.read().rpartition(b"\n")
    for line in whole.decode(errors="replace").splitlines():
        say(line)
    return said + len(whole) + len(newline)
