"""Finished cases leave the store, so that it does not grow for as long as the pharmacy is open.

Once a day the worker walks over the cases of its partitions, a stretch at a time and only while nothing waits to be read. A
case to which nothing was applied for ninety days leaves, with the position at which its partition stands: what is read of
it from there on is counted and changes nothing, and whoever recomputes lets it go at the same place. A worker that comes
back after a long stop reads what waits first, for some of that may belong to a case that seems to rest; and while the clocks
of host and database differ nobody leaves, for the database's may be the wrong one.
"""

import logging
from collections.abc import Callable, Collection, Mapping
from time import monotonic

from models.store.ledger import Ledger
from streams.cases import Cases
from streams.draft import Draft, Partition

log = logging.getLogger("rxpulse.worker")
EVERY = 24 * 3600.0
"""Seconds from the end of a walk to the next."""
AT_ONCE = 500
"""Cases that wait to have left, from which on no more are let go until they have."""


class Departing:
    """Lets cases go. Where the walk stands is kept here alone: whoever starts begins anew."""

    def __init__(self, ledger: Ledger, cases: Cases, clock: Callable[[], float] = monotonic) -> None:
        self._ledger = ledger
        self._cases = cases
        self._clock = clock
        self._place: int | None = 0
        self._next = 0.0
        self._gone = 0

    def go_on(self, partitions: Mapping[int, Partition], drafts: Collection[Draft], into: Draft) -> None:
        """The next stretch of the walk, if it is time for one. `drafts` are those not yet written, `into` among them."""
        if self._place is None and self._clock() >= self._next:
            self._place = 0
        if self._place is None or len(into.departures) >= AT_ONCE or not partitions:
            return
        if not all(_read_once(one) for one in partitions.values()):
            return
        found, self._place = self._ledger.departing(list(partitions), self._place)
        for rested in found:
            # The store knows nothing yet of what is not written.
            if not any(rested.id in draft.cases or rested.id in draft.departures for draft in drafts):
                self._cases.drop(rested.id)
                into.let_go(partitions[rested.partition], rested)
                self._gone += 1
        if self._place is None:
            self._rest()

    def _rest(self) -> None:
        self._next = self._clock() + EVERY
        if self._gone:
            log.info("%d finished cases have left", self._gone)
        self._gone = 0


def _read_once(partition: Partition) -> bool:
    """Whether all was read once that waited when the partition was taken over."""
    return partition.end > 0 or partition.position == 0
