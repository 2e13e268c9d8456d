"""The map of an export: which column of a pharmacy's own table means what, written by the pharmacy as a small TOML file.

The map names the column with the order number, the columns with times and what happened at them, how times are written,
and what the system's own codes mean. A map with a typo is refused whole, with the key and the remedy: half a map would
give half the figures.
"""

import tomllib
from codecs import lookup
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.errors import UsageFault
from models.event import EventType
from models.event_types import CATALOGUE, KINDS, allowed
from models.wire import FIELDS

NESTED: dict[str, tuple[str, ...]] = {
    "drug": ("code", "system", "schedule", "high_alert", "lasa_group"),
    "links": ("fill", "dose", "claim", "intervention", "order", "item"),
}
PEOPLE = frozenset(("actor", "witness"))
_KEYS = {"source", "case", "columns", "constants", "codes", "time", "type", "event", "encoding", "delimiter", "quote"}


class Ambiguous(StrEnum):
    """What a wall time means that comes twice, when the clock is put back."""

    EARLIER = "earlier"
    LATER = "later"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Times:
    """`format` is strptime's, None for ISO 8601. `zone` is None where every time carries its own offset."""

    format: str | None
    zone: ZoneInfo | None
    ambiguous: Ambiguous


@dataclass(frozen=True, slots=True)
class Long:
    """One row is one event: `column` says what happened, `time` when; `codes` is from its values to event types."""

    column: str
    time: str
    codes: Mapping[str, EventType]


@dataclass(frozen=True, slots=True)
class Step:
    """One time column of a wide table. `actor` is the column with who did it; None: not said."""

    type: EventType
    time: str
    actor: str | None


@dataclass(frozen=True, slots=True)
class Map:
    """`fields` is from dotted names below `data` (`drug.code`) to columns, `constants` to values; `codes` is from such
    a name to its table. `delimiter` and `quote` are None where they are to be recognised."""

    source: str
    case: str
    subject: str
    fields: Mapping[str, str]
    constants: Mapping[str, str | int | float]
    codes: Mapping[str, Mapping[str, str]]
    times: Times
    shape: Long | tuple[Step, ...]
    encoding: str = "utf-8-sig"
    delimiter: str | None = None
    quote: str | None = None
    columns: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", frozenset(_used(self)))


def _used(found: Map) -> Iterator[str]:
    yield found.subject
    yield from found.fields.values()
    match found.shape:
        case Long(column, time, _):
            yield from (column, time)
        case steps:
            for step in steps:
                yield step.time
                if step.actor:
                    yield step.actor


def read_map(text: str, place: str) -> Map:
    """The map that `text` (TOML) holds; `place` is its file's name for messages. Raises UsageFault."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise UsageFault(f"{place}: no TOML ({fault}); mend that line") from fault
    return _Reading(place).map(found)


@dataclass(frozen=True, slots=True)
class _Reading:
    place: str

    def fault(self, key: str, remedy: str) -> UsageFault:
        return UsageFault(f"{self.place}: {key}: {remedy}")

    def map(self, found: dict[str, object]) -> Map:
        self.known(found, _KEYS, "")
        kind = self.text(found, "case", "")
        if kind not in KINDS:
            raise self.fault("case", "give one of " + ", ".join(KINDS))
        columns = {
            name: self.text(self.table(found, "columns"), name, "columns.") for name in self.table(found, "columns")
        }
        subject = columns.pop("subject", None)
        if subject is None:
            raise self.fault("columns", 'name the column with the number of the case: subject = "ORDER_NO"')
        fields = {self.data_field(name, "columns"): column for name, column in columns.items()}
        tables = self.table(found, "codes")
        codes = {self.data_field(name, "codes"): self.code_table(tables, name) for name in tables}
        for name in codes.keys() - fields.keys():
            raise self.fault(f'codes."data.{name}"', "no column is named for this field under columns")
        return Map(
            self.text(found, "source", ""), kind, subject, fields, self.constants(found), codes, self.times(found),
            self.shape(found, kind), self.encoding(found), self.mark(found, "delimiter"), self.mark(found, "quote"),
        )  # fmt: skip

    def known(self, found: Mapping[str, object], names: set[str], below: str) -> None:
        for name in sorted(found.keys() - names):
            raise self.fault(below + name, "no such key; there are " + ", ".join(sorted(names)))

    def text(self, found: Mapping[str, object], name: str, below: str) -> str:
        value = found.get(name)
        if not isinstance(value, str) or not value:
            raise self.fault(below + name, "give a text in quotes")
        return value

    def table(self, found: Mapping[str, object], name: str) -> dict[str, object]:
        value = found.get(name, {})
        if not isinstance(value, dict):
            raise self.fault(name, 'give a table such as { name = "value" }')
        return cast("dict[str, object]", value)

    def data_field(self, name: str, below: str) -> str:
        first, _, inner = name.removeprefix("data.").partition(".")
        fits = inner in NESTED[first] if first in NESTED else first in FIELDS - {"voids"} and not inner
        if not name.startswith("data.") or not fits:
            raise self.fault(f'{below}."{name}"', 'no field of an event; give subject or one such as "data.priority"')
        return name.removeprefix("data.")

    def constants(self, found: Mapping[str, object]) -> dict[str, str | int | float]:
        constants: dict[str, str | int | float] = {}
        for name, value in self.table(found, "constants").items():
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                raise self.fault(f'constants."{name}"', "give a text or a number")
            inner = self.data_field(name, "constants")
            if inner in PEOPLE or inner.startswith("links."):
                raise self.fault(
                    f'constants."{name}"', "a person or number is no constant; name its column under columns"
                )
            constants[inner] = value
        return constants

    def code_table(self, tables: Mapping[str, object], name: str) -> dict[str, str]:
        table = self.table(tables, name)
        return {value: self.text(table, value, f'codes."{name}".') for value in table}

    def times(self, found: Mapping[str, object]) -> Times:
        table = self.table(found, "time")
        self.known(table, {"format", "timezone", "ambiguous"}, "time.")
        pattern = self.text(table, "format", "time.") if "format" in table else None
        if pattern is not None and "%Y" not in pattern and "%y" not in pattern:
            raise self.fault("time.format", "has no year (%Y or %y)")
        zone = self.zone(self.text(table, "timezone", "time.")) if "timezone" in table else None
        if zone is None and pattern is not None and "%z" not in pattern:
            raise self.fault("time.timezone", "is missing: say where these wall times hold, such as America/New_York")
        try:
            return Times(pattern, zone, Ambiguous(str(table.get("ambiguous", "earlier"))))
        except ValueError as fault:
            raise self.fault("time.ambiguous", "give earlier, later or refuse") from fault

    def zone(self, name: str) -> ZoneInfo:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as fault:
            raise self.fault("time.timezone", f"no time zone {name}; give one such as America/New_York") from fault

    def shape(self, found: Mapping[str, object], kind: str) -> Long | tuple[Step, ...]:
        if ("type" in found) == ("event" in found):
            raise self.fault("type", "give either type (one row an event) or [[event]] (one time column an event)")
        if "event" in found:
            return self.steps(found["event"], kind)
        table = self.table(found, "type")
        self.known(table, {"column", "time", "codes"}, "type.")
        codes = self.table(table, "codes")
        types = {value: self.type(codes, value, kind, "type.codes.") for value in codes}
        return Long(self.text(table, "column", "type."), self.text(table, "time", "type."), types)

    def steps(self, found: object, kind: str) -> tuple[Step, ...]:
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in cast("list[object]", found)):
            raise self.fault("event", "write each as [[event]] with type, time and, if known, actor")
        steps: list[Step] = []
        for one in cast("list[dict[str, object]]", found):
            self.known(one, {"type", "time", "actor"}, "event.")
            actor = self.text(one, "actor", "event.") if "actor" in one else None
            steps.append(Step(self.type(one, "type", kind, "event."), self.text(one, "time", "event."), actor))
        return tuple(steps)

    def type(self, found: Mapping[str, object], name: str, kind: str, below: str) -> EventType:
        value = EventType(self.text(found, name, below))
        if value not in CATALOGUE or not allowed(value, kind):
            raise self.fault(below + name, f"{value} is no event of a case of kind {kind}; see `rxpulse topics types`")
        return value

    def encoding(self, found: Mapping[str, object]) -> str:
        name = self.text(found, "encoding", "") if "encoding" in found else "utf-8"
        try:
            known = lookup(name).name
        except LookupError as fault:
            raise self.fault("encoding", f"no encoding {name}; give utf-8, cp1252 or another") from fault
        return "utf-8-sig" if known == "utf-8" else known

    def mark(self, found: Mapping[str, object], name: str) -> str | None:
        value = self.text(found, name, "") if name in found else None
        if value is not None and (len(value) != 1 or value in "\r\n "):
            raise self.fault(name, "give one character that is no blank")
        return value
