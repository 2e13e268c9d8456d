"""A whole stack for tests: `rxpulse up` in a home of its own, and commands beside it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from rxpulse import home as homes
from rxpulse.home import StackState

SECONDS = 1800


class Stack:
    """`rxpulse up` in a home of its own, and commands beside it."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = home
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")}
        self.env |= {"RXPULSE_HOME": str(home), "RXPULSE_PORTS": "auto"}
        if cache := os.environ.get("RXPULSE_CACHE"):
            self.env["RXPULSE_CACHE"] = cache
        self.env |= environ

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        argv = [sys.executable, "-m", "rxpulse", *arguments]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=SECONDS, check=False)

    def state(self) -> StackState:
        state = homes.read_state(self.home)
        assert state is not None and state.running
        return state

    def pid(self, part: str) -> int:
        found = next(one for one in self.state().parts if one.name == part)
        return found.pid if found.healthy and found.pid is not None else 0

    def kill(self, part: str) -> None:
        """Kills it, with everything below it where it is the database, and waits until another one is healthy."""
        before = self.until(lambda: self.pid(part), f"{part} is healthy")
        os.kill(before, signal.SIGKILL)
        self.until(lambda: self.pid(part) not in (0, before), f"another {part} is healthy")

    def until(self, holds: Callable[[], Any], what: str, within: float = 120.0) -> Any:
        give_up = time.monotonic() + within
        while not (value := holds()):
            assert time.monotonic() < give_up, f"not within {within:g} s: {what}"
            time.sleep(0.05)
        return value

    def applied(self) -> bool:
        document = json.loads(self.run("status", "--json").stdout)
        return document["healthy"] and document["lag_events"] == 0

    @contextmanager
    def up(self) -> "Iterator[Stack]":
        """The stack while it runs; nothing of it is left afterwards."""
        started = self.run("up", "--detach")
        assert started.returncode == 0, started.stderr
        try:
            yield self
        finally:
            self.run("down")
            home = str(self.home)
            environs = (one.info["environ"] or {} for one in psutil.process_iter(["environ"]))
            assert not [environ for environ in environs if environ.get("RXPULSE_HOME") == home]
