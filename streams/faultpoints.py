"""Named places in the worker at which a test may end the process, as a power failure would.

The promise is that no event is lost and none acts twice, wherever the worker ends. To prove it the fault harness names
one of these places and a number in RXPULSE_TEST_FAIL_AT (`before transaction:3:KILL`), and the process kills itself
there at that passing. In every other process `reached` does nothing, and it is passed a few times a batch, never per event.
"""

import os
import re
import signal
from collections.abc import Callable

VARIABLE = "RXPULSE_TEST_FAIL_AT"
STEPS = ("poll", "decode", "load", "transaction", "produce", "commit")
"""What a worker at work does again and again."""
TAKING_OVER = ("claim", "resend")
"""What it does when partitions become its own; the second once for each."""


def points(*steps: str) -> tuple[str, ...]:
    """Before and after each step."""
    return tuple(f"{side} {step}" for step in steps for side in ("before", "after"))


POINTS = points(*STEPS, *TAKING_OVER)


def armed(plan: str | None) -> Callable[[str], None]:
    """What is called at every point. `plan` is `POINT:N:SIGNAL`: when POINT is passed for the Nth time (from 1) the
    process sends itself SIGNAL (KILL, or STOP for one that is frozen there). None: nothing ever happens. Raises
    ValueError for any other text."""
    if plan is None:
        return _nothing
    found = re.fullmatch(f"({'|'.join(POINTS)}):([0-9]+):(KILL|STOP)", plan)
    if found is None:
        raise ValueError(
            f"{VARIABLE} is {plan!r}: give one of {', '.join(POINTS)}, a number, and KILL or STOP, as P:1:KILL"
        )
    point, number, left = found[1], signal.Signals[f"SIG{found[3]}"], int(found[2])

    def passed(here: str) -> None:
        nonlocal left
        if here == point:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), number)

    return passed


def _nothing(_: str) -> None:
    return None


reached = armed(os.environ.get(VARIABLE))
