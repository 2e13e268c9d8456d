"""Silence: what follows when nothing came.

A deadline passes without an event, so somebody has to look. That is only honest for a partition that has been read up to
now: twice a second the worker asks the database for the time and Kafka for the ends of its partitions, and once a
partition's position has reached the end asked for, its silence up to that time (less a margin for evidence that is still
on its way) is judged. A worker that is behind judges nothing.

Silence is judged in the order in which it became due, a limited number of cases at a time: after a long stop it may
concern a million of them, and neither the memory nor the events that come meanwhile may suffer from that.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from models.event import CaseId
from models.policy import Policies
from models.store.ledger import Ledger
from models.store.silences import APART
from models.tracking import tick
from streams.backlog import Backlog, Unread
from streams.cases import Cases
from streams.draft import Draft, Held, Partition
from streams.topics import EVENTS

log = logging.getLogger("rxpulse.worker")
EVERY = 0.5
"""Seconds from one question to the next."""
_TRUSTED = 5.0
"""Seconds for which the answer to a question may be used."""
_ASKED_WITHIN = 5.0
AT_ONCE = 500
"""Cases of which silence is judged in one go, over all partitions."""
_LEAST = 50
"""And in each of them at least."""
_WRITTEN_FIRST = 5 * AT_ONCE
"""Cases that wait to be written, from which on nothing more is judged until they are."""
_RESOLUTION = timedelta(microseconds=1)
"""Of every instant, here and in the store."""


@dataclass(frozen=True, slots=True)
class Question:
    """At `now` (the database's clock) the partitions ended at `ends`; `asked` is of this host's monotonic clock."""

    now: datetime
    ends: Mapping[int, int]
    asked: float


def caught_up(question: Question, partitions: Iterable[Partition], now: float) -> list[Partition]:
    """The partitions that have been read up to the ends asked for, while the answer may still be used. `now` is of the
    monotonic clock."""
    if now - question.asked > _TRUSTED:
        return []
    return [p for p in partitions if p.number in question.ends and _reached(p) >= question.ends[p.number]]


def _reached(partition: Partition) -> int:
    return max(partition.position, partition.end)


def horizon(due: Sequence[tuple[datetime, CaseId]], most: int, until: datetime) -> datetime:
    """The instant up to which silence can be judged by cases that are due before `until`, those longest due first, of
    which the store was asked for so many: where there may be more, only up to those left out."""
    return until if len(due) < most else min(due[-1][0] + _RESOLUTION, until)


class Ticker:
    """Asks and judges. `connect` makes the client that asks Kafka; `margin` is how long evidence may be on its way.
    `measured` is told with each question how far the host's clock is ahead of the database's; while they are too far apart
    nothing is judged. `behind` is told with each answer what is left to read."""

    def __init__(
        self,
        ledger: Ledger,
        connect: Callable[[], AdminClient],
        cases: Cases,
        margin: timedelta,
        host_clock: Callable[[], datetime],
        measured: Callable[[timedelta], None],
        behind: Callable[[Unread], None] = lambda _: None,
    ) -> None:
        self._ledger = ledger
        self._connect = connect
        self._admin: AdminClient | None = None
        self._cases = cases
        self._margin = margin
        self._host_clock = host_clock
        self._measured = measured
        self._behind = behind
        self._backlog = Backlog()
        self._next = 0.0
        self._open: Question | None = None
        self._apart = timedelta()
        self._more = False

    @property
    def wait(self) -> float:
        """Seconds until there is something to do again."""
        return 0.0 if self._more else max(self._next - monotonic(), 0.0)

    @property
    def clocks_agree(self) -> bool:
        """Whether the host's clock and the database's say the same, as far as they were compared."""
        return abs(self._apart) <= APART

    def judge(
        self, partitions: Mapping[int, Partition], drafts: Iterable[Draft], into: Draft, policies: Policies
    ) -> None:
        """Asks when it is time to, and puts into a draft what the silence of caught-up partitions leads to. `drafts` are
        those not yet written, `into` the last of them."""
        if monotonic() >= self._next:
            # Without partitions too: else there would always be something to do for a worker that waits for some.
            self._next = monotonic() + EVERY
            self._open = self._ask(partitions) if partitions else None
            if self._open is not None:
                self._behind(self._backlog.look(self._open.now, self._open.ends, partitions.values()))
        self._more = False
        if self._open is None or not self.clocks_agree or len(into.cases) >= _WRITTEN_FIRST:
            return
        ready = caught_up(self._open, partitions.values(), monotonic())
        if ready:
            until = self._open.now - self._margin
            whole = self._listen({one.number: one for one in ready}, until, drafts, into, policies)
            self._more = len(whole) < len(ready)
            left = {p: end for p, end in self._open.ends.items() if p not in whole}
            self._open = Question(self._open.now, left, self._open.asked) if left else None

    def _ask(self, partitions: Iterable[int]) -> Question | None:
        """None where Kafka does not answer: then silence is not judged, and the worker lives on until it does."""
        asked = monotonic()
        now = self._ledger.now()
        self._apart = self._host_clock() - now
        self._measured(self._apart)
        wanted = {TopicPartition(EVENTS, number): OffsetSpec.latest() for number in partitions}
        try:
            # Not `or`: a client at rest is as long as what waits to be sent, and so false.
            if self._admin is None:
                self._admin = self._connect()
            answers = self._admin.list_offsets(wanted, request_timeout=_ASKED_WITHIN)
            ends = {part.partition: answer.result().offset for part, answer in answers.items()}
        except KafkaException as fault:
            # After a broker came back this client goes on to ask as if its former term lasted (FENCED_LEADER_EPOCH), for as
            # long as it remembers it; a new client asks anew.
            self._admin = None
            log.warning("silence is not judged: Kafka does not say where the partitions end (%s)", fault.args[0].name())
            return None
        return Question(now, ends, asked)

    def _listen(
        self,
        ready: Mapping[int, Partition],
        until: datetime,
        drafts: Iterable[Draft],
        into: Draft,
        policies: Policies,
    ) -> set[int]:
        """Judges silence up to `until`, or as far as that can be done in one go, and gives the partitions of which all of
        it is judged."""
        unwritten = _unwritten(drafts)
        # The store knows nothing yet of those unwritten: as many more are asked for as may be answered in vain.
        in_vain = max(Counter(held.partition for held in unwritten.values()).values(), default=0)
        most = max(AT_ONCE // len(ready), _LEAST) + in_vain
        due = self._ledger.due(list(ready), until, most)
        horizons = {number: horizon(due.get(number, ()), most, until) for number in ready}
        concerned = {case: number for number, found in due.items() for _, case in found}
        concerned |= {case: held.partition for case, held in unwritten.items() if held.partition in ready}
        self._cases.bring(concerned.items(), policies)
        by_partition: dict[int, list[Held]] = {number: [] for number in ready}
        for case, number in concerned.items():
            held = self._cases.get(case)
            if held is not None and held.look is not None and held.look < horizons[number]:
                by_partition[number].append(held)
        for number, cases in by_partition.items():
            self._tick(ready[number], cases, horizons[number], into, policies)
        return {number for number, judged in horizons.items() if judged == until}

    def _tick(
        self, partition: Partition, cases: Iterable[Held], until: datetime, into: Draft, policies: Policies
    ) -> None:
        listened = [(held, tick(held.case, policies, until)) for held in cases]
        into.listened(partition, until, [step for _, step in listened])
        for held, step in listened:
            now = Held(partition.number, step.case, step.look, held.packed)
            self._cases.put(step.case.id, now)
            into.cases[step.case.id] = now


def _unwritten(drafts: Iterable[Draft]) -> dict[CaseId, Held]:
    found: dict[CaseId, Held] = {}
    for draft in drafts:
        found.update(draft.cases)
    return found
