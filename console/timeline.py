"""One case as a picture: each of its clocks as a bar from start to stop, with its pauses and its due, all on one scale.

Places on the scale are whole numbers from 0 to SCALE, so that a picture fits any screen. Nothing here asks what time it
is: a clock that runs is drawn up to the instant that is given.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models import clocks
from models.case import Evidence
from models.clocks import Run
from models.elapsed import net
from models.event import Event
from models.hours import Span
from models.policy import Policies
from models.signals import Cleared
from models.tracking import Watched
from models.tracking.asked import clock_lapses

SCALE = 1000
_LEAST = 4
"""What takes no time at all is still seen."""
_ROOM = 1.5
"""A due further ahead than this share of the whole would press everything else into a corner: it is said, not drawn."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a bar."""

    at: int
    width: int


@dataclass(frozen=True, slots=True)
class Bar:
    """One clock of the case. `state` is met, missed, measured (nothing was promised), running, late (and still
    running), over (it no longer matters), policy (no longer asked for) or void (it was stopped before it started).
    `stopped` None: it runs; `due` None: nothing is promised; `net` leaves out pauses and closed hours. `due_at` None:
    there is none, or it is too far away to be drawn."""

    name: str
    title: str
    key: str
    state: str
    started: datetime
    stopped: datetime | None
    due: datetime | None
    net: timedelta
    line: Stretch
    pauses: tuple[Stretch, ...]
    due_at: int | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """`begins` and `finishes` (UTC) are the ends of the scale; `bars` stand in the order of their start."""

    begins: datetime
    finishes: datetime
    bars: tuple[Bar, ...]


def timeline(case: Watched, policies: Policies, now: datetime) -> Timeline:
    """The clocks of a case that has at least one event that stands, as of `now`."""
    standing = case.evidence.standing
    runs = sorted(_instances(case, policies, now), key=lambda run: (run.start.time, run.clock.name, run.key))
    ends = [run.over or now for run in runs]
    begins = _begins(case.evidence, runs)
    finishes = max([standing[-1].time, *ends, begins + timedelta(seconds=1)])
    dues = [due for run in runs if (due := _due(run, standing)) is not None]
    near = [due for due in dues if due <= begins + (finishes - begins) * _ROOM]
    scale = _Scale(begins, max([finishes, *near]))
    return Timeline(begins, scale.finishes, tuple(_bar(run, standing, now, scale) for run in runs))


def _begins(evidence: Evidence, runs: Iterable[Run]) -> datetime:
    """With the first event; of a case from which much has left, where that ends or with what still runs from before."""
    first = evidence.standing[0].time
    if evidence.trimmed is None:
        return first
    return max(first, min([evidence.trimmed.until, *(run.start.time for run in runs)]))


@dataclass(frozen=True, slots=True)
class _Scale:
    begins: datetime
    finishes: datetime

    def place(self, instant: datetime) -> int:
        share = (instant - self.begins) / (self.finishes - self.begins)
        return round(min(max(share, 0.0), 1.0) * SCALE)

    def stretch(self, span: Span) -> Stretch:
        at, to = self.place(span[0]), self.place(span[1])
        width = max(to - at, _LEAST)
        return Stretch(min(at, SCALE - width), width)


def _instances(case: Watched, policies: Policies, now: datetime) -> list[Run]:
    """The instances of all clocks; those that the policy asks for no longer are over."""
    found: list[Run] = []
    for run in (run for instances in case.runs.values() for run in instances):
        lapse = clock_lapses(run, case.evidence.standing[0], policies) if run.running else None
        found.append(clocks.lapse(run, lapse) if lapse is not None and lapse < now else run)
    return found


def _due(run: Run, standing: Sequence[Event]) -> datetime | None:
    return next((one.at for one in clocks.breaches(run, clocks.pauses(run, standing)) if one.late), None)


def _bar(run: Run, standing: Sequence[Event], now: datetime, scale: _Scale) -> Bar:
    still, until = clocks.pauses(run, standing), max(run.over or now, run.start.time)
    due = _due(run, standing)
    working = run.profile.working if run.clock.open_hours else None
    return Bar(
        name=run.clock.name,
        title=run.clock.title,
        key=run.key,
        state=_state(run, still, due, now),
        started=run.start.time,
        stopped=run.over,
        due=due,
        net=net(run.start.time, until, holes=still, working=working),
        line=scale.stretch((run.start.time, until)),
        pauses=tuple(map(scale.stretch, _within(still, run.start.time, until))),
        due_at=None if due is None or due > scale.finishes else scale.place(due),
    )


def _within(spans: Sequence[Span], begins: datetime, finishes: datetime) -> list[Span]:
    """What of the spans lies between two instants."""
    cut = ((max(begun, begins), min(ended, finishes)) for begun, ended in spans)
    return [(begun, ended) for begun, ended in cut if begun < ended]


def _state(run: Run, still: Sequence[Span], due: datetime | None, now: datetime) -> str:
    if run.void:
        return "void"
    if run.running:
        return "late" if due is not None and due < now else "running"
    reading = clocks.reading(run, still)
    if reading is None:
        return "policy" if run.end is not None and run.end.reason is Cleared.POLICY else "over"
    return {True: "met", False: "missed", None: "measured"}[reading.in_target]
