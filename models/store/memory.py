"""The worker's ledger in memory: the plain meaning of what the database does, and nothing else.

It holds the ledger's promises with dictionaries and a lock. Tests run it and PostgreSQL side by side; a heart can be
tried on it without any service.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Lock

from models.event import CaseId
from models.policy import Kind, Policies
from models.store.ledger import (
    Advance,
    Batch,
    Claim,
    Departure,
    DoubtKey,
    FeedCount,
    FeedKey,
    Fenced,
    ForeignCluster,
    HourKey,
    IntervalFact,
    OtherPartitions,
    OutcomeCount,
    OutcomeKey,
    Rested,
    SignalFact,
    Tally,
    Tick,
    Walk,
)
from models.store.records import CaseRow, unpack
from models.store.revisions import STEP
from models.tracking import RESTS, Departed, Watched


@dataclass(slots=True)
class _Held:
    claim: Claim
    owner: str | None
    tally: Tally = field(default_factory=Tally)
    recorded: datetime | None = None


@dataclass(slots=True)
class Memory:
    """What is remembered. Several ledgers may share one memory, as several workers share one database."""

    policies: Policies
    cluster: str | None = None
    positions: dict[int, _Held] = field(default_factory=dict[int, _Held])
    cases: dict[CaseId, CaseRow] = field(default_factory=dict[CaseId, CaseRow])
    facts: list[IntervalFact | SignalFact] = field(default_factory=list[IntervalFact | SignalFact])
    applied: dict[CaseId, datetime] = field(default_factory=dict[CaseId, datetime])
    departures: dict[CaseId, Departure] = field(default_factory=dict[CaseId, Departure])
    ticks: list[Tick] = field(default_factory=list[Tick])
    outcomes: dict[OutcomeKey, OutcomeCount] = field(default_factory=dict[OutcomeKey, OutcomeCount])
    feeds: dict[FeedKey, FeedCount] = field(default_factory=dict[FeedKey, FeedCount])
    hours: dict[HourKey, int] = field(default_factory=dict[HourKey, int])
    seen: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    doubts: dict[DoubtKey, int] = field(default_factory=dict[DoubtKey, int])
    revision_base: int = 0
    lock: Lock = field(default_factory=Lock)

    def forget(self) -> None:
        """Empties what was made from the events: revisions go on outside."""
        with self.lock:
            for made in (self.positions, self.cases, self.applied, self.departures):
                made.clear()
            for counted in (self.outcomes, self.feeds, self.hours, self.doubts):
                counted.clear()
            for found in (self.facts, self.ticks, self.seen):
                found.clear()
            self.cluster = None
            self.revision_base += STEP


class MemoryLedger:
    """The ledger of one worker over a memory."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def now(self) -> datetime:
        return datetime.now(UTC)

    def spread(self, cluster: str, partitions: int, first: Callable[[int], int]) -> None:
        memory = self._memory
        with memory.lock:
            held = len(memory.positions)
            if held == 0:
                memory.cluster = cluster
                memory.positions |= {n: _Held(Claim(n, 0, first(n), 0, 0, None), None) for n in range(partitions)}
            elif memory.cluster == cluster and held != partitions:
                raise OtherPartitions(held, partitions)

    def claim(self, cluster: str, partitions: Sequence[int], owner: str) -> list[Claim]:
        memory = self._memory
        with memory.lock:
            if memory.cluster is not None and memory.cluster != cluster:
                raise ForeignCluster(memory.cluster, cluster)
            memory.cluster = cluster
            for partition in partitions:
                held = memory.positions.setdefault(partition, _Held(Claim(partition, 0, 0, 0, 0, None), None))
                held.claim = replace(held.claim, epoch=held.claim.epoch + 1, revision_base=memory.revision_base)
                held.owner = owner
            return [memory.positions[partition].claim for partition in sorted(partitions)]

    def release(self, partitions: Sequence[int], owner: str) -> None:
        with self._memory.lock:
            for partition in partitions:
                held = self._memory.positions[partition]
                if held.owner == owner:
                    held.owner = None

    def load(self, cases: Sequence[CaseId], policies: Policies) -> dict[CaseId, tuple[Watched, datetime | None]]:
        memory = self._memory
        with memory.lock:
            known = {name: memory.cases[name].body for name in cases if name in memory.cases}
            departed = [name for name in cases if name in memory.departures]
        found = {name: unpack(name, body, policies) for name, body in known.items()}
        return found | {name: (Departed(name), None) for name in departed}

    def policies(self, known: Policies | None) -> Policies | None:
        return None if known is not None else self._memory.policies

    def due(self, partitions: Sequence[int], until: datetime, most: int) -> dict[int, list[tuple[datetime, CaseId]]]:
        found: dict[int, list[tuple[datetime, CaseId]]] = {}
        for row in self._cases():
            if row.partition in partitions and row.look is not None and row.look < until:
                found.setdefault(row.partition, []).append((row.look, row.id))
        return {partition: _longest(sorted(due), most) for partition, due in found.items()}

    def worried(self, partitions: Sequence[int], about: Collection[tuple[Kind, str]]) -> list[tuple[int, CaseId]]:
        latest = {fact.signal.id: fact for fact in self._facts() if isinstance(fact, SignalFact)}
        found = (
            (fact.partition, fact.signal.case)
            for fact in latest.values()
            if fact.signal.open and fact.partition in partitions and (fact.signal.kind, fact.signal.name) in about
        )
        return sorted({(partition, case) for partition, case in found if case is not None})

    def departing(self, partitions: Sequence[int], since: int) -> Walk:
        memory, before = self._memory, self.now() - RESTS
        latest = {fact.signal.id: fact.signal for fact in self._facts() if isinstance(fact, SignalFact)}
        worried = {signal.case for signal in latest.values() if signal.open}
        resting = (
            Rested(row.id, row.partition, row.site, row.priority, row.opened, row.finished)
            for row in self._cases()
            if row.partition in partitions and row.finished is not None and row.look is None and row.id not in worried
        )
        return Walk([one for one in resting if memory.applied[one.id] < before], None)

    def commit(self, batch: Batch) -> None:
        memory = self._memory
        with memory.lock:
            for advance in batch.advances:
                _check(memory.positions.get(advance.partition), advance)
                _check_numbers(memory.positions[advance.partition], advance, batch)
            for advance in batch.advances:
                _move(memory.positions[advance.partition], advance)
            memory.cases.update({row.id: row for row in batch.cases})
            memory.applied.update({row.id: self.now() for row in batch.cases})
            for departure in batch.departures:
                del memory.cases[departure.case.id]
                memory.departures[departure.case.id] = departure
            memory.facts += [*batch.intervals, *batch.signals]
            memory.ticks += batch.ticks
            memory.seen |= set(batch.seen)
            for key, count in batch.outcomes.items():
                memory.outcomes[key] = _plus(memory.outcomes.get(key, OutcomeCount()), count)
            for feed, seen in batch.feeds.items():
                known = memory.feeds.get(feed)
                memory.feeds[feed] = seen if known is None else _more(known, seen)
            for hour, minutes in batch.hours.items():
                memory.hours[hour] = memory.hours.get(hour, 0) | minutes
            for doubt, by in batch.doubts.items():
                memory.doubts[doubt] = memory.doubts.get(doubt, 0) + by

    def facts(self, partition: int, since: int) -> list[IntervalFact | SignalFact]:
        found = (fact for fact in self._facts() if fact.partition == partition and fact.sequence >= since)
        return sorted(found, key=lambda fact: fact.sequence)

    def _cases(self) -> list[CaseRow]:
        """As they are now: a batch may be written while one looks at them."""
        with self._memory.lock:
            return list(self._memory.cases.values())

    def _facts(self) -> list[IntervalFact | SignalFact]:
        """The same of the facts."""
        with self._memory.lock:
            return list(self._memory.facts)


def _longest(due: "list[tuple[datetime, CaseId]]", most: int) -> "list[tuple[datetime, CaseId]]":
    """The first so many, and those due at the same instant as the last of these."""
    return due[:most] + [one for one in due[most:] if one[0] == due[most - 1][0]]


def _check(held: _Held | None, advance: Advance) -> None:
    if held is None or (held.claim.epoch, held.claim.position) != (advance.epoch, advance.was):
        raise Fenced(f"partition {advance.partition} is no longer this worker's, at the position it knows")


def _check_numbers(held: _Held, advance: Advance, batch: Batch) -> None:
    facts = (fact for fact in (*batch.intervals, *batch.signals) if fact.partition == advance.partition)
    if not all(held.claim.sequence <= fact.sequence < advance.sequence for fact in facts):
        raise Fenced(f"facts of partition {advance.partition} have numbers that were given, or will be given again")


def _move(held: _Held, advance: Advance) -> None:
    held.claim = replace(
        held.claim,
        position=advance.position,
        sequence=advance.sequence,
        published=advance.published,
        judged=max((at for at in (held.claim.judged, advance.judged) if at is not None), default=None),
        received=advance.received or held.claim.received,
    )
    held.tally = Tally(
        held.tally.accepted + advance.tally.accepted,
        held.tally.duplicates + advance.tally.duplicates,
        held.tally.id_reused + advance.tally.id_reused,
        held.tally.rejected + advance.tally.rejected,
        held.tally.rerouted + advance.tally.rerouted,
        held.tally.after_close + advance.tally.after_close,
    )
    held.recorded = max((at for at in (held.recorded, advance.recorded) if at is not None), default=None)


def _plus(a: OutcomeCount, b: OutcomeCount) -> OutcomeCount:
    return OutcomeCount(
        a.clean + b.clean, a.errors + b.errors, a.late_clean + b.late_clean, a.late_errors + b.late_errors
    )


def _more(a: FeedCount, b: FeedCount) -> FeedCount:
    return FeedCount(
        a.events + b.events,
        a.duplicates + b.duplicates,
        a.unknown_types + b.unknown_types,
        a.dropped_fields + b.dropped_fields,
        a.clock_skew + b.clock_skew,
        max(a.last_time, b.last_time),
        max(a.last_recorded, b.last_recorded),
    )
