"""The export of a pharmacy's own system, a table with a heading, as events.

A table is long (one row says one thing that happened) or wide (one row is one order, with a column for each time). The
map says which column means what. Numbers of orders and people become keyed pseudonyms; columns that the map does not name
are never read. What cannot be an event is refused with its row, column and reason, and the content is not repeated, for
it may name a person.
"""

import codecs
import csv
import io
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import IO
from zoneinfo import ZoneInfo

import msgspec

from models.errors import CallerFault, UsageFault
from models.event import Event, EventType
from models.wire import Rejected, early, from_object, stamp
from streams.intake.pseudonym import actor, pseudonym
from streams.intake.tabular_map import NESTED, PEOPLE, Ambiguous, Long, Map, Step
from streams.intake.tally import Refusal, Tally

LONGEST = 1 << 20
"""Characters of one cell; a row with a longer one is refused."""
DELIMITERS, QUOTES = (",", ";", "\t", "|"), ('"', "'")
NUMBERS = frozenset(("qty", "amount", "value"))
_ABSENT = ""
Row = dict[str, str]


REMEDIES = {
    "wrong number of columns": "give the row as many cells as the heading; a cell that holds the delimiter goes in quotes",
    "cell too long": f"a cell has at most {LONGEST} characters: shorten it, or leave its column out of the export",
    "quotation mark": "one opens a cell and none ends it, or one stands within a cell: close it, double a mark that belongs"
    " to the text, or say in the map which quote the file uses",
    "no subject": "fill in the number of the case, or name another column as subject in the map",
    "no time": "fill in the time, or leave the row out",
    "unknown type": "add the value to type.codes of the map",
    "unknown code": "add the value to the codes of this field in the map",
    "bad number": "write digits with a point, such as 2.5",
    "bad time": "write it as time.format of the map says (none: as 2026-11-20T14:03), or mend the format",
    "time without offset": 'say time.timezone in the map, such as "America/New_York"',
    "time skipped by the clock change": "no clock ever showed this time there: correct it, or the map's time zone",
    "ambiguous time": 'the clock showed it twice: say time.ambiguous = "earlier" or "later" in the map',
}
"""What to mend, by reason; what the format itself refuses says it in its own words."""


class _Refused(Exception):
    def __init__(self, column: str | None, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.column, self.reason, self.remedy = column, reason, REMEDIES[reason] if remedy is None else remedy


@dataclass(slots=True)
class Table:
    """One reading. `site` stands where the map names none. `received`: when (UTC) the events are taken, so that none may
    be recorded later; None: they are only written down. A record of `tally` is a row of a long table, a filled time
    of a wide one, or a row that is refused whole; identifiers of refused rows count as removed too."""

    key: str
    map: Map
    site: str | None = None
    received: datetime | None = None
    tally: Tally = field(default_factory=Tally)

    def rows(self, stream: IO[bytes], place: str) -> Iterator[Event | Refusal]:
        """Every event and every refusal, in the order of the file. Raises UsageFault where the heading does not have
        the map's columns, CallerFault where the file cannot be read in its encoding or as a table."""
        if self.site is None and "site" not in self.map.fields and "site" not in self.map.constants:
            raise UsageFault('no site: give --site, or "data.site" under columns or constants of the map')
        for number, heading, cells in records(stream, self.map, place):
            for made in self._row(heading, cells):
                self.tally.read += 1
                match made:
                    case Event():
                        self.tally.events += 1
                        yield made
                    case _Refused():
                        self.tally.skipped[made.reason] += 1
                        yield Refusal(number, made.column, made.reason, made.remedy)

    def _row(self, heading: list[str], cells: "list[str] | _Refused") -> Iterator["Event | _Refused"]:
        if isinstance(cells, _Refused):
            yield cells
            return
        if len(cells) != len(heading):
            yield _Refused(None, "wrong number of columns")
            return
        row = {name: cell.strip() for name, cell in zip(heading, cells, strict=True)}
        try:
            subject, data = self._subject(row), self._data(row)
            steps = self._steps(row)
        except _Refused as refused:
            yield refused
            return
        for step in steps:
            try:
                yield self._event(step, subject, data, row)
            except _Refused as refused:
                yield refused

    def _subject(self, row: Row) -> str:
        number = row[self.map.subject]
        if not number:
            raise _Refused(self.map.subject, "no subject")
        return f"{self.map.case}/{self._pseudonym(self.map.case, number)}"

    def _steps(self, row: Row) -> list[Step]:
        match self.map.shape:
            case Long(column, time, codes):
                if row[column] not in codes:
                    raise _Refused(column, "unknown type")
                return [Step(codes[row[column]], time, None)]
            case steps:
                filled = [step for step in steps if row[step.time]]
                if not filled:
                    raise _Refused(None, "no time")
                return filled

    def _data(self, row: Row) -> dict[str, object]:
        data: dict[str, object] = {} if self.site is None else {"site": self.site}
        for name, constant in self.map.constants.items():
            _put(data, name, constant)
        for name, column in self.map.fields.items():
            if row[column] != _ABSENT:
                _put(data, name, self._value(name, row[column], column))
        return data

    def _value(self, name: str, cell: str, column: str) -> object:
        codes = self.map.codes.get(name)
        if codes is not None and cell not in codes:
            raise _Refused(column, "unknown code")
        text = cell if codes is None else codes[cell]
        if name in NUMBERS:
            return _number(text, column)
        if name == "promised":
            return stamp(self._instant(text, column))
        if name == "codes":
            return [part.strip() for part in text.split(";")]
        if name in PEOPLE:
            return self._actor(text)
        first, _, inner = name.partition(".")
        return self._pseudonym(inner, text) if first == "links" else text

    def _event(self, step: Step, subject: str, shared: dict[str, object], row: Row) -> Event:
        if not row[step.time]:
            raise _Refused(step.time, "no time")
        time = stamp(self._instant(row[step.time], step.time))
        data = dict(shared)
        if step.actor and row[step.actor]:
            data["actor"] = self._actor(row[step.actor])
        name = self._identity(step.type, subject, time, data, row)
        found = {
            "specversion": "1.0", "id": name, "source": self.map.source, "type": step.type, "time": time,
            "recorded": time, "subject": subject, "data": data,
        }  # fmt: skip
        decoded = from_object(found, None)
        if isinstance(decoded, Rejected):
            raise _Refused(self._column_of(decoded.reason, step), decoded.reason, decoded.detail)
        if self.received is not None and (too_early := early(decoded.event, self.received)) is not None:
            raise _Refused(step.time, too_early.reason, too_early.detail)
        return decoded.event

    def _identity(self, kind: EventType, subject: str, time: str, data: dict[str, object], row: Row) -> str:
        # A wide row gains times as its order goes on: an event's id holds only what the event itself says. Two rows of
        # a long table that differ anywhere are two events.
        content = sorted(row.items()) if isinstance(self.map.shape, Long) else sorted(data.items())
        made_of = msgspec.json.encode([self.map.source, subject, kind, time, content], order="sorted").decode()
        return pseudonym(self.key, "event", made_of, 32)

    def _column_of(self, reason: str, step: Step) -> str | None:
        if reason.endswith(" time"):
            return step.time
        return self.map.fields.get(reason.partition(" data.")[2])

    def _instant(self, text: str, column: str) -> datetime:
        try:
            pattern = self.map.times.format
            # A wall time has no zone yet: the map's is put on below, where skipped and doubled times are judged.
            wall = datetime.fromisoformat(text.upper()) if pattern is None else datetime.strptime(text, pattern)  # noqa: DTZ007
            if wall.tzinfo is not None:
                return wall.astimezone(UTC)
            if self.map.times.zone is None:
                raise _Refused(column, "time without offset")
            return _placed(wall, self.map.times.zone, self.map.times.ambiguous, column)
        except (ValueError, OverflowError) as fault:
            raise _Refused(column, "bad time") from fault

    def _actor(self, number: str) -> str:
        self.tally.removed += 1
        return actor(self.key, number)

    def _pseudonym(self, kind: str, number: str) -> str:
        self.tally.removed += 1
        return pseudonym(self.key, kind, number)


def _placed(wall: datetime, zone: ZoneInfo, ambiguous: Ambiguous, column: str) -> datetime:
    """The instant of a wall time. The clock change skips a time that does not come back from UTC as it went, and
    doubles one whose two readings (PEP 495) both do but differ."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None) != wall:
        raise _Refused(column, "time skipped by the clock change")
    if first != second and ambiguous is Ambiguous.REFUSE:
        raise _Refused(column, "ambiguous time")
    return second if ambiguous is Ambiguous.LATER else first


def _number(text: str, column: str) -> float:
    try:
        found = float(text)
    except ValueError as fault:
        raise _Refused(column, "bad number") from fault
    return int(found) if found.is_integer() else found


def _put(data: dict[str, object], name: str, value: object) -> None:
    first, _, inner = name.partition(".")
    if first not in NESTED:
        data[name] = [value] if name == "codes" and isinstance(value, str) else value
        return
    nested = data.setdefault(first, {})
    assert isinstance(nested, dict)
    nested[inner] = value


def records(stream: IO[bytes], wanted: Map, place: str) -> Iterator[tuple[int, list[str], list[str] | _Refused]]:
    """(row, heading, cells) of each row that is not blank; why, where a row cannot be read."""
    csv.field_size_limit(LONGEST)
    text = io.TextIOWrapper(stream, wanted.encoding, newline="")
    try:
        first = text.readline()
        if "\0" in first:
            raise CallerFault(
                f'{place}: not {_encoding(wanted)}, it looks like UTF-16; say encoding = "utf-16" in the map'
            )
        delimiter, quote = dialect(first, wanted, place)
        heading = [name.strip() for name in next(csv.reader([first], delimiter=delimiter, quotechar=quote), [])]
        lines = _Lines(text)
        rows = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
        for number, cells in enumerate(_each(rows, lines), 2):
            if isinstance(cells, _Refused) or any(cell.strip() for cell in cells):
                yield number, heading, cells
    except UnicodeError as fault:
        begin = fault.object[:2] if isinstance(fault, UnicodeDecodeError) else b""
        named = "utf-16" if begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "cp1252"
        other = "" if named == "utf-16" else " (or another)"
        raise CallerFault(f'{place}: not {_encoding(wanted)}; say encoding = "{named}"{other} in the map') from fault
    except csv.Error as fault:
        raise CallerFault(f"{place}: the heading is no row of a table; say delimiter and quote in the map") from fault
    finally:
        text.detach()


def _encoding(wanted: Map) -> str:
    return "UTF-8" if wanted.encoding == "utf-8-sig" else wanted.encoding


class _Lines:
    """The lines of a table, which remembers those of the row that is being read: an open quotation mark swallows what
    follows, and what it swallowed has to be read again."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self._again: deque[str] = deque()
        self._row: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._text)
        self._row.append(line)
        return line

    def row_ends(self) -> None:
        self._row.clear()

    def give_back(self) -> int:
        """Has all lines but the first of this row read again; how many they are."""
        swallowed = self._row[1:]
        self._again.extendleft(reversed(swallowed))
        self._row.clear()
        return len(swallowed)


def _each(rows: Iterator[list[str]], lines: _Lines) -> Iterator[list[str] | _Refused]:
    """The rows; where one cannot be read, its first line alone is refused."""
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as fault:
            alone = lines.give_back() == 0
            long = alone and "field limit" in str(fault)
            yield _Refused(None, "cell too long" if long else "quotation mark")
            continue
        lines.row_ends()
        yield cells


def dialect(heading: str, wanted: Map, place: str) -> tuple[str, str]:
    """Delimiter and quotation mark: the first pair, of those told or usual, under which the heading has every column
    of the map. Raises UsageFault that names the missing or doubled columns."""
    delimiters = DELIMITERS if wanted.delimiter is None else (wanted.delimiter,)
    quotes = QUOTES if wanted.quote is None else (wanted.quote,)
    pairs = [(delimiter, quote) for delimiter in delimiters for quote in quotes]
    lacking = {pair: _lacking(heading, pair, wanted) for pair in pairs}
    best = min(pairs, key=lambda pair: len(lacking[pair]))
    if lacking[best]:
        names = ", ".join(islice(lacking[best], 10))
        raise UsageFault(f"{place}: the heading must have once each of the map's columns; look at {names}")
    return best


def _lacking(heading: str, pair: tuple[str, str], wanted: Map) -> list[str]:
    found = Counter(name.strip() for name in next(csv.reader([heading], delimiter=pair[0], quotechar=pair[1]), []))
    return sorted(name for name in wanted.columns if found[name] != 1)
