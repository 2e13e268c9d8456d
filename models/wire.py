"""Bytes to events and back: CloudEvents 1.0 in JSON, one object an event.

What cannot be an event comes back as a value that says why, in words for whoever sent it; nothing is guessed. Only the
closed list of fields passes, every code short and of a plain alphabet, so that free text and names cannot slip through;
other fields are dropped and counted, never named, for a field's name may itself be personal.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from models.event import CaseId, Data, Event, EventType, Source, kind_of, utc
from models.event_types import KINDS, allowed

MAX_RECORD = 1 << 20
"""Bytes of one record; a larger one is refused."""
AHEAD = timedelta(hours=24)
"""How far `time` may lie after `recorded`."""
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}").fullmatch
_KEY = re.compile(r"[a-z]+/[A-Za-z0-9_.:/-]{1,128}").fullmatch
_NAME = re.compile(r"[\x21-\x7e]{1,256}").fullmatch
_TYPE = re.compile(r"[a-z][a-z0-9_.]{0,99}").fullmatch
ENVELOPE = frozenset(
    ("specversion", "id", "source", "type", "time", "subject", "recorded", "datacontenttype", "dataschema", "data")
)


@dataclass(frozen=True, slots=True)
class Rejected:
    """`reason` is from a closed list (for counting), `detail` names the field and the remedy, without its content."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Decoded:
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
    try:
        found = msgspec.json.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return Rejected("not json", f"the record is no JSON: {fault}")
    if not isinstance(found, dict):
        return Rejected("not an object", "the record is JSON, but no object: send one CloudEvent")
    return from_object(cast("dict[str, Any]", found), received)


def from_object(found: Mapping[str, Any], received: datetime | None) -> Decoded | Rejected:
    """One CloudEvent already parsed."""
    try:
        return _decoded(found, received)
    except _Refused as refused:
        return refused.rejected


def _decoded(found: Mapping[str, Any], received: datetime | None) -> Decoded:
    if found.get("specversion") != "1.0":
        raise _Refused("specversion", 'specversion must be "1.0"')
    kind = EventType(_text(found, "type", _TYPE))
    subject = CaseId(_text(found, "subject", _KEY))
    if kind_of(subject) not in KINDS:
        raise _Refused("subject", "the subject must begin with a kind of case: " + ", ".join(KINDS))
    if not allowed(kind, kind_of(subject)):
        raise _Refused("kind", f"{kind} does not belong to a case of kind {kind_of(subject)}")
    time = _time(found.get("time"), "time")
    recorded = received or time
    if found.get("recorded") is not None:
        recorded = _time(found["recorded"], "recorded")
    if time - recorded > AHEAD:
        raise _Refused("time ahead", "time is more than 24 hours after recorded: check the sender's clock")
    data, dropped = _data(found.get("data"))
    event = Event(_text(found, "id", _NAME), Source(_text(found, "source", _NAME)), kind, time, recorded, subject, data)
    return Decoded(event, dropped + sum(name not in ENVELOPE for name in found))


def _text(found: Mapping[str, Any], name: str, shape: Callable[[str], object]) -> str:
    value = found.get(name)
    if value is None:
        raise _Refused("missing " + name, f"{name} is missing")
    if not isinstance(value, str) or not shape(value):
        raise _Refused(
            "bad " + name, f"{name} must be text of its alphabet and length (see `rxpulse topics schema EVENT`)"
        )
    return value


def _time(value: object, name: str) -> datetime:
    if value is None:
        raise _Refused("missing " + name, f"{name} is missing")
    try:
        instant = utc(datetime.fromisoformat(value)) if isinstance(value, str) and "T" in value else None
    except (ValueError, OverflowError):
        instant = None
    if instant is None:
        raise _Refused("bad " + name, f"{name} must be ISO 8601 with an offset, such as 2026-11-20T14:03:07-05:00")
    if not 1900 <= instant.year <= 2299:
        raise _Refused("absurd " + name, f"{name} lies outside the years 1900 to 2299")
    return instant


def _data(found: object) -> tuple[Data, int]:
    if not isinstance(found, dict):
        raise _Refused("missing data", "data must be an object with at least a site")
    data: dict[str, object] = {}
    dropped = 0
    for name, value in cast("dict[str, object]", found).items():
        shape = _FIELDS.get(name)
        if shape is None:
            dropped += 1
        elif value is not None:
            data[name] = shape(value, name)
    if "site" not in data:
        raise _Refused("missing data.site", "data.site is missing: name the pharmacy's site")
    return cast("Data", data), dropped


def _code(value: object, name: str) -> str:
    if not isinstance(value, str) or not _CODE(value):
        raise _Refused("bad data." + name, f"data.{name} must be a code of 1 to 64 characters A-Z a-z 0-9 _ . : / -")
    return value


def _setting(value: object, name: str) -> str:
    if value not in ("inpatient", "retail", "specialty"):
        raise _Refused("bad data." + name, "data.setting must be inpatient, retail or specialty")
    return str(value)


def _priority(value: object, name: str) -> str:
    return "" if value == "" else _code(value, name)


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _Refused("bad data." + name, f"data.{name} must be a number")
    return value


def _codes(value: object, name: str) -> list[str]:
    if not isinstance(value, list):
        raise _Refused("bad data." + name, f"data.{name} must be a list of codes")
    return [_code(item, name) for item in cast("list[object]", value)]


def _voids(value: object, name: str) -> list[str]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    if len(items) != 2 or not all(isinstance(item, str) and _NAME(item) for item in items):
        raise _Refused("bad data.voids", "data.voids must be [source, id] of the event that it takes back")
    return [str(item) for item in items]


def _object(*names: str) -> Callable[[object, str], object]:
    def shape(value: object, name: str) -> object:
        if not isinstance(value, dict):
            raise _Refused("bad data." + name, f"data.{name} must be an object")
        fields = cast("dict[str, object]", value)
        return {k: _code(v, f"{name}.{k}") for k, v in fields.items() if k in names and v is not None}

    return shape


def _instant(value: object, name: str) -> datetime:
    return _time(value, "data." + name)


_FIELDS: dict[str, Callable[[object, str], object]] = {
    **dict.fromkeys(
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
        ],
        _code,
    ),
    **dict.fromkeys(("qty", "amount", "value"), _number),
    "setting": _setting,
    "priority": _priority,
    "promised": _instant,
    "codes": _codes,
    "voids": _voids,
    "drug": _object("code", "system", "schedule", "high_alert", "lasa_group"),
    "links": _object("fill", "dose", "claim", "intervention", "order", "item"),
}
FIELDS = frozenset(_FIELDS)


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
