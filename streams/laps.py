"""Where the worker's time goes: each of its two threads says what it has just done, and the time since it last said so
counts for that."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from time import monotonic

EVERY = 0.5
"""Seconds from one telling to the next: a step is far too short to be told by itself."""


class Doing(StrEnum):
    """What takes time. The thread that reads polls, decodes, loads cases, tracks, listens to silence and commits offsets;
    the one that writes waits until dead letters are confirmed, writes the transaction and produces facts."""

    POLL = "poll"
    DECODE = "decode"
    LOAD = "load"
    TRACK = "track"
    LISTEN = "listen"
    COMMIT = "commit"
    CONFIRM = "confirm"
    TRANSACTION = "transaction"
    PRODUCE = "produce"


Told = Callable[[Mapping[Doing, float]], None]
"""Is told the seconds spent on each since the last telling."""


class Laps:
    """The laps of one thread."""

    def __init__(self, told: Told, clock: Callable[[], float] = monotonic) -> None:
        self._told = told
        self._clock = clock
        self._spent: dict[Doing, float] = {}
        self._begun = self._last = clock()

    def begin(self) -> None:
        """The time since the last lap was spent on nothing."""
        self._last = self._clock()

    def end(self, doing: Doing) -> None:
        """The time since the last lap was spent on this."""
        now = self._clock()
        self._spent[doing] = self._spent.get(doing, 0.0) + now - self._last
        self._last = now
        if now - self._begun >= EVERY:
            self._begun = now
            self._told(self._spent)
            self._spent = {}
