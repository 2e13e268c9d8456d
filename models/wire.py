"""Bytes to events and back: CloudEvents 1.0 in JSON, one object an event.

What cannot be an event comes back as a value that says why, in words for whoever sent it; nothing is guessed. Only the
closed list of fields passes, every code short and of a plain alphabet, so that free text and names cannot slip through;
other fields are dropped and counted, never named, for a field's name may itself be personal.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar, cast

import msgspec

from models.event import CaseId, Data, Event, EventType, Source, kind_of, utc
from models.event_types import KINDS, allowed

MAX_RECORD = 1 << 20
"""Bytes of one record; a larger one is refused."""
LARGEST = 1 << 53
"""No number is larger: beyond it a reader of JSON need not keep whole numbers apart (RFC 8259, section 6)."""
AHEAD = timedelta(hours=24)
"""How far `time` may lie after `recorded`."""
EARLY = timedelta(minutes=5)
"""How far `recorded` may lie after receipt (`semantics.md` 5)."""
CODE, KEY, NAME, TYPE = (
    r"[A-Za-z0-9_.:/-]{1,64}",
    r"[A-Za-z0-9_.:/-]{1,128}",
    r"[\x21-\x7e]{1,256}",
    r"[a-z][a-z0-9_.]{0,99}",
)
"""The alphabet and length, as regular expressions, of codes, of what follows the kind in a subject, of ids and sources, and
of types of events."""
SETTINGS = ("inpatient", "retail", "specialty")
_parse = msgspec.json.Decoder().decode


Text = TypeVar("Text", bound=str)


class _Words(dict[str, Text]):
    """Words of one alphabet and length, each by itself. The words of a feed come again and again: what passed is kept, so that
    it is looked at once and stands in memory once; what is refused is never kept. Raises ValueError for a text of another
    alphabet or length, TypeError for what is no text."""

    __slots__ = ("_kept", "_kind", "_shape")

    def __init__(self, kind: Callable[[str], Text], pattern: str, kept: int) -> None:
        super().__init__()
        self._kind, self._shape, self._kept = kind, re.compile(pattern).fullmatch, kept

    def __missing__(self, text: str) -> Text:
        if self._shape(text) is None:
            raise ValueError
        if len(self) >= self._kept:
            self.clear()
        word = self[text] = self._kind(text)
        return word


_known_codes = _Words(str, CODE, kept=1 << 14)
_known_subjects = _Words(CaseId, f"[a-z]+/{KEY}", kept=1 << 14)
_known_sources = _Words(Source, NAME, kept=1 << 10)
_known_types = _Words(EventType, TYPE, kept=1 << 10)


def _name_of(text: object) -> str:
    """An id as it is, checked without a regular expression and never kept, for it comes once; it refuses as the others do."""
    if not isinstance(text, str):
        raise TypeError
    if not (0 < len(text) <= 256 and text.isascii() and text.isprintable() and " " not in text):
        raise ValueError
    return text


@dataclass(frozen=True, slots=True)
class Rejected:
    """`reason` is from a closed list (for counting), `detail` names the field and the remedy, without its content."""

    reason: str
    detail: str


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A record of the form that nearly all have; nothing but its shape was looked at."""

    specversion: object
    type: str
    subject: str
    time: str
    data: dict[str, Any]
    id: str
    source: str
    recorded: str | None = None
    datacontenttype: object = None
    dataschema: object = None


_parse_usual = msgspec.json.Decoder(_Envelope).decode


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """`dropped` counts fields outside the closed list."""

    event: Event
    dropped: int = 0


class _Refused(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.rejected = Rejected(reason, detail)


def decode(record: bytes, received: datetime | None) -> Decoded | Rejected:
    """One record. `received` is when it reached us (UTC) and stands in for a missing `recorded`; None (a file): the
    event's own time stands in. Never raises for bad bytes."""
    if len(record) > MAX_RECORD:
        return Rejected("too large", f"the record has {len(record)} bytes; at most {MAX_RECORD} are taken")
    return _usual(record, received) or _unusual(record, received)


def _usual(record: bytes, received: datetime | None) -> Decoded | None:
    """A record of the form that nearly all have, without looking for what it lacks. None for any other and for what cannot
    be an event: that is read again by `_unusual`, and told what is wrong with it."""
    try:
        said = _parse_usual(record)
        kind, subject = _known_types[said.type], _known_subjects[said.subject]
        _belongs(kind, kind_of(subject))
        time = _plain_time(said.time)
        recorded = (received or time) if said.recorded is None else _plain_time(said.recorded)
        if said.specversion != "1.0" or (time > recorded and time - recorded > AHEAD):
            return None
        data, dropped = _fields(said.data)
        return Decoded(
            Event(_name_of(said.id), _known_sources[said.source], kind, time, recorded, subject, data), dropped
        )
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError, RecursionError, _Refused):
        return None


def _plain_time(text: str) -> datetime:
    """A time as nearly all write it. Raises ValueError for any other, though it may be one."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is not UTC:
        instant = utc(instant)
    if text[10] != "T" or not 1900 <= instant.year <= 2299:
        raise ValueError
    return instant


def _unusual(record: bytes, received: datetime | None) -> Decoded | Rejected:
    try:
        found = _parse(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return Rejected("not json", f"the record is no JSON: {json_fault(fault)}")
    if not isinstance(found, dict):
        return Rejected("not an object", "the record is JSON, but no object: send one CloudEvent")
    return from_object(cast("dict[str, Any]", found), received)


def json_fault(fault: Exception) -> str:
    """What a reader of JSON met, and where, in words of our own and without the content."""
    told = str(fault)
    if isinstance(fault, UnicodeDecodeError) or "utf-8" in told.lower():
        return "it is not UTF-8; save or send it as UTF-8"
    if isinstance(fault, RecursionError):
        return "it is nested too deeply"
    if "truncated" in told:
        return "it ends in the middle; send it whole"
    place = _BYTE.search(told)
    near = "" if place is None else f" near byte {place[1]}"
    return f"it cannot be read on{near}; look at the marks and numbers there"


_BYTE = re.compile(r"\(byte (\d+)\)")


def from_object(found: Mapping[str, Any], received: datetime | None) -> Decoded | Rejected:
    """One CloudEvent already parsed."""
    said = cast("Any", _Envelope)(**{name: found.get(name) for name in _ENVELOPE})
    try:
        decoded = _decoded(said, received)
    except _Refused as refused:
        return refused.rejected
    return Decoded(decoded.event, decoded.dropped + len(found.keys() - _ENVELOPE))


_ENVELOPE = frozenset(_Envelope.__struct_fields__)


def early(event: Event, received: datetime) -> Rejected | None:
    """Why an event cannot have been received then (UTC): it says that it became known later; None where it may be."""
    if event.recorded <= received or event.recorded - received <= EARLY:
        return None
    return Rejected(
        "recorded ahead", "recorded is more than 5 minutes after receipt: check the sender's clock, then the receiver's"
    )


def _decoded(said: _Envelope, received: datetime | None) -> Decoded:
    """Of an object already parsed a field may be of any type, or None where it is absent."""
    if said.specversion != "1.0":
        raise _Refused("specversion", 'specversion must be "1.0"')
    kind = _text(said.type, "type", _known_types.__getitem__)
    subject = _text(said.subject, "subject", _known_subjects.__getitem__)
    _belongs(kind, kind_of(subject))
    time = _time(said.time, "time")
    recorded = (received or time) if said.recorded is None else _time(said.recorded, "recorded")
    if time - recorded > AHEAD:
        raise _Refused("time ahead", "time is more than 24 hours after recorded: check the sender's clock")
    data, dropped = _data(said.data)
    name, source = _text(said.id, "id", _name_of), _text(said.source, "source", _known_sources.__getitem__)
    return Decoded(Event(name, source, kind, time, recorded, subject, data), dropped)


@lru_cache(maxsize=1 << 12)
def _belongs(kind: EventType, of_case: str) -> None:
    if of_case not in KINDS:
        raise _Refused("subject", "the subject must begin with a kind of case: " + ", ".join(KINDS))
    if not allowed(kind, of_case):
        raise _Refused("kind", f"{kind} does not belong to a case of kind {of_case}")


def _text(value: Any, name: str, checked: Callable[[str], Text]) -> Text:
    try:
        return checked(value)
    except (TypeError, ValueError):
        if value is None:
            raise _Refused("missing " + name, f"{name} is missing") from None
        raise _Refused("bad " + name, _shape_told(name, value)) from None


def _shape_told(name: str, value: object) -> str:
    """What is wrong with a text of the envelope: its length where that is too much, else its alphabet."""
    longest, must_be = _SHAPES[name]
    text = value.partition("/")[2] if name == "subject" and isinstance(value, str) else value
    if isinstance(text, str) and len(text) > longest:
        return (
            f"{name}: {len(text)} characters{' after the kind' if text != value else ''}; at most {longest} are taken"
        )
    return f"{name} must be {must_be}"


def _time(value: object, name: str) -> datetime:
    if value is None:
        raise _Refused("missing " + name, f"{name} is missing")
    try:
        instant = utc(datetime.fromisoformat(value)) if isinstance(value, str) and "T" in value else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        instant = _unusual_time(value, name)
    if not 1900 <= instant.year <= 2299:
        raise _Refused("absurd " + name, f"{name} lies outside the years 1900 to 2299")
    return instant


def _unusual_time(value: object, name: str) -> datetime:
    """A time that RFC 3339 allows and few write: small t and z, or a leap second, which counts as the last microsecond
    before it ends. Raises _Refused with what is wrong with this value."""
    told = _A_TIME
    if isinstance(value, str):
        usual = value.upper()
        leap = _LEAP.fullmatch(usual)
        try:
            read = datetime.fromisoformat(f"{leap[1]}59.999999{leap[2]}" if leap else usual)
            if "T" not in usual:
                told = f"has no T between date and time: write it {_LIKE}"
            elif read.tzinfo is None:
                told = f"has no offset: add Z for UTC, or one {_LIKE}"
            elif leap and (read.astimezone(UTC).hour, read.astimezone(UTC).minute) != (23, 59):
                told = "has second 60, which there is only at 23:59:60 UTC"
            else:
                return utc(read)
        except (ValueError, OverflowError):
            told = f"names no day and time that exist: give ISO 8601 with an offset, {_LIKE}"
    raise _Refused("bad " + name, f"{name} {told}")


_LEAP = re.compile(r"(.*T\d\d:\d\d:)60(?:\.\d+)?(Z|[+-]\d\d:\d\d)")
_LIKE = "such as 2026-11-20T14:03:07-05:00"
_A_TIME = f"must be a text, ISO 8601 with an offset, {_LIKE}"


def _data(found: object) -> tuple[Data, int]:
    if not isinstance(found, dict):
        raise _Refused("missing data", "data must be an object with at least a site")
    return _fields(cast("dict[str, Any]", found))


def _fields(said: dict[str, Any]) -> tuple[Data, int]:
    data: Any = {}
    dropped = 0
    name = ""
    try:
        for name, value in said.items():
            if value is None:
                dropped += name not in FIELDS
            elif name in _CODES:
                data[name] = _known_codes[value]
            elif name in _OTHERS:
                data[name] = _OTHERS[name](value)
            else:
                dropped += 1
    except (TypeError, ValueError):
        raise _bad(name, _MUST_BE.get(name, _A_CODE)) from None
    if "site" not in data:
        raise _Refused("missing data.site", "data.site is missing: name the pharmacy's site")
    return data, dropped


def _bad(place: str, must_be: str) -> _Refused:
    return _Refused(f"bad data.{place}", f"data.{place} must be {must_be}")


def _setting(value: object) -> str:
    if value not in SETTINGS:
        raise ValueError
    return str(value)


def _priority(value: str) -> str:
    return "" if value == "" else _known_codes[value]


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -LARGEST <= value <= LARGEST:
        raise ValueError
    return value


def _codes(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    try:
        return [_known_codes[item] for item in cast("list[str]", value)]
    except (TypeError, ValueError):
        raise _bad("codes", _A_CODE) from None


def _voids(value: object) -> list[str]:
    if not isinstance(value, list):
        raise TypeError
    source, taken_back = cast("list[str]", value)
    return [_known_sources[source], _name_of(taken_back)]


def _object(name: str, *within: str) -> Callable[[Any], object]:
    def checked(value: dict[str, str | None]) -> object:
        if type(value) is not dict:
            raise TypeError
        kept: dict[str, str] = {}
        key = ""
        try:
            for key, code in value.items():
                if code is not None and key in within:
                    kept[key] = _known_codes[code]
        except (TypeError, ValueError):
            raise _bad(f"{name}.{key}", _A_CODE) from None
        return kept

    return checked


def _promised(value: object) -> datetime:
    return _time(value, "data.promised")


_CODES = frozenset(
    [
        "site",
        "stage",
        "actor",
        "role",
        "station",
        "unit",
        "lot",
        "expiry",
        "reason",
        "transaction",
        "channel",
        "expected",
        "scanned",
        "witness",
        "currency",
        "payer",
        "measure",
        "location",
        "carrier",
    ]
)
OBJECTS: dict[str, tuple[str, ...]] = {
    "drug": ("code", "system", "schedule", "high_alert", "lasa_group"),
    "links": ("fill", "dose", "claim", "intervention", "order", "item"),
}
"""The fields of `data` that are objects, with their own fields."""
NUMBERS = ("qty", "amount", "value")
"""The fields of `data` that are numbers."""
_OTHERS: dict[str, Callable[[Any], object]] = {
    **dict.fromkeys(NUMBERS, _number),
    "setting": _setting,
    "priority": _priority,
    "promised": _promised,
    "codes": _codes,
    "voids": _voids,
    **{name: _object(name, *within) for name, within in OBJECTS.items()},
}
FIELDS = _CODES | _OTHERS.keys()
_A_NAME = 256, "text of 1 to 256 printable ASCII characters without a space"
_SHAPES: dict[str, tuple[int, str]] = {
    "id": _A_NAME,
    "source": _A_NAME,
    "type": (100, "a name such as rx.order.entered: a-z 0-9 . _, at most 100 characters, beginning with a letter"),
    "subject": (128, "a kind of case, a / and a key of 1 to 128 characters A-Z a-z 0-9 _ . : / -, such as order/7f3a"),
}
"""The texts of the envelope: the most characters, and what each must be."""
_A_CODE = "a code of 1 to 64 characters A-Z a-z 0-9 _ . : / -"
_MUST_BE = {
    **dict.fromkeys(NUMBERS, f"a number within {LARGEST} either way"),
    "setting": "inpatient, retail or specialty",
    "codes": "a list of codes",
    "voids": "[source, id] of the event that it takes back",
    **dict.fromkeys(OBJECTS, "an object"),
}


def encode(event: Event) -> bytes:
    """The event as CloudEvents JSON, keys in a fixed order: the same event, the same bytes."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "time": stamp(event.time),
            "subject": event.subject,
            "recorded": stamp(event.recorded),
            "datacontenttype": "application/json",
            "data": {k: stamp(v) if isinstance(v, datetime) else v for k, v in event.data.items()},
        }
    )


def stamp(instant: datetime) -> str:
    """ISO 8601 in UTC, with fractions only where there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
