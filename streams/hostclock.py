"""The wall clock of the worker's host, watched for a step back.

Kafka's client counts its waits by that clock. Where it is set back by an hour, a wait that had a tenth of a second left
lasts an hour: the worker would stand still, and nobody would hear of what is late. So a worker whose clock was set back
ends itself, and its supervisor starts it again within a second. A step forward only ends waits early.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic, sleep, time

from models.errors import OurFault
from streams.living import living

BACK = 2.0
"""Seconds by which a clock may be set back between two looks: a wait may last so much longer without harm."""
_EVERY = 0.5


class ClockSetBack(OurFault):
    """The host's clock was set back."""


@dataclass(frozen=True, slots=True)
class Look:
    """Both clocks of a host at one moment, in seconds: the one on the `wall`, and the one that only counts."""

    wall: float
    counted: float


def set_back(before: Look, now: Look) -> float:
    """By how many seconds the wall clock was set back between two looks; negative where it was set forward."""
    return (now.counted - before.counted) - (now.wall - before.wall)


def watch(looks: Iterable[Look]) -> None:
    """Compares each look with the one before. Raises ClockSetBack."""
    for before, now in pairwise(looks):
        seconds = set_back(before, now)
        if seconds > BACK:
            raise ClockSetBack(
                f"the clock of this host was set back by {seconds:.0f} s, and Kafka's client would wait that much longer:"
                " a worker that is started anew does not. Mend the clock (NTP) where it is wrong"
            )


def start(failed: Callable[[BaseException], None]) -> None:
    """Watches this host's clock in a thread that ends with the process; `failed` is called with whatever ends it."""
    living("host clock", lambda: watch(_looks()), failed).start()


def _looks() -> Iterator[Look]:
    while True:
        yield Look(time(), monotonic())
        sleep(_EVERY)
