"""The kinds of columns that the tables are made of."""

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Text, text
from sqlmodel import Field


def instant(*, null: bool = False, now: bool = False) -> Any:
    """An instant in UTC; `now`: the database fills in its own."""
    default = text("now()") if now else None
    return Field(sa_column=Column(DateTime(timezone=True), nullable=null, server_default=default))


def words(*, null: bool = False, key: bool = False) -> Any:
    """A text; `key`: part of the primary key."""
    return Field(sa_column=Column(Text, nullable=null, primary_key=key))


def flag() -> Any:
    """Yes or no; no until said."""
    return Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))


def big(*, null: bool = False, key: bool = False, zero: bool = False) -> Any:
    """A whole number of 64 bits; `zero`: 0 until said."""
    default = text("0") if zero else None
    column = Column(BigInteger, nullable=null, primary_key=key, autoincrement=False, server_default=default)
    return Field(sa_column=column)
