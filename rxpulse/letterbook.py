"""What the store knows of dead letters, for commands that do without where it is away.

Dead letters lie in Kafka and can be read without the database. While it is away nobody knows which were sent before, and
who looks at one is not recorded; both are said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from models.settings import Settings
from rxpulse.enacted import operator
from rxpulse.output import say

if TYPE_CHECKING:
    from models.policy import Policies
    from models.store.putaside import Judged

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known:
    """What the store says; `said` None: it could not be asked."""

    said: "Judged | None" = None

    @property
    def policies(self) -> "Policies | None":
        """The policy's versions; None: nobody knows them."""
        return None if self.said is None else self.said.policies

    def replayed(self, mark: str) -> datetime | None:
        """When the letter of that mark was last sent again; None: never, or nobody knows."""
        return None if self.said is None else self.said.replayed.when(mark)


def known(settings: Settings) -> Known:
    """Asks the store; says on standard error where it could not be asked."""
    from models.store.putaside import judged

    found = Known(_asked(settings, judged))
    if found.said is None:
        say("without the database nobody knows which were replayed before; sending one twice changes nothing")
    return found


def warning(what: str) -> str:
    """What whoever sees the content of dead letters is told before."""
    return f"warning: {what} may name a patient; show it to nobody who need not see it, and keep no copy"


def looked(settings: Settings, marks: Sequence[str]) -> None:
    """Records in the audit who looked at the content of these letters; says where that could not be recorded."""
    from models.store.putaside import SHOWN, note

    if not _asked(settings, lambda url: note(url, operator(), SHOWN, marks)):
        say("the audit could not be reached: that you looked is not recorded")


def sent(settings: Settings, marks: Sequence[str]) -> None:
    """Records in the audit which were sent again; says where that could not be recorded."""
    from models.store.putaside import REPLAYED, note

    if not _asked(settings, lambda url: note(url, operator(), REPLAYED, marks)):
        say("the audit could not be reached: which ones were replayed is not recorded")


def _asked(settings: Settings, ask: Callable[[str], T]) -> T | None:
    """What the database answers; None where it is away or not named."""
    from models.store.connecting import DatabaseAway

    if settings.database_url is None:
        return None
    try:
        return ask(settings.database_url)
    except DatabaseAway as fault:
        say(str(fault))
        return None
