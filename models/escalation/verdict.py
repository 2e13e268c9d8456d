"""Whether a signal is news.

Nobody is woken for what was true an hour ago. A signal is told only when it is judged soon after it became true;
otherwise it is recorded with the reason why nobody was told.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from models.policy import Kind, Severity
from models.signals import Signal

STILL_URGENT = timedelta(hours=4)
"""After a stop, breaches of S1 and S2 within this are told one by one (semantics 17)."""


class Telling(StrEnum):
    """`yes`, or the reason why a signal was recorded and not told."""

    YES = "yes"
    OLD = "old"
    HELD = "held"
    NOBODY = "nobody"
    SUMMARY = "summary"
    RESOLVED = "resolved"
    CLEARED = "cleared"


def told_when(judged: datetime, known: datetime, within: timedelta) -> Telling:
    """`yes` if it was judged at most `within` after `known`, the instant at which it became true, else `old` (semantics
    17). What was judged before that instant is no older than new."""
    return Telling.YES if judged - known <= within else Telling.OLD


def told_after_stop(signal: Signal, judged: datetime) -> Telling:
    """How a signal that a stop of the store kept back is told once it is judged again: by itself, in the summary, or, when
    it cleared meanwhile, not at all (semantics 17)."""
    if not signal.open:
        return Telling.CLEARED
    urgent = signal.kind is Kind.CLOCK and signal.severity <= Severity.S2
    return Telling.YES if urgent and judged - signal.raised <= STILL_URGENT else Telling.SUMMARY
