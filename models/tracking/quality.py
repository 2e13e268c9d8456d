"""What a case says about itself as a whole: how it stands with its deadlines, and which of its facts cannot be."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import NamedTuple

from models.case import Admission, before_case
from models.event import Event, Site
from models.event_types import OPENING
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


class Doubt(NamedTuple):
    """A conflict that cases of a site had or lost: `kind` is its name among Conflicts, `hour` (UTC, its beginning) that of
    the first event of the case, `by` how many more there are, negative where they were healed."""

    site: Site
    kind: str
    hour: datetime
    by: int


def amended(
    before: Watched, after: Watched, events: Sequence[Event], admissions: Sequence[Admission]
) -> tuple[Doubt, ...]:
    """What events changed about the conflicts of their case. Summed over all events of all cases, these are the conflicts
    of the cases as they stand, with those of what left. Nearly all events change nothing, and that is found out at once."""
    if after is before or (admissions.count(Admission.NEWEST) == len(admissions) and _plain(before, after, events)):
        return ()
    gone = {doubt[:3]: -doubt.by for doubt in _doubts(before)}
    for doubt in _doubts(after):
        gone[doubt[:3]] = gone.get(doubt[:3], 0) + doubt.by
    return tuple(Doubt(*key, by) for key, by in gone.items() if by)


def _plain(before: Watched, after: Watched, events: Sequence[Event]) -> bool:
    """Whether events that are newest brought no conflict and healed none."""
    if any(event.time > event.recorded and event.time - event.recorded > SKEW for event in events):
        return False
    was, now = before.progress, after.progress
    if (was.impossible if was else 0) != (now.impossible if now else 0):
        return False
    if after.runs is not before.runs and (_has_void(before) or _has_void(after)):
        return False
    if after.evidence.standing and after.evidence.standing[0].type in OPENING:
        return True
    # A case that did not begin with the event that opens it: that may come now.
    return not any(event.type in OPENING for event in events)


def _has_void(case: Watched) -> bool:
    return case.folded.void and any(run.void for run in instances(case.runs))


def _doubts(case: Watched) -> list[Doubt]:
    if not case.evidence.events:
        return []
    first, found = case.evidence.events[0], conflicts(case)
    hour = first.time.replace(minute=0, second=0, microsecond=0)
    counted = ((one.name, getattr(found, one.name)) for one in fields(found))
    return [Doubt(first.site, kind, hour, number) for kind, number in counted if number]
