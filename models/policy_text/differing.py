"""What another version of the policy changes, entry by entry, in the words and figures of the file that one edits.

What is compared is what judges: the merged content, in which an entry that is switched off is no entry. So a change of a
shipped figure by a new release is seen as well as one by a pharmacist, and a comment or another order of keys is not.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard, cast

from models.policy_text.building import undump
from models.policy_text.faults import Table, written

_FIRST = ("target", "severity", "baseline", "detect", "name", "setting", "for", "steps", "repeat", "title")
"""The keys that matter most, which are said first."""
_WHOLE = ("tell",)
"""Tables that are one entry each, not a collection of them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One key of an entry (`steps[2].after` for one of a table within), as the file would write its value. None: the key is
    not there."""

    key: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.key} {self.after}"
        return f"{self.key} {self.before} -> {'left out' if self.after is None else self.after}"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry. `what` is `added`, `removed` or `changed`; `figures` say how, and of a new entry all that it holds."""

    what: str
    table: str
    name: str
    figures: tuple[Figure, ...] = ()

    def __str__(self) -> str:
        entry = f"{self.table} {self.name}".rstrip()
        return f"{self.what} {entry}" + (": " + "; ".join(map(str, self.figures)) if self.figures else "")


def difference(before: str, after: str) -> tuple[Change, ...]:
    """What leads from one stored version (a dump) to another, in the order of tables and names. Raises ValueError for a
    text that is no dump."""
    (was, judged_before), (now, judged_after) = undump(before), undump(after)
    found: list[Change] = []
    for table in sorted({*was, *now}):
        found += _table(table, was.get(table, {}), now.get(table, {}))
    for table, name in sorted({*judged_before, *judged_after}):
        one, other = judged_before.get((table, name)), judged_after.get((table, name))
        if one != other and _has(was, table, name) and _has(now, table, name):
            found.append(Change("changed", table, name, (Figure("settings", _settings(one), _settings(other)),)))
    return tuple(found)


def _table(table: str, was: object, now: object) -> Iterator[Change]:
    if not (_is_table(was) and _is_table(now)):
        if figures := _figures(_unless_empty(table, was), _unless_empty(table, now)):
            yield Change("changed", "setting", "", figures)
        return
    if table in _WHOLE:
        if figures := _figures(was, now):
            yield Change("changed", table, "", figures)
        return
    before, after = cast("Mapping[str, Table]", was), cast("Mapping[str, Table]", now)
    for name in sorted({*before, *after}):
        if name not in after:
            yield Change("removed", table, name)
        elif name not in before:
            yield Change("added", table, name, _figures({}, after[name]))
        elif figures := _figures(before[name], after[name]):
            yield Change("changed", table, name, figures)
    common = [name for name in before if name in after]
    if table == "ladder" and common != [name for name in after if name in before]:
        order = (Figure("order", written(list(before)), written(list(after))),)
        yield Change("changed", "setting", "", order)


def _unless_empty(key: str, value: object) -> Table:
    return {key: value} if value != {} else {}


def _figures(was: Table, now: Table) -> tuple[Figure, ...]:
    keys = sorted({key for key in (*was, *now) if was.get(key) != now.get(key)}, key=_place)
    return tuple(figure for key in keys for figure in _within(key, was, now))


def _within(key: str, was: Table, now: Table) -> Iterator[Figure]:
    """How a key changed: a table, or a list of as many tables, by what changed within it, all else as a whole."""
    before, after = was.get(key), now.get(key)
    if _is_table(before) and _is_table(after):
        yield from _below(key, before, after)
    elif (one := _tables(before)) and (other := _tables(after)) and len(one) == len(other):
        for at in range(len(one)):
            yield from _below(f"{key}[{at + 1}]", one[at], other[at])
    else:
        yield Figure(key, _said(was, key), _said(now, key))


def _is_table(value: object) -> TypeGuard[Table]:
    return isinstance(value, Mapping)


def _tables(value: object) -> Sequence[Table]:
    """The tables of a list of tables; empty where it is none."""
    items = cast("list[object]", value) if isinstance(value, list) else []
    return cast("list[Table]", items) if all(map(_is_table, items)) else []


def _below(key: str, was: Table, now: Table) -> Iterator[Figure]:
    return (replace(figure, key=f"{key}.{figure.key}") for figure in _figures(was, now))


def _place(key: str) -> tuple[int, str]:
    """What matters most comes first, where a figure comes from last."""
    return (_FIRST.index(key) if key in _FIRST else len(_FIRST) + (key == "source"), key)


def _said(entry: Table, key: str) -> str | None:
    return written(entry[key]) if key in entry else None


def _settings(names: frozenset[str] | None) -> str:
    return "all" if names is None else written(sorted(names))


def _has(tables: Table, table: str, name: str) -> bool:
    return name in cast("Table", tables.get(table, {}))
