"""A pharmacy's own settings for clocks, rules, rates and for who is told: the policy.

The values here are what `policy_text` makes of a TOML file, complete and checked. A policy never changes: another file
is another version, with the instant from which it is in force, and a case is judged by the version that was in force
when its clock started, its event happened, its outcome was counted.
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum

from models.event import EventType, Site, Source
from models.hours import WorkingTime


class Severity(IntEnum):
    """S1 is the most urgent. A smaller number is a higher severity."""

    S1 = 1
    S2 = 2
    S3 = 3
    S4 = 4

    def below(self) -> "Severity":
        """One severity less urgent; S4 stays."""
        return Severity(min(self + 1, 4))


class Kind(StrEnum):
    """What a signal is about: the three ways that work goes wrong, and the watch itself."""

    CLOCK = "clock"
    RULE = "rule"
    RATE = "rate"
    FEED = "feed"


class RuleName(StrEnum):
    """The rules that exist; `models.rules` has one function for each."""

    SOLD_BEFORE_FINAL_CHECK = "sold-before-final-check"
    DISPENSED_BEFORE_FINAL_CHECK = "dispensed-before-final-check"
    SCAN_MISMATCH_BYPASSED = "scan-mismatch-bypassed"
    HIGH_ALERT_WITHOUT_SECOND_ACTOR = "high-alert-without-second-actor"
    WASTE_WITNESSED_BY_SAME_PERSON = "waste-witnessed-by-same-person"
    EXPIRED_LOT = "expired-lot"


class Channel(StrEnum):
    """The ways to reach a person that exist; `workflows.notify` has one module for each."""

    WEBHOOK = "webhook"
    EMAIL = "email"
    INBOX = "inbox"


@dataclass(frozen=True, slots=True)
class Within:
    """In target while the net length is at most `length`."""

    length: timedelta


@dataclass(frozen=True, slots=True)
class BusinessDays:
    """In target until 24:00 site time of the `days`th business day after the start's date."""

    days: int


@dataclass(frozen=True, slots=True)
class ByField:
    """In target until the instant in a field of the start event (a dotted name) plus `plus`."""

    name: str
    plus: timedelta = timedelta()


Target = Within | BusinessDays | ByField


@dataclass(frozen=True, slots=True)
class Pause:
    begins: EventType
    finishes: EventType


@dataclass(frozen=True, slots=True)
class Worsens:
    """At `at` times the target the severity rises to `severity`."""

    at: float
    severity: Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Applies:
    """Which sites an entry judges: those of `settings` (None: of all), and, where `sites` is given, only those."""

    settings: frozenset[str] | None = None
    sites: frozenset[Site] | None = None

    def to(self, site: Site, setting: str) -> bool:
        return (self.settings is None or setting in self.settings) and (self.sites is None or site in self.sites)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clock:
    """A deadline on a case. `case` is the kind it runs on; `per` a dotted field that tells instances apart, None for one
    an order; `when` maps dotted fields to the values that match, the empty string matching an absent field."""

    name: str
    title: str
    case: str
    starts: frozenset[EventType]
    stops: frozenset[EventType]
    target: Target | None
    severity: Severity
    source: str
    per: str | None = None
    ends: frozenset[EventType] = frozenset()
    pauses: tuple[Pause, ...] = ()
    when: tuple[tuple[str, frozenset[object]], ...] = ()
    open_hours: bool = False
    warn_at: float | None = None
    worsens: tuple[Worsens, ...] = ()
    applies: Applies = Applies()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    name: RuleName
    title: str
    severity: Severity
    source: str
    applies: Applies = Applies()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rate:
    """`baseline` is errors per opportunity, `detect` the odds ratio worth finding, `per_month` opportunities a site and
    month. `entry` is the hash of everything that the test depends on: an entry unchanged in itself goes on over a policy
    version. `threshold` is h of the sequential test."""

    name: str
    title: str
    opportunity: frozenset[EventType]
    error: frozenset[EventType]
    per_month: float
    baseline: float
    detect: float
    false_alarms_per_month: float
    severity: Severity
    source: str
    entry: str
    late_after: timedelta = timedelta(minutes=10)
    applies: Applies = Applies()

    @property
    def types_differ(self) -> bool:
        return not (self.error & self.opportunity)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteProfile:
    """`setting` None (only of `[site.default]`): taken from the case."""

    site: Site
    name: str
    setting: str | None
    working: WorkingTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """`silent_after` None: learned from the feed's own gaps. `pseudonymise` turns ids of our own format into keyed
    pseudonyms at the intake."""

    source: Source
    silent_after: timedelta | None = None
    severity: Severity = Severity.S2
    pseudonymise: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """An address None: not reachable that way. The inbox needs no address."""

    key: str
    name: str
    email: str | None = None
    webhook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """`begins` inclusive, `finishes` exclusive, both UTC."""

    begins: datetime
    finishes: datetime
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """`begins` is the instant (UTC) from which the first named person is on duty. `handover` is (weekday or None for every
    day, minute of the local day); None with a single person."""

    key: str
    rotation: tuple[str, ...]
    timezone: str
    begins: datetime
    handover: tuple[int | None, int] | None
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a step tells: `who` names a person or, if `roster`, a roster."""

    who: str
    roster: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    after: timedelta
    to: tuple[Addressee, ...]
    by: tuple[Channel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """After the last step: `times` further loops, each starting `after` from the last step, at step `from_step`."""

    from_step: int = 1
    times: int = 0
    after: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """An empty set in `severities`, `sites`, `settings`, `kinds` or `names` matches everything. `ack_expires` maps a
    severity to how long an acknowledgement holds; None: it never expires."""

    key: str
    steps: tuple[LadderStep, ...]
    severities: frozenset[Severity] = frozenset()
    sites: frozenset[Site] = frozenset()
    settings: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    names: frozenset[str] = frozenset()
    repeat: Repeat = Repeat()
    ack_expires: Mapping[Severity, timedelta | None] = field(default_factory=dict[Severity, timedelta | None])


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """What the channels need beyond a person's address; a secret is a file's name, relative to the home. `smtp_user` and
    `smtp_password_file` come together, or the mail server asks for no login."""

    smtp: str | None = None
    smtp_user: str | None = None
    smtp_password_file: str | None = None
    email_from: str | None = None
    webhook_secret_file: str | None = None
    allow_private: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """One version, complete. `version` is the hash of its content. Entries switched off are not in it. Compared and
    hashed by identity: the same version is loaded once."""

    version: str
    sites: Mapping[Site, SiteProfile]
    default_site: SiteProfile
    clocks: Mapping[str, Clock]
    rules: Mapping[RuleName, Rule]
    rates: Mapping[str, Rate]
    feeds: Mapping[Source, Feed]
    people: Mapping[str, Person]
    rosters: Mapping[str, Roster]
    ladders: tuple[Ladder, ...]
    channels: ChannelSettings
    tell_within: timedelta = timedelta(minutes=15)
    strict_sites: bool = False

    def site(self, site: Site) -> SiteProfile:
        """The profile that judges a site: its own, else that of `[site.default]`."""
        return self.sites.get(site, self.default_site)

    def setting(self, site: Site, of_case: str) -> str:
        """The setting of a site; `of_case` is what its case says, for a site that is not declared."""
        return self.site(site).setting or of_case


BEGINNING = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class Policies:
    """Every version with the instant from which it is in force, oldest first; the first from the beginning of time."""

    effective: tuple[datetime, ...]
    versions: tuple[Policy, ...]

    @classmethod
    def only(cls, policy: Policy) -> "Policies":
        return cls((BEGINNING,), (policy,))

    def at(self, instant: datetime) -> Policy:
        """The version in force at an instant."""
        if len(self.versions) == 1:
            return self.versions[0]
        return self.versions[self.until(instant) - 1]

    def until(self, instant: datetime) -> int:
        """How many versions are in force by then, of which the first always is."""
        return max(bisect_right(self.effective, instant), 1)

    @property
    def latest(self) -> Policy:
        return self.versions[-1]
