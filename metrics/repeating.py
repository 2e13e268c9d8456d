"""Libraries that say the same over and over: written once in a while, with how often it was held back.

While a broker is away its client complains some sixty times a second. Whoever opens the log at night needs to see that
once, and what else happened; what he does not see he is told the number of.
"""

import logging
from collections.abc import Callable

EVERY = 10.0
"""Seconds in which the same is written once."""
_KNOWN = 1000
"""Different messages that are remembered."""


class HeldBack(logging.Filter):
    """Lets a message through whose `wording` was not written within EVERY, and all for which that is None. What is written
    gets `repeated`: how often the same was held back before it."""

    def __init__(self, wording: Callable[[logging.LogRecord], str | None]) -> None:
        super().__init__()
        self._wording = wording
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        wording = self._wording(record)
        if wording is None:
            return True
        said = (record.name, record.levelno, wording)
        written, held_back = self._said.pop(said, (None, 0))
        # Whose clock was set back is not silent until it has caught up.
        if written is not None and abs(record.created - written) < EVERY:
            self._said[said] = (written, held_back + 1)
            return False
        record.repeated = held_back
        self._said[said] = (record.created, 0)
        while len(self._said) > _KNOWN:
            del self._said[next(iter(self._said))]
        return True
