"""What the judge of rates and feeds keeps: trials and scores, who was heard when, which feed is silent, and what cannot be."""

# SQLModel names a table by a plain text where its own types say otherwise.
# pyright: reportAssignmentType=false
from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Index, SmallInteger, text
from sqlmodel import Field, SQLModel

from models.store.tables.columns import big, instant, words


class OutcomeRow(SQLModel, table=True):
    """The trials of one minute of one site under one entry of a rate, as far as one partition saw them. The late ones
    belong to reports only."""

    __tablename__ = "outcomes"
    site: str = words(key=True)
    rate: str = words(key=True)
    entry: str = words(key=True)
    minute: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    clean: int = big(zero=True)
    errors: int = big(zero=True)
    late_clean: int = big(zero=True)
    late_errors: int = big(zero=True)


class Touched(SQLModel, table=True):
    """A batch counted trials in time of a rate at a site, the earliest in the minute `since`: what the judge has to follow
    again. Rows are only added by the worker and only taken away by the judge, so that neither waits for the other."""

    __tablename__ = "touched"
    number: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    site: str = words()
    rate: str = words()
    entry: str = words()
    since: datetime = instant()


class RateState(SQLModel, table=True):
    """A checkpoint of a rate at a site: the score after every minute before `folded`, all of them final as far as anybody
    can tell, and from when its open shift dates. One for each day with trials, and the newest."""

    __tablename__ = "rate_states"
    site: str = words(key=True)
    rate: str = words(key=True)
    entry: str = words(key=True)
    folded: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    value: float
    lifted: datetime | None = instant(null=True)
    raised: datetime | None = instant(null=True)


class ShiftRow(SQLModel, table=True):
    """A shift of a rate as it was last issued; its signal's revisions are counted here."""

    __tablename__ = "shifts"
    __table_args__ = (Index("shifts_open", "site", "rate", "entry", postgresql_where=text("cleared IS NULL")),)
    site: str = words(key=True)
    rate: str = words(key=True)
    entry: str = words(key=True)
    since: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    raised: datetime = instant()
    cleared: datetime | None = instant(null=True)
    reason: str | None = words(null=True)
    revision: int = Field(sa_column=Column(SmallInteger, nullable=False))


class Judge(SQLModel, table=True):
    """The one seat of the judge of rates and feeds, taken by row lock. Its changes of signals stand under partition -1 and
    its own `sequence`; everything before `published` has reached the public topic. `beat` is its last round."""

    __tablename__ = "judge"
    seat: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    holder: str | None = words(null=True)
    sequence: int = big(zero=True)
    published: int = big(zero=True)
    beat: datetime | None = instant(null=True)


class FeedHour(SQLModel, table=True):
    """In which minutes of an hour one partition saw something recorded of a feed: bit 0 is the first minute. `hour` is
    UTC."""

    __tablename__ = "feed_hours"
    source: str = words(key=True)
    site: str = words(key=True)
    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    minutes: int = big()


class WorkerClock(SQLModel, table=True):
    """How far the clock of a worker's host was ahead of the database's when it was last measured, in microseconds."""

    __tablename__ = "worker_clocks"
    worker: str = words(key=True)
    ahead: int = big()
    measured: datetime = instant(now=True)


class Silence(SQLModel, table=True):
    """A feed that fell silent, or a worker whose clock went astray (`worker` names it), since `since`. `source` is the
    name of the signal."""

    __tablename__ = "silences"
    __table_args__ = (Index("silences_open", "source", "site", postgresql_where=text("cleared IS NULL")),)
    signal: str = words(key=True)
    source: str = words()
    site: str = words()
    worker: str | None = words(null=True)
    since: datetime = instant()
    raised: datetime = instant()
    cleared: datetime | None = instant(null=True)


class FeedRow(SQLModel, table=True):
    """What one partition saw of one source at one site; `heard` is when it applied something of it last."""

    __tablename__ = "feeds"
    source: str = words(key=True)
    site: str = words(key=True)
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    events: int = big(zero=True)
    duplicates: int = big(zero=True)
    unknown_types: int = big(zero=True)
    dropped_fields: int = big(zero=True)
    clock_skew: int = big(zero=True)
    last_time: datetime = instant()
    last_recorded: datetime = instant()
    heard: datetime = instant(now=True)


class Doubt(SQLModel, table=True):
    """So many conflicts of one kind have the cases of a site whose first event lies in the hour; of kind `dead_letter`, so
    many records received in the hour could not be taken for this reason, `site` being empty; of kind `after_close`, so
    many events recorded in the hour came after their case, of the kind `reason`, or that part of it had left. `reason` is
    empty for conflicts."""

    __tablename__ = "doubts"
    site: str = words(key=True)
    kind: str = words(key=True)
    reason: str = words(key=True)
    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    count: int = big(zero=True)


class WatchRow(SQLModel, table=True):
    """The one seat of whoever watches the worker. `live_until` is the instant up to which every partition was listened to
    when all of them last were. `revision_base` is what is added to revisions outside, more each time that facts were
    forgotten."""

    __tablename__ = "watch"
    seat: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    live_until: datetime | None = instant(null=True)
    revision_base: int = big(zero=True)
