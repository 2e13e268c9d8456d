"""What ends when another version of the policy takes effect: entries that it no longer asks for.

A clock or rule that is gone, or that judges other sites than before, ends its running instances and clears its signals at
that instant, without waiting for an event. So somebody has to look at the cases concerned.
"""

from models.policy import Clock, Kind, Policies, Policy, Rule

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
