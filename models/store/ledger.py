"""What the worker writes and reads: positions, cases, facts.

A batch is applied whole or not at all. It says for each partition from which position to which it leads; a store that
stands elsewhere, or that somebody else has claimed since, refuses all of it, so that every event acts exactly once
however often it is delivered. Facts are numbered within their partition; the number up to which they reached the public
topics is kept with the position.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from msgspec import Struct

from models.case import Admission
from models.errors import CallerFault, OurFault
from models.event import CaseId
from models.policy import Kind, Policies
from models.signals import Signal
from models.store.records import CaseRow
from models.tracking import Interval, Watched

RESET = (
    "`rxpulse reset --facts`: turnaround times and counts of what the topic no longer holds are gone then, so"
    " `rxpulse export intervals` first"
)
"""The way out that always works where store and topic do not belong together, and what whoever takes it pays."""


class Fenced(OurFault):
    """Somebody else has claimed a partition since: this worker may not write any more."""


class ForeignCluster(CallerFault):
    """The positions belong to another Kafka cluster."""

    def __init__(self, held: str, found: str) -> None:
        super().__init__(
            f"the store's positions were counted on the Kafka cluster {held}, and this one is {found}: set RXPULSE_KAFKA to"
            f" the old one, or rebuild the store from this one's topic with {RESET}"
        )


class OtherPartitions(CallerFault):
    """The topic has another number of partitions than the positions were counted on."""

    def __init__(self, held: int, found: int) -> None:
        super().__init__(
            f"the topic of the events has {found} partitions, and the store was made from {held}: a case would be in two"
            f" places. Stop every worker, then make the facts anew over all partitions with {RESET}"
        )


@dataclass(frozen=True, slots=True)
class Claim:
    """A partition taken over. Numbers of facts go on at `sequence`; those from `published` on may never have reached the
    public topics. `judged` is the instant up to which silence was listened to, None: never. `revision_base` is added to
    the revisions of its facts on the public topics: 0 until facts were ever forgotten to be made again. `received` is when
    the broker received the record before `position`, None where none was read or nobody wrote it down."""

    partition: int
    epoch: int
    position: int
    sequence: int
    published: int
    judged: datetime | None
    revision_base: int = 0
    received: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of records of one partition."""

    accepted: int = 0
    duplicates: int = 0
    id_reused: int = 0
    rejected: int = 0
    rerouted: int = 0
    after_close: int = 0


TALLIED: Mapping[Admission, str] = {
    Admission.NEWEST: "accepted",
    Admission.LATE: "accepted",
    Admission.DUPLICATE: "duplicates",
    Admission.ID_REUSED: "id_reused",
    Admission.AFTER_CLOSE: "after_close",
}
"""As what a tally counts an event that a case was given."""


@dataclass(frozen=True, slots=True)
class Advance:
    """One partition's part of a batch: from position `was` (of `epoch`) to `position`. `recorded` is the latest
    `recorded` among its events, `judged` the instant up to which silence was listened to, `received` when the broker received
    the last of its records; None: no news."""

    partition: int
    epoch: int
    was: int
    position: int
    sequence: int
    published: int
    tally: Tally = Tally()
    recorded: datetime | None = None
    judged: datetime | None = None
    received: datetime | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Silence was listened to up to `judged` when the partition stood at `position`, and it concerned some case: whoever
    recomputes must tick there too."""

    partition: int
    position: int
    judged: datetime


@dataclass(frozen=True, slots=True)
class Rested:
    """A finished case to which nothing was applied for a long time, and what is still told of it when it has left."""

    id: CaseId
    partition: int
    site: str
    priority: str
    opened: datetime
    finished: datetime


@dataclass(frozen=True, slots=True)
class Departure:
    """The case leaves when its partition stood at `position`: whoever recomputes must let it go there too."""

    position: int
    case: Rested


class Walk(NamedTuple):
    """What was found on a stretch of a walk over all cases, and where it goes on; None: this was the last stretch."""

    found: list[Rested]
    onwards: int | None


class IntervalFact(Struct, frozen=True, gc=False):
    """An interval under its number; `position` is that of the event or tick that gave it."""

    partition: int
    sequence: int
    position: int
    interval: Interval


class SignalFact(Struct, frozen=True, gc=False):
    """A change of a signal under its number; `judged` is the tick's instant, None where an event gave it."""

    partition: int
    sequence: int
    position: int
    judged: datetime | None
    signal: Signal


class OutcomeKey(NamedTuple):
    site: str
    rate: str
    entry: str
    minute: datetime
    partition: int


class OutcomeCount(Struct, frozen=True, gc=False):
    """Trials to add; negative where they are taken back. The late ones belong to reports only."""

    clean: int = 0
    errors: int = 0
    late_clean: int = 0
    late_errors: int = 0


class FeedKey(NamedTuple):
    source: str
    site: str
    partition: int


@dataclass(frozen=True, slots=True)
class FeedCount:
    """What one batch adds to a feed. Times are the latest of the batch."""

    events: int
    duplicates: int
    unknown_types: int
    dropped_fields: int
    clock_skew: int
    last_time: datetime
    last_recorded: datetime


class HourKey(NamedTuple):
    """An hour (UTC, its beginning) of a feed as one partition saw it."""

    source: str
    site: str
    hour: datetime
    partition: int


class DoubtKey(NamedTuple):
    """What cannot be, or could not be read. `kind` is a conflict of the cases of a site whose first event lies in the hour
    (UTC, its beginning), or DEAD_LETTER: then `site` is empty, `reason` says why, and the hour is that of receipt; or
    AFTER_CLOSE: then `reason` is the kind of the case, and the hour that in which the event was recorded."""

    site: str
    kind: str
    reason: str
    hour: datetime
    partition: int


DEAD_LETTER = "dead_letter"
AFTER_CLOSE = "after_close"


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that some records and ticks led to. `hours` has a bit for each minute in which something was recorded,
    bit 0 being the first of the hour; `seen` are (site, type) of the events. `tell_within`: a signal known longer ago than
    that when the batch is written is old news and is not told (an age, of the policy in force). None of `cases` is among the
    `departures`."""

    advances: Sequence[Advance]
    cases: Sequence[CaseRow] = ()
    intervals: Sequence[IntervalFact] = ()
    signals: Sequence[SignalFact] = ()
    ticks: Sequence[Tick] = ()
    outcomes: Mapping[OutcomeKey, OutcomeCount] = field(default_factory=dict[OutcomeKey, OutcomeCount])
    feeds: Mapping[FeedKey, FeedCount] = field(default_factory=dict[FeedKey, FeedCount])
    hours: Mapping[HourKey, int] = field(default_factory=dict[HourKey, int])
    seen: Collection[tuple[str, str]] = ()
    doubts: Mapping[DoubtKey, int] = field(default_factory=dict[DoubtKey, int])
    tell_within: timedelta = timedelta(minutes=15)
    departures: Sequence[Departure] = ()


class Ledger(Protocol):
    """The store as the worker sees it. One thread reads and claims, one commits."""

    def policies(self, known: Policies | None) -> Policies | None:
        """Every version of the policy; None where there are no more than `known` holds. Versions known stay the same
        objects."""
        ...

    def now(self) -> datetime:
        """The store's own clock, UTC: the only one that decides what is due."""
        ...

    def spread(self, cluster: str, partitions: int, first: Callable[[int], int]) -> None:
        """Says how many partitions the topic on the cluster has. An empty store begins with whatever the topic still holds of
        each: from its `first` offset, asked then alone, for all at once. What is deleted later, of a partition of which
        nothing is applied yet too, was not read. Raises OtherPartitions where the store was made from another number of
        them."""
        ...

    def claim(self, cluster: str, partitions: Sequence[int], owner: str) -> list[Claim]:
        """Takes partitions over, for good: whoever held them can write no more. Raises ForeignCluster where the
        positions were counted on another Kafka cluster."""
        ...

    def release(self, partitions: Sequence[int], owner: str) -> None:
        """Gives partitions back, if `owner` still holds them."""
        ...

    def load(self, cases: Sequence[CaseId], policies: Policies) -> dict[CaseId, tuple[Watched, datetime | None]]:
        """The cases among these that the store knows, each with its next look; those that have left as Departed."""
        ...

    def due(self, partitions: Sequence[int], until: datetime, most: int) -> dict[int, list[tuple[datetime, CaseId]]]:
        """The cases of which silence up to `until` says something new, each with its next look; of every partition those
        longest due, in order: at most so many, and whichever are due at the same instant as the last of these. A partition
        without one is left out."""
        ...

    def worried(self, partitions: Sequence[int], about: Collection[tuple[Kind, str]]) -> list[tuple[int, CaseId]]:
        """The cases of these partitions, with the partition, that have an open signal of one of these kinds and names."""
        ...

    def departing(self, partitions: Sequence[int], since: int) -> Walk:
        """The cases of these partitions that may leave (RESTS), as far as they lie on the next stretch of a walk over all
        cases, which begins at 0. None of them waits for silence to pass or has an open signal; a clock without a target
        that still runs keeps nobody."""
        ...

    def commit(self, batch: Batch) -> None:
        """Writes a batch whole, or raises Fenced and writes nothing of it."""
        ...

    def facts(self, partition: int, since: int) -> list[IntervalFact | SignalFact]:
        """The facts of a partition from a number on, in order."""
        ...
