"""Facts as a table that other programs open: text separated by commas, or Apache Parquet.

A file appears under its name only when it is whole.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import islice
from pathlib import Path

from models.errors import UsageFault

_AT_ONCE = 50_000
"""Rows of one group of a Parquet file."""
Value = str | int | float | bool | datetime | None


class Holds(Enum):
    """What a column holds."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    TRUTH = "truth"
    INSTANT = "instant"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as long as `columns`; None is an empty place, instants are UTC."""

    columns: Sequence[tuple[str, Holds]]
    rows: Iterable[Sequence[Value]]


def check(out: Path) -> None:
    """Raises UsageFault for a file that could not be written, before anything is read."""
    if out.suffix not in (".csv", ".parquet"):
        raise UsageFault(f"--out {out}: end the name in .csv or .parquet")
    if not out.parent.is_dir():
        raise UsageFault(f"--out {out}: there is no folder {out.parent}; make it, or give another")


def write(table: Table, out: Path) -> int:
    """Writes the table and returns how many rows it has."""
    part = out.with_name(f".part-{out.name}")
    try:
        rows = _write_parquet(table, part) if out.suffix == ".parquet" else _write_csv(table, part)
        part.replace(out)
        return rows
    finally:
        part.unlink(missing_ok=True)


def _write_csv(table: Table, file: Path) -> int:
    written = 0
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(name for name, _ in table.columns)
        for row in table.rows:
            writer.writerow(map(_text, row))
            written += 1
    return written


def _text(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.isoformat()
        case float():
            return repr(value)
        case _:
            return str(value)


def _write_parquet(table: Table, file: Path) -> int:
    # Large, and needed here alone: no other command waits for it.
    import pyarrow
    from pyarrow import parquet

    types = {
        Holds.TEXT: pyarrow.string(),
        Holds.WHOLE: pyarrow.int64(),
        Holds.NUMBER: pyarrow.float64(),
        Holds.TRUTH: pyarrow.bool_(),
        Holds.INSTANT: pyarrow.timestamp("us", tz="UTC"),
    }
    schema = pyarrow.schema([(name, types[holds]) for name, holds in table.columns])
    written = 0
    rows = iter(table.rows)
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(rows, _AT_ONCE)):
            written += len(group)
            columns = [
                pyarrow.array(values, field.type)
                for values, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
    return written
