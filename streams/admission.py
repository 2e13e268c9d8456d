"""What may be taken from a record of `rx.events`, told from the record and its case alone.

A record is an event to apply, or cannot be one and is put aside with the reason, or lies in a partition where its case
does not belong and is put where it does. Nothing here depends on when the record is looked at, so whoever recomputes from
the topic comes to the same answer as the worker did.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from kafka.partitioner.default import murmur2
from msgspec import Struct

from models.case import contradicts
from models.event import CaseId, Event, kind_of
from models.event_types import STANDING
from models.policy import Policies
from models.tracking import Watched
from models.wire import Decoded, Rejected, decode, early

LARGEST_CASE = 5_000
"""Events of one case of work at most (`semantics.md` 8)."""
MOST_RIVALS = 1_000
"""Contents of a case at most that are kept, and do not count, because they came under the id of another: a sender that gives
every event the same id would fill the case without end."""
CROWDED = "case too large"
"""Why an event of a case that is full is put aside."""


DROPPED = "dropped-fields"
"""The header that says how many fields a record lost at the intake, which cleans what it takes."""


class Record(Struct, frozen=True, gc=False):
    """One record as Kafka gave it. `received` is the broker's own time of receipt, UTC; `dropped` counts the fields that
    it lost before it came here."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes
    received: datetime
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Misplaced:
    """An event whose record lies where its case does not belong, or under another key; `home` is the partition where it
    does."""

    case: CaseId
    home: int


def examine(record: Record, policies: Policies | None) -> Decoded | Rejected:
    """A record, as far as it can be judged without its case: by its bytes, its time of receipt, and the policy in force
    for it (None: no policy is asked)."""
    found = decode(record.value, record.received)
    if isinstance(found, Rejected):
        return found
    event = found.event
    if (too_early := early(event, record.received)) is not None:
        return too_early
    if policies is None:
        return found
    if _strict(policies):
        policy = policies.at(min(event.time, event.recorded))
        if policy.strict_sites and event.site not in policy.sites:
            return Rejected("unknown site", "data.site is none of the policy's, and it has strict_sites = true")
    return Decoded(found.event, found.dropped + record.dropped) if record.dropped else found


def dropped_before(headers: Iterable[tuple[str, bytes | None]]) -> int:
    """How many fields a record lost before it came here, as its headers say; 0 where they say nothing that can be."""
    said = dict(headers).get(DROPPED) or b""
    return int(said) if said.isdigit() and len(said) < 6 else 0


@lru_cache(maxsize=64)
def _strict(policies: Policies) -> bool:
    return any(policy.strict_sites for policy in policies.versions)


def misplaced(record: Record, case: CaseId, place: int) -> bool:
    """Whether the record lies elsewhere than in the partition `place`, where its case belongs, or under another key."""
    return record.partition != place or record.key != case.encode()


def room(case: Watched) -> int:
    """How many more events the case takes before each is to be asked for with `crowded`; may be negative."""
    kept = case.evidence
    return min(LARGEST_CASE - len(kept.events), MOST_RIVALS - len(kept.rivals))


def crowded(case: Watched, event: Event) -> Rejected | None:
    """Why the case does not take the event: one of work no more at all, any case no more contents under ids that it knows.
    None where it does."""
    kept = case.evidence
    if len(kept.events) >= LARGEST_CASE and kind_of(event.subject) not in STANDING:
        return Rejected(CROWDED, f"the case has {LARGEST_CASE} events already: is its subject a single one?")
    if len(kept.rivals) >= MOST_RIVALS and contradicts(kept, event):
        return Rejected(
            CROWDED,
            f"its id said something else before, as happened {MOST_RIVALS} times in this case: has each event an id of its own?",
        )
    return None


@lru_cache(maxsize=1 << 15)
def home(case: CaseId, partitions: int) -> int:
    """The partition in which a case belongs: Kafka's own partitioner over the subject."""
    return (murmur2(case.encode()) & 0x7FFFFFFF) % partitions
