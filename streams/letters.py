"""The dead letters one by one: what each is, what today's code says about it, and the way back into the topic of events.

A record that was refused may be in order now: the policy knows its site meanwhile, the instant that it named has come, or
this release reads what the last one could not. Such a record goes to `rx.events` again, byte by byte, under the key of its
case. That harms nothing if it is there already, for an event whose id is known changes nothing.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, Message

from models.errors import CallerFault, UsageFault
from models.policy import Policies
from models.wire import Decoded, Rejected
from streams.admission import CROWDED, Record, examine
from streams.aside import Why, why_aside
from streams.feed import Extent, extent, partitions, ranged, received
from streams.topics import DEADLETTER, EVENTS

_NOT_SAID = "not said"
_CUT = "cut"


class Place(NamedTuple):
    """Where a dead letter lies: partition and offset of `rx.deadletter`. As a text, `0:17`, it is the letter's id."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}:{self.offset}"


def place_of(text: str) -> Place:
    """The place that an id names. Raises UsageFault."""
    found = re.fullmatch(r"(\d{1,9}):(\d{1,18})", text, re.ASCII)
    if found is None:
        raise UsageFault(
            f"'{text}' is no id of a dead letter: give PARTITION:OFFSET as `rxpulse deadletter list` shows it"
        )
    return Place(int(found[1]), int(found[2]))


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter: why it was put aside and where it came from, and the record as it came. Key and value may name a
    person. `cut_from`: the bytes that the record had, where it was too large to be kept whole; else None."""

    place: Place
    why: Why
    key: bytes | None
    value: bytes
    cut_from: int | None

    @property
    def mark(self) -> str:
        """What tells this letter from every other, also from one under the same id in a topic that was made anew."""
        return f"{self.place} {self.why.at.isoformat()}"


def kept(consumer: Consumer) -> dict[int, Extent]:
    """The offsets that the topic of dead letters holds now, by partition. Raises CallerFault where Kafka does not answer,
    UsageFault where there is no such topic."""
    return {number: extent(consumer, DEADLETTER, number) for number in partitions(consumer, DEADLETTER)}


def letters(consumer: Consumer, held: Mapping[int, Extent]) -> Iterator[Letter]:
    """The dead letters within these offsets, oldest first in each partition."""
    for number, there in held.items():
        for message in ranged(consumer, DEADLETTER, number, there):
            yield letter_of(message)


def letter_at(consumer: Consumer, place: Place) -> Letter:
    """The one at that place. Raises CallerFault where the topic holds none there."""
    held = kept(consumer)
    there = held.get(place.partition, Extent(0, 0))
    if there.low <= place.offset < there.high:
        for message in ranged(consumer, DEADLETTER, place.partition, Extent(place.offset, place.offset + 1)):
            return letter_of(message)
    raise CallerFault(f"there is no dead letter {place}: {_extents(held)}; `rxpulse deadletter list` shows them")


def _extents(held: Mapping[int, Extent]) -> str:
    told = [
        f"{number}:{there.low} to {number}:{there.high - 1}" for number, there in held.items() if there.high > there.low
    ]
    return f"{DEADLETTER} holds {', '.join(told) or 'none'}"


def letter_of(message: Message) -> Letter:
    """A record of the topic of dead letters. What somebody else put there may not say why."""
    why = why_aside(message) or Why(
        received(message), _NOT_SAID, "whoever put it there did not say why", *[_NOT_SAID] * 3
    )
    cut = dict(message.headers() or []).get("cut-from-bytes")
    place = Place(message.partition() or 0, message.offset() or 0)
    return Letter(place, why, message.key(), message.value() or b"", int(cut) if cut and cut.isdigit() else None)


@dataclass(slots=True)
class Overview:
    """What the topic holds: how many letters, of which reasons, how many of them match and of which, the newest that match
    (newest first), and how often the content of each came."""

    kept: int = 0
    reasons: Counter[str] = field(default_factory=Counter[str])
    matching: Counter[str] = field(default_factory=Counter[str])
    newest: list[Letter] = field(default_factory=list["Letter"])
    _times: Counter[bytes] = field(default_factory=Counter[bytes])

    def times(self, letter: Letter) -> int:
        """How many of the letters kept have the content of this one."""
        return self._times[_digest(letter)]


def overview(found: Iterable[Letter], wanted: Callable[[Letter], bool], count: int) -> Overview:
    """Looks at all of them, and keeps the newest `count` of those wanted. Letters come oldest first."""
    seen = Overview()
    newest: deque[Letter] = deque(maxlen=count)
    for letter in found:
        seen.kept += 1
        seen.reasons[letter.why.reason] += 1
        seen._times[_digest(letter)] += 1
        if wanted(letter):
            seen.matching[letter.why.reason] += 1
            newest.append(letter)
    seen.newest = sorted(newest, key=lambda one: (one.why.at, one.place), reverse=True)
    return seen


def _digest(letter: Letter) -> bytes:
    return blake2b(letter.value, digest_size=16).digest()


def judge(letter: Letter, now: datetime, policies: Policies | None) -> Decoded | Rejected:
    """What the worker would say of the record if it came `now` (UTC); `policies` None: as far as can be said without them.
    A case that was full is taken to be full still."""
    if letter.cut_from is not None:
        return Rejected(_CUT, f"only {len(letter.value)} of its {letter.cut_from} bytes were kept")
    if letter.why.reason == CROWDED:
        return Rejected(CROWDED, letter.why.detail)
    return examine(Record(letter.place.partition, letter.place.offset, letter.key, letter.value, now), policies)


def remedy(letter: Letter, found: Decoded | Rejected) -> str:
    """What to do about a letter of which that is said today, in a sentence."""
    if isinstance(found, Decoded):
        return f"it is in order now: `rxpulse deadletter replay {letter.place}` sends it to {EVENTS} again"
    return _REMEDIES.get(found.reason, _SAME_ID if _has_id(letter.value) else _NO_ID)


class _Named(msgspec.Struct):
    """As much of a record as tells which event it was."""

    id: str


def _has_id(value: bytes) -> bool:
    """Whether the record names an id, be the rest of it as it may."""
    try:
        return msgspec.json.decode(value, type=_Named).id != ""
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


_SAME_ID = "mend the sender, and let it send this again, mended, under the same id"
_NO_ID = (
    "nobody can tell which event it was, for no id can be read in it: mend the sender, and let it send what it meant as an"
    " event with an id"
)
_REMEDIES = {
    _CUT: "nobody but the sender has it whole: let it send less at once, and this again",
    CROWDED: "its bytes are in order: let the sender give each piece of work its own subject, and each event its own id,"
    " from now on",
    "recorded ahead": "set the sender's clock right, or that of Kafka's host if many senders say so; once the instant that it"
    " names has come, replay it as it is",
    "unknown site": "name the site in the policy (`rxpulse policy apply`), then replay it; or mend it in the sender",
}
