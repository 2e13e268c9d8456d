"""The map of an export: which column of a pharmacy's own table means what, written by the pharmacy as a small TOML file.

The map names the column with the order number, the columns with times and what happened at them, how times are written,
and what the system's own codes mean. `map_reading` reads it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from models.event import EventType

NESTED: dict[str, tuple[str, ...]] = {
    "drug": ("code", "system", "schedule", "high_alert", "lasa_group"),
    "links": ("fill", "dose", "claim", "intervention", "order", "item"),
}
PEOPLE = frozenset(("actor", "witness"))
KEYS = {"source", "case", "columns", "constants", "codes", "time", "type", "event", "encoding", "delimiter", "quote"}
"""What a map may hold."""


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
