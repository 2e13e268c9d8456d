"""How this installation is set up: where its data lies, which addresses it uses, and the secrets it holds.

Everything comes from environment variables named `RXPULSE_...`, read once where a program starts and handed down as
one value. Nothing else in RxPulse reads the environment. Every secret may be given as `RXPULSE_X` or, better, as
`RXPULSE_X_FILE` with the path of a file that holds it; no secret is ever an argument of a command, where other users
of the machine would see it. What a pharmacy decides (clocks, rules, who is told) is not here but in its policy.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import platformdirs

from models.errors import CallerFault
from models.keeping import FEWEST_DAYS

PREFIX = "RXPULSE_"
DEFAULT_PORT_BASE = 7400
KEY_LENGTH = 24
"""Fewest characters of the API key and of that for pseudonyms; `secrets.token_urlsafe(18)` has as many."""
_INSTANCE = r"[A-Za-z0-9][A-Za-z0-9._-]{0,46}"
"""The name of a worker: Kafka takes no other characters for a member of a group, and of the 63 bytes that PostgreSQL keeps as the
name of a connection 16 tell the workers of one name apart. Who claims a partition finds its last owner's connection by that."""
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Secret(str):
    """A text that shows itself only where it is used: its repr, and so every dump of the settings, hides it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


class KafkaSecurity(StrEnum):
    """How every Kafka client connects."""

    PLAINTEXT = "plaintext"
    SSL = "ssl"
    SASL_SSL = "sasl_ssl"


class NotSet(CallerFault):
    """An address that is not given, and that a running stack would provide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One installation. None means: not given; then the one-machine stack provides it, or the part does without.

    `home` holds all data of a stack, `cache` fetched programs (shared by all homes). `ports` is the first of a block
    of nine, or "auto". `bind` is the address that people and feeds reach; `public_url` (no slash at its end) begins
    the links in messages. `kafka` is `host:port[,host:port]`; `database_url` is `postgresql://user:pw@host:port/db`
    without a driver; `prefect_url` ends in `/api`; `prefect_auth` is `user:password`. `admin_url` is
    PostgreSQL's administrator, by whom databases are made for `prefect_password` and `reader_password` (containers alone;
    the one-machine stack has its own). `port` is this role's own HTTP port. `smtp_user` and
    `smtp_password` sign in to the mail server, before those that the policy names. `maven` is a mirror of Maven Central.
    `kafka_heap_mib` is the memory of the stack's own broker, with the flags of a server from 1024 on; after so many records
    as `kafka_flush_records` of a partition it writes to the disk before it confirms (0: when the system likes).
    `tick_margin_seconds` is `semantics.md` 18; while the worker is further behind than `intake_max_lag_seconds`, the intake
    takes nothing (0: it takes whatever comes); more than `deadletter_limit` dead letters among the last
    `deadletter_window` records stop the worker; `partitions` and `retention_days` hold when topics are created.
    Turnaround times leave the store `keep_facts_days` after their clocks stopped, never where it is None."""

    home: Path
    cache: Path
    maven: str | None = None
    ports: int | Literal["auto"] = DEFAULT_PORT_BASE
    port: int | None = None
    bind: str = "127.0.0.1"
    public_url: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    policy: Path | None = None
    kafka: str | None = None
    kafka_security: KafkaSecurity = KafkaSecurity.PLAINTEXT
    kafka_user: str | None = None
    kafka_password: Secret | None = None
    kafka_ca: Path | None = None
    kafka_heap_mib: int = 256
    kafka_flush_records: int = 1
    database_url: Secret | None = None
    prefect_url: str | None = None
    prefect_auth: Secret | None = None
    admin_url: Secret | None = None
    prefect_password: Secret | None = None
    reader_password: Secret | None = None
    api_key: Secret | None = None
    pseudonym_key: Secret | None = None
    smtp_user: str | None = None
    smtp_password: Secret | None = None
    allow_private_webhooks: bool = False
    worker_instance: str = "w0"
    tick_margin_seconds: float = 1.0
    intake_max_lag_seconds: float = 300.0
    deadletter_limit: int = 100
    deadletter_window: int = 1000
    partitions: int = 8
    retention_days: int = 400
    keep_facts_days: int | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str], home: Path | None = None) -> "Settings":
        """The settings that `environ` gives; `home`, if given, stands before RXPULSE_HOME.

        Raises CallerFault with the variable and the remedy for a value that cannot be. Reads the files named by
        `..._FILE`; touches nothing else."""
        read = _Reader(environ)
        settings = cls(
            home=(home or read.folder("HOME") or default_home()).absolute(),
            cache=(read.folder("CACHE") or platformdirs.user_cache_path("rxpulse")).absolute(),
            maven=read.url("MAVEN", "https://maven.example.org/repository"),
            ports=read.ports(),
            port=read.optional_whole("PORT", 1, 65535),
            bind=read.text("BIND") or "127.0.0.1",
            public_url=read.url("PUBLIC_URL", "https://rxpulse.example.org"),
            tls_cert=read.file("TLS_CERT"),
            tls_key=read.file("TLS_KEY"),
            behind_proxy=read.flag("BEHIND_PROXY"),
            policy=read.file("POLICY"),
            kafka=read.bootstrap(),
            kafka_security=read.kafka_security(),
            kafka_user=read.text("KAFKA_USER"),
            kafka_password=read.secret("KAFKA_PASSWORD"),
            kafka_ca=read.file("KAFKA_CA"),
            kafka_heap_mib=read.whole("KAFKA_HEAP_MIB", 256, 128, 65536),
            kafka_flush_records=read.whole("KAFKA_FLUSH_RECORDS", 1, 0, 1_000_000),
            database_url=read.database_url(),
            prefect_url=read.url("PREFECT_URL", "http://127.0.0.1:7405/api"),
            prefect_auth=read.prefect_auth(),
            admin_url=read.database_url("ADMIN_URL"),
            prefect_password=read.secret("PREFECT_PASSWORD"),
            reader_password=read.secret("READER_PASSWORD"),
            api_key=read.long_secret("API_KEY"),
            pseudonym_key=read.long_secret("PSEUDONYM_KEY"),
            smtp_user=read.text("SMTP_USER"),
            smtp_password=read.secret("SMTP_PASSWORD"),
            allow_private_webhooks=read.flag("ALLOW_PRIVATE_WEBHOOKS"),
            worker_instance=read.instance(),
            tick_margin_seconds=read.number("TICK_MARGIN_SECONDS", 1.0, 0.0, 60.0),
            intake_max_lag_seconds=read.number("INTAKE_MAX_LAG_SECONDS", 300.0, 0.0, 86_400.0),
            deadletter_limit=read.whole("DEADLETTER_LIMIT", 100, 0, 1_000_000),
            deadletter_window=read.whole("DEADLETTER_WINDOW", 1000, 1, 1_000_000),
            partitions=read.whole("PARTITIONS", 8, 1, 1000),
            retention_days=read.whole("RETENTION_DAYS", 400, 1, 36500),
            keep_facts_days=read.keep_facts_days(),
        )
        _check_together(settings)
        return settings

    @property
    def keep_facts(self) -> timedelta | None:
        """How long turnaround times are kept; None: for ever."""
        return None if self.keep_facts_days is None else timedelta(days=self.keep_facts_days)

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines reach what listens on `bind`."""
        return self.bind not in LOOPBACK

    def check_exposure(self) -> None:
        """Other machines reach a page or an interface by TLS only, so that no key or word travels in the open. Raises
        CallerFault."""
        if self.beyond_loopback and self.tls_cert is None and not self.behind_proxy:
            raise CallerFault(
                f"{PREFIX}BIND is {self.bind}, which other machines reach: set {PREFIX}TLS_CERT and {PREFIX}TLS_KEY, or"
                f" {PREFIX}BEHIND_PROXY=1 where a proxy before it ends TLS"
            )

    def required_kafka(self) -> str:
        """`kafka`, for a role that cannot do without. Raises CallerFault."""
        if self.kafka is None:
            raise NotSet(f"{PREFIX}KAFKA is not set: give host:port of a broker")
        return self.kafka

    def required_database_url(self) -> Secret:
        """`database_url`, for a role that cannot do without. Raises CallerFault."""
        if self.database_url is None:
            raise NotSet(
                f"{PREFIX}DATABASE_URL is not set: give postgresql://user:password@host:port/database (or put it into"
                f" a file named by {PREFIX}DATABASE_URL_FILE)"
            )
        return self.database_url

    def required_port(self) -> int:
        """`port`, for a role that serves HTTP. Raises CallerFault."""
        if self.port is None:
            raise CallerFault(f"{PREFIX}PORT is not set: give the port on which this role serves HTTP, such as 8080")
        return self.port


def default_home() -> Path:
    """Where a stack keeps its data when nobody says otherwise."""
    return Path("/var/lib/rxpulse") if os.geteuid() == 0 else platformdirs.user_data_path("rxpulse")


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """The RXPULSE_... variables of `environ` that no setting reads, most likely misspelt. Those of the tests, which
    begin with RXPULSE_TEST_, are none of them."""
    known = {f"{PREFIX}{name.upper()}" for name in Settings.__dataclass_fields__}
    known |= {f"{name}_FILE" for name in known}
    return sorted(
        name
        for name in environ
        if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}TEST_")
    )


def _check_together(settings: Settings) -> None:
    """What no variable shows by itself. Raises CallerFault."""
    sasl = settings.kafka_security is KafkaSecurity.SASL_SSL
    if sasl and not (settings.kafka_user and settings.kafka_password):
        raise CallerFault(f"{PREFIX}KAFKA_SECURITY is sasl_ssl: set {PREFIX}KAFKA_USER and {PREFIX}KAFKA_PASSWORD too")
    if settings.kafka_user and not sasl:
        raise CallerFault(f"{PREFIX}KAFKA_USER is set: set {PREFIX}KAFKA_SECURITY=sasl_ssl too, or leave the user out")
    if (settings.smtp_user is None) != (settings.smtp_password is None):
        raise CallerFault(f"{PREFIX}SMTP_USER and {PREFIX}SMTP_PASSWORD belong together: set both or neither")
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise CallerFault(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY belong together: set both or neither")


class _Reader:
    """One reading of the environment. An empty variable counts as not given. All methods raise CallerFault."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str) -> str | None:
        return self._environ.get(PREFIX + name, "").strip() or None

    def folder(self, name: str) -> Path | None:
        value = self.text(name)
        return Path(value).expanduser() if value else None

    def file(self, name: str) -> Path | None:
        path = self.folder(name)
        if path is not None and not path.is_file():
            raise CallerFault(f"{PREFIX}{name}: there is no file {path}; correct the path or unset the variable")
        return path.absolute() if path else None

    def secret(self, name: str) -> Secret | None:
        value, file = self.text(name), self.file(f"{name}_FILE")
        if value and file:
            raise CallerFault(f"{PREFIX}{name} and {PREFIX}{name}_FILE are both set: keep one of them")
        if file is None:
            return Secret(value) if value else None
        try:
            held = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise CallerFault(f"{PREFIX}{name}_FILE: {file} cannot be read ({error}); mend the file") from error
        if not held:
            raise CallerFault(f"{PREFIX}{name}_FILE: {file} is empty; put the secret into it")
        return Secret(held)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        value = self.text(name)
        try:
            number = default if value is None else float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise CallerFault(f"{PREFIX}{name} is '{value}': give a number from {low:g} to {high:g}")
        return number

    def optional_whole(self, name: str, low: int, high: int) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            raise CallerFault(f"{PREFIX}{name} is '{value}': give a whole number from {low} to {high}")
        return int(value)

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        value = self.optional_whole(name, low, high)
        return default if value is None else value

    def flag(self, name: str) -> bool:
        value = (self.text(name) or "0").lower()
        if value not in ("0", "1", "false", "true", "no", "yes"):
            raise CallerFault(f"{PREFIX}{name} is '{value}': give 1 or 0")
        return value in ("1", "true", "yes")

    def ports(self) -> int | Literal["auto"]:
        if self.text("PORTS") == "auto":
            return "auto"
        try:
            return self.whole("PORTS", DEFAULT_PORT_BASE, 1024, 65500)
        except CallerFault as fault:
            raise CallerFault(f"{fault}, the first port of a block of nine, or auto") from fault

    def url(self, name: str, example: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CallerFault(f"{PREFIX}{name} is '{value}': give an address such as {example}")
        return value.rstrip("/")

    def bootstrap(self) -> str | None:
        value = self.text("KAFKA")
        for broker in (value or "").split(",") if value else []:
            host, _, port = broker.strip().rpartition(":")
            if not host or "/" in host or not port.isdigit():
                raise CallerFault(f"{PREFIX}KAFKA is '{value}': give host:port, several with commas, nothing before it")
        return value

    def kafka_security(self) -> KafkaSecurity:
        value = (self.text("KAFKA_SECURITY") or "plaintext").lower()
        try:
            return KafkaSecurity(value)
        except ValueError:
            raise CallerFault(f"{PREFIX}KAFKA_SECURITY is '{value}': give {', '.join(KafkaSecurity)}") from None

    def database_url(self, name: str = "DATABASE_URL") -> Secret | None:
        value = self.secret(name)
        if value is None:
            return None
        try:
            parts = urlsplit(value)
            whole = parts.scheme == "postgresql" and parts.hostname and parts.path.strip("/") and parts.port != 0
        except ValueError:
            whole = False
        if not whole:
            # Neither the value nor the parser's complaint is repeated: both may hold the password.
            raise CallerFault(
                f"{PREFIX}{name}: give postgresql://user:password@host:port/database, without a driver's name,"
                " and with %2F for a slash in the password"
            )
        return value

    def prefect_auth(self) -> Secret | None:
        value = self.secret("PREFECT_AUTH")
        if value is not None and ":" not in value:
            raise CallerFault(f"{PREFIX}PREFECT_AUTH: give user:password")
        return value

    def keep_facts_days(self) -> int | None:
        value = self.optional_whole("KEEP_FACTS_DAYS", 0, 36500)
        if value is not None and value < FEWEST_DAYS:
            raise CallerFault(
                f"{PREFIX}KEEP_FACTS_DAYS is {value}: give at least {FEWEST_DAYS}, for records of controlled substances are"
                " kept two years (21 CFR 1304.04), and your state or HIPAA (six years, 2192) may ask for more; unset it to"
                " keep turnaround times for ever"
            )
        return value

    def instance(self) -> str:
        value = self.text("WORKER_INSTANCE") or "w0"
        if not re.fullmatch(_INSTANCE, value):
            raise CallerFault(
                f"{PREFIX}WORKER_INSTANCE is '{value}': give at most 47 plain letters, digits, dots, hyphens and underscores,"
                " the first of them a letter or digit"
            )
        return value

    def long_secret(self, name: str) -> Secret | None:
        value = self.secret(name)
        if value is not None and len(value) < KEY_LENGTH:
            raise CallerFault(
                f"{PREFIX}{name} has {len(value)} characters: give at least {KEY_LENGTH}, or unset it, and"
                " `rxpulse up` makes one"
            )
        return value
