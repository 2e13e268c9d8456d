"""How many rows are written at once: copied in, or handed over column by column."""

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

from psycopg import Connection, Cursor

Rows = Iterable[tuple[Any, ...]]


def stage(connection: "Connection[Any]", table: LiteralString, columns: LiteralString) -> None:
    """Gives a connection its own place in which rows for `table` lie until they are merged."""
    connection.execute(f"CREATE TEMP TABLE staged_{table} AS SELECT {columns} FROM {table} WITH NO DATA")


def copy(cursor: "Cursor[Any]", table: LiteralString, columns: LiteralString, types: list[str], rows: Rows) -> bool:
    """Copies rows in; False where there are none."""
    first = next(iter(rows := iter(rows)), None)
    if first is None:
        return False
    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        copy.write_row(first)
        for row in rows:
            copy.write_row(row)
    return True


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as the columns that `unnest` takes."""
    columns: list[list[object]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return columns
