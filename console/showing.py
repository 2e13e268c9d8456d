"""How figures are said to people: ages in words that are read at a glance, times as the clock on the site's wall shows
them, severities as a word beside the colour and the shape."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from models.policy import Policy, Severity
from models.store.briefs import Brief
from models.store.items import EscalationItem, SignalItem
from models.store.messages import clock_title
from models.store.rights import SEVERAL

SEVERITIES = {"S1": "critical", "S2": "urgent", "S3": "soon", "S4": "note"}
PRIORITIES = {"stat": "STAT", "now": "Now", "urgent": "Urgent", "routine": "Routine", "prn": "PRN"}
KINDS = {
    "clock": "deadline",
    "rule": "rule broken",
    "rate": "more often than usual",
    "feed": "feed",
    "summary": "summary",
}
STATES = {"open": "nobody has it", "exhausted": "nobody answered", "acknowledged": "taken on", "resolved": "over"}
TOLD = {
    "yes": "told",
    "old": "not told: old news",
    "held": "held: its feed is silent",
    "nobody": "not told: nobody to tell",
    "summary": "told in a summary",
    "resolved": "not told: ended by hand",
    "cleared": "not told: over at once",
}
REASONS = {
    "handled": "dealt with",
    "false_alarm": "false alarm",
    "known": "known and accepted",
    "duplicate": "the same as another",
    "test": "a test",
}
"""The codes of why something is over, of pages and programs alike."""
MESSAGES = {
    "page": "page",
    "remind": "reminder",
    "acknowledged": "who has it",
    "resolved": "that it is over",
}
CHANNELS = {"webhook": "webhook", "email": "e-mail", "inbox": "inbox"}
DELIVERED = {
    "pending": "waits to be sent",
    "sending": "being sent",
    "sent": "accepted",
    "refused": "refused",
    "gave_up": "given up",
    "cancelled": "not sent: no longer needed",
}

_HALF_A_DAY = timedelta(hours=12)
_STATIONS = 3
"""The latest of those that had a case in hand: more make a line too long to be read."""
ROLES = {
    "viewer": "reads",
    "responder": "also takes on, gives back, passes on",
    "supervisor": "also resolves, and acts for others",
    "admin": "everything",
}
DONE = {
    "sign-in": "signed in",
    "sign-in by link": "signed in by a link",
    "sign-in refused": "was refused: wrong password",
    "sign-out": "signed out",
    "case": "looked at a case",
    "report": "opened a report",
    "search": "searched a case",
    "search in vain": "searched a case in vain",
    "audit": "looked at the audit",
    "acknowledge": "acknowledged",
    "acknowledge by link": "acknowledged by the link of a message",
    "give back": "gave back",
    "pass on": "passed on",
    "resolve": "resolved",
    "test message": "sent a test message",
    "export": "exported facts to a file",
    "pseudonyms": "made a table of own numbers and pseudonyms",
    "policy version": "made a version of the policy",
    "account added": "made an account",
    "account changed": "changed an account's role or sites",
    "account disabled": "disabled an account",
    "password changed": "changed a password",
    "token added": "made a token",
    "token revoked": "took a token back",
}
"""What lines of the audit say, in words."""


def age(length: timedelta) -> str:
    """A length in its two largest units: `42 s`, `7 min`, `2 h 05`, `3 d 4 h`. Negative counts as 0."""
    seconds = max(int(length.total_seconds()), 0)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 60:
        return f"{seconds} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60:02}"
    return f"{days} d {hours % 24} h"


class Words:
    """The names that a policy gives to things; without one, or for what it does not name, their own keys."""

    def __init__(self, policy: Policy | None) -> None:
        self._policy = policy

    def site(self, key: str) -> str:
        """A site by its name."""
        if key == SEVERAL:
            return "Several sites"
        profile = self._profile(key)
        return profile.name if profile else key

    def title(self, one: SignalItem | EscalationItem) -> str:
        """What it is about, in a line."""
        match one:
            case EscalationItem():
                return self.headline(one.kind, one.name, one.severity, one.title or one.name)
            case SignalItem():
                return self.headline(one.kind, one.name, one.severity, self._title(one.kind, one.name))

    def headline(self, kind: str, name: str, severity: str, title: str) -> str:
        """A title that says what happened, as messages do; `severity` is S1 to S4."""
        clock = self._policy.clocks.get(name) if self._policy and kind == "clock" else None
        return clock_title(clock, Severity[severity]) if clock else title

    def work(self, of: Brief | None, site: str) -> str:
        """What tells a case from others: how urgent, whose turn, where it was, since when; empty for none."""
        if of is None:
            return ""
        stage = f"waits for {of.stage.replace('_', ' ')}" if of.stage else "nobody's turn"
        parts = (PRIORITIES.get(of.priority, of.priority), stage, ", ".join(of.stations[-_STATIONS:]))
        return " · ".join([*(one for one in parts if one), f"began {self.minute(of.started, site)}"])

    def person(self, key: str) -> str:
        """A person by name."""
        found = self._policy.people.get(key) if self._policy else None
        return found.name if found else key

    def people(self) -> list[tuple[str, str]]:
        """(key, name) of everybody, by name."""
        found = self._policy.people.values() if self._policy else ()
        return sorted(((one.key, one.name) for one in found), key=lambda one: one[1].casefold())

    def clock_time(self, instant: datetime, site: str) -> str:
        """Hour and minute on the site's wall; for several sites on the wall of all, where their clocks are the same; else,
        and for a site that is not declared, in UTC."""
        return self._said(instant, site, "{0:%H:%M}")

    def wall(self, instant: datetime, site: str) -> str:
        """Hour and minute as `clock_time`, with the name of the time."""
        return f"{instant.astimezone(ZoneInfo(self._zone(site) or 'UTC')):%H:%M %Z}"

    def moment(self, instant: datetime, site: str) -> str:
        """Day and second; as `clock_time`."""
        return self._said(instant, site, "{0.day} {0:%b %H:%M:%S}")

    def day(self, instant: datetime, site: str) -> str:
        """Day and year; as `clock_time`."""
        return self._said(instant, site, "{0.day} {0:%b %Y}")

    def minute(self, instant: datetime, site: str) -> str:
        """Day and minute; as `clock_time`."""
        return self._said(instant, site, "{0.day} {0:%b %H:%M}")

    def anywhere(self, instant: datetime) -> str:
        """Day and minute; as `clock_time` for several sites."""
        return self.minute(instant, SEVERAL)

    def lately(self, instant: datetime, now: datetime) -> str:
        """The second of an instant before `now`, as `clock_time` for several sites; with its day where that is half a day
        ago or more."""
        day = "" if now - instant < _HALF_A_DAY else "{0.day} {0:%b} "
        return self._said(instant, SEVERAL, day + "{0:%H:%M:%S}")

    def second(self, instant: datetime) -> str:
        """Day, year and second, as `anywhere`, with the name of the time: `27 Nov 2026 14:05:12 EST`."""
        local = instant.astimezone(ZoneInfo(self.shared_zone() or "UTC"))
        return f"{local.day} {local:%b %Y %H:%M:%S %Z}"

    def shared_zone(self) -> str | None:
        """The time zone of all declared sites; None where they have several, or there are none."""
        zones = set(self.zones().values())
        return zones.pop() if len(zones) == 1 else None

    def sites(self) -> list[tuple[str, str]]:
        """(key, name) of every declared site, by name."""
        found = self._policy.sites.values() if self._policy else ()
        return sorted(((one.site, one.name) for one in found), key=lambda one: one[1].casefold())

    def zones(self) -> dict[str, str]:
        """The time zone of every declared site."""
        found = self._policy.sites.values() if self._policy else ()
        return {one.site: one.working.timezone for one in found}

    def entry(self, kind: str, name: str) -> str:
        """A clock, rule, rate or feed by its title."""
        return self._title(kind, name)

    def _said(self, instant: datetime, site: str, form: str) -> str:
        zone = self._zone(site)
        return form.format(instant.astimezone(ZoneInfo(zone or "UTC"))) + ("" if zone else " UTC")

    def _zone(self, site: str) -> str | None:
        """The time zone by which instants of a site are said; None: in UTC."""
        if site == SEVERAL:
            return self.shared_zone()
        profile = self._profile(site)
        return profile.working.timezone if profile else None

    def _profile(self, site: str):
        return next((one for key, one in self._policy.sites.items() if key == site), None) if self._policy else None

    def _title(self, kind: str, name: str) -> str:
        if kind == "feed":
            return f"nothing heard from {name}" if name.startswith("/") else f"{name} is not judged"
        entries = {} if self._policy is None else {**self._policy.rates, **self._policy.clocks}
        rules = {} if self._policy is None else {key.value: one for key, one in self._policy.rules.items()}
        found = rules.get(name) if kind == "rule" else entries.get(name)
        return found.title if found else name
