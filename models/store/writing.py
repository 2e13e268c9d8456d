"""How many rows are written at once: copied in where they are many, and where they are few handed over column by column, which
needs no answer of its own from the database."""

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from itertools import chain, islice
from typing import Any, LiteralString, cast

from psycopg import Connection, Cursor

Row = tuple[Any, ...]
Rows = Iterable[Row]
Types = Sequence[LiteralString]
FEW = 200
"""So many rows cost less as arrays of a statement than copied in, which takes two turns."""


def stage(connection: "Connection[Any]", table: LiteralString, columns: LiteralString) -> None:
    """Gives a connection its own place in which rows for `table` lie until they are merged."""
    connection.execute(f"CREATE TEMP TABLE staged_{table} AS SELECT {columns} FROM {table} WITH NO DATA")


def put(cursor: "Cursor[Any]", table: LiteralString, named: LiteralString, types: Types, rows: Rows) -> None:
    """Puts rows into a table: few by a statement, many copied."""
    first, more = _first(rows)
    if more is not None:
        _copy(cursor, table, named, types, more)
    elif first:
        source = _arrays(named, types)
        cursor.execute(f"INSERT INTO {table} ({named}) SELECT {named} FROM {source}", columns(first, len(types)))


def merge(
    cursor: "Cursor[Any]",
    table: LiteralString,
    named: LiteralString,
    types: Types,
    rows: Rows,
    statements: Sequence[tuple[LiteralString, Sequence[object]]],
) -> None:
    """Lets statements read rows where they say {source}: few come with each statement, many are copied once into the connection's
    own place for `table`. A statement comes with the values that stand in it before the source."""
    first, more = _first(rows)
    if more is not None:
        _copy(cursor, f"staged_{table}", named, types, more)
        for statement, values in statements:
            cursor.execute(_with(statement, f"staged_{table}"), values)
        cursor.execute(f"TRUNCATE staged_{table}")
    elif first:
        arrays = columns(first, len(types))
        for statement, values in statements:
            cursor.execute(_with(statement, _arrays(named, types)), [*values, *arrays])


def together(connection: "Connection[Any]", rows: int) -> "AbstractContextManager[object]":
    """In here the statements that so many rows need are sent without waiting for the answer to each, where all of them are few:
    a copy has a turn of its own. What went wrong with any is raised at the end."""
    return connection.pipeline() if rows <= FEW else nullcontext()


def _first(rows: Rows) -> tuple[list[Row], Rows | None]:
    """The rows where they are few; else none, and all of them."""
    rows = iter(rows)
    first = list(islice(rows, FEW + 1))
    return (first, None) if len(first) <= FEW else ([], chain(first, rows))


def _arrays(named: LiteralString, types: Types) -> LiteralString:
    return "unnest(" + ", ".join("%s::" + kind + "[]" for kind in types) + ") AS few(" + named + ")"


def _with(statement: LiteralString, source: LiteralString) -> LiteralString:
    return statement.replace("{source}", source)


def _copy(cursor: "Cursor[Any]", table: LiteralString, named: LiteralString, types: Types, rows: Rows) -> None:
    with cursor.copy(f"COPY {table} ({named}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(list(types))
        for row in rows:
            copy.write_row(row)


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
