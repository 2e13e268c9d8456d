"""One thing that happened in the pharmacy, once.

An event says what happened (`type`), when (`time`), when it became known (`recorded`), who says so (`source`) and which
piece of work it belongs to (`subject`, the id of the case). It is never changed: a mistake is taken back by another
event. It holds no names: people are keyed pseudonyms, and `data` is a closed list of coded fields.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NewType, Required, TypedDict, cast

from msgspec import Struct

CaseId = NewType("CaseId", str)
"""`kind/key`, such as `order/7f3a`. The Kafka key of every event of the case."""
Site = NewType("Site", str)
Source = NewType("Source", str)
EventType = NewType("EventType", str)


class Drug(TypedDict, total=False):
    """What was prescribed. `high_alert` and `lasa_group` are codes of a list; `schedule` is CII to CV or absent."""

    code: str
    system: str
    schedule: str
    high_alert: str
    lasa_group: str


class Links(TypedDict, total=False):
    """Finer ids inside one case, or its neighbours. Never read across cases."""

    fill: str
    dose: str
    claim: str
    intervention: str
    order: str
    item: str


class Data(TypedDict, total=False):
    """The closed list of fields. Absent means not said; a null on the wire is absent, so nothing here is None. Treated as
    immutable."""

    site: Required[Site]
    setting: str
    priority: str
    stage: str
    actor: str
    role: str
    station: str
    drug: Drug
    qty: float
    unit: str
    lot: str
    expiry: str
    reason: str
    codes: list[str]
    promised: datetime
    transaction: str
    channel: str
    expected: str
    scanned: str
    witness: str
    amount: float
    currency: str
    payer: str
    measure: str
    value: float
    location: str
    carrier: str
    voids: list[str]
    links: Links


class Event(Struct, frozen=True, gc=False):
    """`time` and `recorded` are aware, in UTC, kept to the microsecond, between the years 1900 and 2299."""

    id: str
    source: Source
    type: EventType
    time: datetime
    recorded: datetime
    subject: CaseId
    data: Data

    @property
    def site(self) -> Site:
        return self.data["site"]


def kind_of(case: CaseId) -> str:
    """The kind of case that an id begins with: `order` of `order/7f3a`."""
    return case.partition("/")[0]


def utc(instant: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for one without an offset, of which two readings would be possible, and where
    it would lie outside the years 1 to 9999."""
    if instant.tzinfo is None:
        raise ValueError("a time without offset")
    try:
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    except OverflowError as fault:
        raise ValueError("a time outside the years 1 to 9999") from fault


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(instant: datetime) -> int:
    """Whole microseconds since 1970 in UTC: exact, unlike a float timestamp."""
    return (instant - EPOCH) // _MICROSECOND


def same_content(a: Event, b: Event) -> bool:
    """Whether two records of one identity say the same; `recorded` is no part of what they say (`recorded` differs
    where a sender tried again)."""
    return a.type == b.type and a.time == b.time and a.subject == b.subject and a.data == b.data


def field(data: Mapping[str, Any], dotted: str) -> object:
    """The value under a dotted name such as `drug.schedule`; None where it is absent."""
    value: object = data
    for name in dotted.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, object]", value).get(name)
    return value
