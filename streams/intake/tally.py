"""What became of the records of one import: how many were read, how many are events, how many were left out and why.

Nothing is left out silently: every record is an event or counts under a reason from a closed list.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Refusal:
    """`row` counts as a spreadsheet or editor does, from 1 (the heading is row 1); `column` is None where the whole row
    is meant. `reason` is from a closed list, `remedy` says what to mend, without the content."""

    row: int
    column: str | None
    reason: str
    remedy: str


@dataclass(slots=True)
class Tally:
    """`read` = `events` + everything in `skipped`, which counts by reason. `removed` counts what did not pass as it was:
    identifiers that became pseudonyms, and fields outside the closed list."""

    read: int = 0
    events: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    removed: int = 0

    @property
    def summary(self) -> str:
        """For people: how many of them are events, and what was left out, the most frequent reason first."""
        said = f"{self.events} events of {self.read} records"
        if not self.skipped:
            return f"{said}; none was left out"
        reasons = ", ".join(f"{reason} ({count})" for reason, count in self.skipped.most_common())
        return f"{said}; {self.skipped.total()} left out: {reasons}"
