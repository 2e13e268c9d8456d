"""A case that has left: it was over, and for a long time nobody said anything more about it.

What was issued about it stays known; its events lie no longer at hand. Whatever is said of it afterwards is counted and
changes nothing, and silence says nothing new.
"""

from datetime import timedelta

from models.case import Admission
from models.tracking.watched import Step, Watched

RESTS = timedelta(days=90)
"""A finished case leaves when nothing was applied to it for so long, by the database's clock."""


class Departed(Watched, frozen=True, gc=False, eq=False):
    """A case that has left: without events. `intervals` and `signals` are those last issued, none where that was not asked."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Departed) and super().__eq__(other)


def departed(case: Watched) -> Departed:
    """The case from the instant on at which it leaves."""
    return Departed(case.id, intervals=case.intervals, signals=case.signals)


def untouched(case: Departed, events: int) -> Step:
    """What so many events, or silence, lead to: nothing."""
    return Step(case, (Admission.AFTER_CLOSE,) * events, (), (), (), None)
