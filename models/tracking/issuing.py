"""How what now holds differs from what was issued: new facts, changed ones under a higher revision, and lost ones.

An interval that late evidence took away is retracted, a signal disproved; neither is ever forgotten.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from models.signals import Cleared, Signal, SignalId
from models.tracking.watched import Interval

Name = TypeVar("Name", bound=str)
Fact = TypeVar("Fact", Interval, Signal)


def changed_intervals(
    issued: Mapping[str, Interval], hold: Sequence[Interval], was: Collection[str]
) -> tuple[Interval, ...]:
    """The rows to issue, given those issued, those that hold among what was asked again, and the ids that it `was`."""
    lost = (one for one in _gone(issued, hold, was) if not one.retracted)
    taken_back = (replace(one, revision=one.revision + 1, retracted=True) for one in lost)
    return (*_rows(issued, hold), *taken_back)


def changed_signals(
    issued: Mapping[SignalId, Signal], hold: Sequence[Signal], was: Collection[SignalId], at: datetime
) -> tuple[Signal, ...]:
    """The rows to issue, as for intervals; `at` dates what evidence disproved."""
    lost = (one for one in _gone(issued, hold, was) if one.reason is not Cleared.DISPROOF)
    disproved = (replace(one, revision=one.revision + 1, cleared=at, reason=Cleared.DISPROOF) for one in lost)
    return (*_rows(issued, hold), *disproved)


def _rows(issued: Mapping[Name, Fact], hold: Sequence[Fact]) -> list[Fact]:
    """What holds and was not issued so, under the next revision of its id."""
    rows: list[Fact] = []
    for fact in hold:
        name: Any = fact.id
        known = issued.get(name)
        if known is None:
            rows.append(fact)
        elif replace(fact, revision=known.revision) != known:
            rows.append(replace(fact, revision=known.revision + 1))
    return rows


def _gone(issued: Mapping[Name, Fact], hold: Sequence[Fact], was: Collection[Name]) -> list[Fact]:
    held = {fact.id for fact in hold} if was else ()
    return [issued[name] for name in was if name not in held]
