"""What the versions of the policy ask of a site: which clocks an event starts, which rules are judged at it, which rates
count it, and when a later version stops asking.

An entry is in force for a case while the version has it and it applies to the case's site in its setting. Everything is
judged by the version in force when its clock started, its event happened, its outcome was counted; one that is gone from a
later version ends there.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from msgspec import Struct

from models import rules
from models.clocks import Run, moves
from models.event import CaseId, Event, EventType, Site, kind_of
from models.event_types import SIGNS_OF_LIFE
from models.policy import Clock, Policies, Policy, Rate, Rule, RuleName, SiteProfile
from models.tracking.watched import Breakage


@dataclass(frozen=True, slots=True)
class Entries:
    """What a policy version asks of one site, by type of event. A rate comes with whether the type is an error of it."""

    profile: SiteProfile
    starts: Mapping[EventType, tuple[Clock, ...]]
    judged_at: Mapping[EventType, tuple[Rule, ...]]
    counted: Mapping[EventType, tuple[tuple[Rate, bool], ...]]


@lru_cache(maxsize=4096)
def entries(policy: Policy, site: Site, setting: str) -> Entries:
    starts: dict[EventType, tuple[Clock, ...]] = {}
    judged_at: dict[EventType, tuple[Rule, ...]] = {}
    counted: dict[EventType, tuple[tuple[Rate, bool], ...]] = {}
    for clock in policy.clocks.values():
        if clock.applies.to(site, setting):
            for kind in clock.starts:
                starts[kind] = (*starts.get(kind, ()), clock)
    for rule in policy.rules.values():
        if rule.applies.to(site, setting):
            for kind in rules.RULES[rule.name][0]:
                judged_at[kind] = (*judged_at.get(kind, ()), rule)
    for rate in policy.rates.values():
        if rate.applies.to(site, setting):
            for kind in rate.opportunity | rate.error:
                counted[kind] = (*counted.get(kind, ()), (rate, kind in rate.error))
    return Entries(policy.site(site), starts, judged_at, counted)


class Asking:
    """What is asked at the events of one case of a kind, whose first event is `first`: of the clocks those of the kind.
    What the last event was asked is kept: the next one is mostly of the same site and version."""

    __slots__ = ("_entries", "_first", "_policy", "_site", "kind", "policies")

    def __init__(self, kind: str, first: Event, policies: Policies) -> None:
        self.kind = kind
        self._first = first
        self.policies = policies
        self._site: Site | None = None
        self._policy = policies.versions[0]
        self._entries: Entries | None = None

    def at(self, event: Event) -> Entries:
        """What is asked at that event."""
        policy = self._policy if len(self.policies.versions) == 1 else self.policies.at(since(event))
        site, entries = event.data["site"], self._entries
        if entries is None or site != self._site or policy is not self._policy:
            self._site, self._policy = site, policy
            entries = self._entries = _asked(policy, site, self.kind, self._first.site, self._first.data.get("setting"))
        return entries


@lru_cache(maxsize=4096)
def _asked(policy: Policy, site: Site, kind: str, home: Site, said: str | None) -> Entries:
    whole = entries(policy, site, _setting(policy, kind, home, said))
    starts = {of: tuple(clock for clock in clocks if clock.case == kind) for of, clocks in whole.starts.items()}
    return replace(whole, starts=starts)


def since(event: Event) -> datetime:
    """The instant whose policy version judges an event."""
    return event.time if event.time <= event.recorded else event.recorded


def setting_of(case: CaseId, first: Event, policy: Policy) -> str:
    """The setting that judges a case: that of its site; of an undeclared site what the case's first event says, else
    retail for a fill and inpatient otherwise."""
    return _setting(policy, kind_of(case), first.site, first.data.get("setting"))


def _setting(policy: Policy, kind: str, home: Site, said: str | None) -> str:
    return policy.site(home).setting or said or ("retail" if kind == "fill" else "inpatient")


class Concerned(Struct, frozen=True):
    """What the types of events mean to any version, wherever they come; a type that is not here means nothing to it. `moved`
    names the clocks that a type starts, stops or ends; rules are judged at those `judged`, rates count those `counted`; `signs`
    of life mean nothing but that."""

    moved: Mapping[EventType, frozenset[str]]
    judged: frozenset[EventType]
    counted: frozenset[EventType]
    signs: frozenset[EventType]


@lru_cache(maxsize=64)
def concerned(policies: Policies) -> Concerned:
    """What the types of events mean to the versions."""
    moved: dict[EventType, set[str]] = {}
    judged: set[EventType] = set()
    counted: set[EventType] = set()
    for policy in policies.versions:
        for clock in policy.clocks.values():
            for kind in moves(clock):
                moved.setdefault(kind, set()).add(clock.name)
        judged |= {kind for rule in policy.rules.values() for kind in rules.RULES[rule.name][0]}
        counted |= {kind for rate in policy.rates.values() for kind in rate.opportunity | rate.error}
    signs = SIGNS_OF_LIFE.difference(moved, judged, counted, pausing(policies))
    names = {kind: frozenset(clocks) for kind, clocks in moved.items()}
    return Concerned(names, frozenset(judged), frozenset(counted), signs)


@lru_cache(maxsize=64)
def pausing(policies: Policies) -> frozenset[EventType]:
    """The types that begin or finish a pause of a clock of any version."""
    pauses = (pause for policy in policies.versions for clock in policy.clocks.values() for pause in clock.pauses)
    return frozenset(kind for pause in pauses for kind in (pause.begins, pause.finishes))


def clock_lapses(run: Run, first: Event, policies: Policies) -> datetime | None:
    """The instant from which a later version no longer asks for the clock of an instance; None where all of them do."""
    if len(policies.versions) == 1:
        return None
    kept = (
        (effective, policy, policy.clocks.get(run.clock.name))
        for effective, policy in _later(policies, since(run.start))
    )
    return _lapse(kept, run.site, run.case, first)


def rule_lapses(breakage: Breakage, first: Event, policies: Policies) -> datetime | None:
    """The same for a broken rule."""
    if len(policies.versions) == 1:
        return None
    name = RuleName(breakage.signal.name)
    kept = ((effective, policy, policy.rules.get(name)) for effective, policy in _later(policies, breakage.since))
    return _lapse(kept, breakage.signal.site, first.subject, first)


def _later(policies: Policies, instant: datetime) -> Iterator[tuple[datetime, Policy]]:
    """The versions that take effect after an instant. One that another replaces at its own instant never does."""
    after = bisect_right(policies.effective, instant)
    effective, versions = policies.effective[after:], policies.versions[after:]
    # Of three rows the last is the longest where no version is later.
    for at, version, following in zip(effective, versions, (*effective[1:], None), strict=False):
        if at != following:
            yield at, version


def _lapse(
    kept: Iterable[tuple[datetime, Policy, Clock | Rule | None]], site: Site, case: CaseId, first: Event
) -> datetime | None:
    for effective, policy, entry in kept:
        if entry is None or not entry.applies.to(site, setting_of(case, first, policy)):
            return effective
    return None
