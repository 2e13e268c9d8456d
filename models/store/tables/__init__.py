"""The tables: one row for each thing that RxPulse remembers.

These are rows, not the pharmacy's own words: what a row means is said beside it, and nothing outside the store sees one.
Facts (intervals, changes of signals) are only ever added; what can change (a case, a signal as it now stands, an
escalation) is one row that is written again. All times are UTC with time zone, all lengths whole microseconds.
"""

from models.store.tables.facts import (
    Case,
    DepartureRow,
    Forgotten,
    IntervalRow,
    Position,
    Remembered,
    SeenType,
    SignalChange,
    SignalRow,
    TickRow,
)
from models.store.tables.judged import (
    Doubt,
    FeedHour,
    FeedRow,
    Judge,
    OutcomeRow,
    RateState,
    ShiftRow,
    Silence,
    Touched,
    WatchRow,
    WorkerClock,
)
from models.store.tables.people import (
    AccountRow,
    AuditRow,
    HousekeepingRow,
    LinkRow,
    PolicyVersion,
    ReportRow,
    SessionRow,
    SigningKey,
    TokenRow,
    UsedLink,
)
from models.store.tables.telling import Announcement, DeliveryRow, EscalationEntry, EscalationRow, Grouped

__all__ = [
    "AccountRow",
    "Announcement",
    "AuditRow",
    "Case",
    "DeliveryRow",
    "DepartureRow",
    "Doubt",
    "EscalationEntry",
    "EscalationRow",
    "FeedHour",
    "FeedRow",
    "Forgotten",
    "Grouped",
    "HousekeepingRow",
    "IntervalRow",
    "Judge",
    "LinkRow",
    "OutcomeRow",
    "PolicyVersion",
    "Position",
    "RateState",
    "Remembered",
    "ReportRow",
    "SeenType",
    "SessionRow",
    "ShiftRow",
    "SignalChange",
    "SignalRow",
    "SigningKey",
    "Silence",
    "TickRow",
    "TokenRow",
    "Touched",
    "UsedLink",
    "WatchRow",
    "WorkerClock",
]
