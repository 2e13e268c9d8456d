"""Reads the map of an export, and names everything that is wrong with it at once: line, key and remedy.

A map with a typo is refused whole, for half a map would give half the figures. It is read to its end all the same: whoever
mends it sees every fault, not one after the other.
"""

import tomllib
from codecs import lookup
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from models.errors import UsageFault
from models.event import EventType
from models.event_types import CATALOGUE, KINDS, allowed
from models.policy_text.faults import Fault, Path, Table, dotted
from models.policy_text.lines import lines
from models.wire import FIELDS
from streams.intake.tabular_map import KEYS, NESTED, PEOPLE, Ambiguous, Long, Map, Step, Times

Value = TypeVar("Value")


def read_map(text: str, place: str) -> Map:
    """The map that `text` (TOML) holds; `place` is its file's name for messages. Raises UsageFault, which names every
    fault, in the order of the file."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        raise UsageFault(f"{place}: no TOML ({fault}); mend that line") from fault
    reading = _Reading(place, lines(text))
    made = reading.map(found)
    if made is None or reading.faults:
        raise UsageFault(_said(reading.faults))
    return made


def _said(faults: list[Fault]) -> str:
    said = [str(fault) for fault in sorted(faults, key=lambda fault: fault.line or 0)]
    return "\n".join([*said, f"{len(said)} faults: this map cannot be used"] if len(said) > 1 else said)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One map. Whoever reads a value returns None, or leaves it out, where it notes a fault."""

    place: str
    lines: Mapping[Path, int]
    faults: list[Fault] = field(default_factory=list[Fault])

    def fault(self, path: Path, remedy: str) -> None:
        """What is missing is said of the line of its table, if that has one."""
        line = next((self.lines[path[:deep]] for deep in range(len(path), 0, -1) if path[:deep] in self.lines), None)
        self.faults.append(Fault(self.place, line, dotted(path), remedy))

    def map(self, found: Table) -> Map | None:
        self.known(found, KEYS, ())
        kind = self.kind(found)
        subject, fields = self.columns(found)
        codes = self.codes(found, fields)
        constants, times, shape = self.constants(found), self.times(found), self.shape(found, kind)
        source, encoding = self.text(found, ("source",)), self.encoding(found)
        delimiter, quote = self.mark(found, "delimiter"), self.mark(found, "quote")
        if None in (kind, subject, source) or times is None or shape is None:
            return None
        return Map(
            str(source), str(kind), str(subject), fields, constants, codes, times, shape, encoding, delimiter, quote
        )

    def known(self, found: Table, names: set[str], below: Path) -> None:
        for name in sorted(found.keys() - names):
            self.fault((*below, name), "no such key; there are " + ", ".join(sorted(names)))

    def text(self, found: Table, path: Path) -> str | None:
        value = found.get(str(path[-1]))
        if isinstance(value, str) and value:
            return value
        self.fault(path, "give a text in quotes")
        return None

    def table(self, found: Table, path: Path) -> dict[str, object]:
        value = found.get(str(path[-1]), {})
        if isinstance(value, dict):
            return cast("dict[str, object]", value)
        self.fault(path, 'give a table such as { name = "value" }')
        return {}

    def kind(self, found: Table) -> str | None:
        kind = self.text(found, ("case",))
        if kind is None or kind in KINDS:
            return kind
        self.fault(("case",), "give one of " + ", ".join(KINDS))
        return None

    def data_field(self, path: Path) -> str | None:
        name = str(path[-1])
        first, _, inner = name.removeprefix("data.").partition(".")
        fits = inner in NESTED[first] if first in NESTED else first in FIELDS - {"voids"} and not inner
        if name.startswith("data.") and fits:
            return name.removeprefix("data.")
        self.fault(path, 'no field of an event; give subject or one such as "data.priority"')
        return None

    def columns(self, found: Table) -> tuple[str | None, dict[str, str]]:
        """The column with the number of the case, and the columns of fields."""
        table, fields = self.table(found, ("columns",)), dict[str, str]()
        for name in table:
            column = self.text(table, ("columns", name))
            if name != "subject" and (inner := self.data_field(("columns", name))) and column:
                fields[inner] = column
        if "subject" not in table:
            self.fault(("columns",), 'name the column with the number of the case: subject = "ORDER_NO"')
        subject = table.get("subject")
        return (subject if isinstance(subject, str) and subject else None), fields

    def constants(self, found: Table) -> dict[str, str | int | float]:
        constants: dict[str, str | int | float] = {}
        for name, value in self.table(found, ("constants",)).items():
            path, inner = ("constants", name), self.data_field(("constants", name))
            if isinstance(value, bool) or not isinstance(value, str | int | float):
                self.fault(path, "give a text or a number")
            elif inner in PEOPLE or (inner and inner.startswith("links.")):
                self.fault(path, "a person or number is no constant; name its column under columns")
            elif inner:
                constants[inner] = value
        return constants

    def codes(self, found: Table, fields: Mapping[str, str]) -> dict[str, dict[str, str]]:
        tables, codes = self.table(found, ("codes",)), dict[str, dict[str, str]]()
        named = self.table(found, ("columns",)) if isinstance(found.get("columns"), dict) else {}
        for name in tables:
            path, inner = ("codes", name), self.data_field(("codes", name))
            table = self.table(tables, path)
            told = {value: self.text(table, (*path, value)) for value in table}
            if inner and inner not in fields and name not in named:
                self.fault(path, "no column is named for this field under columns")
            elif inner:
                codes[inner] = {value: meaning for value, meaning in told.items() if meaning}
        return codes

    def times(self, found: Table) -> Times | None:
        table = self.table(found, ("time",))
        self.known(table, {"format", "timezone", "ambiguous"}, ("time",))
        pattern = self.text(table, ("time", "format")) if "format" in table else None
        if pattern is not None and "%Y" not in pattern and "%y" not in pattern:
            self.fault(("time", "format"), "has no year (%Y or %y)")
        if "timezone" not in table and pattern is not None and "%z" not in pattern:
            self.fault(("time", "timezone"), "is missing: say where these wall times hold, such as America/New_York")
        name = self.text(table, ("time", "timezone")) if "timezone" in table else None
        ambiguous = self.tried(
            lambda: Ambiguous(str(table.get("ambiguous", "earlier"))),
            ("time", "ambiguous"),
            "give earlier, later or refuse",
        )
        zone = name and self.tried(
            lambda: ZoneInfo(name), ("time", "timezone"), f"no time zone {name}; give one such as America/New_York"
        )
        return Times(pattern, zone or None, ambiguous) if ambiguous else None

    def tried(self, make: Callable[[], Value], path: Path, remedy: str) -> Value | None:
        try:
            return make()
        except (ZoneInfoNotFoundError, LookupError, ValueError, OSError):
            self.fault(path, remedy)
            return None

    def shape(self, found: Table, kind: str | None) -> Long | tuple[Step, ...] | None:
        if ("type" in found) == ("event" in found):
            self.fault(("type",), "give either type (one row an event) or [[event]] (one time column an event)")
        if "event" in found:
            return self.steps(found["event"], kind)
        if "type" not in found:
            return None
        table = self.table(found, ("type",))
        self.known(table, {"column", "time", "codes"}, ("type",))
        codes = self.table(table, ("type", "codes"))
        types = {value: self.type(codes, ("type", "codes", value), kind) for value in codes}
        column, time = self.text(table, ("type", "column")), self.text(table, ("type", "time"))
        if not column or not time:
            return None
        return Long(column, time, {value: type_ for value, type_ in types.items() if type_})

    def steps(self, found: object, kind: str | None) -> tuple[Step, ...] | None:
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in cast("list[object]", found)):
            self.fault(("event",), "write each as [[event]] with type, time and, if known, actor")
            return None
        steps: list[Step] = []
        for place, one in enumerate(cast("list[dict[str, object]]", found)):
            path = "event", place
            self.known(one, {"type", "time", "actor"}, path)
            actor = self.text(one, (*path, "actor")) if "actor" in one else None
            type_, time = self.type(one, (*path, "type"), kind), self.text(one, (*path, "time"))
            if type_ and time:
                steps.append(Step(type_, time, actor))
        return tuple(steps)

    def type(self, found: Table, path: Path, kind: str | None) -> EventType | None:
        """`kind` None: that of the case is a fault already, and the type is held against the catalogue alone."""
        text = self.text(found, path)
        if text is None:
            return None
        value = EventType(text)
        if value in CATALOGUE and (kind is None or allowed(value, kind)):
            return value
        of = "" if kind is None else f" of a case of kind {kind}"
        self.fault(path, f"{value} is no event{of}; see `rxpulse topics types`")
        return None

    def encoding(self, found: Table) -> str:
        name = self.text(found, ("encoding",)) if "encoding" in found else "utf-8"
        remedy = f"no encoding {name}; give utf-8, cp1252 or another"
        known = name and self.tried(lambda: lookup(name).name, ("encoding",), remedy)
        return "utf-8-sig" if known == "utf-8" else known or ""

    def mark(self, found: Table, name: str) -> str | None:
        value = self.text(found, (name,)) if name in found else None
        if value is not None and (len(value) != 1 or value in "\r\n "):
            self.fault((name,), "give one character that is no blank")
        return value
