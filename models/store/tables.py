"""The tables: one row for each thing that RxPulse remembers.

These are rows, not the pharmacy's own words: what a row means is said beside it, and nothing outside the store sees one.
Facts (intervals, changes of signals) are only ever added; what can change (a case, a signal as it now stands, an
escalation) is one row that is written again. All times are UTC with time zone, all lengths whole microseconds.
"""

# SQLModel names a table by a plain text where its own types say otherwise.
# pyright: reportAssignmentType=false
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, LargeBinary, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel


def _instant(*, null: bool = False, now: bool = False) -> Any:
    default = text("now()") if now else None
    return Field(sa_column=Column(DateTime(timezone=True), nullable=null, server_default=default))


def _text(*, null: bool = False, key: bool = False) -> Any:
    return Field(sa_column=Column(Text, nullable=null, primary_key=key))


def _flag() -> Any:
    return Field(sa_column=Column(Boolean, nullable=False, server_default=text("false")))


def _big(*, null: bool = False, key: bool = False, zero: bool = False) -> Any:
    default = text("0") if zero else None
    column = Column(BigInteger, nullable=null, primary_key=key, autoincrement=False, server_default=default)
    return Field(sa_column=column)


class Position(SQLModel, table=True):
    """How far a partition of `rx.events` is applied. `position` is the next offset; `sequence` the next number of what
    the partition's facts are numbered by; everything before `published` has reached the public topics. `owner` and
    `backend` name who may write; `epoch` counts the claims. `recorded` is the latest `recorded` applied, `judged` the
    instant up to which silence was listened to."""

    __tablename__ = "positions"
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    cluster: str = _text()
    epoch: int = _big(zero=True)
    position: int = _big(zero=True)
    sequence: int = _big(zero=True)
    published: int = _big(zero=True)
    owner: str | None = _text(null=True)
    backend: int | None = _big(null=True)
    recorded: datetime | None = _instant(null=True)
    judged: datetime | None = _instant(null=True)
    beat: datetime | None = _instant(null=True)
    accepted: int = _big(zero=True)
    duplicates: int = _big(zero=True)
    id_reused: int = _big(zero=True)
    rejected: int = _big(zero=True)
    rerouted: int = _big(zero=True)


class Case(SQLModel, table=True):
    """One piece of work. `body` holds its events; the other columns are what boards ask for. `look` is the instant after
    which silence would say something new."""

    __tablename__ = "cases"
    __table_args__ = (
        Index("cases_look", "partition", "look", postgresql_where=text("look IS NOT NULL")),
        Index("cases_open", "site", "kind", "waits", postgresql_where=text("finished IS NULL")),
    )
    id: str = _text(key=True)
    partition: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = _text()
    kind: str = _text()
    priority: str = _text()
    waits: str | None = _text(null=True)
    since: datetime = _instant()
    opened: datetime = _instant()
    finished: datetime | None = _instant(null=True)
    look: datetime | None = _instant(null=True)
    pace: str = _text()
    applied: datetime = _instant(now=True)
    body: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class IntervalRow(SQLModel, table=True):
    """A reading of a stopped clock, numbered within its partition; of one `id` the highest revision counts."""

    __tablename__ = "intervals"
    __table_args__ = (Index("intervals_stopped", "clock", "site", "stopped"), Index("intervals_case", "case_id"))
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    sequence: int = _big(key=True)
    position: int = _big()
    id: str = _text()
    clock: str = _text()
    site: str = _text()
    priority: str = _text()
    case_id: str = _text()
    started: datetime = _instant()
    stopped: datetime = _instant()
    net: int = _big()
    target: int | None = _big(null=True)
    in_target: bool | None = None
    revision: int = Field(sa_column=Column(SmallInteger, nullable=False))
    retracted: bool


class SignalChange(SQLModel, table=True):
    """A signal raised, risen or cleared, numbered within its partition. `judged` is the instant of the tick that found
    it, null where an event did."""

    __tablename__ = "signal_changes"
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    sequence: int = _big(key=True)
    position: int = _big()
    judged: datetime | None = _instant(null=True)
    id: str = _text()
    kind: str = _text()
    name: str = _text()
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = _text()
    case_id: str | None = _text(null=True)
    raised: datetime = _instant()
    known: datetime = _instant()
    cleared: datetime | None = _instant(null=True)
    reason: str | None = _text(null=True)
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
    )
    id: str = _text(key=True)
    kind: str = _text()
    name: str = _text()
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = _text()
    case_id: str | None = _text(null=True)
    raised: datetime = _instant()
    known: datetime = _instant()
    cleared: datetime | None = _instant(null=True)
    reason: str | None = _text(null=True)
    revision: int = Field(sa_column=Column(SmallInteger, nullable=False))
    told: str | None = _text(null=True)
    attention: bool
    changed: datetime = _instant(now=True)
    cleared_by: str | None = _text(null=True)
    code: str | None = _text(null=True)
    quiet: bool = _flag()
    note: str | None = _text(null=True)
    feed: str | None = _text(null=True)


class Remembered(SQLModel, table=True):
    """What was told of a signal, and what a person cleared, when the facts were forgotten to be made again. It holds for
    whatever was `known` by then."""

    __tablename__ = "remembered"
    signal: str = _text(key=True)
    known: datetime = _instant()
    told: str | None = _text(null=True)
    cleared: datetime | None = _instant(null=True)
    cleared_by: str | None = _text(null=True)
    code: str | None = _text(null=True)
    quiet: bool = _flag()
    note: str | None = _text(null=True)


class SeenType(SQLModel, table=True):
    """A site has sent an event of this type."""

    __tablename__ = "seen_types"
    site: str = _text(key=True)
    type: str = _text(key=True)
    first: datetime = _instant(now=True)


class TickRow(SQLModel, table=True):
    """Silence was listened to up to `judged` when the partition stood at `position`, and something was found."""

    __tablename__ = "ticks"
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    position: int = _big(key=True)
    judged: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))


class OutcomeRow(SQLModel, table=True):
    """The trials of one minute of one site under one entry of a rate, as far as one partition saw them. The late ones
    belong to reports only."""

    __tablename__ = "outcomes"
    site: str = _text(key=True)
    rate: str = _text(key=True)
    entry: str = _text(key=True)
    minute: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    clean: int = _big(zero=True)
    errors: int = _big(zero=True)
    late_clean: int = _big(zero=True)
    late_errors: int = _big(zero=True)


class Touched(SQLModel, table=True):
    """A batch counted trials in time of a rate at a site, the earliest in the minute `since`: what the judge has to follow
    again. Rows are only added by the worker and only taken away by the judge, so that neither waits for the other."""

    __tablename__ = "touched"
    number: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    site: str = _text()
    rate: str = _text()
    entry: str = _text()
    since: datetime = _instant()


class RateState(SQLModel, table=True):
    """A checkpoint of a rate at a site: the score after every minute before `folded`, all of them final as far as anybody
    can tell, and from when its open shift dates. One for each day with trials, and the newest."""

    __tablename__ = "rate_states"
    site: str = _text(key=True)
    rate: str = _text(key=True)
    entry: str = _text(key=True)
    folded: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    value: float
    lifted: datetime | None = _instant(null=True)
    raised: datetime | None = _instant(null=True)


class ShiftRow(SQLModel, table=True):
    """A shift of a rate as it was last issued; its signal's revisions are counted here."""

    __tablename__ = "shifts"
    __table_args__ = (Index("shifts_open", "site", "rate", "entry", postgresql_where=text("cleared IS NULL")),)
    site: str = _text(key=True)
    rate: str = _text(key=True)
    entry: str = _text(key=True)
    since: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    raised: datetime = _instant()
    cleared: datetime | None = _instant(null=True)
    reason: str | None = _text(null=True)
    revision: int = Field(sa_column=Column(SmallInteger, nullable=False))


class Judge(SQLModel, table=True):
    """The one seat of the judge of rates and feeds, taken by row lock. Its changes of signals stand under partition -1 and
    its own `sequence`; everything before `published` has reached the public topic. `beat` is its last round."""

    __tablename__ = "judge"
    seat: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    holder: str | None = _text(null=True)
    sequence: int = _big(zero=True)
    published: int = _big(zero=True)
    beat: datetime | None = _instant(null=True)


class FeedHour(SQLModel, table=True):
    """In which minutes of an hour one partition saw something recorded of a feed: bit 0 is the first minute. `hour` is
    UTC."""

    __tablename__ = "feed_hours"
    source: str = _text(key=True)
    site: str = _text(key=True)
    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    minutes: int = _big()


class WorkerClock(SQLModel, table=True):
    """How far the clock of a worker's host was ahead of the database's when it was last measured, in microseconds."""

    __tablename__ = "worker_clocks"
    worker: str = _text(key=True)
    ahead: int = _big()
    measured: datetime = _instant(now=True)


class Silence(SQLModel, table=True):
    """A feed that fell silent, or a worker whose clock went astray (`worker` names it), since `since`. `source` is the
    name of the signal."""

    __tablename__ = "silences"
    __table_args__ = (Index("silences_open", "source", "site", postgresql_where=text("cleared IS NULL")),)
    signal: str = _text(key=True)
    source: str = _text()
    site: str = _text()
    worker: str | None = _text(null=True)
    since: datetime = _instant()
    raised: datetime = _instant()
    cleared: datetime | None = _instant(null=True)


class FeedRow(SQLModel, table=True):
    """What one partition saw of one source at one site."""

    __tablename__ = "feeds"
    source: str = _text(key=True)
    site: str = _text(key=True)
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    events: int = _big(zero=True)
    duplicates: int = _big(zero=True)
    unknown_types: int = _big(zero=True)
    dropped_fields: int = _big(zero=True)
    clock_skew: int = _big(zero=True)
    last_time: datetime = _instant()
    last_recorded: datetime = _instant()


class Doubt(SQLModel, table=True):
    """So many conflicts of one kind have the cases of a site whose first event lies in the hour; of kind `dead_letter`, so
    many records received in the hour could not be taken for this reason, `site` being empty. `reason` is empty for
    conflicts."""

    __tablename__ = "doubts"
    site: str = _text(key=True)
    kind: str = _text(key=True)
    reason: str = _text(key=True)
    hour: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    partition: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    count: int = _big(zero=True)


class PolicyVersion(SQLModel, table=True):
    """A version of the policy; `effective` null means from the beginning of time."""

    __tablename__ = "policies"
    number: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    version: str = _text()
    dump: str = _text()
    effective: datetime | None = _instant(null=True)
    author: str = _text()
    made: datetime = _instant(now=True)


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
    id: str = _text(key=True)
    signal: str | None = _text(null=True)
    kind: str = _text()
    name: str = _text()
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))
    site: str = _text()
    setting: str = _text()
    case_id: str | None = _text(null=True)
    title: str = _text()
    ladder: str = _text()
    state: str = _text()
    opened: datetime = _instant()
    acknowledged_by: str | None = _text(null=True)
    expires: datetime | None = _instant(null=True)
    resolved: datetime | None = _instant(null=True)
    due: datetime | None = _instant(null=True)
    about: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Grouped(SQLModel, table=True):
    """A signal that is told with others, under one escalation; `severity` is that at which it is."""

    __tablename__ = "grouped"
    __table_args__ = (Index("grouped_signal", "signal"),)
    escalation: str = _text(key=True)
    signal: str = _text(key=True)
    severity: int = Field(sa_column=Column(SmallInteger, nullable=False))


class WatchRow(SQLModel, table=True):
    """The one seat of whoever watches the worker. `live_until` is the instant up to which every partition was listened to
    when all of them last were; `sequence` numbers the changes of its own signals."""

    __tablename__ = "watch"
    seat: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    live_until: datetime | None = _instant(null=True)
    sequence: int = _big(zero=True)


class EscalationEntry(SQLModel, table=True):
    """One thing that happened to an escalation, numbered from 1. Never changed."""

    __tablename__ = "escalation_entries"
    escalation: str = _text(key=True)
    number: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    at: datetime = _instant()
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
    key: str = _text(key=True)
    escalation: str = _text()
    signal: str | None = _text(null=True)
    type: str = _text()
    step: int = Field(sa_column=Column(SmallInteger, nullable=False))
    loop: int = Field(sa_column=Column(SmallInteger, nullable=False))
    person: str = _text()
    channel: str = _text()
    state: str = _text()
    attempts: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default=text("0")))
    made: datetime = _instant(now=True)
    gives_up: datetime = _instant()
    due: datetime | None = _instant(null=True)
    first_attempt: datetime | None = _instant(null=True)
    last_attempt: datetime | None = _instant(null=True)
    answer: str | None = _text(null=True)
    message: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Announcement(SQLModel, table=True):
    """The live feed: numbered without gaps in the order of commit, so that a reader can go on where he stopped."""

    __tablename__ = "announcements"
    number: int = _big(key=True)
    topic: str = _text()
    ref: str = _text()
    at: datetime = _instant(now=True)


class TokenRow(SQLModel, table=True):
    """A key of the intake, bound to sources and sites; only its hash is kept."""

    __tablename__ = "tokens"
    name: str = _text(key=True)
    hash: str = _text()
    sources: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    sites: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    made: datetime = _instant(now=True)
    revoked: datetime | None = _instant(null=True)


class LinkRow(SQLModel, table=True):
    """A link that signs in once, before it expires; only its hash is kept."""

    __tablename__ = "links"
    hash: str = _text(key=True)
    expires: datetime = _instant()
    used: datetime | None = _instant(null=True)


class SigningKey(SQLModel, table=True):
    """The one secret that signs the links in messages, made by whoever needs it first. It never leaves the store but in
    the hands of the dispatcher and the console."""

    __tablename__ = "signing_key"
    seat: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class UsedLink(SQLModel, table=True):
    """A link in a message that was used: it opens nothing any more. Kept until it would have run out anyway."""

    __tablename__ = "used_links"
    nonce: str = _text(key=True)
    expires: datetime = _instant()
    used: datetime = _instant(now=True)


class SessionRow(SQLModel, table=True):
    """Somebody signed in at the console; only the cookie's hash is kept. `account` null: by a link, with `role`; else the
    account says what he may do."""

    __tablename__ = "sessions"
    hash: str = _text(key=True)
    person: str = _text()
    account: str | None = _text(null=True)
    role: str | None = _text(null=True)
    csrf: str = _text()
    made: datetime = _instant(now=True)
    seen: datetime = _instant(now=True)
    expires: datetime = _instant()


class AccountRow(SQLModel, table=True):
    """Somebody who signs in with a password; only its hash is kept, with how it was made: `cost` is
    argon2id (then `hash` is its text, with salt and parameters, and `salt` is empty) or n:r:p of scrypt. `sites` null:
    all."""

    __tablename__ = "accounts"
    name: str = _text(key=True)
    role: str = _text()
    sites: list[str] | None = Field(sa_column=Column(ARRAY(Text), nullable=True))
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    cost: str = _text()
    made: datetime = _instant(now=True)
    disabled: datetime | None = _instant(null=True)


class AuditRow(SQLModel, table=True):
    """Somebody looked something up, did something, or tried to come in. Only ever added to: the database refuses anything
    else. `ref` is the hash of what it was about."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_person", "person", "at"),)
    number: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    at: datetime = _instant(now=True)
    person: str = _text()
    what: str = _text()
    ref: str | None = _text(null=True)


class ReportRow(SQLModel, table=True):
    """A report that was written; later facts make a revision more. `digest` is that of its facts, `path` absolute."""

    __tablename__ = "reports"
    kind: str = _text(key=True)
    site: str = _text(key=True)
    period: str = _text(key=True)
    revision: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    digest: str = _text()
    path: str = _text()
    made: datetime = _instant(now=True)
