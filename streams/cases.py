"""The cases that the worker has in mind.

A case is read from the store when one of its events comes and it is not in mind; it stays in mind for a while. There are
two generations: what was not asked for during a whole generation is forgotten. Everything forgotten is in the store, or on
its way there in a draft: of that the store does not know yet, so it is taken from the draft.
"""

from collections.abc import Callable, Iterable, Mapping

from models.event import CaseId
from models.policy import Policies
from models.store.ledger import Ledger
from models.tracking import Departed, Watched
from streams.draft import Draft, Held

GENERATION = 15_000
"""Cases of one generation. A case with its events takes about 20 kB in mind, so both take 600 MB at most."""


class Cases:
    """In mind: at most two generations of `generation` cases. `unwritten` gives the drafts that are not written yet, oldest
    first."""

    def __init__(self, ledger: Ledger, generation: int = GENERATION) -> None:
        self._ledger = ledger
        self._generation = generation
        self._young: dict[CaseId, Held] = {}
        self._old: dict[CaseId, Held] = {}
        self.unwritten: Callable[[], Iterable[Draft]] = tuple

    def get(self, case: CaseId) -> Held | None:
        """The case, if it is in mind or was brought there; None for one that no store knows."""
        held = self._young.get(case)
        if held is None and (held := self._old.pop(case, None)) is not None:
            self._young[case] = held
        return held

    def put(self, case: CaseId, held: Held) -> None:
        """The case as it is now."""
        self._young[case] = held

    def drop(self, case: CaseId) -> None:
        """The case is none to be asked for soon."""
        self._young.pop(case, None)
        self._old.pop(case, None)

    def bring(self, wanted: Iterable[tuple[CaseId, int]], policies: Policies) -> None:
        """Reads those of the cases (each with its partition) that are not in mind."""
        self.turn()
        young, old = self._young, self._old
        self.load({case: partition for case, partition in wanted if case not in young and case not in old}, policies)

    def turn(self) -> None:
        """Something new begins: a generation that is full gives way to the next."""
        if len(self._young) > self._generation:
            self._old, self._young = self._young, {}

    def load(self, missing: Mapping[CaseId, int], policies: Policies) -> None:
        """Reads these cases, each with its partition, of which none is in mind."""
        if not missing:
            return
        # Before the store is asked: what is being written meanwhile is in one of the two.
        waiting = self._waiting(missing)
        self._young.update(waiting)
        left = [case for case in missing if case not in waiting] if waiting else list(missing)
        for case, (watched, look) in self._ledger.load(left, policies).items():
            self._young[case] = Held(missing[case], watched, look)

    def _waiting(self, missing: Mapping[CaseId, int]) -> dict[CaseId, Held]:
        """Those of the cases that wait to be written, as they will be."""
        found: dict[CaseId, Held] = {}
        for draft in self.unwritten():
            found.update((case, draft.cases[case]) for case in missing.keys() & draft.cases.keys())
            found.update((case, gone(case, missing[case])) for case in missing.keys() & draft.departures.keys())
        return found

    def forget(self) -> None:
        """Everything: the partitions may be somebody else's now."""
        self._young, self._old = {}, {}


def gone(case: CaseId, partition: int) -> Held:
    """A case that has left."""
    return Held(partition, Departed(case), None)


def unseen(case: CaseId, partition: int) -> Held:
    """A case of which nothing is known yet."""
    return Held(partition, Watched(case), None)
