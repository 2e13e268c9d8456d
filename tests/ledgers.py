"""Words for tests of the worker's ledger: ledgers of several workers over one store, what a batch moves, and an order that waits
for its deadline."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from models import policy_text
from models.event import CaseId
from models.policy import Policies
from models.store.ledger import Advance, Ledger
from models.store.records import CaseRow, case_row
from models.tracking import Watched, track
from tests.heart import event

CLUSTER = "a-cluster"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
POLICIES = Policies.only(policy_text.shipped_default().policy)
Open = Callable[[str], Ledger]
"""Opens the ledger of the worker that is named."""


def advance(**changes: object) -> Advance:
    return replace(Advance(0, 1, 0, 1, 0, 0), **changes)


def looking(number: int, look: datetime | None, partition: int = 0) -> CaseRow:
    case = Watched(CaseId(f"order/{number}"))
    return case_row(track(case, event("order.entered", 0, case=case.id), POLICIES).case, partition, look)
