"""How a case is kept: its events as bytes, and beside them what cannot be told from the events alone.

What a case means today follows from its events, so only they are kept, with the instant up to which silence was listened
to. Of what was already issued about it, only that is kept which a plain reading of the events would not give again:
revisions, readings and signals that late evidence took away. Reading a case back is folding it again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast

import msgspec
from msgspec.structs import replace

from models.case import Evidence, Trimmed, settled
from models.event import CaseId, Data, Event, EventType, Source, kind_of
from models.policy import Policies
from models.signals import Cleared, Signal
from models.tracking import Interval, Pace, Watched, pace, refold

_Row = tuple[str, str, str, datetime, datetime, dict[str, Any]]
"""id, source, type, time, recorded, data; the subject is the case's id."""


class _Body(msgspec.Struct, array_like=True, frozen=True):
    events: list[_Row]
    rivals: list[_Row]
    judged: datetime | None
    intervals: list[Interval]
    signals: list[Signal]
    trimmed: Trimmed | None = None


class Packed(msgspec.Struct, frozen=True, gc=False):
    """The events of a case as they are kept, so that the next to come need not pack them again."""

    events: tuple[Event, ...] = ()
    rows: bytes = b""


_decode = msgspec.msgpack.Decoder(_Body).decode
_encode = msgspec.msgpack.Encoder().encode


NOTHING_PACKED = Packed()


class CaseRow(msgspec.Struct, frozen=True, gc=False):
    """A case as the store keeps it. `look` None: silence would say nothing new; `finished` None: still open; `waits`
    None: nobody's turn."""

    id: CaseId
    partition: int
    site: str
    kind: str
    priority: str
    waits: str | None
    since: datetime
    opened: datetime
    finished: datetime | None
    look: datetime | None
    pace: Pace
    body: bytes


def case_row(case: Watched, partition: int, look: datetime | None, known: Packed = NOTHING_PACKED) -> CaseRow:
    """The row of a case that has at least one event. `known` are its events, or the first of them, as they are kept."""
    first = case.evidence.events[0]
    said = case.progress
    priority = said.fields.get("priority") if said else None
    return CaseRow(
        case.id,
        partition,
        first.site,
        kind_of(case.id),
        priority if isinstance(priority, str) else "",
        said.waits if said else None,
        said.since if said else first.time,
        first.time,
        said.finished if said else None,
        look,
        pace(case),
        _pack(case, packed(case.evidence, known)),
    )


def packed(evidence: Evidence, known: Packed = NOTHING_PACKED) -> Packed:
    """The events packed, those that are `known` and still stand first not once more."""
    events = evidence.events
    count = len(known.events)
    if events[:count] != known.events:
        count, known = 0, NOTHING_PACKED
    if len(events) == count:
        return known
    fresh = _encode(_rows(events[count:]))
    return Packed(events, known.rows + fresh[len(_array_of(len(events) - count)) :])


def _array_of(count: int) -> bytes:
    """How an array of so many begins (MessagePack, array format family)."""
    if count < 16:
        return bytes((0x90 | count,))
    return b"\xdc" + count.to_bytes(2, "big") if count < 1 << 16 else b"\xdd" + count.to_bytes(4, "big")


def _pack(case: Watched, events: Packed) -> bytes:
    # A _Body, as an array: its events are packed already.
    body = (
        msgspec.Raw(_array_of(len(events.events)) + events.rows),
        _rows(case.evidence.rivals),
        None if case.judged.year == 1 else case.judged,
        [one for one in case.intervals.values() if one.revision > 1 or one.retracted],
        [one for one in case.signals.values() if one.revision > 1 or one.reason is Cleared.DISPROOF],
    )
    trimmed = case.evidence.trimmed
    return _encode(body if trimmed is None else (*body, trimmed))


def evidence_of(case: CaseId, body: bytes) -> Evidence:
    """The events of a case, nothing folded."""
    return _evidence(case, _decode(body))


def stations(body: bytes) -> tuple[str, ...]:
    """The stations that had a case in hand, each once, in the order of its events. None of a body that another release
    wrote: a list is shown all the same, and the page of the case says what is wrong with it."""
    try:
        events = _decode(body).events
    except msgspec.DecodeError:
        return ()
    named = (data.get("station") for *_, data in events)
    return tuple(dict.fromkeys(one for one in named if isinstance(one, str) and one))


def unpack(case: CaseId, body: bytes, policies: Policies) -> tuple[Watched, datetime | None]:
    """The case folded again, with what was issued about it, and its next look."""
    kept = _decode(body)
    evidence = _evidence(case, kept)
    bare = Watched(case, evidence) if kept.judged is None else Watched(case, evidence, judged=kept.judged)
    step = refold(bare, policies)
    whole = replace(
        step.case,
        intervals=_with(step.case.intervals, {one.id: one for one in kept.intervals}),
        signals=_with(step.case.signals, {one.id: one for one in kept.signals}),
    )
    return whole, step.look


def _evidence(case: CaseId, kept: _Body) -> Evidence:
    events, rivals = (tuple(_event(case, row) for row in rows) for rows in (kept.events, kept.rivals))
    return settled(events, rivals, kept.trimmed)


def _with(derived: Mapping[Any, Any], kept: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return {**derived, **kept} if kept else derived


def _rows(events: Iterable[Event]) -> list[tuple[object, ...]]:
    """Each as a _Row."""
    return [(one.id, one.source, one.type, one.time, one.recorded, one.data) for one in events]


def _event(case: CaseId, row: _Row) -> Event:
    name, source, kind, time, recorded, data = row
    return Event(name, Source(source), EventType(kind), time, recorded, case, cast("Data", data))
