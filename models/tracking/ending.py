"""What ends when another version of the policy takes effect: entries that it no longer asks for.

A clock or rule that is gone, or that judges other sites than before, ends its running instances and clears its signals at
that instant, without waiting for an event. So somebody has to look at the cases concerned. Which cases to look at is
judged generously (`ended`, `changed_from`); what people are told is exact (`narrowed`, `resettled`).
"""

from models.policy import Applies, Clock, Kind, Policies, Policy, Rule

Entry = tuple[Kind, str]
"""A clock or rule by its name."""


def ended(before: Policy, after: Policy) -> frozenset[Entry]:
    """The clocks and rules of `before` that `after` no longer asks for, at some site at least."""
    everywhere = _settings(before) != _settings(after)
    kept = _entries(after)
    return frozenset(
        name
        for name, entry in _entries(before).items()
        if name not in kept or everywhere or kept[name].applies != entry.applies
    )


def narrowed(before: Policy, after: Policy) -> frozenset[Entry]:
    """The clocks and rules that are gone, or that by their own words judge fewer sites or settings than before."""
    kept = _entries(after)
    return frozenset(
        name
        for name, entry in _entries(before).items()
        if name not in kept or not _within(entry.applies, kept[name].applies)
    )


def resettled(before: Policy, after: Policy) -> dict[str, tuple[str | None, str | None]]:
    """The sites whose setting is another than before, with both settings: there the entries of the one end. A setting None
    is taken from what each case says; the site "default" stands for all that are not declared."""
    was, now = _settings(before), _settings(after)
    pairs = {site: (was.get(site, was[""]), now.get(site, now[""])) for site in sorted({*was, *now})}
    return {site or "default": pair for site, pair in pairs.items() if pair[0] != pair[1]}


def _within(narrow: Applies, wide: Applies) -> bool:
    return _part_of(narrow.settings, wide.settings) and _part_of(narrow.sites, wide.sites)


def _part_of(part: frozenset[str] | None, whole: frozenset[str] | None) -> bool:
    return whole is None or (part is not None and part <= whole)


def changed_from(policies: Policies, first: int) -> frozenset[Entry]:
    """The clocks and rules that a version from number `first` (from 0) on no longer asks for, or asks for again, at some
    site: a version may take back one that is still to come."""
    pairs = zip(policies.versions[max(first - 1, 0) :], policies.versions[max(first, 1) :], strict=False)
    return frozenset[Entry]().union(*(ended(one, other) | ended(other, one) for one, other in pairs))


def _entries(policy: Policy) -> dict[Entry, Clock | Rule]:
    found: dict[Entry, Clock | Rule] = {(Kind.CLOCK, name): clock for name, clock in policy.clocks.items()}
    return found | {(Kind.RULE, str(name)): rule for name, rule in policy.rules.items()}


def _settings(policy: Policy) -> dict[str, str | None]:
    return {str(site): profile.setting for site, profile in policy.sites.items()} | {"": policy.default_site.setting}
