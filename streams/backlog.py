"""How far behind a worker is: how many records of its partitions it has not read yet, and how old the oldest may be.

Twice a second the worker asks where its partitions end. What is unread came after the instant at which a partition was last
read to its end, and after the last record that was read of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from streams.draft import Partition


@dataclass(frozen=True, slots=True)
class Unread:
    """`age` is the most that the oldest unread record can have waited; 0 where none is unread, or nobody knows since when:
    while an empty store is filled for the first time."""

    records: int
    age: timedelta


_NOTHING = timedelta()


class Backlog:
    """Remembers when each partition was last read to its end."""

    def __init__(self) -> None:
        self._caught_up: dict[int, datetime] = {}

    def look(self, now: datetime, ends: Mapping[int, int], partitions: Iterable[Partition]) -> Unread:
        """`ends` are the ends of the partitions that the worker holds, as they were at `now` (the database's clock)."""
        held = {one.number: one for one in partitions if one.number in ends}
        self._caught_up = {number: at for number, at in self._caught_up.items() if number in held}
        records, age = 0, _NOTHING
        for number, one in held.items():
            left = ends[number] - max(one.position, one.end)
            if left <= 0:
                self._caught_up[number] = now
                continue
            records += left
            known = (self._caught_up.get(number), one.judged, one.received)
            age = max(age, now - max((at for at in known if at is not None), default=now))
        return Unread(records, age)
