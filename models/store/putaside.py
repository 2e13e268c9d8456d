"""What the store knows of dead letters: the policy that judges them today, which were sent again, and who looked at one.

The letters themselves lie in Kafka; nothing of them is kept here but the hash of which one it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from models.policy import Policies
from models.store.auditing import Done, done, record_each
from models.store.connecting import connect
from models.store.policies import read_policies

SHOWN, REPLAYED = "dead letter shown", "dead letter replayed"
"""What the audit calls it."""
_THERE = "SELECT to_regclass('audit') IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Judged:
    """`policies` None: the store holds none yet. `replayed` says when letters were sent again."""

    policies: Policies | None
    replayed: Done


def judged(database_url: str) -> Judged | None:
    """What is known; None where the database has no tables yet. Raises DatabaseAway."""
    with connect(database_url, "rxpulse dead letters", autocommit=True) as connection:
        there = connection.execute(_THERE).fetchone()
        return Judged(read_policies(connection, None), done(connection, REPLAYED)) if there and there[0] else None


def note(database_url: str, person: str, what: str, marks: Sequence[str]) -> bool:
    """Records in the audit that somebody did `what` (SHOWN, REPLAYED) with these letters; False where the database has no
    tables yet. Raises DatabaseAway."""
    with connect(database_url, "rxpulse dead letters") as connection:
        there = connection.execute(_THERE).fetchone()
        if not there or not there[0]:
            return False
        record_each(connection, person, what, marks)
        return True
