"""The clock of the worker's host steps by an hour, forth and back, while events flow.

Only the worker's: a library between it and its system (libfaketime) shows it another wall clock, which is set by writing a
file; `waits.c` lets Kafka's client wait by that clock, as it does by a host's. The clock that only counts goes on, as ever.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import miss, require_program
from tests.faults.proof import prove
from tests.faults.servers import pass_time
from tests.faults.trial import Trial

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
HOUR = 3600


class HostClock:
    """The wall clock of whoever is started with `env`, under the libraries that show it."""

    def __init__(self, libraries: list[Path], folder: Path) -> None:
        self._shown = folder / "clock"
        self.step(0)
        self.env = {
            "LD_PRELOAD": ":".join(map(str, libraries)),
            "FAKETIME_TIMESTAMP_FILE": str(self._shown),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def step(self, seconds: int) -> None:
        """From now on it is wrong by so much; ahead of the right time where that is positive."""
        half = self._shown.with_suffix(".half")
        half.write_text(f"{seconds:+d}\n")
        half.replace(self._shown)


@pytest.fixture
def clock(tmp_path: Path) -> HostClock:
    if sys.platform != "linux":
        pytest.skip("the clock of a single process can be set on Linux alone")
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        miss("libfaketime is not installed: apt-get install libfaketime")
    waits = tmp_path / "waits.so"
    compiler = require_program("cc", "gcc libc6-dev")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", waits, Path(__file__).with_name("waits.c")], check=True)
    return HostClock([waits, found[0]], tmp_path)


def ahead(trial: Trial) -> float:
    """By how many seconds the worker last found its clock ahead of the database's."""
    measured = trial.rows("SELECT ahead / 1e6 FROM worker_clocks WHERE worker = 'w0'")
    return float(measured[0][0]) if measured else 0.0


def raised(trial: Trial) -> bool:
    """Whether the signal `clocks` is open."""
    return bool(trial.one("SELECT count(*) FROM signals WHERE kind = 'feed' AND name = 'clocks' AND cleared IS NULL"))


def test_the_clock_of_the_host_steps_by_an_hour_and_back(trial: Trial, clock: HostClock) -> None:
    """Events are applied; silence is not judged, which is said; late orders are told once the clock is right again. Each
    step back ends the worker, whose client of Kafka would wait for an hour."""
    trial.env |= clock.env
    trial.may_end = (1,)
    trial.hire()
    steps = (HOUR, -HOUR) * (2 if trial.full else 1)
    for wrong in steps:
        trial.feed(trial.portion(8))
        trial.progress()
        clock.step(wrong)
        trial.tending(lambda by=wrong: abs(ahead(trial) - by) < 5 and raised(trial))
        known = trial.late_signals()
        trial.forget_to_verify(2)
        trial.feed(trial.portion(16))
        trial.tending(trial.applied)
        pass_time(2.0)
        assert trial.late_signals() == known
        clock.step(0)
        trial.tending(lambda: len(trial.late_signals()) == len(trial.late) and not raised(trial))
    trial.settle()
    assert trial.codes == [1] * len(steps), trial.told()
    assert trial.said("was set back by 3600 s") == len(steps)
    prove(trial)
