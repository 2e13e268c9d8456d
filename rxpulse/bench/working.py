"""The worker that is measured: a process of its own beside the stack, asked over its `/metrics` how far it is.

There may be several, each under a name of its own; Kafka shares the partitions out among them.
"""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from models.errors import CallerFault
from rxpulse.bench.rig import Rig
from rxpulse.process import last_lines, tether

STORE, NO_STORE = ("rxpulse", "worker"), ("rxpulse.bench.no_store",)
"""The worker as it is, and one with a memory in the place of PostgreSQL."""
_FIRST_SECONDS = 120.0
_STOP_SECONDS = 60.0
_STILL_SECONDS = 120.0
_WAIT, _BETWEEN = 0.01, 0.1
"""Seconds between two looks while nothing is measured, and while something is: then each takes time from the worker."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that was started at `began` (this host's monotonic clock)."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path
    began: float

    def figures(self) -> dict[str, float] | None:
        """What `/metrics` says now; None before it answers. Raises CallerFault where the worker has ended."""
        if self.process.poll() is not None:
            raise CallerFault(f"the worker ended with {self.process.returncode}:\n" + "\n".join(last_lines(self.log)))
        try:
            return samples(httpx.get(f"http://127.0.0.1:{self.port}/metrics", timeout=10).text)
        except httpx.TransportError:
            return None

    def partitions(self) -> int:
        """How many it holds now."""
        return int((self.figures() or {}).get("rxpulse_worker_partitions", 0))

    def stop(self) -> None:
        """Asks it to end, and waits until it has written all it read. Raises CallerFault where it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired as late:
            raise CallerFault(f"the worker did not stop within {_STOP_SECONDS:g} s") from late


def samples(text: str) -> dict[str, float]:
    """The series of Prometheus' text format with their values; labels stay part of the name."""
    lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def applied(figures: Mapping[str, float]) -> float:
    """Records applied by now, whatever became of them."""
    return sum(value for name, value in figures.items() if name.startswith("rxpulse_worker_events_total{"))


@contextmanager
def at_work(rig: Rig, module: Sequence[str] = STORE, name: str = "w0") -> Iterator[Worker]:
    """One worker, killed at the end unless it has ended before."""
    port, log = _free_port(), rig.plan.home / "logs" / f"worker-{name}.log"
    began = time.monotonic()
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *module],
            env=rig.environment(RXPULSE_PORT=str(port), RXPULSE_WORKER_INSTANCE=name),
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=tether(signal.SIGKILL),
        )
    try:
        yield Worker(process, port, log, began)
    finally:
        process.kill()
        process.wait()


@contextmanager
def crew(rig: Rig, size: int) -> Iterator[list[Worker]]:
    """So many workers side by side."""
    with ExitStack() as stack:
        yield [stack.enter_context(at_work(rig, name=f"w{number}")) for number in range(size)]


def until_assigned(workers: Sequence[Worker], partitions: int | None = None) -> None:
    """Waits until each of the workers holds partitions, and all together so many (None: any number). Raises CallerFault."""
    give_up = time.monotonic() + _FIRST_SECONDS
    while True:
        held = [worker.partitions() for worker in workers]
        if all(held) and partitions in (None, sum(held)):
            return
        if time.monotonic() > give_up:
            raise CallerFault(f"after {_FIRST_SECONDS:g} s the workers hold {held} partitions")
        time.sleep(_WAIT)


def until_applied(
    name: str, count: Callable[[], float], events: int, workers: Sequence[Worker] = (), still: float = _STILL_SECONDS
) -> Iterator[float]:
    """Looks again and again how many of these events are applied, as `count` says, until all are; each time so many. Raises
    CallerFault where nothing moves for so many seconds; if one of the `workers` has ended, with what it said."""
    done, moved = 0.0, time.monotonic()
    while done < events:
        time.sleep(_BETWEEN)
        now = count()
        moved = time.monotonic() if now > done else moved
        done = now
        yield done
        if time.monotonic() - moved > still:
            for worker in workers:
                worker.figures()
            raise CallerFault(f"{name}: nothing moves at {done:g} of {events} events")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
