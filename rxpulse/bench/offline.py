"""What needs no service: the help, and the figures of a real data set from a file."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from models.errors import CallerFault
from rxpulse.bench.rig import own_environment
from rxpulse.bench.rows import Row, throughput

REBASE = "2026-01-01"
TEST_DATA = "RXPULSE_TEST_DATA"
_HELPS = 7
_KEY = "a key for measurements alone, whose pseudonyms are thrown away"
_MAXRSS = 1024 if sys.platform == "linux" else 1
"""Bytes in one unit of `ru_maxrss`."""


def real_data(environ: Mapping[str, str]) -> Path | None:
    """The real data set, where the environment names the folder that holds it."""
    named = environ.get(TEST_DATA)
    folder = Path(named, "mimic-iv-demo") if named else None
    return folder if folder is not None and folder.is_dir() else None


def help_row(environ: Mapping[str, str]) -> Row:
    """`help`: the middle one of seven calls of `rxpulse --help`."""
    return Row(name="help", wall_s=median(_timed(["--help"], environ).seconds for _ in range(_HELPS)))


def replay_mimic(environ: Mapping[str, str], data: Path) -> Row:
    """`replay-mimic`: `rxpulse replay` of the events of the real data set, which are made before."""
    with TemporaryDirectory(prefix="rxpulse-bench-") as folder:
        events = Path(folder) / "mimic.ndjson"
        _timed(["import", "mimic", str(data), "--rebase", REBASE, "--out", str(events)], environ)
        with events.open("rb") as stream:
            count = sum(1 for _ in stream)
        took = _timed(["replay", str(events), "--json"], environ)
    return throughput("replay-mimic", count, took.seconds, {"replay": took.cpu_seconds}, took.rss_bytes)


@dataclass(frozen=True, slots=True)
class _Took:
    seconds: float
    cpu_seconds: float
    rss_bytes: int


def _timed(words: list[str], environ: Mapping[str, str]) -> _Took:
    """What a command of RxPulse took. Raises CallerFault where it failed."""
    env = own_environment(environ, Path("/nonexistent"), None) | {"RXPULSE_PSEUDONYM_KEY": _KEY}
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "rxpulse", *words], env=env, stdout=subprocess.DEVNULL)
    # wait4 alone tells what this one child used.
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CallerFault(f"rxpulse {' '.join(words)} ended with {process.returncode}")
    return _Took(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _MAXRSS)
