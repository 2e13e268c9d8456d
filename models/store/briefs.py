"""What tells one order from its neighbours when nobody may name its patient: where it came from, how urgent it is, whose
turn it is, since when.

It stands beside the pseudonym wherever people are asked to do something about a case: on the board, in the lists, on the
page of a link and in messages.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Cursor

from models.store.records import stations


@dataclass(frozen=True, slots=True)
class Brief:
    """`priority` as the case says it, empty where it says none; `stage` is whose turn it is, None: nobody's; `started` is
    its first event (UTC); `stations` had it in hand, in that order."""

    priority: str
    stage: str | None
    started: datetime
    stations: tuple[str, ...]


BRIEF: LiteralString = "case_priority, case_stage, case_started, case_body"
"""The columns that `brief` reads."""
WITH_CASE: LiteralString = """LEFT JOIN LATERAL (SELECT priority AS case_priority, waits AS case_stage,
    opened AS case_started, body AS case_body FROM cases WHERE cases.id = case_id) case_of ON true"""
"""Put behind a table with `case_id`, it gives the columns of BRIEF."""


def brief(priority: str | None, stage: str | None, started: datetime | None, body: bytes | None) -> Brief | None:
    """The columns of BRIEF as they were read; None where there is no such case."""
    if started is None or body is None:
        return None
    return Brief(priority or "", stage, started, stations(body))


def brief_of(cursor: "Cursor[Any]", case: str | None) -> Brief | None:
    """Of one case; None where it is not there."""
    if case is None:
        return None
    cursor.execute("SELECT priority, waits, opened, body FROM cases WHERE id = %s", [case])
    row = cursor.fetchone()
    return None if row is None else brief(*row)
