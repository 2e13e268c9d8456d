"""What one partition of the topic leads to, told again from its records: no store, no clock on the wall.

Records are taken in order by the same admission as the worker's; between them, silence is listened to at the positions and
instants at which the worker did.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from heapq import heapify, heappop, heappush

from models.event import CaseId
from models.policy import Policies
from models.rates import Outcome
from models.signals import Signal
from models.store.ledger import TALLIED, OutcomeCount, OutcomeKey, Tally
from models.tracking import Interval, Watched, departed, tick
from models.tracking.trimming import NOTHING, Settled, receive
from models.wire import Decoded, Rejected
from streams.admission import Record, crowded, examine, home, misplaced


class Recomputed:
    """A partition as far as it was told. `ticks` are (position, judged) in order: silence up to `judged` was listened to
    when everything below `position` was applied. `departures` are (position, case) in order: then, too, the case left.
    `partitions` is how many the topic has."""

    def __init__(
        self,
        partition: int,
        partitions: int,
        policies: Policies,
        ticks: Sequence[tuple[int, datetime]],
        departures: Sequence[tuple[int, CaseId]] = (),
    ) -> None:
        self.partition = partition
        self.cases: dict[CaseId, Watched] = {}
        self._settled: list[Settled] = []
        self._partitions = partitions
        self._policies = policies
        self._ticks = list(reversed(ticks))
        self._departures = list(reversed(departures))
        self._looks: list[tuple[datetime, CaseId]] = []
        self._outcomes: dict[OutcomeKey, list[int]] = {}
        self._tally = Counter[str]()

    @property
    def tally(self) -> Tally:
        """What became of the records."""
        return Tally(**{name: self._tally[name] for name in asdict(Tally())})

    @property
    def outcomes(self) -> dict[OutcomeKey, OutcomeCount]:
        """The trials, as far as any stand."""
        return {key: OutcomeCount(*counts) for key, counts in self._outcomes.items() if any(counts)}

    def intervals(self) -> Iterator[Interval]:
        """The turnaround times of every case, as last issued."""
        for settled in self._settled:
            yield from settled.intervals
        for case in self.cases.values():
            yield from case.intervals.values()

    def signals(self) -> Iterator[Signal]:
        """The signals of every case, as last issued."""
        for settled in self._settled:
            yield from settled.signals
        for case in self.cases.values():
            yield from case.signals.values()

    def take(self, record: Record) -> None:
        """The next record."""
        self.listen(record.offset)
        found = examine(record, self._policies)
        if isinstance(found, Rejected):
            self._tally["rejected"] += 1
            return
        subject = found.event.subject
        case = self.cases.get(subject)
        if misplaced(record, subject, home(subject, self._partitions) if case is None else self.partition):
            self._tally["rerouted"] += 1
            return
        self._track(case or Watched(subject), found)

    def listen(self, position: int) -> None:
        """Silence, as it was listened to when the partition stood at `position` or before; and who left by then."""
        while self._departures and self._departures[-1][0] <= position:
            left_at, case = self._departures.pop()
            self._tick(left_at)
            self._leave(case)
        self._tick(position)

    def _tick(self, position: int) -> None:
        while self._ticks and self._ticks[-1][0] <= position:
            _, judged = self._ticks.pop()
            for case in self._due(judged):
                self._keep(tick(case, self._policies, judged).case)

    def _leave(self, case: CaseId) -> None:
        """Only a finished case may leave; any other stays, and is missed in the store."""
        there = self.cases.get(case)
        if there is not None and there.progress is not None and there.progress.finished is not None:
            self.cases[case] = departed(there)

    def _track(self, case: Watched, found: Decoded) -> None:
        if crowded(case, found.event) is not None:
            self._tally["rejected"] += 1
            return
        received = receive(case, found.event, self._policies)
        self._tally[TALLIED[received.step.admissions[0]]] += 1
        self._count(received.step.outcomes)
        self._keep(received.case)
        if received.settled is not NOTHING:
            self._settled.append(received.settled)

    def _keep(self, case: Watched) -> None:
        self.cases[case.id] = case
        if case.look is not None:
            heappush(self._looks, (case.look, case.id))
            if len(self._looks) > 4 * len(self.cases) + 1000:
                self._looks = [(case.look, name) for name, case in self.cases.items() if case.look is not None]
                heapify(self._looks)

    def _due(self, judged: datetime) -> list[Watched]:
        """The cases of which silence up to `judged` says something new, each once; looks that are no longer theirs are
        thrown away."""
        due: dict[CaseId, Watched] = {}
        while self._looks and self._looks[0][0] < judged:
            look, name = heappop(self._looks)
            if self.cases[name].look == look:
                due[name] = self.cases[name]
        return list(due.values())

    def _count(self, outcomes: Iterable[Outcome]) -> None:
        for one in outcomes:
            key = OutcomeKey(one.site, one.rate, one.entry, one.minute, self.partition)
            counts = self._outcomes.setdefault(key, [0, 0, 0, 0])
            counts[2 * one.late + one.error] += one.sign
