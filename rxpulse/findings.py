"""What a look at a stack may find: something good, a warning, or a fault with its remedy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.settings import Settings


class Level(StrEnum):
    """How bad a finding is; only a fault makes `doctor` end with 1."""

    GOOD = "good"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing seen; `remedy` is empty where nothing has to be done, `where` where `what` says it."""

    level: Level
    what: str
    remedy: str = ""
    where: str = ""


Look = Callable[[Settings, Mapping[str, str]], Iterator[Finding]]
