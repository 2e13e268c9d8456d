"""The history of an escalation in the database: its entries are read, added to and never changed.

Beside them stands one row that says how it now stands, for lists and for whoever looks for what is due; it follows from
the entries. Whoever adds one has locked that row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Cursor
from psycopg.types.json import Jsonb

from models.escalation import (
    Entry,
    Escalation,
    EscalationId,
    State,
    Status,
    escalation_to_row,
    fold,
    from_row,
    to_row,
)


def history(cursor: "Cursor[Any]", escalation: EscalationId) -> list[Entry]:
    """Everything that happened to it, oldest first."""
    cursor.execute("SELECT entry FROM escalation_entries WHERE escalation = %s ORDER BY number", [escalation])
    return [from_row(entry) for (entry,) in cursor]


def enter(cursor: "Cursor[Any]", escalation: Escalation, title: str) -> None:
    """Enters a new escalation, to be looked at now. One that is there stays as it is."""
    kind = "summary" if escalation.kind is None else escalation.kind.value
    cursor.execute(
        "INSERT INTO escalations (id, signal, kind, name, severity, site, setting, case_id, title, ladder, state, opened,"
        " due, about) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'open', %s, %s, %s) ON CONFLICT DO NOTHING",
        [
            *(escalation.id, escalation.signal, kind, escalation.name, int(escalation.severity)),
            *(escalation.site or "*", escalation.setting, escalation.case, title, escalation.ladder.key),
            *(escalation.opened, escalation.opened, Jsonb(escalation_to_row(escalation))),
        ],
    )


def add(cursor: "Cursor[Any]", escalation: EscalationId, known: list[Entry], entry: Entry, **said: str) -> None:
    """Adds an entry, to the rows and to what is `known` of them. `said` are a person's words about it; empty ones are
    left out."""
    known.append(entry)
    row = to_row(entry) | {name: word for name, word in said.items() if word}
    cursor.execute(
        "INSERT INTO escalation_entries (escalation, number, at, entry) VALUES (%s, %s, %s, %s)",
        [escalation, len(known), entry.at, Jsonb(row)],
    )


def happen(cursor: "Cursor[Any]", escalation: Escalation, entry: Entry, now: datetime) -> None:
    """Something happened to a running escalation: what follows is decided next. How it stands is written at once: one that has
    ended runs no more, though who was told hears of it later, and what is raised again meanwhile is another one."""
    known = history(cursor, escalation.id)
    add(cursor, escalation.id, known, entry)
    write(cursor, escalation.id, fold(escalation, known), now)


def write(cursor: "Cursor[Any]", escalation: EscalationId, state: State, due: datetime | None) -> None:
    """How it now stands, and when something may have to be done next."""
    cursor.execute(
        "UPDATE escalations SET state = %s, severity = %s, ladder = %s, acknowledged_by = %s, expires = %s, due = %s,"
        " resolved = CASE WHEN %s THEN coalesce(resolved, now()) END WHERE id = %s",
        [
            *(state.status.value, int(state.severity), state.ladder.key, state.holder, state.expires, due),
            *(state.status is Status.RESOLVED, escalation),
        ],
    )


def announce(cursor: "Cursor[Any]", topic: str, refs: Sequence[str]) -> None:
    """Tells the live feed. The lock is the last thing a transaction takes: numbers stand in the order of commit."""
    if refs:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('rxpulse announcements'))")
        cursor.execute(
            "INSERT INTO announcements (number, topic, ref, at) SELECT"
            " (SELECT coalesce(max(number), 0) FROM announcements) + row_number() OVER (), %s, ref, now()"
            " FROM unnest(%s::text[]) WITH ORDINALITY AS given(ref, place) ORDER BY place",
            [topic, list(refs)],
        )
        cursor.execute("NOTIFY rxpulse_announcements")
