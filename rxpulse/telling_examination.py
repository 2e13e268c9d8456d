"""Whether people are told what they have to know: what waits for the dispatcher, and what it could not bring to anybody."""

from collections.abc import Iterator

from models.store.vigil import Vigil
from rxpulse.findings import Finding, Level, Log

LATE_SECONDS = 30.0
"""From which something that is due is late; so much waits for the alert *RxPulseEscalationOverdue* too."""
_ANSWERS = "call somebody, then mend the ladder: `rxpulse policy rehearse` shows who would have been told"
_REFUSED = "the escalation's page says what the other side answered; then `rxpulse contact test PERSON --by CHANNEL`"
_STUCK = (
    "start the dispatcher again where its log stands still; until then watch the board, and call whoever is on duty"
    " (`rxpulse policy on-duty ROSTER`)"
)


def telling(vigil: Vigil) -> Iterator[Finding]:
    """Who waits to be told, as the store knows it; it knows it also where no dispatcher lives."""
    late = max(vigil.overdue_seconds, vigil.unheard_seconds)
    if late > LATE_SECONDS:
        what = f"somebody should have been told {late:.0f} s ago, and the dispatcher has not done it"
        yield Finding(Level.FAULT, what, _STUCK, Log("dispatcher"))
    else:
        yield Finding(Level.GOOD, "nobody waits to be told")
    if exhausted := vigil.escalations["exhausted"]:
        what = f"{exhausted} escalations were told to everybody on their ladder, and nobody answered"
        yield Finding(Level.WARNING, what, _ANSWERS, "*Escalations* on the console")
    for channel, count in vigil.failed.items():
        what = f"{count} messages by {channel} were refused or given up within the last hour"
        yield Finding(Level.WARNING, what, _REFUSED, Log("dispatcher"))
