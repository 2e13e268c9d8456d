"""One piece of work, as far as its events tell: an order, a fill, a dose, a stock item.

A case keeps every event it was given, in the order in which the pharmacy lived them, whatever order they arrived in.
The same record twice changes nothing; two records that claim one identity with different content are settled the same
way everywhere and counted; an event that was taken back no longer stands. From those that stand follow the fields last
said, the queue in which the case waits, and whether it is finished.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import lru_cache
from itertools import groupby, islice
from typing import Any, NamedTuple, cast

from msgspec import Struct

from models.event import Event, EventType, Source, same_content
from models.event_types import CATALOGUE, OPENING, VOIDED, rank
from models.lifecycle import Milestone, steps

Identity = tuple[Source, str]


class Admission(Enum):
    """What became of an event that was given to a case."""

    NEWEST = "newest"
    LATE = "late"
    DUPLICATE = "duplicate"
    ID_REUSED = "id_reused"
    AFTER_CLOSE = "after_close"
    """Its case, or the part of it that the event belongs to, has left: counted, and nothing changes."""


class Evidence(Struct, frozen=True, gc=False, eq=False):
    """The events of a case. `events` holds one a identity in canonical order; `rivals` the other contents that claimed an
    identity already taken. `standing` leaves out what was taken back and the taking back itself.

    `trimmed` says what left it, None: nothing ever did.

    The last only saves time, None where it was not gathered."""

    events: tuple[Event, ...] = ()
    rivals: tuple[Event, ...] = ()
    standing: tuple[Event, ...] = ()
    trimmed: "Trimmed | None" = None
    gathered: "Gathered | None" = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Evidence):
            return NotImplemented
        ours = (self.events, self.rivals, self.standing, self.trimmed)
        return ours == (other.events, other.rivals, other.standing, other.trimmed)


class Trimmed(Struct, frozen=True, gc=False):
    """What left a standing case that grew long. Of the events before `until` only some stay, and they move nothing any more
    but the clocks of which an instance was running at `until`: `running` has the ids of these. Of readings, which move nothing
    at all, only some of those before `readings` stay. UTC, both exclusive; the beginning of time: none left."""

    until: datetime
    readings: datetime
    running: frozenset[str]


class Gathered(NamedTuple):
    """`ids` are the ids of all events of a case and, where another case went on from the same ones, perhaps of more;
    `voided` the identities that were taken back."""

    ids: set[str]
    voided: frozenset[Identity]


def identity(event: Event) -> Identity:
    return (event.source, event.id)


def ordered(events: Iterable[Event]) -> tuple[Event, ...]:
    """By instant; at one instant the event that opens the case first, then the sources merged by the smaller (rank,
    source, id) at their heads, each source in the order of its `recorded`, then rank, then id."""
    out: list[Event] = []
    for _, group in groupby(sorted(events, key=lambda event: event.time), key=lambda event: event.time):
        instant = list(group)
        out.extend(instant if len(instant) == 1 else _at_one_instant(instant))
    return tuple(out)


def _at_one_instant(events: list[Event]) -> list[Event]:
    opening = sorted((e for e in events if e.type in OPENING), key=_head)
    queues: dict[Source, list[Event]] = {}
    for event in sorted((e for e in events if e.type not in OPENING), key=_within_source, reverse=True):
        queues.setdefault(event.source, []).append(event)
    merged: list[Event] = []
    while queues:
        source = min(queues, key=lambda name: _head(queues[name][-1]))
        merged.append(queues[source].pop())
        if not queues[source]:
            del queues[source]
    return opening + merged


def _head(event: Event) -> tuple[int, str, str]:
    return (rank(event.type), event.source, event.id)


def _within_source(event: Event) -> tuple[datetime, int, str]:
    return (event.recorded, rank(event.type), event.id)


def admit(evidence: Evidence, event: Event) -> tuple[Evidence, Admission]:
    """The evidence with one more record. NEWEST: it stands after all others, so what was folded so far may be carried
    on; LATE and ID_REUSED: fold again, if the evidence is another object than before."""
    further, count = append(evidence, (event,))
    return (further, Admission.NEWEST) if count else insert(evidence, event)


def insert(evidence: Evidence, event: Event) -> tuple[Evidence, Admission]:
    """The evidence with one more record, which does not stand after all others: `append` has found that."""
    known = known_as(evidence, event)
    if known is not None:
        return _rival(evidence, known, event)
    return settled(ordered((*evidence.events, event)), evidence.rivals, evidence.trimmed), Admission.LATE


def known_as(evidence: Evidence, event: Event) -> Event | None:
    """The event that is kept under the identity of this one; None where there is none."""
    for known in evidence.events:
        if known.id == event.id and known.source == event.source:
            return known
    return None


def append(evidence: Evidence, events: Sequence[Event]) -> tuple[Evidence, int]:
    """The evidence with as many of the events, from the first on, as stand after all others; and how many these are."""
    gathered = evidence.gathered or _gathered(evidence.events)
    ids, voided = gathered
    known = list(evidence.events)
    for event in events:
        if event.id in ids or event.type == VOIDED:
            break
        if known and event.time <= known[-1].time and not _comes_last(known, event):
            break
        if voided and identity(event) in voided:
            break
        ids.add(event.id)
        known.append(event)
    count = len(known) - len(evidence.events)
    if not count:
        return evidence, 0
    together = tuple(known)
    standing = together if evidence.standing is evidence.events else (*evidence.standing, *events[:count])
    return Evidence(together, evidence.rivals, standing, evidence.trimmed, gathered), count


def _comes_last(events: Sequence[Event], event: Event) -> bool:
    """Whether the event stands behind all others. At one instant that is for the order of that instant to say; it leaves
    the others as they stood, for it takes the head of a queue with the others gone."""
    last = events[-1]
    if event.time != last.time:
        return event.time > last.time
    instant = [last, event]
    for other in islice(reversed(events), 1, None):
        if other.time != event.time:
            break
        instant.append(other)
    return comes_first(last, event) if len(instant) == 2 else _at_one_instant(instant)[-1] is event


def comes_first(one: Event, other: Event) -> bool:
    """Whether of two events at one instant `one` comes first: what `_at_one_instant` says of two."""
    opens = one.type in OPENING
    if opens != (other.type in OPENING):
        return opens
    if opens or one.source != other.source:
        return _head(one) < _head(other)
    return _within_source(one) < _within_source(other)


def _rival(evidence: Evidence, known: Event, event: Event) -> tuple[Evidence, Admission]:
    """A second record of one identity: the earliest `recorded` of each content is kept, and the smallest (recorded,
    canonical text) stands."""
    claims = _claims(evidence, known)
    same = next((claim for claim in claims if same_content(claim, event)), None)
    if same is not None and event.recorded >= same.recorded:
        return evidence, Admission.DUPLICATE
    claims = [claim for claim in claims if claim is not same] + [event]
    winner = event if _stands_before(event, known) else known
    others = tuple(e for e in evidence.rivals if identity(e) != identity(known))
    rivals = (*others, *(claim for claim in claims if claim is not winner))
    events = ordered(winner if e is known else e for e in evidence.events)
    further = settled(events, rivals, evidence.trimmed)
    return further, Admission.ID_REUSED if same is None else Admission.DUPLICATE


def _claims(evidence: Evidence, known: Event) -> list[Event]:
    """All that is kept of one identity; what stands is the first."""
    return [known, *(e for e in evidence.rivals if e.id == known.id and e.source == known.source)]


def _stands_before(event: Event, known: Event) -> bool:
    """Whether it stands instead of what stood. Their text is only looked at where they were recorded at one instant."""
    if event.recorded != known.recorded:
        return event.recorded < known.recorded
    return canonical(event) < canonical(known)


def contradicts(evidence: Evidence, event: Event) -> bool:
    """Whether an event of this identity is kept, and none that says the same."""
    known = known_as(evidence, event)
    return known is not None and not any(same_content(claim, event) for claim in _claims(evidence, known))


def settled(events: tuple[Event, ...], rivals: tuple[Event, ...], trimmed: Trimmed | None = None) -> Evidence:
    """The evidence of these events, given in canonical order, and of the rivals to their identities, after what left."""
    gathered = _gathered(events)
    if not any(event.type == VOIDED for event in events):
        return Evidence(events, rivals, events, trimmed, gathered)
    standing = tuple(e for e in events if e.type != VOIDED and identity(e) not in gathered.voided)
    return Evidence(events, rivals, standing, trimmed, gathered)


def _gathered(events: Iterable[Event]) -> Gathered:
    taken_back = [voided_by(event) for event in events]
    return Gathered({event.id for event in events}, frozenset(voided for voided in taken_back if voided is not None))


def voided_by(event: Event) -> Identity | None:
    """The identity that a voiding event takes back; None for any other event."""
    if event.type != VOIDED:
        return None
    voids = event.data.get("voids", [])
    return (Source(voids[0]), voids[1]) if len(voids) == 2 else None


def canonical(event: Event) -> str:
    """Canonical JSON of what an event says: keys sorted, no spaces, times in UTC to the microsecond, whole numbers
    without a point."""
    said_of = {
        "data": _plain(event.data),
        "id": event.id,
        "source": event.source,
        "subject": event.subject,
        "time": _plain(event.time),
        "type": event.type,
    }
    return json.dumps(said_of, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        case float() if value.is_integer():
            return int(value)
        case Mapping():
            return {k: _plain(v) for k, v in cast("Mapping[str, Any]", value).items() if v is not None}
        case list():
            return [_plain(item) for item in cast("list[object]", value)]
        case _:
            return value


class Progress(Struct, frozen=True, gc=False):
    """What the standing events say: the fields last said, the queue (`waits`, None where nobody's turn comes) and since
    when, `finished` (None while open), and how many milestones came where none may."""

    fields: Mapping[str, object]
    waits: str | None
    since: datetime
    finished: datetime | None
    milestones: Mapping[str, EventType]
    impossible: int = 0


class _Means(NamedTuple):
    """What a type of events says of a case of one kind: whether it ends it, and on which roads it is a milestone (the name
    of the road, and whether it moves the case from queue to queue)."""

    ends: bool
    milestones: tuple[tuple[str, bool, Milestone], ...]


@lru_cache(maxsize=64)
def _meanings(kind: str) -> Mapping[EventType, _Means]:
    """What each known type says of a case of the kind."""
    found: dict[EventType, _Means] = {}
    for of, meaning in CATALOGUE.items():
        roads = tuple((road.name, road.main, milestone) for road, milestone in steps(kind, of))
        found[of] = _Means(meaning.ends == kind, roads)
    return found


class Following:
    """A Progress while events come to it, each later than all before it."""

    __slots__ = ("_finished", "_impossible", "_meanings", "_milestones", "_since", "_waits", "fields")

    def __init__(self, progress: Progress, kind: str) -> None:
        self._waits, self._since, self._finished = progress.waits, progress.since, progress.finished
        self._impossible = progress.impossible
        self.fields = dict(progress.fields)
        self._milestones = dict(progress.milestones)
        self._meanings = _meanings(kind)

    def add(self, event: Event) -> None:
        """One more event. An unknown type says nothing of the fields."""
        means = self._meanings.get(event.type)
        if means is None:
            return
        self.fields.update(event.data)
        if means.ends and self._finished is None:
            self._finished = event.time
        for road, moves, milestone in means.milestones:
            last = self._milestones.get(road)
            if not (milestone.first if last is None else last in milestone.after):
                self._impossible += 1
            self._milestones[road] = event.type
            if moves and milestone.waits != self._waits:
                self._waits, self._since = milestone.waits, event.time

    def progress(self) -> Progress:
        """What they say together; no event comes to it any more."""
        return Progress(self.fields, self._waits, self._since, self._finished, self._milestones, self._impossible)


def before_case(evidence: Evidence) -> int:
    """How many standing events lie before the event that opens the case: 0 where none opens it."""
    for at, event in enumerate(evidence.standing):
        if event.type in OPENING:
            return at
    return 0
