"""Events into a real store as a worker would bring them, without Kafka: for tests of what is made from the store."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from heapq import heappop, heappush

from models.event import CaseId, Event
from models.policy import Policies
from models.store.ledger import Claim
from models.store.seat import Seat
from models.store.sql import SqlLedger
from models.tracking import Step, Watched, tick, track
from models.wire import Decoded
from streams.draft import Draft, Held, Partition

CLUSTER = "a-cluster"
_BATCH = 20_000


def load(database_url: str, policies: Policies, events: Iterable[Event], until: datetime) -> int:
    """Brings events, in order of `recorded`, into an empty store whose policy is `policies`, listens to silence up to
    `until`, and lets the judge follow the rates. Returns the number of events."""
    ledger = SqlLedger(database_url, "w0")
    (claim,) = ledger.claim(CLUSTER, [0], "w0")
    loader = _Loader(ledger, policies, claim)
    for event in events:
        loader.take(event)
    loader.end(until)
    ledger.close()
    seat = Seat(database_url, "w0")
    seat.judge(None, lambda: True)
    seat.close()
    return loader.read


class _Loader:
    def __init__(self, ledger: SqlLedger, policies: Policies, claim: Claim) -> None:
        self._ledger, self._policies = ledger, policies
        self._partition = Partition.of(claim)
        self._cases: dict[CaseId, Watched] = {}
        self._looks: list[tuple[datetime, CaseId]] = []
        self._draft = Draft()
        self.read = 0

    def take(self, event: Event) -> None:
        self._listen(event.recorded - timedelta(seconds=1))
        case = self._cases.get(event.subject) or Watched(event.subject)
        step = track(case, event, self._policies)
        self._draft.read(self._partition, self.read, event.recorded)
        self._draft.track(self._partition, case, [Decoded(event)], step)
        self._hold(step.case)
        self.read += 1
        if self.read % _BATCH == 0:
            self._write(event.recorded)

    def end(self, until: datetime) -> None:
        self._listen(until)
        self._write(until)

    def _listen(self, now: datetime) -> None:
        steps: list[Step] = []
        while self._looks and self._looks[0][0] < now:
            look, name = heappop(self._looks)
            if self._cases[name].look == look:
                steps.append(tick(self._cases[name], self._policies, now))
                self._hold(steps[-1].case)
        if steps:
            self._draft.listened(self._partition, now, steps)

    def _hold(self, case: Watched) -> None:
        self._cases[case.id] = case
        self._draft.cases[case.id] = Held(self._partition.number, case, case.look)
        if case.look is not None:
            heappush(self._looks, (case.look, case.id))

    def _write(self, judged: datetime) -> None:
        self._draft.listened(self._partition, judged, [])
        self._draft.seal()
        self._ledger.commit(self._draft.batch(lambda _: 0, self._policies.latest.tell_within))
        self._draft = Draft()
