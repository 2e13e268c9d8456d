"""What is allowed in a policy but worth a second look: nobody would be told, one person told twice, too many alarms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from models.event import Site
from models.policy import Channel, Kind, Ladder, Person, Policy, Severity, SiteProfile
from models.policy_text.faults import Path, dotted, written
from models.policy_text.schema import SHIPPED
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


@dataclass(frozen=True, slots=True)
class _Place:
    """A declared site; or, of a policy that declares none, any site of a setting: `site` is None then."""

    site: Site | None
    setting: str

    @property
    def name(self) -> str:
        return str(self.site or self.setting)


def _nobody_told(policy: Policy) -> Iterator[Caution]:
    """For the two urgent severities: the places whose signals no ladder takes, those that lack the same kinds together."""
    places = _places(policy)
    for severity in (Severity.S1, Severity.S2):
        lacking: dict[frozenset[Kind], list[_Place]] = {}
        for place in places:
            if missing := frozenset(Kind) - _taken(policy, severity, place):
                lacking.setdefault(missing, []).append(place)
        for kinds, where in lacking.items():
            yield (), _untold(severity, kinds, where if len(where) < len(places) else [])


def _places(policy: Policy) -> list[_Place]:
    declared = [_Place(site.site, site.setting or "") for site in policy.sites.values()]
    default = policy.default_site.setting
    return declared or [_Place(None, setting) for setting in ((default,) if default else SHIPPED)]


def _taken(policy: Policy, severity: Severity, place: _Place) -> set[Kind]:
    """The kinds of signals of that severity and place that go by some ladder, whatever their name."""
    return {
        kind
        for ladder in policy.ladders
        if not ladder.names
        and (not ladder.severities or severity in ladder.severities)
        and (not ladder.sites or place.site in ladder.sites)
        and (not ladder.settings or place.setting in ladder.settings)
        for kind in ladder.kinds or Kind
    }


def _untold(severity: Severity, kinds: frozenset[Kind], where: Sequence[_Place]) -> str:
    """`where` empty: everywhere."""
    wanted = {"severity": [severity.name]}
    if len(kinds) < len(Kind):
        wanted["kind"] = sorted(kinds)
    if where:
        wanted["setting" if where[0].site is None else "site"] = [place.name for place in where]
    of_kinds = f" of kind {' and '.join(wanted['kind'])}" if "kind" in wanted else ""
    of_places = f" of {' and '.join(place.name for place in where)}" if where else ""
    return (
        f"no ladder takes {severity.name} signals{of_kinds}{of_places}: they would stand on the board only;"
        f" add a [ladder.NAME] with for = {written(wanted)}"
    )


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
