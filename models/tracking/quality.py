"""What a case says about itself as a whole: how it stands with its deadlines, and which of its facts cannot be."""

from dataclasses import dataclass
from datetime import timedelta

from models.case import before_case
from models.tracking.holding import instances
from models.tracking.watched import Pace, Watched

SKEW = timedelta(minutes=5)
"""An event later than its own recording by more than this tells of clocks that differ."""


def pace(case: Watched) -> Pace:
    """The worst of the clocks that run, as far as silence was listened to: of `judged`, not of now."""
    found = Pace.ON_TIME
    for held in case.held.values():
        if held.pace is Pace.LATE:
            return Pace.LATE
        if held.pace is Pace.AT_RISK:
            found = Pace.AT_RISK
    return found


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Facts that cannot be, counted and never averaged."""

    negative_interval: int
    impossible_transition: int
    before_case: int
    id_reused: int
    clock_skew: int


def conflicts(case: Watched) -> Conflicts:
    """The conflicts of a case. A start before which all stops lie counts once, however many clocks it concerns."""
    void = {(run.start.source, run.start.id) for run in instances(case.runs) if run.void}
    skewed = sum(event.time - event.recorded > SKEW for event in case.evidence.events)
    impossible = case.progress.impossible if case.progress else 0
    return Conflicts(len(void), impossible, before_case(case.evidence), len(case.evidence.rivals), skewed)
