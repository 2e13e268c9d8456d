"""Where a test may end the worker."""

import os
import signal
import subprocess
import sys

import pytest

from streams.faultpoints import POINTS, VARIABLE, armed, reached


def test_without_a_plan_every_point_is_passed() -> None:
    assert VARIABLE not in os.environ
    for point in POINTS:
        reached(point)


def test_the_process_ends_at_the_passing_that_was_named() -> None:
    code = "from streams.faultpoints import reached\nfor n in range(5): print(n, flush=True); reached('after load')"
    env = os.environ | {VARIABLE: "after load:3:KILL"}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout.split() == ["0", "1", "2"]


@pytest.mark.parametrize("plan", ["", "before", "before nothing:1:KILL", "before poll:x:KILL", "before poll:1:TERM"])
def test_a_plan_that_names_no_point_is_refused(plan: str) -> None:
    with pytest.raises(ValueError, match=VARIABLE):
        armed(plan)
