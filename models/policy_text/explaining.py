"""What an entry of the policy does, in plain words, with its figures and where they come from."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches

from models.cusum import errors_in_a_row, expected_delay
from models.errors import UsageFault
from models.policy import Applies, BusinessDays, ByField, Clock, Policy, Rate, Rule, RuleName, Target, Within
from models.policy_text.durations import counted, said
from models.policy_text.switched_off import Judging
from models.rates import design_of

_OFFERED = 5


def find(policy: Policy, name: str, off: Mapping[str, Judging] | None = None) -> Judging:
    """The clock, rule or rate of that name, also written `clock.NAME`; `off` are entries switched off that will do, too.
    Raises UsageFault for a name that is in neither."""
    name = re.sub(r"^(clock|rule|rate)\.", "", name)
    if name in policy.clocks:
        return policy.clocks[name]
    if name in policy.rates:
        return policy.rates[name]
    if name in set(RuleName) and RuleName(name) in policy.rules:
        return policy.rules[RuleName(name)]
    if off and name in off:
        return off[name]
    close = alike(name, sorted((*policy.clocks, *policy.rules, *policy.rates, *(off or ()))))
    remedy = f"did you mean {' or '.join(close)}?" if close else "`rxpulse policy explain` lists all that there are"
    raise UsageFault(f"the policy has no clock, rule or rate called {name}, or it is switched off; {remedy}")


def alike(name: str, known: Sequence[str]) -> list[str]:
    """The names that `name` may have been meant for, the likeliest first: misspelt, or only a part of it given."""
    parts = [one for one in known if name.casefold() in one.casefold()] if len(name) > 2 else []
    return list(dict.fromkeys((*get_close_matches(name.casefold(), known, n=1), *parts)))[:_OFFERED]


def explain(policy: Policy, name: str) -> str:
    """A few sentences on a clock, rule or rate. Raises UsageFault as `find` does."""
    return told(find(policy, name))


def told(entry: Judging) -> str:
    """The same of an entry at hand."""
    match entry:
        case Clock() as clock:
            return " ".join(_clock(clock))
        case Rule() as rule:
            return f"{rule.title}: must never be; {rule.severity.name}. {_where(rule.applies)} Source: {rule.source}."
        case Rate() as rate:
            return _rate(rate)


def _clock(clock: Clock) -> Iterator[str]:
    yield f"{clock.title}: from {_either(clock.starts)} to {_either(clock.stops)}, {_judged(clock)}."
    if clock.when:
        yield f"Only where {' and '.join(_matches(name, values) for name, values in clock.when)}."
    if clock.per is not None:
        yield f"One reading for each {clock.per}."
    for pause in clock.pauses:
        yield f"The time from {pause.begins} to {pause.finishes} does not count."
    if clock.open_hours:
        yield "Only the site's opening hours count."
    if clock.ends:
        yield f"It no longer matters after {_either(clock.ends)}."
    yield _where(clock.applies)
    yield f"Source: {clock.source}."


def _judged(clock: Clock) -> str:
    if clock.target is None:
        return "measured only, never late"
    parts = [f"{_target(clock.target)}; late is {clock.severity.name}"]
    if clock.warn_at is not None:
        parts.append(f"a warning ({clock.severity.below().name}) at {clock.warn_at:.0%} of it")
    parts += [f"{worse.severity.name} at {worse.at:g} times the target" for worse in clock.worsens]
    return ", ".join(parts)


def _target(target: Target) -> str:
    match target:
        case Within(length):
            return f"within {said(length)}"
        case BusinessDays(days):
            return f"by the end of business day {days} after it"
        case ByField(name, plus):
            return f"by the time in `{name}`" + (f" plus {said(plus)}" if plus else "")


def _matches(name: str, values: frozenset[object]) -> str:
    return f"{name} is {_either(str(value) if value != '' else 'not said' for value in values)}"


def _either(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def _where(applies: Applies) -> str:
    settings = _either(applies.settings or ())
    sites = _either(applies.sites or ())
    return f"Judges {f'{settings} sites' if settings else 'all sites'}{f', of these {sites}' if sites else ''}."


def _rate(rate: Rate) -> str:
    test = design_of(rate)
    return (
        f"{rate.title}: {_either(rate.error)} against {_either(rate.opportunity)}; {rate.baseline:.2%} are expected to go "
        f"wrong (p = {test.p:.4g}). An odds ratio of {rate.detect:g} is found after about {expected_delay(test):.0f} trials, "
        f"at the price of {rate.false_alarms_per_month:g} false alarms a site and month. An error weighs "
        f"{test.error_weight:.3f}, a clean trial {test.clean_weight:.4f}, the threshold is {test.threshold:.1f}: "
        f"{counted(errors_in_a_row(test), 'error')} in a row reach it; {rate.severity.name}. {_where(rate.applies)} "
        f"Source: {rate.source}."
    )
