"""The revisions that readers outside see, on the public topics and in exported files.

In the store an id counts its revisions from 1, and begins again when the facts are forgotten and made again. Outside
nothing begins again: readers take the highest revision of an id, and what was said under one is never said otherwise. So
every time that facts are forgotten a whole step is added to what is seen outside. A step is larger than any revision of
the store can be, so nothing needs to be searched for what was given out, nor may anything have left meanwhile.
"""

from typing import Any, LiteralString

from psycopg import Connection, Cursor

STEP = 100_000
"""The store counts revisions as smallint, up to 32,767. What was made first is 1, 2, ...; then 100,001, 100,002, ..."""
REVISION_BASE: LiteralString = "coalesce((SELECT revision_base FROM watch), 0)"
"""What is added to a revision of the store to make the one seen outside. To be read in the transaction that reads the
revision, or takes over what will be numbered."""
_RAISE = """
INSERT INTO watch AS w (seat, revision_base) VALUES (1, %(step)s)
ON CONFLICT (seat) DO UPDATE SET revision_base = w.revision_base + %(step)s
"""


def revision_base(cursor: "Cursor[Any]") -> int:
    """What is added to a revision of the store to make the one seen outside."""
    row = cursor.execute(f"SELECT {REVISION_BASE}").fetchone()
    assert row is not None
    return row[0]


def step_over(connection: "Connection[Any]") -> None:
    """Whatever is numbered from now on is higher, outside, than all that was, in the transaction of `connection`."""
    connection.execute(_RAISE, {"step": STEP})
