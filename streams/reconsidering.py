"""What a new version of the policy means for work that is already late: it is looked at again when the version takes effect.

The store says of each case when silence would say something new about it. A version that no longer asks for a clock or a
rule clears its signals at its own instant, of which nothing was known when the case was written; so the cases concerned
are asked again, and written with that instant. That happens when a worker first sees the version, and when it takes
partitions over, for who had them may have ended in between.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping

from models.policy import BEGINNING, Policies
from models.store.ledger import Ledger
from models.tracking import tick
from models.tracking.ending import changed_from
from streams.cases import Cases
from streams.draft import Draft, Held, Partition

_AT_ONCE = 1_000


def unheard(policies: Policies, partitions: Iterable[Partition]) -> int:
    """The number (from 0) of the first version that takes effect after what was judged of these partitions."""
    judged = min((one.judged or BEGINNING for one in partitions), default=BEGINNING)
    return bisect_right(policies.effective, judged)


def reconsider(
    ledger: Ledger,
    cases: Cases,
    partitions: Mapping[int, Partition],
    unwritten: Iterable[Draft],
    into: Draft,
    policies: Policies,
    first: int,
) -> None:
    """Puts into a draft the cases of these partitions whose next look the versions from number `first` on change.
    `unwritten` are the drafts that the store does not hold yet, `into` among them."""
    about = changed_from(policies, first)
    if not about or not partitions:
        return
    # Before the store is asked: what is being written meanwhile is in one of the two.
    held = {case: one for draft in unwritten for case, one in draft.cases.items() if one.partition in partitions}
    worried = ledger.worried(list(partitions), about)
    for start in range(0, len(worried), _AT_ONCE):
        some = [(case, partition) for partition, case in worried[start : start + _AT_ONCE] if case not in held]
        cases.bring(some, policies)
        for case, partition in some:
            _renew(cases.get(case), partitions[partition], cases, into, policies)
    for one in held.values():
        if any(signal.open for signal in one.case.signals.values()):
            _renew(one, partitions[one.partition], cases, into, policies)


def _renew(held: Held | None, partition: Partition, cases: Cases, into: Draft, policies: Policies) -> None:
    if held is None:
        return
    # What the versions change is found by the tick to come; here it is only asked when that must be.
    look = tick(held.case, policies, held.case.judged).look
    now = Held(held.partition, held.case, look, held.packed)
    cases.put(held.case.id, now)
    into.reconsider(partition, now)
