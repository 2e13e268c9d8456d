"""What a look at a stack may find: something good, a warning, or a fault with its remedy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from models.settings import Settings


class Level(StrEnum):
    """How bad a finding is; only a fault makes `doctor` end with 1."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Log:
    """The log of a part of the stack, wherever it is kept."""

    part: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen; `remedy` is empty where nothing has to be done, `where` where `what` says it."""

    level: Level
    what: str
    remedy: str = ""
    where: str | Log = ""


def located(found: Finding, home: Path | None) -> Finding:
    """`found` with its log named: a file below the home of the stack, or, without one (None), whatever keeps the logs there,
    such as `docker compose logs`."""
    match found.where, home:
        case Log(part), None:
            return replace(found, where=f"the log of {part}")
        case Log(part), _:
            return replace(found, where=f"logs/{part}.log")
        case _:
            return found


Look = Callable[[Settings, Mapping[str, str]], Iterator[Finding]]
