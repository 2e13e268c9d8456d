"""The folder of a one-machine stack, and what it says of the stack that runs in it.

`stack.json` is written anew at every turn of a part: who runs, on which ports, how each part is. From it `status` and
`down` find a running stack, and the next start finds what a killed one left behind. A lock on `stack.lock`, which the
system gives back whatever happens, keeps a second stack out. A folder without the marker file is never emptied. The
marker also says what the home is for: the demo's invented history and a pharmacy's own events never lie in one home.
"""

import errno
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import psutil

from models.errors import CallerFault
from rxpulse.process import kill_session

MARKER = ".rxpulse-home"
_MARKER_TEXT = "This folder holds the data of an RxPulse stack. `rxpulse reset` deletes it.\n"
_STATE, _LOCK = "stack.json", "lock"
_PLAYED = "demo.json"
_REAP_SECONDS = 15.0
_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""What Linux calls this start of the machine. Other systems have none."""
_STARTED = 19
"""The place of the start of a process behind its name in /proc/PID/stat, in ticks since the machine's (proc(5), field 22)."""
LOW_SPACE, NO_SPACE = 2 * 2**30, 256 * 2**20
"""Free bytes below which a start warns, and below which it refuses: Kafka and PostgreSQL both stop on a full disk."""
FULL = 16 * 2**20
"""Free bytes below which a disk is called full: PostgreSQL writes its log in pieces of that size."""


class Purpose(StrEnum):
    """What a home is for: a pharmacy's own events, or the invented ones of the demo."""

    WORK = "work"
    DEMO = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """How one part stood at its last turn. `born` tells `pid` from a process that is given the same number later."""

    name: str
    phase: str
    healthy: bool
    pid: int | None = None
    born: str | None = None
    url: str | None = None
    detail: str = ""
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """What `stack.json` holds. `pid` and `born` are the supervisor's; `base` the first port; `cluster` Kafka's id,
    None where an outside broker is used; `failure` is why it ended, None while it has not failed."""

    pid: int
    born: str
    base: int
    cluster: str | None = None
    complete: bool = False
    failure: str | None = None
    parts: tuple[PartState, ...] = field(default=())

    @property
    def running(self) -> bool:
        """Whether the supervisor that wrote this is alive."""
        return lives(self.pid, self.born)

    @property
    def killed(self) -> bool:
        """Whether the supervisor ended without stopping its parts: it was killed, or the machine went off."""
        return not self.running and self.failure is None and any(part.pid is not None for part in self.parts)


def born(pid: int) -> str | None:
    """Which process of this number it is: the start of the machine that it belongs to, and when it started after that. Not by the
    time of day, which whoever sets the clock moves for all that run. None where there is none."""
    try:
        if not _BOOT.exists():
            return f"{psutil.Process(pid).create_time():.2f}"
        after = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[_STARTED]
        return f"{_BOOT.read_text('utf-8').strip()} {after}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def lives(pid: int, since: str) -> bool:
    """Whether the process `pid` that was born then is still there and not just waiting to be buried."""
    try:
        return born(pid) == since and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def purpose_of(home: Path) -> Purpose | None:
    """What the home is for; None where nothing says so: there is none yet, or no stack ever started in it. A home of an
    earlier release says it by what lies in it."""
    marker = home / MARKER
    said = marker.read_text("utf-8") if marker.is_file() else ""
    for purpose in Purpose:
        if f"purpose: {purpose}" in said.splitlines():
            return purpose
    if (home / _PLAYED).exists():
        return Purpose.DEMO
    return Purpose.WORK if (home / _STATE).exists() else None


def check_purpose(home: Path, purpose: Purpose) -> None:
    """Raises CallerFault where the home is for something else than `purpose`: what was mixed nobody can part again."""
    held = purpose_of(home)
    if held is Purpose.WORK and purpose is Purpose.DEMO:
        raise CallerFault(
            f"{home} belongs to `rxpulse up`, and the demo would pour nine weeks of invented history into it: set"
            " RXPULSE_HOME to another folder for the demo, or delete this one with `rxpulse down; rxpulse reset`"
        )
    if held is Purpose.DEMO and purpose is Purpose.WORK:
        raise CallerFault(
            f"{home} holds the invented history of the demo, and real events must not mix with it: set RXPULSE_HOME to"
            " another folder, or delete this one with `rxpulse down; rxpulse reset`; `rxpulse up --demo-home` runs on"
            " what the demo left, to look at it"
        )


def open_home(home: Path, purpose: Purpose = Purpose.WORK) -> None:
    """Makes the folder, or checks that it is one of ours, for this purpose. Raises CallerFault."""
    try:
        if home.exists() and not (home / MARKER).exists() and any(home.iterdir()):
            raise CallerFault(
                f"{home} is not empty and holds no {MARKER}: it is no home of RxPulse; set RXPULSE_HOME elsewhere"
            )
        check_purpose(home, purpose)
        home.mkdir(parents=True, exist_ok=True, mode=0o711)
        (home / MARKER).write_text(f"{_MARKER_TEXT}purpose: {purpose}\n", "utf-8")
        # As root the database runs under another account, which has to pass through.
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in ("logs", "state"):
            (home / folder).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise CallerFault(
            f"{home} cannot be used ({error.strerror}): set RXPULSE_HOME to a folder that you may write to"
        ) from error


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Holds the home for one stack. Raises CallerFault with the pid of whoever holds it already."""
    with (home / _LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CallerFault(
                f"a stack is already running as pid {file.read().strip() or 'unknown'} in {home}: `rxpulse status`"
                " shows it, `rxpulse down` stops it; for a second one set RXPULSE_HOME and RXPULSE_PORTS=auto"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_state(home: Path, state: StackState) -> None:
    """Replaces `stack.json` as a whole."""
    half = home / f".{_STATE}.{os.getpid()}"
    half.write_text(json.dumps(asdict(state), indent=1) + "\n")
    half.chmod(0o600)
    half.replace(home / _STATE)


def started_in(home: Path) -> bool:
    """Whether a stack ever started in `home`, as far as that can be seen."""
    return os.path.exists(home / _STATE)


def read_state(home: Path) -> StackState | None:
    """What the last stack in `home` wrote; None where there never was one. Raises CallerFault for a file of another
    release or a damaged one."""
    try:
        document: dict[str, Any] = json.loads((home / _STATE).read_text())
        return StackState(**{**document, "parts": tuple(PartState(**part) for part in document["parts"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise CallerFault(f"{home / _STATE} cannot be understood ({error}): remove it when no stack runs") from error
    except PermissionError as error:
        raise CallerFault(f"{home / _STATE} belongs to another user: run this as the one who started it") from error


def last_sign(home: Path) -> datetime | None:
    """When a stack in `home` last wrote of itself, as far as its files say (UTC)."""
    written = [one.stat().st_mtime for one in (home / _STATE, *(home / "logs").glob("*.log")) if one.is_file()]
    return datetime.fromtimestamp(max(written), UTC) if written else None


def reap(home: Path, state: StackState | None) -> list[str]:
    """Ends what a stack whose supervisor was killed left behind, and returns the names. Nobody else is touched: a pid
    counts only with its start time, and a stray member of its session only if it was started for this home."""
    if state is None or state.running:
        return []
    leaders = {part.pid: part for part in state.parts if part.pid is not None}
    left = {pid for pid, part in leaders.items() if part.born is not None and lives(pid, part.born)}
    for pid in left:
        os.kill(pid, signal.SIGINT if leaders[pid].name == "postgres" else signal.SIGTERM)
    _await_gone({pid: leaders[pid].born or "" for pid in left})
    for pid in left:
        kill_session(pid)
    strays = _strays(home, set(leaders))
    for process in strays:
        process.kill()
    psutil.wait_procs(strays, timeout=_REAP_SECONDS)
    return sorted({leaders[pid].name for pid in left} | {f"pid {process.pid}" for process in strays})


def _await_gone(born_by_pid: Mapping[int, str]) -> None:
    give_up = time.monotonic() + _REAP_SECONDS
    while any(lives(pid, since) for pid, since in born_by_pid.items()) and time.monotonic() < give_up:
        time.sleep(0.05)


def _strays(home: Path, sessions: set[int]) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.environ().get("RXPULSE_HOME") == str(home):
                found.append(process)
        except (psutil.Error, OSError):  # it is gone, or not ours to read
            continue
    return found


def check_deletable(home: Path) -> None:
    """Raises CallerFault where it is no home of ours, or a stack runs in it."""
    if not (home / MARKER).is_file():
        raise CallerFault(f"{home} holds no {MARKER}: it is no home of RxPulse, and nothing was deleted")
    with alone(home):
        return


def delete(home: Path) -> None:
    """Deletes the home. Raises CallerFault where it is no home of ours, or in use."""
    check_deletable(home)
    with alone(home):
        reap(home, read_state(home))
        shutil.rmtree(home)


def size_bytes(folder: Path) -> int:
    """What the folder takes on disk, as far as it can be read while it is in use."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(place, name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def full(home: Path) -> str:
    """What to add to a failure where the disk is full; empty where it is not."""
    free = shutil.disk_usage(home).free
    if free >= FULL:
        return ""
    return f"; the disk that holds {home} is full ({free / 2**20:.0f} MiB are free): make room, then start again"


@contextmanager
def told_when_full(home: Path) -> Iterator[None]:
    """Raises CallerFault in place of the system's error where there was no room for something."""
    try:
        yield
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise
        raise CallerFault(
            f"there was no room for {fault.filename or 'a file'}: the disk is full; make room, or set RXPULSE_HOME"
            f" elsewhere (now {home})"
        ) from fault


def space_warning(home: Path) -> str | None:
    """A sentence when free space is low, else None. Raises CallerFault when it is too low to start."""
    free = shutil.disk_usage(home).free
    if free >= LOW_SPACE:
        return None
    sentence = f"{free / 2**20:.0f} MiB are free at {home}, which holds {size_bytes(home) / 2**20:.0f} MiB"
    if free < NO_SPACE:
        raise CallerFault(f"{sentence}: a stack stops on a full disk; make room first, or set RXPULSE_HOME elsewhere")
    return f"{sentence}: make room soon (RXPULSE_RETENTION_DAYS says how long events are kept)"
