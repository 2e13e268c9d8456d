"""What the worker keeps of the events: how far they are read, cases, intervals, signals and every change of them."""

# SQLModel names a table by a plain text where its own types say otherwise.
# pyright: reportAssignmentType=false
from datetime import datetime

from sqlalchemy import Column, DateTime, Index, LargeBinary, SmallInteger, text
from sqlmodel import Field, SQLModel

from models.store.tables.columns import big, flag, instant, words


class Position(SQLModel, table=True):
    """How far a partition of `rx.events` is applied. `position` is the next offset; `sequence` the next number of what
    the partition's facts are numbered by; everything before `published` has reached the public topics. `owner` and
    `backend` name who may write; `epoch` counts the claims, `losses` how
    often a worker that lived lost it without having given it back. `recorded` is the latest `recorded` applied, `judged` the
    instant up to which silence was listened to. `received` is when the broker received the record before `position`: a topic
    that lost its end and grew on has another one there."""

    __tablename__ = "positions"
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    cluster: str = words()
    epoch: int = big(zero=True)
    position: int = big(zero=True)
    sequence: int = big(zero=True)
    published: int = big(zero=True)
    owner: str | None = words(null=True)
    backend: int | None = big(null=True)
    recorded: datetime | None = instant(null=True)
    judged: datetime | None = instant(null=True)
    beat: datetime | None = instant(null=True)
    received: datetime | None = instant(null=True)
    accepted: int = big(zero=True)
    duplicates: int = big(zero=True)
    id_reused: int = big(zero=True)
    rejected: int = big(zero=True)
    rerouted: int = big(zero=True)
    after_close: int = big(zero=True)
    losses: int = big(zero=True)


class Case(SQLModel, table=True):
    """One piece of work. `body` holds its events; the other columns are what boards ask for. `look` is the instant after
    which silence would say something new."""

    __tablename__ = "cases"
    __table_args__ = (
        Index("cases_look", "partition", "look", postgresql_where=text("look IS NOT NULL")),
        Index("cases_open", "site", "kind", "waits", postgresql_where=text("finished IS NULL")),
    )
    id: str = words(key=True)
    partition: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = words()
    kind: str = words()
    priority: str = words()
    waits: str | None = words(null=True)
    since: datetime = instant()
    opened: datetime = instant()
    finished: datetime | None = instant(null=True)
    look: datetime | None = instant(null=True)
    pace: str = words()
    applied: datetime = instant(now=True)
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class DepartureRow(SQLModel, table=True):
    """A finished case that has left `cases`, when its partition stood at `position`; what comes of it afterwards is counted
    and changes nothing. `site` to `finished` are what is still told of it."""

    __tablename__ = "departures"
    case_id: str = words(key=True)
    partition: int = Field(sa_column=Column(SmallInteger, nullable=False))
    position: int = big()
    site: str = words()
    priority: str = words()
    opened: datetime = instant()
    finished: datetime = instant()
    departed: datetime = instant(now=True)


class IntervalRow(SQLModel, table=True):
    """A reading of a stopped clock, numbered within its partition; of one `id` the highest revision counts. It lies in the
    month in which its clock stopped; the number alone makes it one of a kind (the ledger gives none twice), `stopped` is in
    the key because PostgreSQL asks for it."""

    __tablename__ = "intervals"
    __table_args__ = (
        Index("intervals_stopped", "clock", "site", "stopped"),
        Index("intervals_revised", "site", "clock", "id", "revision", postgresql_where=text("revision > 1")),
        {"postgresql_partition_by": "RANGE (stopped)"},
    )
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    sequence: int = big(key=True)
    position: int = big()
    id: str = words()
    clock: str = words()
    site: str = words()
    priority: str = words()
    case_id: str = words()
    started: datetime = instant()
    stopped: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    net: int = big()
    target: int | None = big(null=True)
    in_target: bool | None = None
    revision: int = Field(sa_column=Column(SmallInteger, nullable=False))
    retracted: bool


class SignalChange(SQLModel, table=True):
    """A signal raised, risen or cleared, numbered within its partition. `judged` is the instant of the tick that found
    it, null where an event did."""

    __tablename__ = "signal_changes"
    __table_args__ = (Index("signal_changes_id", "id"),)
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    sequence: int = big(key=True)
    position: int = big()
    judged: datetime | None = instant(null=True)
    id: str = words()
    kind: str = words()
    name: str = words()
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = words()
    case_id: str | None = words(null=True)
    raised: datetime = instant()
    known: datetime = instant()
    cleared: datetime | None = instant(null=True)
    reason: str | None = words(null=True)
    revision: int = Field(sa_column=Column(SmallInteger, nullable=False))


class SignalRow(SQLModel, table=True):
    """A signal as it now stands. `told` is `yes` or why nobody was told, null while the dispatcher has not judged it;
    `attention` asks the dispatcher to look. `cleared_by`, `code` and `note` are of a person who cleared it; `quiet`: a
    person ended the telling, so that nothing more is told until it clears; `feed` is the source whose silence keeps it
    back, or did, null where none ever did or it is not looked up yet."""

    __tablename__ = "signals"
    __table_args__ = (
        Index("signals_attention", "changed", postgresql_where=text("attention")),
        Index("signals_open", "site", "severity", postgresql_where=text("cleared IS NULL")),
        Index("signals_case", "case_id"),
        Index("signals_raised", "raised"),
        Index("signals_cleared", "cleared", postgresql_where=text("cleared IS NOT NULL")),
    )
    id: str = words(key=True)
    kind: str = words()
    name: str = words()
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = words()
    case_id: str | None = words(null=True)
    raised: datetime = instant()
    known: datetime = instant()
    cleared: datetime | None = instant(null=True)
    reason: str | None = words(null=True)
    revision: int = Field(sa_column=Column(SmallInteger, nullable=False))
    told: str | None = words(null=True)
    attention: bool
    changed: datetime = instant(now=True)
    cleared_by: str | None = words(null=True)
    code: str | None = words(null=True)
    quiet: bool = flag()
    note: str | None = words(null=True)
    feed: str | None = words(null=True)


class Remembered(SQLModel, table=True):
    """What was told of a signal, and what a person cleared, when the facts were forgotten to be made again. It holds for
    whatever was `known` by then."""

    __tablename__ = "remembered"
    signal: str = words(key=True)
    known: datetime = instant()
    told: str | None = words(null=True)
    cleared: datetime | None = instant(null=True)
    cleared_by: str | None = words(null=True)
    code: str | None = words(null=True)
    quiet: bool = flag()
    note: str | None = words(null=True)


class Forgotten(SQLModel, table=True):
    """A signal that readers outside may take for open, as it was when the facts were forgotten, `at`. It is struck off when
    it comes again, and taken back where it does not."""

    __tablename__ = "forgotten"
    id: str = words(key=True)
    kind: str = words()
    name: str = words()
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = words()
    case_id: str | None = words(null=True)
    raised: datetime = instant()
    known: datetime = instant()
    at: datetime = instant()


class SeenType(SQLModel, table=True):
    """A site has sent an event of this type."""

    __tablename__ = "seen_types"
    site: str = words(key=True)
    type: str = words(key=True)
    first: datetime = instant(now=True)


class TickRow(SQLModel, table=True):
    """Silence was listened to up to `judged` when the partition stood at `position`, and something was found."""

    __tablename__ = "ticks"
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    position: int = big(key=True)
    judged: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
