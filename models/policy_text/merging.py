"""One policy out of several files: the shipped ones that a site's file extends, and what that file changes.

Tables are merged key by key, whatever their depth; every other value, a list too, is replaced whole. An entry of a
shipped policy judges the sites of that policy's own setting, also after a site has changed it; an entry that only the
site's file holds judges all its sites.
"""

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from importlib.resources import files
from pathlib import Path as FilePath
from typing import cast

from models.policy_text.faults import Fault, Path, PolicyFault, Report, Table, dotted
from models.policy_text.lines import lines
from models.policy_text.schema import FIGURES, JUDGING, SHIPPED

Settings = Mapping[tuple[str, str], frozenset[str]]
"""(table, entry) of a shipped policy to the settings whose sites it judges."""
EVERYWHERE = "everywhere"
"""The shipped file that is part of each shipped policy: its entries judge the sites of all settings that are extended."""


@dataclass(frozen=True, slots=True)
class Source:
    """One file, read. `lines` is empty where the text has none (a stored policy)."""

    file: str
    tables: Table
    lines: Mapping[Path, int]


@dataclass(frozen=True, slots=True)
class Merged:
    """`tables` hold no `extends` any more; `sources` are most specific first."""

    tables: Table
    settings: Settings
    sources: tuple[Source, ...]

    def fault(self, path: Path, message: str) -> Fault:
        """The fault with the place where the nearest part of the path was written."""
        for length in range(len(path), 0, -1):
            for source in self.sources:
                if path[:length] in source.lines:
                    return Fault(source.file, source.lines[path[:length]], dotted(path), message)
        return Fault(self.sources[0].file, None, dotted(path), message)


def read_toml(text: str, file: str) -> Source:
    """The tables of a TOML text, with dates and times as ISO texts and whole numbers as integers, so that two ways to
    write one value are one value. Raises PolicyFault for a text that is no TOML."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        reason, _, place = str(fault).partition(" (at line ")
        line = int(place.split(",")[0]) if place else text.count("\n") + 1
        raise PolicyFault([Fault(file, line, "", f"not TOML: {reason[0].lower()}{reason[1:]}")]) from None
    return Source(file, cast("Table", _plain(tables)), lines(text))


def merge(site: Source, report: Report) -> Merged:
    """The site's file over the shipped policies it extends. `report` hears of an `extends` that makes no sense."""
    extended = _extended(site.tables.get("extends"), report)
    bases = [(shipped(EVERYWHERE), frozenset(extended))] if extended else []
    bases += [(shipped(name), frozenset({name})) for name in extended]
    tables: Table = {}
    settings: dict[tuple[str, str], frozenset[str]] = {}
    for base, judged in bases:
        tables = _over(tables, base.tables)
        settings |= dict.fromkeys(_entries(base.tables), judged)
    tables = _over(_over(tables, site.tables), _sources(tables, site.tables))
    tables.pop("extends", None)
    return Merged(tables, settings, (site, *(base for base, _ in reversed(bases))))


def overlay(stored: Merged, change: Source) -> Merged:
    """A policy that was merged before, with more on top of it."""
    return Merged(_over(stored.tables, change.tables), stored.settings, (change, *stored.sources))


@cache
def shipped(name: str) -> Source:
    """A shipped file: that of a setting, by its name, or `EVERYWHERE`. No entry stands in two of them."""
    file = f"{name}.toml"
    return read_toml(files("models.defaults").joinpath(file).read_text(encoding="utf-8"), f"shipped {file}")


def read_file(path: FilePath) -> Source:
    """Raises PolicyFault for a file that is not there or is no UTF-8."""
    try:
        return read_toml(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as fault:
        raise PolicyFault([Fault(str(path), None, "", f"cannot be read: {fault.strerror or fault}")]) from fault
    except UnicodeDecodeError as fault:
        message = f"is not UTF-8 (byte {fault.start}); save it as UTF-8"
        raise PolicyFault([Fault(str(path), None, "", message)]) from fault


def entries(tables: Table, table: str) -> Mapping[str, Table]:
    """The entries of a table by name, in the file's order; what is not of that form is left out."""
    found = tables.get(table)
    if not isinstance(found, Mapping):
        return {}
    return {name: cast("Table", entry) for name, entry in cast("Table", found).items() if isinstance(entry, Mapping)}


def _sources(base: Table, over: Table) -> Table:
    """What a figure's source says where a site has changed the figure and not said why: never that of the old one."""
    said: dict[str, dict[str, Table]] = {}
    for table, name in _entries(over):
        entry, before = entries(over, table)[name], entries(base, table).get(name, {}).get("source")
        if before is not None and "source" not in entry and FIGURES & entry.keys():
            said.setdefault(table, {})[name] = {"source": f"set by this site, in place of: {before}"}
    return said


def _entries(tables: Table) -> Iterable[tuple[str, str]]:
    return ((table, name) for table in JUDGING for name in entries(tables, table))


def _extended(extends: object, report: Report) -> Sequence[str]:
    if extends is None:
        return SHIPPED
    names = cast("list[object]", extends) if isinstance(extends, list) else [extends]
    if names == ["none"]:
        return ()
    if "none" in names:
        report(("extends",), '"none" stands alone; take it out, or the others')
    if len(set(map(str, names))) < len(names):
        report(("extends",), "one policy stands twice; name it once")
    return [name for name in SHIPPED if name in names]


def _over(base: Table, over: Table) -> dict[str, object]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = _over(cast("Table", below), cast("Table", value))
        else:
            merged[key] = value
    return merged


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[object]", value)]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
