"""What is known of a piece of work under watch, and what one event or one tick changed of it.

A turnaround time is issued as an Interval, trouble as a Signal; late evidence may change or take back either, under the
same id with a higher revision. Beside the facts a case carries what each clock and each broken rule says right now, so
that an event that concerns none of them costs next to nothing: that is told again from the events whenever they are
folded again, and is no part of what the case is.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType

from msgspec import Struct, field

from models.case import Admission, Evidence, Progress
from models.clocks import Run
from models.event import CaseId, Site
from models.policy import BEGINNING, Policies
from models.rates import Outcome
from models.signals import Signal, SignalId

Key = tuple[str, str]
"""The name of a clock, and the key that tells its instances in one case apart."""
Runs = Mapping[Key, tuple[Run, ...]]
"""The instances of each clock and key, in order; only the last may run."""
Running = Mapping[Key, Run]
"""Of these the ones that run: all that an event may stop, end or let pause."""


class Pace(Enum):
    """How a case stands with its deadlines. AT_RISK: a warning was reached and nothing is late; LATE: a clock is past its
    due and still runs."""

    ON_TIME = "on_time"
    AT_RISK = "at_risk"
    LATE = "late"


class Interval(Struct, frozen=True, gc=False, kw_only=True):
    """The reading of a stopped clock. `target` None: no length was promised; `in_target` None: nothing was due. A changed
    interval is issued again under its id with a higher revision; `retracted`: late evidence took it away."""

    id: str
    clock: str
    site: Site
    priority: str
    case: CaseId
    started: datetime
    stopped: datetime
    net: timedelta
    target: timedelta | None
    in_target: bool | None
    revision: int = 1
    retracted: bool = False


class Breakage(Struct, frozen=True, gc=False):
    """A broken rule as its event told it. `since` is the instant whose policy version judged it."""

    signal: Signal
    since: datetime


class Folded(Struct, frozen=True, gc=False):
    """What follows from the events so far: `progress` (None before the first), the instances of clocks and which of them
    run, broken rules; `void`: some instance was stopped before it started, if only for a while."""

    progress: Progress | None = None
    runs: Runs = MappingProxyType({})
    running: Running = MappingProxyType({})
    broken: tuple[Breakage, ...] = ()
    void: bool = False


class Held(Struct, frozen=True, gc=False):
    """What one instance of a clock, or one broken rule, says as far as silence was listened to. `look` is the instant
    after which it would say something else by silence alone, None where it never would; `open`: an event that is the
    newest or silence may still change it."""

    interval: Interval | None = None
    signal: Signal | None = None
    look: datetime | None = None
    pace: Pace = Pace.ON_TIME
    open: bool = False


class Anchor(Struct, frozen=True, gc=False):
    """What followed from the first `at` standing events, of which none is of the last instant. Feeds tell of one instant in
    any order, and then only the events from there on are folded again."""

    at: int = 0
    folded: Folded = Folded()


class Watched(Struct, frozen=True, gc=False, eq=False):
    """A case under watch. `judged` is the instant up to which silence was listened to; `intervals` and `signals` are those
    last issued, by id, retracted and disproved ones included.

    The rest follows from these and only saves time: `anchor` a fold from before the last instant; `held` what is open, by
    the id of its instance or signal; `look` the earliest of theirs; `under` the policies by which they were told, None:
    not yet, so the case is folded first."""

    id: CaseId
    evidence: Evidence = field(default_factory=Evidence)
    folded: Folded = field(default_factory=Folded)
    judged: datetime = BEGINNING
    intervals: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    signals: Mapping[SignalId, Signal] = field(default_factory=dict[SignalId, Signal])
    anchor: Anchor = Anchor()
    held: Mapping[str, Held] = field(default_factory=dict[str, Held])
    look: datetime | None = None
    under: Policies | None = None

    def __eq__(self, other: object) -> bool:
        """Whether both say the same; what only saves time says nothing."""
        if not isinstance(other, Watched):
            return NotImplemented
        return _said(self) == _said(other)

    @property
    def progress(self) -> Progress | None:
        return self.folded.progress

    @property
    def runs(self) -> Runs:
        return self.folded.runs


def _said(case: Watched) -> tuple[object, ...]:
    return case.id, case.evidence, case.folded, case.judged, case.intervals, case.signals


class Step(Struct, frozen=True, gc=False):
    """What changed. `admissions` says of each event what became of it, none where time passed; `look` is the instant after
    which silence would say something new, None where it never would."""

    case: Watched
    admissions: tuple[Admission, ...]
    intervals: tuple[Interval, ...]
    signals: tuple[Signal, ...]
    outcomes: tuple[Outcome, ...]
    look: datetime | None
