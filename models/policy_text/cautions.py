"""What is allowed in a policy but worth a second look: nobody would be told, one person told twice, too many alarms."""

from collections import Counter
from collections.abc import Iterator

from models.policy import Channel, Kind, Ladder, Policy, Severity, SiteProfile


def warnings(policy: Policy) -> list[str]:
    """Sentences for whoever edits the policy; empty where there is nothing to say."""
    return [*_nobody_told(policy), *_told_twice(policy), *_unreachable(policy)]


def expected_false_alarms(policy: Policy, site: SiteProfile) -> float:
    """False alarms a month that a site may expect from all its rates together."""
    mine = (rate for rate in policy.rates.values() if rate.applies.to(site.site, site.setting or ""))
    return sum(rate.false_alarms_per_month for rate in mine)


def _nobody_told(policy: Policy) -> Iterator[str]:
    for severity in (Severity.S1, Severity.S2):
        if not any(_for_all(ladder, severity) for ladder in policy.ladders):
            yield (
                f"nobody would be told of every {severity.name} signal: they stand on the board only; "
                f'add a [ladder.NAME] with for = {{ severity = ["{severity.name}"] }}'
            )


def _for_all(ladder: Ladder, severity: Severity) -> bool:
    narrow = ladder.sites or ladder.settings or ladder.names or (ladder.kinds and len(ladder.kinds) < len(Kind))
    return not narrow and (not ladder.severities or severity in ladder.severities)


def _told_twice(policy: Policy) -> Iterator[str]:
    for ladder in policy.ladders:
        told = Counter((step.after, target.who, target.roster) for step in ladder.steps for target in step.to)
        for (_, who, _), times in told.items():
            if times > 1:
                yield f"ladder.{ladder.key}: two steps with one `after` tell {who}; move one of them later"


def _unreachable(policy: Policy) -> Iterator[str]:
    for ladder in policy.ladders:
        for step in ladder.steps:
            for person in (policy.people.get(target.who) for target in step.to if not target.roster):
                if person is None:
                    continue
                if Channel.EMAIL in step.by and person.email is None:
                    yield f"ladder.{ladder.key}: {person.key} has no e-mail address; add email to [person.{person.key}]"
                if Channel.WEBHOOK in step.by and person.webhook is None:
                    yield f"ladder.{ladder.key}: {person.key} has no webhook; add webhook to [person.{person.key}]"
