"""What an entry of the policy does, in plain words, with its figures and where they come from."""

from datetime import timedelta

from models.cusum import errors_in_a_row, expected_delay
from models.errors import UsageFault
from models.policy import BusinessDays, ByField, Clock, Policy, Rate, Rule, RuleName, Target, Within
from models.rates import design_of


def explain(policy: Policy, name: str) -> str:
    """A sentence or two of a clock, rule or rate. Raises UsageFault for a name that the policy does not have."""
    if name in policy.clocks:
        return _clock(policy.clocks[name])
    if name in policy.rates:
        return _rate(policy.rates[name])
    if name in set(RuleName) and RuleName(name) in policy.rules:
        return _rule(policy.rules[RuleName(name)])
    known = ", ".join(sorted((*policy.clocks, *policy.rules, *policy.rates)))
    raise UsageFault(f"the policy has no clock, rule or rate called {name}; it has: {known}")


def _clock(clock: Clock) -> str:
    starts, stops = " or ".join(sorted(clock.starts)), " or ".join(sorted(clock.stops))
    parts = [f"{clock.title}: from {starts} to {stops}, {_target(clock.target)}; late is {clock.severity.name}"]
    if clock.warn_at is not None:
        parts.append(f"a warning at {clock.warn_at:.0%} of it")
    parts += [f"{worse.severity.name} at {worse.at:g} times the target" for worse in clock.worsens]
    return f"{', '.join(parts)}. Source: {clock.source}"


def _target(target: Target | None) -> str:
    match target:
        case None:
            return "measured only"
        case Within(length):
            return f"within {_minutes(length)}"
        case BusinessDays(days):
            return f"by the end of business day {days} after"
        case ByField(name, plus):
            return f"by {name}" + (f" plus {_minutes(plus)}" if plus else "")


def _minutes(length: timedelta) -> str:
    return f"{length / timedelta(minutes=1):g} min"


def _rule(rule: Rule) -> str:
    return f"{rule.title}: must never be; {rule.severity.name}. Source: {rule.source}"


def _rate(rate: Rate) -> str:
    test = design_of(rate)
    return (
        f"{rate.title}: {rate.baseline:.2%} of opportunities are expected to go wrong (p = {test.p:.4g}); an odds ratio of "
        f"{rate.detect:g} is found after about {expected_delay(test):.0f} trials, at the price of "
        f"{rate.false_alarms_per_month:g} false alarms a month. An error weighs {test.error_weight:.3f}, a clean trial "
        f"{test.clean_weight:.4f}, the threshold is {test.threshold:.1f}, {errors_in_a_row(test)} errors in a row reach it; "
        f"{rate.severity.name}. Source: {rate.source}"
    )
