"""One named entry of a policy, whose form is known to be right: its values, read as what they mean.

What a value means may still be wrong (a time zone that does not exist, a person nobody knows): that is reported with its
place, and reading goes on, so that one look shows every fault. A value whose form is wrong was reported before and stands
here as None: it is there, so nothing is said to be missing, and what depends on it is not judged.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import TypeVar, cast

from models.event import Site
from models.policy import Applies, Severity
from models.policy_text.durations import duration
from models.policy_text.faults import Path, Report, Table, near
from models.policy_text.schema import JUDGING

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """`path` is where the table stands; `settings` are those of a shipped entry, None for a site's own. A value None in
    `table`, or in a list of it, is one of wrong form."""

    path: Path
    table: Table
    report: Report
    settings: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return str(self.path[1])

    @property
    def title(self) -> str:
        return self.text("title") or self.name.replace("-", " ")

    @property
    def source(self) -> str:
        return self.text("source") or "set by this site"

    def fault(self, message: str, *keys: str | int) -> None:
        self.report((*self.path, *keys), message)

    def lacks(self, required: Collection[str]) -> bool:
        """Reports the keys that are needed and not there; whether any has no value that can be read."""
        missing = [key for key in required if not self.meant(key)]
        otherwise = (
            ", or switch the entry off with enabled = false" if self.path[0] in JUDGING and len(self.path) == 2 else ""
        )
        for key in missing:
            self.fault(f'"{key}" is missing; add it{otherwise}')
        return any(self.table.get(key) is None for key in required)

    def meant(self, key: str) -> bool:
        """Whether the key is there, be it with a value of wrong form or under a name that is nearly its own."""
        broken = [name for name, value in self.table.items() if value is None]
        return key in self.table or bool(get_close_matches(key, broken, n=1))

    def readable(self, *keys: str) -> bool:
        """Whether each of the keys has a value that can be read whole."""
        values = [self.table.get(key) for key in keys]
        return not any(value is None or (isinstance(value, list) and None in value) for value in values)

    def text(self, key: str) -> str | None:
        return cast("str | None", self.table.get(key))

    def number(self, key: str) -> float | None:
        return cast("float | None", self.table.get(key))

    def flag(self, key: str) -> bool:
        return bool(self.table.get(key, False))

    def names(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts; empty where the key is not there."""
        value = self.table.get(key) or ()
        return (value,) if isinstance(value, str) else tuple(one for one in cast("Sequence[str]", value) if one)

    def length(self, key: str, *, positive: bool = False) -> timedelta | None:
        """None where the key is not there or holds no duration, which is reported."""
        text = self.text(key)
        if text is None:
            return None
        length = self.try_(lambda: duration(text), key)
        if length is not None and positive and not length:
            self.fault(f'"{text}" is no time at all; write a duration above 0', key)
            return None
        return length

    def severity(self, key: str = "severity") -> Severity | None:
        text = self.text(key)
        return None if text is None else Severity[text]

    def part(self, key: str) -> "Entry":
        """The table under a key; an empty one where it is not there."""
        return Entry((*self.path, key), cast("Table", self.table.get(key) or {}), self.report)

    def parts(self, key: str) -> tuple["Entry", ...]:
        """The tables of a list, each under its own position."""
        tables = cast("Sequence[Table | None]", self.table.get(key) or ())
        found = ((at, table) for at, table in enumerate(tables) if table is not None)
        return tuple(Entry((*self.path, key, at), table, self.report) for at, table in found)

    def known(self, names: Sequence[str], among: Mapping[str, object], what: str, key: str) -> bool:
        """Reports the names that nothing goes by."""
        unknown = [name for name in names if name not in among]
        for name in unknown:
            remedy = near(name, among) if among else f"add [{what}.{name}]"
            self.fault(f'there is no {what} "{name}"; {remedy}', key)
        return not unknown

    def try_(self, read: Callable[[], T], *keys: str | int) -> T | None:
        """What `read` gives, or its ValueError reported and None."""
        try:
            return read()
        except ValueError as fault:
            self.fault(str(fault), *keys)
            return None

    def applies(self) -> Applies:
        sites = frozenset(map(Site, self.names("sites")))
        return Applies(settings=self.settings, sites=sites or None)
