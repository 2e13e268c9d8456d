"""What people and programs do and may: versions of the policy, who signs in and by what, what they did, and the reports."""

# SQLModel names a table by a plain text where its own types say otherwise.
# pyright: reportAssignmentType=false
from datetime import datetime

from sqlalchemy import BigInteger, Column, Index, LargeBinary, SmallInteger, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.store.tables.columns import instant, words


class PolicyVersion(SQLModel, table=True):
    """A version of the policy; `effective` null means from the beginning of time."""

    __tablename__ = "policies"
    number: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    version: str = words()
    dump: str = words()
    effective: datetime | None = instant(null=True)
    author: str = words()
    made: datetime = instant(now=True)


class TokenRow(SQLModel, table=True):
    """A key of the intake, bound to sources and sites; only its hash is kept."""

    __tablename__ = "tokens"
    name: str = words(key=True)
    hash: str = words()
    sources: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    sites: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    made: datetime = instant(now=True)
    revoked: datetime | None = instant(null=True)


class LinkRow(SQLModel, table=True):
    """A link that signs in once, before it expires; only its hash is kept."""

    __tablename__ = "links"
    hash: str = words(key=True)
    expires: datetime = instant()
    used: datetime | None = instant(null=True)


class SigningKey(SQLModel, table=True):
    """The one secret that signs the links in messages, made by whoever needs it first. It never leaves the store but in
    the hands of the dispatcher and the console."""

    __tablename__ = "signing_key"
    seat: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class UsedLink(SQLModel, table=True):
    """A link in a message that was used: it opens nothing any more. Kept until it would have run out anyway."""

    __tablename__ = "used_links"
    nonce: str = words(key=True)
    expires: datetime = instant()
    used: datetime = instant(now=True)


class SessionRow(SQLModel, table=True):
    """Somebody signed in at the console; only the cookie's hash is kept. `account` null: by a link, with `role`; else the
    account says what he may do."""

    __tablename__ = "sessions"
    hash: str = words(key=True)
    person: str = words()
    account: str | None = words(null=True)
    role: str | None = words(null=True)
    csrf: str = words()
    made: datetime = instant(now=True)
    seen: datetime = instant(now=True)
    expires: datetime = instant()


class AccountRow(SQLModel, table=True):
    """Somebody who signs in with a password; only its hash is kept, with how it was made: `cost` is
    argon2id (then `hash` is its text, with salt and parameters, and `salt` is empty) or n:r:p of scrypt. `sites` null:
    all."""

    __tablename__ = "accounts"
    name: str = words(key=True)
    role: str = words()
    sites: list[str] | None = Field(sa_column=Column(ARRAY(Text), nullable=True))
    salt: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    cost: str = words()
    made: datetime = instant(now=True)
    disabled: datetime | None = instant(null=True)


class AuditRow(SQLModel, table=True):
    """Somebody looked something up, did something, or tried to come in. Only ever added to: the database refuses anything
    else. `ref` is the hash of what it was about."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_person", "person", "at"),)
    number: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True, autoincrement=True))
    at: datetime = instant(now=True)
    person: str = words()
    what: str = words()
    ref: str | None = words(null=True)


class ReportRow(SQLModel, table=True):
    """A report that was written; later facts make a revision more. `digest` is that of its facts, `path` absolute."""

    __tablename__ = "reports"
    kind: str = words(key=True)
    site: str = words(key=True)
    period: str = words(key=True)
    revision: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    digest: str = words()
    path: str = words()
    made: datetime = instant(now=True)


class HousekeepingRow(SQLModel, table=True):
    """The one seat of housekeeping: turnaround times are kept from `since` on, null where all are; it was `done` last."""

    __tablename__ = "housekeeping"
    seat: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    since: datetime | None = instant(null=True)
    done: datetime | None = instant(null=True)
