"""The live feed: what changed about signals and escalations, in the order in which it was committed.

Every change is announced by a number, without gaps, so that a reader who was away can go on where he stopped. What he
gets is the thing as it stands now, not as it stood then: what matters to a board is the present.
"""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from models.store.items import EscalationItem, SignalItem, escalations_of, signals_of

SIGNAL, ESCALATION = "signal", "escalation"


@dataclass(frozen=True, slots=True)
class Happening:
    """One change. `item` None: what changed is gone since."""

    number: int
    topic: str
    item: SignalItem | EscalationItem | None


@dataclass(frozen=True, slots=True)
class Held:
    """The numbers that the feed holds: `first` to `last`, both 0 where nothing was ever announced."""

    first: int
    last: int

    def can_resume(self, number: int) -> bool:
        """Whether who has seen `number`, and all before it, can be given all that came after."""
        return self.first - 1 <= number <= self.last


def held(connection: "Connection[Any]") -> Held:
    """What the feed holds now."""
    first, last = connection.execute("SELECT min(number), max(number) FROM announcements").fetchone() or (None, None)
    return Held(first or 0, last or 0)


def since(connection: "Connection[Any]", number: int, limit: int = 500) -> list[Happening]:
    """Up to `limit` changes after `number`, in order."""
    rows = connection.execute(
        "SELECT number, topic, ref FROM announcements WHERE number > %s ORDER BY number LIMIT %s", [number, limit]
    ).fetchall()
    signals = signals_of(connection, [ref for _, topic, ref in rows if topic == SIGNAL])
    escalations = escalations_of(connection, [ref for _, topic, ref in rows if topic == ESCALATION])
    items: dict[tuple[str, str], SignalItem | EscalationItem] = {(SIGNAL, one.id): one for one in signals}
    items |= {(ESCALATION, one.id): one for one in escalations}
    return [Happening(number, topic, items.get((topic, ref))) for number, topic, ref in rows]
