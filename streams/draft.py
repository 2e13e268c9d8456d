"""A batch in the making: what some records and ticks led to, gathered until the committer is free.

Facts get their numbers here, in the order in which they were found. Nothing is written: a draft that is thrown away
leaves no trace.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from models.case import Admission
from models.event import EPOCH, CaseId, Event, EventType, Site, Source, kind_of
from models.event_types import CATALOGUE
from models.policy import BEGINNING
from models.rates import Outcome
from models.store.ledger import (
    AFTER_CLOSE,
    DEAD_LETTER,
    TALLIED,
    Advance,
    Batch,
    Claim,
    Departure,
    DoubtKey,
    FeedCount,
    FeedKey,
    HourKey,
    IntervalFact,
    OutcomeCount,
    OutcomeKey,
    Rested,
    SignalFact,
    Tally,
    Tick,
)
from models.store.records import NOTHING_PACKED, Packed, case_row
from models.tracking import SKEW, Step, Watched, amended
from models.wire import Decoded


@dataclass(slots=True)
class Partition:
    """A partition that this worker holds, as far as it has read: `position` is the next offset, `sequence` the next
    number of a fact, `stored` the position that the store will stand at once everything handed over is written. `end`
    is the latest end of the partition that was reached: beyond the last record there may be marks of transactions.
    `judged` is the instant up to which silence had been listened to when it was claimed, None: never; `received` is when
    the broker received the record before `position`, None where none was ever read."""

    number: int
    epoch: int
    position: int
    sequence: int
    stored: int
    end: int = 0
    judged: datetime | None = None
    received: datetime | None = None

    @classmethod
    def of(cls, claim: Claim) -> "Partition":
        """The partition of a claim, of which nothing was read since."""
        return cls(
            claim.partition,
            claim.epoch,
            claim.position,
            claim.sequence,
            claim.position,
            judged=claim.judged,
            received=claim.received,
        )


@dataclass(slots=True)
class _Feed:
    """What a batch saw of a feed in one partition: the types of its events, and the minutes since 1970 (UTC) in which
    something was recorded."""

    events: int = 0
    duplicates: int = 0
    unknown_types: int = 0
    dropped_fields: int = 0
    clock_skew: int = 0
    last_time: datetime = BEGINNING
    last_recorded: datetime = BEGINNING
    types: set[EventType] = field(default_factory=set[EventType])
    minutes: set[float] = field(default_factory=set[float])

    def heard(self, event: Event, dropped: int) -> None:
        """One more event."""
        kind, time, recorded = event.type, event.time, event.recorded
        self.events += 1
        self.types.add(kind)
        self.minutes.add(recorded.timestamp() // 60)
        if kind not in CATALOGUE:
            self.unknown_types += 1
        if dropped:
            self.dropped_fields += dropped
        if time > recorded:
            self.clock_skew += time - recorded > SKEW
        if time > self.last_time:
            self.last_time = time
        if recorded > self.last_recorded:
            self.last_recorded = recorded

    def count(self) -> FeedCount:
        return FeedCount(
            self.events,
            self.duplicates,
            self.unknown_types,
            self.dropped_fields,
            self.clock_skew,
            self.last_time,
            self.last_recorded,
        )

    def hours(self) -> dict[datetime, int]:
        """By hour (UTC, its beginning) the minutes in which something was recorded, as bits."""
        found: dict[int, int] = {}
        for minute in self.minutes:
            hour, within = divmod(int(minute), 60)
            found[hour] = found.get(hour, 0) | 1 << within
        return {EPOCH + hour * _HOUR: minutes for hour, minutes in found.items()}


_HOUR = timedelta(hours=1)


@dataclass(slots=True)
class _Part:
    partition: Partition
    was: int
    position: int
    sequence: int
    counts: dict[str, int] = field(default_factory=dict[str, int])
    feeds: dict[tuple[Source, Site], _Feed] = field(default_factory=dict[tuple[Source, Site], _Feed])
    judged: datetime | None = None
    received: datetime | None = None

    def heard(self, found: Sequence[Decoded], admissions: Sequence[Admission]) -> None:
        """Events of one case were taken."""
        source = site = feed = None
        for one in found:
            event = one.event
            if feed is None or event.source != source or event.data["site"] != site:
                source, site = event.source, Site(event.data["site"])
                feed = self._feed(source, site)
            feed.heard(event, one.dropped)
        if admissions.count(Admission.NEWEST) == len(admissions):
            self.tally(Admission.NEWEST, len(admissions))
            return
        for one, admission in zip(found, admissions, strict=True):
            self.tally(admission, 1)
            if admission is Admission.DUPLICATE:
                self._feed(one.event.source, one.event.site).duplicates += 1

    def tally(self, admission: Admission, events: int) -> None:
        """So many more events became that."""
        what = TALLIED[admission]
        self.counts[what] = self.counts.get(what, 0) + events

    def _feed(self, source: Source, site: Site) -> _Feed:
        found = self.feeds.get((source, site))
        if found is None:
            found = self.feeds[source, site] = _Feed()
        return found


@dataclass(slots=True)
class Held:
    """A case in memory, the partition it belongs to, its next look, and its events as far as they were packed."""

    partition: int
    case: Watched
    look: datetime | None
    packed: Packed = NOTHING_PACKED


class Draft:
    """Gathers; `records` counts what was read into it."""

    def __init__(self) -> None:
        self.records = 0
        self.cases: dict[CaseId, Held] = {}
        self.departures: dict[CaseId, Departure] = {}
        self._parts: dict[int, _Part] = {}
        self._intervals: list[IntervalFact] = []
        self._signals: list[SignalFact] = []
        self._ticks: list[Tick] = []
        self._outcomes: dict[tuple[Site, str, str, datetime, int], list[int]] = {}
        self._doubts: dict[DoubtKey, int] = {}

    @property
    def empty(self) -> bool:
        return not self._parts

    @property
    def facts(self) -> list[IntervalFact | SignalFact]:
        """The facts in the order of their numbers, partition by partition."""
        return sorted([*self._intervals, *self._signals], key=lambda fact: (fact.partition, fact.sequence))

    def read(self, partition: Partition, offset: int, received: datetime, records: int = 1) -> None:
        """So many more records were read up to the one at that offset, which the broker received then; whatever became of
        them."""
        part = self._part(partition)
        partition.position = part.position = offset + 1
        partition.received = part.received = received
        self.records += records

    def count(self, partition: Partition, what: str) -> None:
        """One more record that was `rejected` or `rerouted`."""
        counts = self._part(partition).counts
        counts[what] = counts.get(what, 0) + 1

    def put_aside(self, partition: Partition, reason: str, received: datetime) -> None:
        """A record received at that instant could not be taken."""
        self.count(partition, "rejected")
        hour = received.replace(minute=0, second=0, microsecond=0)
        self._doubt(DoubtKey("", DEAD_LETTER, reason, hour, partition.number), 1)

    def track(self, partition: Partition, before: Watched, found: Sequence[Decoded], step: Step) -> None:
        """Events of the case `before` were taken, with what they led to."""
        part = self._part(partition)
        part.heard(found, step.admissions)
        if step.intervals or step.signals:
            self._found(part, step, None)
        for outcome in step.outcomes:
            self._outcome(outcome, partition.number)
        if Admission.AFTER_CLOSE in step.admissions:
            self._too_late(partition.number, found, step.admissions)
        for site, kind, hour, by in amended(before, step.case, [one.event for one in found], step.admissions):
            self._doubt(DoubtKey(site, kind, "", hour, partition.number), by)

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

    def let_go(self, partition: Partition, case: Rested) -> None:
        """A case leaves. Nothing else of it may be in a draft that is not written yet."""
        self._part(partition)
        self.departures[case.id] = Departure(partition.position, case)

    def seal(self) -> None:
        """Nothing comes to this draft any more; the next one goes on where it ends."""
        for part in self._parts.values():
            part.partition.stored = part.position

    def batch(self, published: Callable[[int], int], tell_within: timedelta) -> Batch:
        """The batch to write. `published` gives a partition's publish mark."""
        return Batch(
            [_advance(part, published(number)) for number, part in self._parts.items()],
            [case_row(held.case, held.partition, held.look, held.packed) for held in self.cases.values()],
            self._intervals,
            self._signals,
            self._ticks,
            {OutcomeKey(*key): OutcomeCount(*counts) for key, counts in self._outcomes.items() if any(counts)},
            {FeedKey(source, site, number): feed.count() for number, source, site, feed in self._feeds()},
            self._hours(),
            {(site, kind) for _, _, site, feed in self._feeds() for kind in feed.types},
            {key: by for key, by in self._doubts.items() if by},
            tell_within,
            list(self.departures.values()),
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

    def _feeds(self) -> Iterator[tuple[int, Source, Site, _Feed]]:
        for number, part in self._parts.items():
            for (source, site), feed in part.feeds.items():
                yield number, source, site, feed

    def _hours(self) -> dict[HourKey, int]:
        return {
            HourKey(source, site, hour, number): minutes
            for number, source, site, feed in self._feeds()
            for hour, minutes in feed.hours().items()
        }

    def _doubt(self, key: DoubtKey, by: int) -> None:
        self._doubts[key] = self._doubts.get(key, 0) + by

    def _too_late(self, partition: int, found: Sequence[Decoded], admissions: Sequence[Admission]) -> None:
        for one, admission in zip(found, admissions, strict=True):
            if admission is Admission.AFTER_CLOSE:
                hour = one.event.recorded.replace(minute=0, second=0, microsecond=0)
                self._doubt(DoubtKey(one.event.site, AFTER_CLOSE, kind_of(one.event.subject), hour, partition), 1)

    def _outcome(self, outcome: Outcome, partition: int) -> None:
        key = (outcome.site, outcome.rate, outcome.entry, outcome.minute, partition)
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
        max((feed.last_recorded for feed in part.feeds.values()), default=None),
        part.judged,
        part.received,
    )
