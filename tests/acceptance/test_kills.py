"""Nothing lost and nothing twice: parts of a running stack are killed again and again, and every figure is recomputed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rxpulse import home as homes
from rxpulse.home import StackState

KILLS = 10
SECONDS = 1800


class Stack:
    """`rxpulse up` in a home of its own, and commands beside it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")}
        self.env |= {"RXPULSE_HOME": str(home), "RXPULSE_PORTS": "auto"}
        if cache := os.environ.get("RXPULSE_CACHE"):
            self.env["RXPULSE_CACHE"] = cache

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

    def until(self, holds: "object", what: str, within: float = 120.0) -> int:
        assert callable(holds)
        give_up = time.monotonic() + within
        while not (value := holds()):
            assert time.monotonic() < give_up, f"not within {within:g} s: {what}"
            time.sleep(0.05)
        return int(value)

    def applied(self) -> bool:
        document = json.loads(self.run("status", "--json").stdout)
        return document["healthy"] and document["lag_events"] == 0


@pytest.fixture
def stack(own_home: Path) -> Iterator[Stack]:
    running = Stack(own_home)
    up = running.run("up", "--detach")
    assert up.returncode == 0, up.stderr
    yield running
    running.run("down")
    assert not [
        one
        for one in psutil.process_iter(["environ"])
        if (one.info["environ"] or {}).get("RXPULSE_HOME") == str(own_home)
    ]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("part", ["worker", "kafka", "postgres"])
def test_ten_kills_in_a_row_change_no_figure(stack: Stack, part: str, tmp_path: Path) -> None:
    feed = tmp_path / "feed.ndjson"
    made = stack.run("simulate", "--profile", "inpatient", "--days", "4", "--seed", "3", "--out", str(feed))
    assert made.returncode == 0, made.stderr
    events = feed.read_bytes().splitlines(keepends=True)
    share = len(events) // KILLS + 1
    for number in range(KILLS):
        piece = tmp_path / f"piece{number}.ndjson"
        piece.write_bytes(b"".join(events[number * share : (number + 1) * share]))
        sent = stack.run("import", "ndjson", str(piece), "--to-kafka")
        assert sent.returncode == 0, sent.stderr
        stack.kill(part)
    stack.until(stack.applied, "everything is applied")
    verified = stack.run("verify", "--json")
    document = json.loads(verified.stdout)
    assert verified.returncode == 0 and document["differences"] == 0, document
    assert document["events"] == len(events)
