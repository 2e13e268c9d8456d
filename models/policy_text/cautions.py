"""What is allowed in a policy but worth a second look: nobody would be told, one person told twice, too many alarms."""

from collections.abc import Iterator

from models.policy import Channel, Kind, Ladder, Person, Policy, Severity, SiteProfile
from models.policy_text.faults import Path, dotted
from models.policy_text.telling import everybody

Caution = tuple[Path, str]
"""Where, and what is worth a second look together with its remedy."""


def cautions(policy: Policy) -> Iterator[Caution]:
    """Everything worth a second look; a place that is empty means the whole policy."""
    yield from _nobody_told(policy)
    for ladder in policy.ladders:
        yield from _told_twice(ladder)
        yield from _unreachable(ladder, policy)


def warnings(policy: Policy) -> list[str]:
    """Sentences for whoever edits the policy; empty where there is nothing to say."""
    return [f"{dotted(path)}: {message}" if path else message for path, message in cautions(policy)]


def expected_false_alarms(policy: Policy, site: SiteProfile) -> float:
    """False alarms a month that a site may expect from all its rates together."""
    mine = (rate for rate in policy.rates.values() if rate.applies.to(site.site, site.setting or ""))
    return sum((rate.false_alarms_per_month for rate in mine), 0.0)


def _nobody_told(policy: Policy) -> Iterator[Caution]:
    for severity in (Severity.S1, Severity.S2):
        if not any(_for_all(ladder, severity) for ladder in policy.ladders):
            yield (
                (),
                f"nobody would be told of every {severity.name} signal: they stand on the board only; "
                f'add a [ladder.NAME] with for = {{ severity = ["{severity.name}"] }}',
            )


def _for_all(ladder: Ladder, severity: Severity) -> bool:
    narrow = ladder.sites or ladder.settings or ladder.names or (ladder.kinds and len(ladder.kinds) < len(Kind))
    return not narrow and (not ladder.severities or severity in ladder.severities)


def _told_twice(ladder: Ladder) -> Iterator[Caution]:
    seen: set[object] = set()
    for at, step in enumerate(ladder.steps):
        for target in step.to:
            if (step.after, target) in seen:
                path: Path = ("ladder", ladder.key, "steps", at)
                yield path, f"two steps with one `after` tell {target.who}; move one of them later"
            seen.add((step.after, target))


def _unreachable(ladder: Ladder, policy: Policy) -> Iterator[Caution]:
    """Each missing address once a ladder, at the first step that would need it."""
    seen: set[tuple[str, Channel]] = set()
    for at, step in enumerate(ladder.steps):
        for key in sorted(everybody(step, policy.rosters)):
            for channel in step.by:
                if (key, channel) not in seen and not _reachable(policy.people[key], channel):
                    seen.add((key, channel))
                    what = _ADDRESS[channel]
                    yield ("ladder", ladder.key, "steps", at), f"{key} has no {what}; add {channel} to [person.{key}]"


_ADDRESS = {Channel.EMAIL: "e-mail address", Channel.WEBHOOK: "webhook"}


def _reachable(person: Person, channel: Channel) -> bool:
    match channel:
        case Channel.EMAIL:
            return person.email is not None
        case Channel.WEBHOOK:
            return person.webhook is not None
        case Channel.INBOX:
            return True
