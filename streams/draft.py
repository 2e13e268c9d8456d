"""A batch in the making: what some records and ticks led to, gathered until the committer is free.

Facts get their numbers here, in the order in which they were found. Nothing is written: a draft that is thrown away
leaves no trace.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.case import Admission
from models.event import CaseId, Event
from models.event_types import CATALOGUE
from models.policy import BEGINNING
from models.rates import Outcome
from models.store.ledger import (
    Advance,
    Batch,
    Claim,
    FeedCount,
    FeedKey,
    HourKey,
    IntervalFact,
    OutcomeCount,
    OutcomeKey,
    SignalFact,
    Tally,
    Tick,
)
from models.store.records import case_row
from models.tracking import SKEW, Step, Watched


@dataclass(slots=True)
class Partition:
    """A partition that this worker holds, as far as it has read: `position` is the next offset, `sequence` the next
    number of a fact, `stored` the position that the store will stand at once everything handed over is written. `end`
    is the latest end of the partition that was reached: beyond the last record there may be marks of transactions.
    `judged` is the instant up to which silence had been listened to when it was claimed, None: never."""

    number: int
    epoch: int
    position: int
    sequence: int
    stored: int
    end: int = 0
    judged: datetime | None = None

    @classmethod
    def of(cls, claim: Claim, position: int) -> "Partition":
        """The partition of a claim, read from `position` on."""
        return cls(claim.partition, claim.epoch, position, claim.sequence, claim.position, judged=claim.judged)


@dataclass(slots=True)
class _Part:
    partition: Partition
    was: int
    position: int
    sequence: int
    counts: dict[str, int] = field(default_factory=dict[str, int])
    recorded: datetime | None = None
    judged: datetime | None = None


@dataclass(slots=True)
class _Feed:
    """What a batch saw of a feed, in the order of FeedCount's fields."""

    events: int = 0
    duplicates: int = 0
    unknown_types: int = 0
    dropped_fields: int = 0
    clock_skew: int = 0
    last_time: datetime = BEGINNING
    last_recorded: datetime = BEGINNING


@dataclass(slots=True)
class Held:
    """A case in memory, the partition it belongs to, and its next look."""

    partition: int
    case: Watched
    look: datetime | None


_TALLIED = {Admission.DUPLICATE: "duplicates", Admission.ID_REUSED: "id_reused"}


class Draft:
    """Gathers; `records` counts what was read into it."""

    def __init__(self) -> None:
        self.records = 0
        self.cases: dict[CaseId, Held] = {}
        self._parts: dict[int, _Part] = {}
        self._intervals: list[IntervalFact] = []
        self._signals: list[SignalFact] = []
        self._ticks: list[Tick] = []
        self._outcomes: dict[OutcomeKey, list[int]] = {}
        self._feeds: dict[FeedKey, _Feed] = {}
        self._hours: dict[HourKey, int] = {}
        self._seen_types: set[tuple[str, str]] = set()

    @property
    def empty(self) -> bool:
        return not self._parts

    @property
    def facts(self) -> list[IntervalFact | SignalFact]:
        """The facts in the order of their numbers, partition by partition."""
        return sorted([*self._intervals, *self._signals], key=lambda fact: (fact.partition, fact.sequence))

    def read(self, partition: Partition, offset: int) -> None:
        """A record was read, whatever became of it."""
        part = self._part(partition)
        partition.position = part.position = offset + 1
        self.records += 1

    def count(self, partition: Partition, what: str) -> None:
        """One more record that was `rejected` or `rerouted`."""
        counts = self._part(partition).counts
        counts[what] = counts.get(what, 0) + 1

    def track(self, partition: Partition, event: Event, step: Step, dropped: int) -> None:
        """An event was taken, with what it led to."""
        part = self._part(partition)
        assert step.admission is not None
        self.count(partition, _TALLIED.get(step.admission, "accepted"))
        if part.recorded is None or event.recorded > part.recorded:
            part.recorded = event.recorded
        self._seen(event, step.admission, partition.number, dropped)
        self._found(part, step, None)
        for outcome in step.outcomes:
            self._outcome(outcome, partition.number)

    def listened(self, partition: Partition, judged: datetime, steps: Sequence[Step]) -> None:
        """Silence was listened to up to `judged`, with what it led to for each case that it concerned."""
        part = self._part(partition)
        part.judged = judged
        for step in steps:
            self._found(part, step, judged)
        if steps:
            # Even without a new fact: a case may have become late under the severity that it was warned of.
            self._ticks.append(Tick(partition.number, partition.position, judged))

    def reconsider(self, partition: Partition, held: Held) -> None:
        """A case is to be looked at at another instant than the store knows; nothing else about it changed."""
        self._part(partition)
        self.cases[held.case.id] = held

    def seal(self) -> None:
        """Nothing comes to this draft any more; the next one goes on where it ends."""
        for part in self._parts.values():
            part.partition.stored = part.position

    def batch(self, published: Callable[[int], int], tell_within: timedelta) -> Batch:
        """The batch to write. `published` gives a partition's publish mark."""
        return Batch(
            [_advance(part, published(number)) for number, part in self._parts.items()],
            [case_row(held.case, held.partition, held.look) for held in self.cases.values()],
            self._intervals,
            self._signals,
            self._ticks,
            {key: OutcomeCount(*counts) for key, counts in self._outcomes.items() if any(counts)},
            {key: _feed_count(seen) for key, seen in self._feeds.items()},
            self._hours,
            self._seen_types,
            tell_within,
        )

    def _part(self, partition: Partition) -> _Part:
        part = self._parts.get(partition.number)
        if part is None:
            part = _Part(partition, partition.stored, partition.position, partition.sequence)
            self._parts[partition.number] = part
        return part

    def _found(self, part: _Part, step: Step, judged: datetime | None) -> None:
        number, position, sequence = part.partition.number, part.partition.position, part.sequence
        for interval in step.intervals:
            self._intervals.append(IntervalFact(number, sequence, position, interval))
            sequence += 1
        for signal in step.signals:
            self._signals.append(SignalFact(number, sequence, position, judged, signal))
            sequence += 1
        part.partition.sequence = part.sequence = sequence

    def _seen(self, event: Event, admission: Admission, partition: int, dropped: int) -> None:
        self._seen_types.add((event.site, event.type))
        key = FeedKey(event.source, event.site, partition)
        seen = self._feeds.get(key)
        if seen is None:
            seen = self._feeds[key] = _Feed(last_time=event.time, last_recorded=event.recorded)
        seen.events += 1
        seen.duplicates += admission is Admission.DUPLICATE
        seen.unknown_types += event.type not in CATALOGUE
        seen.dropped_fields += dropped
        seen.clock_skew += event.time - event.recorded > SKEW
        seen.last_time = max(seen.last_time, event.time)
        seen.last_recorded = max(seen.last_recorded, event.recorded)
        hour = HourKey(event.source, event.site, event.recorded.replace(minute=0, second=0, microsecond=0), partition)
        self._hours[hour] = self._hours.get(hour, 0) | 1 << event.recorded.minute

    def _outcome(self, outcome: Outcome, partition: int) -> None:
        key = OutcomeKey(outcome.site, outcome.rate, outcome.entry, outcome.minute, partition)
        counts = self._outcomes.setdefault(key, [0, 0, 0, 0])
        counts[2 * outcome.late + outcome.error] += outcome.sign


def _advance(part: _Part, published: int) -> Advance:
    return Advance(
        part.partition.number,
        part.partition.epoch,
        part.was,
        part.position,
        part.sequence,
        published,
        Tally(**part.counts),
        part.recorded,
        part.judged,
    )


def _feed_count(seen: _Feed) -> FeedCount:
    return FeedCount(
        seen.events,
        seen.duplicates,
        seen.unknown_types,
        seen.dropped_fields,
        seen.clock_skew,
        seen.last_time,
        seen.last_recorded,
    )
