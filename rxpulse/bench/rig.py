"""A stack to measure on: started in a folder of its own, on ports of its own, stopped and deleted afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from models.errors import CallerFault
from models.settings import Settings
from rxpulse import home as homes
from rxpulse.home import StackState
from rxpulse.plan import Plan
from rxpulse.process import last_lines, tether
from rxpulse.running import STOP_SECONDS, running_plan
from rxpulse.services import role_environment

_UP_SECONDS = 300.0
_LOOK_EVERY = 0.02
_SERVER = {"RXPULSE_KAFKA_HEAP_MIB": "1024", "RXPULSE_KAFKA_FLUSH_RECORDS": "0"}
"""As where other brokers have what one loses with the power, and none waits for its disk."""
_INHERITED = ("RXPULSE_CACHE", "RXPULSE_MAVEN")


@dataclass(frozen=True, slots=True)
class Rig:
    """A stack that is up. `pid` is its supervisor, `up_s` the seconds from the command to all parts healthy."""

    plan: Plan
    pid: int
    up_s: float

    @property
    def settings(self) -> Settings:
        """With every address and key filled in."""
        return self.plan.settings

    def parts(self) -> dict[str, int]:
        """The process of every part that runs now, by name, and the supervisor."""
        state = homes.read_state(self.plan.home)
        assert state is not None
        return {part.name: part.pid for part in state.parts if part.pid is not None}

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of a role of this stack."""
        return role_environment(self.plan) | more

    def run(self, *arguments: str, **more: str) -> None:
        """One of RxPulse's own commands, with `more` in its environment, to its end. Raises CallerFault with what it said
        where it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "rxpulse", *arguments],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CallerFault(f"rxpulse {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")


@contextmanager
def standing(
    environ: Mapping[str, str],
    policy: Path | None = None,
    only: Sequence[str] = (),
    command: str = "up",
    server: bool = False,
) -> Iterator[Rig]:
    """A stack with everything in it healthy, started by `rxpulse up` or `rxpulse demo`; `only` names parts, empty for
    all; a `server` has a broker as a server runs it. What it made is deleted at the end. Raises CallerFault where it does
    not come up."""
    folder = Path(tempfile.mkdtemp(prefix="rxpulse-bench-"))
    folder.chmod(0o755)  # as root the database runs under another account, which has to pass through
    env = own_environment(environ, folder / "home", policy) | (_SERVER if server else {})
    options = [word for part in only for word in ("--only", part)]
    began = time.monotonic()
    process = _start([command, *options], env, folder / "log")
    try:
        state = _await_up(process, folder)
        up_s = time.monotonic() - began
        plan = running_plan(Settings.from_env(env), env)
        assert plan is not None
        yield Rig(plan, state.pid, up_s)
    finally:
        _stop(process)
        shutil.rmtree(folder)


def own_environment(environ: Mapping[str, str], home: Path, policy: Path | None) -> dict[str, str]:
    """What a stack in `home` inherits of the caller: nothing that names another stack."""
    env = {name: value for name, value in environ.items() if not name.startswith("RXPULSE_") or name in _INHERITED}
    chosen = {"RXPULSE_POLICY": str(policy)} if policy else {}
    return env | {"RXPULSE_HOME": str(home), "RXPULSE_PORTS": "auto"} | chosen


def _start(words: Sequence[str], env: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "rxpulse", *words],
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A measurement that is killed takes its stack with it.
            preexec_fn=tether(signal.SIGTERM),
        )


def _await_up(process: "subprocess.Popen[bytes]", folder: Path) -> StackState:
    give_up = time.monotonic() + _UP_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        state = homes.read_state(folder / "home")
        if state is not None and state.complete:
            return state
        time.sleep(_LOOK_EVERY)
    raise CallerFault("the stack to measure on did not come up:\n" + "\n".join(last_lines(folder / "log")))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Its children die with it.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
