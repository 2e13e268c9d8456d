"""Finished cases leave: which of them may, and the rows of those that do.

All cases are walked over as they lie on the disk, a stretch at a time: an index that would name those that may leave would
have to be written with every event of every case, and one reading of the whole table at once would keep the worker waiting.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection, Cursor

from models.event import CaseId
from models.store.ledger import Departure, Rested, Walk
from models.store.writing import columns
from models.tracking import RESTS

STRETCH = 128
"""Blocks of the table `cases` that are looked at in one go: one MiB, a few milliseconds."""
_BLOCKS = "SELECT pg_relation_size('cases') / current_setting('block_size')::int8"
# The signals are counted case by case, for those that may leave otherwise: as a join, all open signals would be read each time.
_RESTED = """
SELECT id, partition, site, priority, opened, finished FROM cases
WHERE ctid >= %s::tid AND ctid < %s::tid AND partition = ANY(%s) AND finished IS NOT NULL AND look IS NULL
    AND applied < now() - %s AND (SELECT count(*) FROM signals s WHERE s.case_id = cases.id AND s.cleared IS NULL) = 0
"""
_DEPART = """
INSERT INTO departures (case_id, partition, position, site, priority, opened, finished)
SELECT * FROM unnest(%s::text[], %s::int2[], %s::int8[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
"""


def departing(connection: "Connection[Any]", partitions: Sequence[int], since: int) -> Walk:
    """As of the ledger; a place on the walk is a block of the table."""
    [(blocks,)] = connection.execute(_BLOCKS).fetchall()
    until = since + STRETCH
    rows = connection.execute(_RESTED, [f"({since},0)", f"({until},0)", list(partitions), RESTS])
    found = [Rested(CaseId(case), *about) for case, *about in rows]
    return Walk(found, until if until < blocks else None)


def let_go(cursor: "Cursor[Any]", departures: Sequence[Departure]) -> None:
    """Takes the rows of these cases out, and keeps that they left."""
    if departures:
        cursor.execute("DELETE FROM cases WHERE id = ANY(%s)", [[one.case.id for one in departures]])
        rows = (
            (*(case.id, case.partition, position, case.site, case.priority), case.opened, case.finished)
            for position, case in ((one.position, one.case) for one in departures)
        )
        cursor.execute(_DEPART, columns(rows, 7))
