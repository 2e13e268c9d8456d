"""The session's Kafka and PostgreSQL as processes: ended, frozen, away. Their supervisor starts again whoever ends."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rxpulse import home as homes
from rxpulse.home import StackState
from tests.live import until

SESSION = 12.0
"""Seconds after which a worker's session with the group is over."""


class Servers:
    """Those of one home. Kafka's records lie in `records`."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.records = home / "kafka"

    def _state(self) -> StackState:
        state = homes.read_state(self._home)
        assert state is not None and state.running
        return state

    def pid(self, part: str) -> int:
        """Of the healthy process, 0 while there is none."""
        found = next(one for one in self._state().parts if one.name == part)
        return found.pid if found.healthy and found.pid is not None else 0

    def end(self, part: str, how: signal.Signals) -> None:
        """Ends it by a signal, and waits until another one is healthy."""
        before = until(lambda: self.pid(part))
        os.kill(before, how)
        until(lambda: self.pid(part) not in (0, before), 120.0)

    @contextmanager
    def frozen(self, part: str, seconds: float) -> Iterator[None]:
        """It stands still for the block, and at least so long."""
        pid = until(lambda: self.pid(part))
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
            pass_time(seconds)
        finally:
            os.kill(pid, signal.SIGCONT)

    @contextmanager
    def away(self, part: str, seconds: float) -> Iterator[None]:
        """It is gone for the block, and at least so long: its supervisor stands still meanwhile."""
        before = until(lambda: self.pid(part))
        supervisor = self._state().pid
        os.kill(supervisor, signal.SIGSTOP)
        try:
            os.kill(before, signal.SIGKILL)
            yield
            pass_time(seconds)
        finally:
            os.kill(supervisor, signal.SIGCONT)
        until(lambda: self.pid(part) not in (0, before), 120.0)


def pass_time(seconds: float) -> None:
    """Lets time pass: how long it takes is the fault."""
    give_up = time.monotonic() + seconds
    until(lambda: time.monotonic() > give_up, seconds + 10)
