"""Rows handed over column by column arrive as they are."""

from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pytest

from models.policy import Severity
from models.store.writing import columns

NOON = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
COLUMNS: list[tuple[str, list[object]]] = [
    ("int8", [1, -(1 << 62), 0]),
    ("int8", [1, None]),
    ("text", ["plain", "", "NULL", "{a,b}", "with space", "ü"]),
    ("text", ['a "quoted" word']),
    ("text", ["back\\slash", "x"]),
    ("text", ['"', "\\"]),
    ("text", ["x", None]),
    ("timestamptz", [NOON, NOON.replace(year=1900), NOON.astimezone(timezone(timedelta(hours=-5)))]),
    ("timestamptz", [None, NOON]),
    ("bool", [True, False]),
    ("int8", []),
]


@pytest.mark.parametrize(("kind", "values"), COLUMNS)
def test_a_column_arrives_as_it_is(database_url: str, kind: str, values: list[object]) -> None:
    [column] = columns(((value,) for value in values), 1)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute(f"SELECT v FROM unnest(%s::{kind}[]) WITH ORDINALITY u(v, n) ORDER BY n", [column])  # type: ignore[arg-type]
        assert [value for (value,) in rows] == values


def test_words_of_an_enumeration_arrive_as_their_names(database_url: str) -> None:
    """They are no plain integers, so the driver is asked."""
    [column] = columns([(Severity.S1,)], 1)
    assert column == [Severity.S1]
