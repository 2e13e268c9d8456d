"""Merged tables become a policy, or a list of everything that is wrong with them.

The version of a policy is the hash of its merged content: comments, order of keys and ways of writing do not change it,
and what is switched off is no part of it. The same content as text (`dump`) is what the store keeps, since the shipped
policies of a later release may differ.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from models.event import Site, Source
from models.policy import Ladder, Policy, RuleName
from models.policy_text import places, telling, work
from models.policy_text.entry import Entry
from models.policy_text.faults import Fault, Path, Report, Table, near
from models.policy_text.merging import Merged, Settings, entries
from models.policy_text.schema import JUDGING

T = TypeVar("T")

_NAMED = ("site", "feed", "clock", "rule", "rate", "person", "roster", "ladder")
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Built:
    """`policy` is None where there are faults."""

    policy: Policy | None
    dump: str
    faults: tuple[Fault, ...]


def build(merged: Merged, misshapen: Collection[Fault], broken: Collection[Path]) -> Built:
    """`misshapen` are faults found already, of the values at `broken`: those are not read, and all others are."""
    tables = _enabled(merged.tables)
    text = dump(tables, merged.settings)
    tables = cast("Table", _without(tables, {path for path in broken if path}))
    faults = list(misshapen)

    def report(path: Path, message: str) -> None:
        faults.append(merged.fault(path, message))

    reading = _Reading(tables, merged.settings, report)
    policy = reading.policy(hashlib.sha256(text.encode()).hexdigest())
    faults = sorted(dict.fromkeys(faults), key=lambda fault: (fault.file, fault.line or 0))
    return Built(None if faults else policy, text, tuple(faults))


def _without(value: object, broken: Collection[Path]) -> object:
    """The value with None in the place of what stands at the paths."""
    if not broken:
        return value
    if () in broken:
        return None
    match value:
        case dict():
            table = cast("dict[str, object]", value)
            return {key: _without(one, _below(broken, key)) for key, one in table.items()}
        case list():
            return [_without(one, _below(broken, at)) for at, one in enumerate(cast("list[object]", value))]
        case _:
            return value


def _below(broken: Collection[Path], part: str | int) -> set[Path]:
    return {path[1:] for path in broken if path[0] == part}


def dump(tables: Table, settings: Settings) -> str:
    """Merged tables as canonical JSON: keys sorted, but ladders as a list, since the first that matches wins."""
    content = {key: value for key, value in tables.items() if key != "ladder"}
    content["ladder"] = [{"key": key, **entry} for key, entry in entries(tables, "ladder").items()]
    shipped = {
        f"{table}.{name}": sorted(settings[table, name])
        for table, name in sorted(settings)
        if _has(tables, table, name)
    }
    return json.dumps(
        {"format": _FORMAT, "policy": content, "settings": shipped},
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def undump(text: str) -> tuple[Table, Settings]:
    """The tables and settings of a dump. Raises ValueError for a text that is none."""
    stored = json.loads(text)
    if not isinstance(stored, dict) or cast("Table", stored).get("format") != _FORMAT:
        raise ValueError(f"not a stored policy of format {_FORMAT}")
    content = cast("dict[str, dict[str, object]]", stored)
    tables = dict(content["policy"])
    tables["ladder"] = {
        str(ladder["key"]): {key: value for key, value in ladder.items() if key != "key"}
        for ladder in cast("list[dict[str, object]]", tables["ladder"])
    }
    settings: dict[tuple[str, str], frozenset[str]] = {}
    for entry, names in content["settings"].items():
        table, _, name = entry.partition(".")
        settings[table, name] = frozenset(cast("list[str]", names))
    return tables, settings


def _has(tables: Table, table: str, name: str) -> bool:
    return name in entries(tables, table)


def _enabled(tables: Table) -> Table:
    """The tables without the entries that are switched off, and without the word `enabled`."""
    kept = dict(tables)
    for table in JUDGING:
        if table in tables:
            kept[table] = {
                name: {key: value for key, value in entry.items() if key != "enabled"}
                for name, entry in entries(tables, table).items()
                if entry.get("enabled") is not False
            }
    return kept


@dataclass(frozen=True, slots=True)
class _Reading:
    tables: Table
    settings: Settings
    report: Report

    def policy(self, version: str) -> Policy:
        email, webhook = self.one("channel", "email"), self.one("channel", "webhook")
        known = telling.Known(
            entries(self.tables, "person"), entries(self.tables, "roster"), telling.set_up(email.table)
        )
        sites = self.all("site", places.site)
        default = sites.pop(places.DEFAULT, places.UNDECLARED)
        self.check_names()
        self.check_sites()
        within = self.one("tell").length("within")
        return Policy(
            version=version,
            sites={Site(name): site for name, site in sites.items()},
            default_site=default,
            clocks=self.all("clock", work.clock),
            rules={RuleName(name): rule for name, rule in self.all("rule", work.rule).items()},
            rates=self.all("rate", work.rate),
            feeds={Source(name): feed for name, feed in self.all("feed", places.feed).items()},
            people=self.all("person", telling.person),
            rosters=self.all("roster", lambda entry: telling.roster(entry, known)),
            ladders=self.ladders(known),
            channels=telling.channels(email, webhook),
            tell_within=timedelta(minutes=15) if within is None else within,
            strict_sites=self.tables.get("strict_sites") is True,
        )

    def ladders(self, known: telling.Known) -> tuple[Ladder, ...]:
        return tuple(self.all("ladder", lambda entry: telling.ladder(entry, known)).values())

    def all(self, table: str, read: Callable[[Entry], T | None]) -> dict[str, T]:
        """The entries of a table that can be read, in the file's order."""
        found: dict[str, T] = {}
        for name, values in entries(self.tables, table).items():
            value = read(Entry((table, name), values, self.report, self.settings.get((table, name))))
            if value is not None:
                found[name] = value
        return found

    def one(self, *path: str) -> Entry:
        """A table that is no collection of entries; an empty one where it is not there or has no form."""
        values: object = self.tables
        for part in path:
            values = cast("Table", values).get(part, {}) if isinstance(values, Mapping) else {}  # pyright: ignore[reportUnnecessaryCast]
        return Entry(path, cast("Table", values) if isinstance(values, Mapping) else {}, self.report)

    def check_names(self) -> None:
        for table in _NAMED:
            names = [(name, name) for name in entries(self.tables, table)]
            self.check_distinct(table, names, "differs from {other} by more than case")
        titles = [(name, str(site.get("name") or name)) for name, site in entries(self.tables, "site").items()]
        self.check_distinct("site", titles, "has another name than {other}", key="name")

    def check_distinct(self, table: str, names: Iterable[tuple[str, str]], wanted: str, *, key: str = "") -> None:
        seen: dict[str, str] = {}
        for entry, name in names:
            first = seen.setdefault(name.casefold(), entry)
            if first != entry:
                remedy = wanted.format(other=f'"{first}"')
                path: Path = (table, entry, key) if key else (table, entry)
                self.report(path, f'"{name}" is taken; see that it {remedy}')

    def check_sites(self) -> None:
        """Where undeclared sites are refused, an entry for one would never judge anything."""
        if self.tables.get("strict_sites") is not True:
            return
        declared = entries(self.tables, "site")
        for table, path, keys in (
            *((table, (), "sites") for table in JUDGING),
            ("ladder", ("for",), "site"),
        ):
            for name in entries(self.tables, table):
                entry = self.one(table, name, *path)
                for site in entry.names(keys):
                    if site not in declared:
                        entry.fault(f'"{site}" is not declared, and strict_sites is set; {near(site, declared)}', keys)
