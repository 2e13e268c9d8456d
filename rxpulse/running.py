"""The stack that runs in a home, seen from another process: its addresses, its keys, and how to stop it."""

import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from models.errors import CallerFault
from models.settings import Settings
from rxpulse import home as homes
from rxpulse.home import StackState
from rxpulse.keys import ensure
from rxpulse.plan import Plan, decide

STOP_SECONDS = 90.0
"""How long a stack may take to stop before it is killed: its waves of 10, 20 and 30 s and some more."""


def running_state(home: Path) -> StackState | None:
    """What the stack that runs in `home` says of itself; None where none runs."""
    state = homes.read_state(home)
    return state if state is not None and state.running else None


def start_of(home: Path) -> str:
    """The command that starts the stack of `home` again: the demo's is refused to `rxpulse up`."""
    return "rxpulse demo" if homes.purpose_of(home) is homes.Purpose.DEMO else "rxpulse up"


def absence(home: Path) -> str | None:
    """Why no stack runs in `home`, and what to do; None where one does."""
    state = homes.read_state(home)
    if state is not None and state.running:
        return None
    start = start_of(home)
    if state is None or not state.killed:
        return f"no stack runs in {home}: start it by `{start}`"
    last = homes.last_sign(home)
    when = f"; its last sign of life is of {last:%Y-%m-%d %H:%M:%SZ}" if last else ""
    return (
        f"the stack in {home} was killed, or the machine went off{when}: look at {home / 'logs'},"
        f" then start it again by `{start}`, which clears up first"
    )


def running_plan(settings: Settings, environ: Mapping[str, str]) -> Plan | None:
    """The plan of the stack that runs in the home of `settings`; None where none runs."""
    state = running_state(settings.home)
    if state is None:
        return None
    return decide(settings, ensure(settings.home), state.base, state.cluster, environ)


def with_running_stack(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """`settings` with the addresses and keys of the stack that runs in its home, where they do not name others; as
    they are where none runs. For commands that a person gives beside a running stack."""
    plan = running_plan(settings, environ)
    return plan.settings if plan else settings


def elsewhere(settings: Settings) -> bool:
    """Whether this place has no stack of its own and is told whose servers it works with: a container, or a host with
    workers of its own."""
    given = settings.kafka is not None and settings.database_url is not None
    return given and not homes.started_in(settings.home)


def reached(settings: Settings, environ: Mapping[str, str]) -> Settings | None:
    """`settings` with the servers that work for this place: those of the stack that runs in its home, or those given where
    it is `elsewhere`. None where there are none."""
    plan = running_plan(settings, environ)
    if plan is not None:
        return plan.settings
    return settings if elsewhere(settings) else None


def stop(home: Path) -> bool:
    """Stops the stack that runs in `home`, with all its parts, and returns whether one did; ends what a killed one
    left behind. Raises CallerFault where it belongs to another user."""
    state = homes.read_state(home)
    if state is None or not state.running:
        homes.reap(home, state)
        return False
    try:
        os.kill(state.pid, signal.SIGTERM)
    except PermissionError as error:
        raise CallerFault(f"the stack (pid {state.pid}) belongs to another user: stop it as that user") from error
    give_up = time.monotonic() + STOP_SECONDS
    while state.running and time.monotonic() < give_up:
        time.sleep(0.05)
    if state.running:
        os.kill(state.pid, signal.SIGKILL)
        while state.running:
            time.sleep(0.05)
    homes.reap(home, homes.read_state(home))
    return True
