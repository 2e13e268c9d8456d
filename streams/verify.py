"""Recomputing what the worker did, from the topic and the pure heart, and comparing it with what the store holds.

Each partition is read again from its first record to the stored position, judged by the recorded history of the policy,
and silence is listened to wherever the worker did. Whatever happened to the worker meanwhile, both must say the same. The
signals of rates follow from the trials that were counted, once those agree with the topic.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from confluent_kafka import Consumer
from msgspec import structs

from models.errors import CallerFault
from models.policy import Policies
from models.settings import Settings
from models.signals import Cleared, Signal
from models.store.facts import Applied, Facts, Standing
from models.store.ledger import ForeignCluster
from models.store.records import CaseRow, case_row, evidence_of
from models.tracking import Departed, Interval, Watched
from streams.admission import Record
from streams.extents import check_held, check_last
from streams.feed import Extent, extent, partitions, ranged, reader, record_of
from streams.recomputing import Recomputed
from streams.topics import EVENTS

_EXAMPLES = 20
"""Differences that are shown at most; all are counted."""


class BeginningGone(CallerFault):
    """The topic no longer holds the first records that were applied."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on which store and recomputation differ: `stored` and `recomputed` are None where it is missing."""

    what: str
    id: str
    partition: int | None
    stored: str | None
    recomputed: str | None


@dataclass(slots=True)
class Verified:
    """What was compared. `start` and `end` are offsets by partition, `events` the records read, `waiting` the rates (each
    at a site) that were left out because the judge had not come to their newest trials yet. Turnaround times of before
    `kept_since` have left the store and were not compared; None: all were."""

    start: dict[int, int] = field(default_factory=dict[int, int])
    end: dict[int, int] = field(default_factory=dict[int, int])
    events: int = 0
    cases: int = 0
    intervals: int = 0
    signals: int = 0
    waiting: int = 0
    differences: int = 0
    examples: list[Difference] = field(default_factory=list[Difference])
    kept_since: datetime | None = None

    def differ(self, found: Difference) -> None:
        self.differences += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(found)


Counted = Callable[[Iterable[Record], int, int], Iterable[Record]]
"""Passes records on, and shows how far the reading is: of how many records, from how many partitions."""


def uncounted(records: Iterable[Record], _total: int, _partitions: int) -> Iterable[Record]:
    """Shows nothing."""
    return records


def verify(settings: Settings, facts: Facts, counted: Counted) -> Verified:
    """Everything that `facts` holds, recomputed. Raises CallerFault where the topic is another cluster's, is shorter than
    the store, or no longer holds the beginning."""
    policies = facts.policies()
    if policies is None:
        raise CallerFault("the store holds no policy, so nothing was ever applied: start a stack with `rxpulse up`")
    verified = Verified(kept_since=facts.kept_since())
    positions = {number: applied for number, applied in facts.positions().items() if applied.position}
    with reader(settings) as consumer:
        count = len(partitions(consumer, EVENTS))
        for number, applied in positions.items():
            _check(consumer, number, applied)
            verified.start[number], verified.end[number] = 0, applied.position
        total = sum(applied.position for applied in positions.values())
        records = counted(_records(consumer, positions), total, len(positions))
        for number, of_one in groupby(records, key=attrgetter("partition")):
            told = Recomputed(number, count, policies, facts.ticks(number), facts.departures(number))
            for record in of_one:
                told.take(record)
                verified.events += 1
            told.listen(positions[number].position)
            _compare(told, facts, positions[number], verified)
    _compare_rates(facts, policies, verified)
    for what, name in facts.strays():
        verified.differ(Difference(what, name, None, "belongs to no case or partition that was applied", None))
    return verified


def _records(consumer: Consumer, positions: Mapping[int, Applied]) -> Iterator[Record]:
    for number, applied in positions.items():
        for message in ranged(consumer, EVENTS, number, Extent(0, applied.position)):
            yield record_of(message)


def _check(consumer: Consumer, number: int, applied: Applied) -> None:
    cluster = consumer.list_topics(EVENTS, 10.0).cluster_id
    if cluster != applied.cluster:
        raise ForeignCluster(applied.cluster, cluster)
    there = extent(consumer, EVENTS, number)
    if there.low > 0:
        raise BeginningGone(
            f"partition {number} of {EVENTS} begins at {there.low}: the records before that are no longer kept, and"
            " without them nothing can be recomputed. Restore them, or keep them longer (RXPULSE_RETENTION_DAYS)"
        )
    check_held(number, applied.position, there)
    if applied.received is not None:
        check_last(consumer, number, applied.position, applied.received, there)


def _compare(told: Recomputed, facts: Facts, applied: Applied, verified: Verified) -> None:
    number = told.partition
    _differ("tally", number, {"": applied.tally}, {"": told.tally}, verified)
    _differ("outcomes", number, facts.outcomes(number), told.outcomes, verified)
    _compare_cases(told, facts, verified)
    _compare_intervals(told, facts, verified)
    _compare_signals(told, facts, verified)
    for name in facts.written_twice(number):
        verified.differ(Difference("fact", name, number, "one revision is written twice", None))


def _differ(
    what: str, partition: int, stored: Mapping[object, object], told: Mapping[object, object], verified: Verified
) -> None:
    """Each key under which the two do not say the same."""
    for key in {**stored, **told}:
        there, here = stored.get(key), told.get(key)
        if there != here:
            verified.differ(Difference(what, str(key), partition, _said(there), _said(here)))


def _said(value: object) -> str | None:
    return None if value is None else str(value)


def _compare_cases(told: Recomputed, facts: Facts, verified: Verified) -> None:
    missing = {name: case for name, case in told.cases.items() if not isinstance(case, Departed)}
    for row in facts.cases(told.partition):
        verified.cases += 1
        case = missing.pop(row.id, None)
        if case is None:
            verified.differ(Difference("case", row.id, told.partition, "there", None))
            continue
        there, here = _state(row), _state(case_row(case, told.partition, case.look))
        if there != here:
            verified.differ(Difference("case", row.id, told.partition, str(there), str(here)))
        elif not _same_evidence(row, case):
            verified.differ(Difference("case", row.id, told.partition, "its events", "other events"))
    for name in missing:
        verified.differ(Difference("case", name, told.partition, None, "there"))
    for position, name in facts.departures(told.partition):
        if name not in told.cases:
            verified.differ(Difference("departure", name, told.partition, f"at {position}", None))


def _state(row: CaseRow) -> CaseRow:
    """What boards show of a case. Not its next look: a worker that hears of a new policy late may look once too often."""
    return structs.replace(row, body=b"", look=None)


def _same_evidence(row: CaseRow, case: Watched) -> bool:
    there = evidence_of(row.id, row.body)
    if (there.events, there.trimmed) != (case.evidence.events, case.evidence.trimmed):
        return False
    return set(map(repr, there.rivals)) == set(map(repr, case.evidence.rivals))


def _compare_intervals(told: Recomputed, facts: Facts, verified: Verified) -> None:
    """Latest, not retracted; how often an interval was issued again depends on when its evidence was read. What is no longer
    kept is not compared, on either side."""
    missing = {one.id: _plain(one) for one in told.intervals() if not one.retracted and _is_kept(one, verified)}
    for stored in map(_plain, facts.intervals(told.partition)):
        if not _is_kept(stored, verified):
            continue
        verified.intervals += 1
        here = missing.pop(stored.id, None)
        if stored != here:
            verified.differ(Difference("interval", stored.id, told.partition, str(stored), _said(here)))
    for name, here in missing.items():
        verified.differ(Difference("interval", name, told.partition, None, str(here)))


def _is_kept(one: Interval, verified: Verified) -> bool:
    return verified.kept_since is None or one.stopped >= verified.kept_since


def _plain(one: Interval) -> Interval:
    return structs.replace(one, revision=0)


def _compare_signals(told: Recomputed, facts: Facts, verified: Verified) -> None:
    """When raised, when and why cleared. What a person cleared is taken from the store: no topic tells of it. A signal that
    evidence took back never stood: whether it was raised before that depends on what was read together."""
    missing = {one.id: one for one in told.signals()}
    for standing in facts.signals(told.partition):
        verified.signals += 1
        here = missing.pop(standing.signal.id, None)
        if _disproved(standing.signal) and not standing.by_person and (here is None or _disproved(here)):
            continue
        if here is None or not _same_signal(standing, here):
            verified.differ(Difference("signal", standing.signal.id, told.partition, str(standing.signal), _said(here)))
    for name, here in missing.items():
        if not _disproved(here):
            verified.differ(Difference("signal", name, told.partition, None, str(here)))


def _disproved(signal: Signal) -> bool:
    return signal.reason is Cleared.DISPROOF


def _compare_rates(facts: Facts, policies: Policies, verified: Verified) -> None:
    """Those whose newest trials the judge has not followed yet are left out: a second later they would be the same."""
    waiting = facts.unjudged()
    verified.waiting = len(waiting)
    missing = {one.id: one for one in facts.expected_shifts(policies) if (one.site, one.name) not in waiting}
    for standing in facts.shifts():
        there = standing.signal
        if (there.site, there.name) in waiting:
            continue
        verified.signals += 1
        here = missing.pop(there.id, None)
        if here is None or not _same_signal(standing, here):
            verified.differ(Difference("rate", there.id, None, str(there), _said(here)))
    for name, here in missing.items():
        verified.differ(Difference("rate", name, None, None, str(here)))


def _same_signal(standing: Standing, here: Signal) -> bool:
    there = standing.signal
    if there.raised != here.raised:
        return False
    return standing.by_person or (there.cleared, there.reason) == (here.cleared, here.reason)
