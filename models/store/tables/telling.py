"""What is told: escalations with all that happened to them, every message, and the live feed of the console."""

# SQLModel names a table by a plain text where its own types say otherwise.
# pyright: reportAssignmentType=false
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from models.store.tables.columns import big, instant, words


class EscalationRow(SQLModel, table=True):
    """The story of telling people about a signal, as it now stands; its history is in `escalation_entries`. `due` is the
    next instant at which something may have to be done; `about` is the escalation as it was opened, with its ladder."""

    __tablename__ = "escalations"
    __table_args__ = (
        Index("escalations_due", "due", postgresql_where=text("due IS NOT NULL")),
        Index("escalations_signal", "signal"),
        Index("escalations_opened", "opened"),
        Index("escalations_unresolved", "state", postgresql_where=text("state <> 'resolved'")),
    )
    id: str = words(key=True)
    signal: str | None = words(null=True)
    kind: str = words()
    name: str = words()
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = words()
    setting: str = words()
    case_id: str | None = words(null=True)
    title: str = words()
    ladder: str = words()
    state: str = words()
    opened: datetime = instant()
    acknowledged_by: str | None = words(null=True)
    expires: datetime | None = instant(null=True)
    resolved: datetime | None = instant(null=True)
    due: datetime | None = instant(null=True)
    about: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Grouped(SQLModel, table=True):
    """A signal that is told with others, under one escalation; `severity` is that at which it is."""

    __tablename__ = "grouped"
    __table_args__ = (Index("grouped_signal", "signal"),)
    escalation: str = words(key=True)
    signal: str = words(key=True)
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))


class EscalationEntry(SQLModel, table=True):
    """One thing that happened to an escalation, numbered from 1. Never changed."""

    __tablename__ = "escalation_entries"
    escalation: str = words(key=True)
    number: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    at: datetime = instant()
    entry: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class DeliveryRow(SQLModel, table=True):
    """One message to one person by one channel. `due` is the instant of its next attempt, null when none is to come."""

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_due", "due", postgresql_where=text("due IS NOT NULL")),
        Index("deliveries_escalation", "escalation"),
        Index("deliveries_inbox", "person", "first_attempt", postgresql_where=text("channel = 'inbox'")),
        Index("deliveries_failed", "last_attempt", postgresql_where=text("state IN ('refused', 'gave_up')")),
    )
    key: str = words(key=True)
    escalation: str = words()
    signal: str | None = words(null=True)
    type: str = words()
    step: int = Field(sa_column=Column(SmallInteger, nullable=False))
    loop: int = Field(sa_column=Column(SmallInteger, nullable=False))
    person: str = words()
    channel: str = words()
    state: str = words()
    attempts: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default=text("0")))
    made: datetime = instant(now=True)
    gives_up: datetime = instant()
    due: datetime | None = instant(null=True)
    first_attempt: datetime | None = instant(null=True)
    last_attempt: datetime | None = instant(null=True)
    answer: str | None = words(null=True)
    message: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Announcement(SQLModel, table=True):
    """The live feed: numbered without gaps in the order of commit, so that a reader can go on where he stopped."""

    __tablename__ = "announcements"
    number: int = big(key=True)
    topic: str = words()
    ref: str = words()
    at: datetime = instant(now=True)
