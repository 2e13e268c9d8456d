"""How many rows are written at once: copied in, or handed over column by column."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, LiteralString, cast

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


Column = str | list[object]


def columns(rows: Iterable[Sequence[object]], width: int) -> list[Column]:
    """Rows as the columns that `unnest` takes, each with its type named in the statement."""
    columns: list[list[object]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    return [_array(column) for column in columns]


def _array(values: list[object]) -> Column:
    """The values as PostgreSQL writes an array (manual, 8.15.2), which the driver need not look at one by one: thousands of
    counts are a twentieth of a worker's time otherwise. Left to the driver: null, mixed types, text that wants escaping."""
    kinds = set(map(type, values))
    if kinds == {int}:
        return "{" + ",".join(map(str, values)) + "}"
    if kinds == {datetime}:
        return '{"' + '","'.join(map(str, values)) + '"}'
    if kinds == {str}:
        text = '","'.join(cast("list[str]", values))
        if "\\" not in text and text.count('"') == 2 * (len(values) - 1):
            return '{"' + text + '"}'
    return values
