"""What is wrong with a policy file, said so that it can be mended: the file, the line, the key, and what to write instead.

A file is read to its end: whoever mends it sees every fault at once, not one after the other.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import cast

from models.errors import CallerFault

Path = tuple[str | int, ...]
"""Where a value stands: table, name, key, and the positions (from 0) in lists."""
Table = Mapping[str, object]
Report = Callable[[Path, str], None]
"""Notes one fault: where, and what is wrong together with its remedy."""

_FEW = 8


@dataclass(frozen=True, slots=True)
class Fault:
    """`line` counts from 1; None where the text has no lines (a stored policy) or the place is the whole file."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class PolicyFault(CallerFault):
    """A policy that cannot be used. `faults` holds every one; the message lists them, one a line."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, faults)))


def dotted(path: Path) -> str:
    """A path as the file's author writes it: `ladder.urgent.steps[1].after`, positions counted from 1."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += ("." if text else "") + _key(part)
    return text


def written(value: object) -> str:
    """A value as it stands in a TOML file, on one line."""
    if isinstance(value, Mapping):
        pairs = cast("Table", value).items()
        return "{ " + ", ".join(f"{_key(key)} = {written(item)}" for key, item in pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, cast("Iterable[object]", value))) + "]"
    return json.dumps(value, ensure_ascii=False)


def near(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """The remedy for a name that is not known: the nearest one, the few there are, or what `otherwise` says."""
    names = sorted(known)
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    if otherwise or not names:
        return otherwise or "there is none"
    more = ", ..." if len(names) > _FEW else ""
    return "write one of " + ", ".join(names[:_FEW]) + more


def _key(part: str) -> str:
    return part if part and all(c.isascii() and (c.isalnum() or c in "-_") for c in part) else json.dumps(part)
