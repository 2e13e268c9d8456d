"""What processes use: CPU seconds and memory, each with everything it started."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from threading import Event as Flag
from threading import Thread

import psutil

_EVERY = 0.5


def cpu_seconds(pid: int) -> float:
    """CPU seconds, user and system, of a process and all its descendants, those that ended meanwhile included (as far
    as whoever started them has waited for them); 0 where there is no such process."""
    return sum(_cpu(process) for process in family(pid))


def cpu_by_name(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of each process by its name."""
    return {name: cpu_seconds(pid) for name, pid in pids.items()}


def used(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds between two readings of the same processes."""
    return {name: after[name] - before[name] for name in before}


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of processes and all their descendants. Pages that they share count once for each of them."""
    return sum(_memory(process, "rss") for pid in pids for process in family(pid))


def proportional_bytes(pids: Iterable[int]) -> int | None:
    """As `resident_bytes`, with shared pages split among those who share them; None where the system does not say."""
    found = [_memory(process, "pss") for pid in pids for process in family(pid)]
    return sum(found) or None


class Elsewhere:
    """What the processors did for others since this was made."""

    def __init__(self) -> None:
        self._busy, self._ours, self._all = _busy_and_all()

    def share(self) -> float:
        """The share of all processors' time that went to neither this process nor its descendants, from 0 to 1."""
        busy, ours, whole = _busy_and_all()
        others = (busy - self._busy) - (ours - self._ours)
        return min(max(others / max(whole - self._all, 1e-9), 0.0), 1.0)


def _busy_and_all() -> tuple[float, float, float]:
    """CPU seconds of all processors that were not idle, those that went to this process and its descendants, and all."""
    times = psutil.cpu_times()
    # What guests use is in `user` already.
    whole = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return whole - times.idle - getattr(times, "iowait", 0.0), cpu_seconds(os.getpid()), whole


def family(pid: int) -> list[psutil.Process]:
    """The process and all its descendants that live now."""
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)


def _memory(process: psutil.Process, kind: str) -> int:
    with contextlib.suppress(psutil.Error):
        found = process.memory_info() if kind == "rss" else process.memory_full_info()
        return int(getattr(found, kind, 0))
    return 0


class Watcher:
    """Looks twice a second at the memory of a process and its descendants while the `with` block runs: `rss` and `pss`
    are the highest sums seen, in bytes; `pss` 0 where the system does not say."""

    def __init__(self, pid: int) -> None:
        self.rss = self.pss = 0
        self._pid = pid
        self._stop = Flag()
        self._thread = Thread(target=self._run, name="watches memory", daemon=True)

    def __enter__(self) -> "Watcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_EVERY):
            self._look()
        self._look()

    def _look(self) -> None:
        rss = resident_bytes([self._pid])
        if rss > self.rss:
            self.rss = rss
            self.pss = proportional_bytes([self._pid]) or self.pss
