"""How old what a page shows is: a bar that is green, amber or red, and says why in a sentence.

The board always says it. Every other page of figures says it as long as it is not green: while what happened before is still
being read a turnaround or a chart looks finished, and is not.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from console.showing import Words, age
from models.store.console import ConsoleStore
from models.store.freshness import Freshness

OLD_SECONDS = 60.0
"""Older than this the board is no longer to be relied on (semantics 18)."""
_HISTORY = timedelta(hours=1)


class Look(StrEnum):
    """The colours of the bar: green, amber, red."""

    FRESH = "fresh"
    BEHIND = "behind"
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Age:
    """How old the board is, in words. `look` is how it is shown: OLD, not to be relied on, BEHIND or FRESH."""

    look: Look
    text: str


def reads_history(freshness: Freshness) -> bool:
    """Whether a worker still reads what happened before it began to judge."""
    if not freshness.partitions or freshness.away_since() is not None:
        return False
    read_to = freshness.read_to
    loading = freshness.behind and read_to is not None and freshness.now - read_to > _HISTORY
    return loading or freshness.judged is None


def page_age(store: ConsoleStore, words: Words, shown: str = "these figures") -> Age:
    """How old what is `shown` on a page beside the board is."""
    return board_age(store.freshness(), words, shown)


def board_age(freshness: Freshness, words: Words, shown: str = "this board") -> Age:
    """How old what is `shown` is, in words."""
    not_rely = f"Do not rely on {shown}"
    if not freshness.partitions:
        return Age(Look.OLD, "Nothing was read yet: no worker has begun.")
    away = freshness.away_since()
    if away is not None:
        since = words.lately(away, freshness.now)
        return Age(Look.OLD, f"No worker judges since {since}: what is late goes unnoticed. {not_rely}.")
    if reads_history(freshness) or freshness.age_seconds is None:
        return Age(Look.OLD, f"Still reading what happened before: {_how_far(freshness, words)}. {not_rely} yet.")
    ago = age(timedelta(seconds=freshness.age_seconds))
    if freshness.age_seconds > OLD_SECONDS:
        return Age(Look.OLD, f"Not up to date: lateness is judged up to {ago} ago only. {not_rely}.")
    if freshness.behind:
        return Age(Look.BEHIND, f"Catching up: lateness is judged up to {ago} ago only.")
    return Age(Look.FRESH, f"Up to date, {ago} old")


def _how_far(freshness: Freshness, words: Words) -> str:
    read_to = freshness.read_to
    if read_to is None or freshness.now - read_to <= _HISTORY:
        return "lateness is not judged yet"
    return f"up to {words.anywhere(read_to)}"
