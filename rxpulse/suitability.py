"""Whether a policy suits what the sites really send: rules that can never speak, rates that hear too late, and work of
which nobody would be told."""

from collections.abc import Iterator
from datetime import timedelta

from models.escalation import ladder_for
from models.event import EventType, Site
from models.policy import Kind, Policy, Rule, RuleName, Severity
from models.rules import RULES
from models.store.soundness import Soundness, Trials

LATE_SHARE = 0.2
"""More late outcomes of a site than this are said (`semantics.md` 21)."""
_NO_TIME, _SETTLED = timedelta(), timedelta(days=14)
"""A site that has sent for less is not yet asked about what it never sent."""
_URGENT = (Severity.S1, Severity.S2)
_FEW = 3


def unsuited(policy: Policy, store: Soundness) -> Iterator[tuple[str, str]]:
    """(entry, sentence) of everything worth a second look, with its remedy. The entry is empty for a whole site."""
    for site, types in store.seen.items():
        setting = _setting(policy, site, types)
        if store.spans.get(site, _NO_TIME) >= _SETTLED:
            yield from _blind_rules(policy, site, setting, types)
        if policy.ladders:  # without any, one warning says it for all
            yield from _nobody_told(policy, site, setting)
    for site in dict.fromkeys(one.site for one in store.trials):
        yield from _late(policy, site, [one for one in store.trials if one.site == site])


def _setting(policy: Policy, site: str, types: frozenset[str]) -> str:
    """Of a site that is not declared, what most of its cases will be taken for."""
    return policy.setting(Site(site), "retail" if "rx.received" in types else "inpatient")


def _blind_rules(policy: Policy, site: str, setting: str, types: frozenset[str]) -> Iterator[tuple[str, str]]:
    blind = [
        f"{rule.name} ({_least(RULES[rule.name][0])})"
        for rule in policy.rules.values()
        if rule.applies.to(Site(site), setting)
        and not (setting == "inpatient" and rule.name is RuleName.SOLD_BEFORE_FINAL_CHECK)
        and not types & RULES[rule.name][0]
    ]
    if blind:
        what = "rule cannot speak" if len(blind) == 1 else "rules cannot speak"
        lacks = f"{len(blind)} {what} at {site}, which never sent what it would be judged by"
        yield "", f"{lacks}; have its feed send for {', '.join(blind)}"


def _least(judged_at: frozenset[EventType]) -> str:
    names = sorted(judged_at)
    more = f" or {len(names) - 1} others" if len(names) > 2 else f" or {names[1]}" if len(names) == 2 else ""
    return names[0] + more


def _nobody_told(policy: Policy, site: str, setting: str) -> Iterator[tuple[str, str]]:
    untold = [
        f"{name} ({severity.name})"
        for kind, name, severity in _urgent(policy, site, setting)
        if ladder_for(policy, severity=severity, site=Site(site), setting=setting, kind=kind, name=name) is None
    ]
    if untold:
        more = f" and {len(untold) - _FEW} more" if len(untold) > _FEW else ""
        yield "", f"nobody would be told at {site} of {', '.join(untold[:_FEW])}{more}; add a [ladder.NAME] that fits"


def _urgent(policy: Policy, site: str, setting: str) -> Iterator[tuple[Kind, str, Severity]]:
    place = Site(site)
    for clock in policy.clocks.values():
        if clock.target is not None and clock.applies.to(place, setting):
            for severity in sorted({clock.severity, *(worse.severity for worse in clock.worsens)}):
                if severity in _URGENT:
                    yield Kind.CLOCK, clock.name, severity
    for entry in (*policy.rules.values(), *policy.rates.values()):
        if entry.severity in _URGENT and entry.applies.to(place, setting):
            yield Kind.RULE if isinstance(entry, Rule) else Kind.RATE, str(entry.name), entry.severity


def _late(policy: Policy, site: str, trials: list[Trials]) -> Iterator[tuple[str, str]]:
    total, late = sum(one.total for one in trials), sum(one.late for one in trials)
    if total and late / total > LATE_SHARE:
        shares = "; ".join(_shares(policy, one) for one in trials if one.late)
        yield (
            "",
            f"{late / total:.0%} of the outcomes of {site} in the last eight weeks became known too late for the test of its"
            f" rates ({shares}); see why the feed is slow, or give these rates a longer late_after",
        )


def _shares(policy: Policy, one: Trials) -> str:
    """Errors a hundred opportunities, in time and over all."""
    rate = policy.rates.get(one.rate)
    apart = rate is not None and rate.types_differ
    soon = one.clean if apart else one.clean + one.errors
    ever = one.clean + one.late_clean if apart else one.total
    in_time, over_all = _percent(one.errors, soon), _percent(one.errors + one.late_errors, ever)
    return f"{one.rate}: {in_time} of those in time went wrong, {over_all} of all"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"
