"""The policy as the store holds it, of the stack that runs in this home or of the servers that a container is given: which
version judges now, and what a file next to it would change."""

import getpass
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from models.errors import CallerFault, UsageFault
from models.event import Site
from models.policy import Policy
from models.policy_text import Fault, Parsed, read, shipped_default
from models.policy_text.coverage import uncovered
from models.policy_text.faults import dotted, near
from models.settings import Settings
from rxpulse.output import say
from rxpulse.running import elsewhere, reached, with_running_stack

if TYPE_CHECKING:
    from models.store.soundness import Soundness

T = TypeVar("T")
_MORE = "`rxpulse doctor` says more"
_UNKNOWN = (
    "so nobody knows which policy judges: bring it back, or unset RXPULSE_DATABASE_URL to see with which one a stack would"
    " start"
)


def in_force(settings: Settings, environ: Mapping[str, str], *, people: bool = False) -> Parsed:
    """The version that judges now where a stack runs in this home, or the servers of one are given; else what one would
    start with. With `people` the latest version, since ladders, rosters and people hold at once. Raises CallerFault where
    the database is away, for nobody knows then which policy judges; PolicyFault."""
    found = reached(settings, environ)
    if found is None:
        return starting(settings)
    return asked(lambda: judging(found, people=people), _UNKNOWN if elsewhere(settings) else _MORE)


def judging(settings: Settings, *, people: bool = False) -> Parsed:
    """The version that the database of `settings` holds, as `in_force`; where it holds none yet, what a stack would start
    with. Raises DatabaseAway, PolicyFault."""
    from models.store.policies import recorded, stored

    url = settings.required_database_url()
    versions = recorded(url)
    if versions is None:
        return starting(settings)
    latest, now = versions.latest, versions.in_force
    if latest is not now and not people:
        say(f"version {latest.number} of the policy takes effect at {latest.effective:%Y-%m-%dT%H:%MZ}; this is what")
        say(f"version {now.number} says, which judges until then")
    return stored(url, (latest if people else now).number)


def starting(settings: Settings) -> Parsed:
    """The policy with which a stack would start: the file of RXPULSE_POLICY, else the shipped default. Raises
    PolicyFault."""
    return read(settings.policy) if settings.policy else shipped_default()


def named(file: Path) -> Parsed:
    """The policy of a file that a person names. Raises UsageFault for one that is not there, PolicyFault."""
    if file.is_dir():
        held = ", ".join(sorted(str(one) for one in file.glob("*.toml"))[:5])
        raise UsageFault(f"{file} is a folder; name the policy file in it{f': {held}' if held else ', in TOML'}")
    if not file.is_file():
        raise UsageFault(f"{file}: there is no such file; give a policy in TOML")
    return read(file)


def with_store(parsed: Parsed, settings: Settings, environ: Mapping[str, str]) -> Parsed:
    """The policy with what the store of this place (see `in_force`) adds to its cautions; as it is where there is none.
    That it could not be asked is a caution: what stands in a policy can be checked without it."""
    place = reached(settings, environ)
    if place is None:
        return parsed
    from models.store.connecting import DatabaseAway
    from models.store.soundness import soundness

    try:
        found = soundness(place.required_database_url())
    except DatabaseAway as away:
        said = f"not held against what the sites send: the database lets nobody in ({away.reason}); check again later"
        return replace(parsed, cautions=(*parsed.cautions, Fault("store", None, "", said)))
    return parsed if found is None else suited(parsed, found)


def suited(parsed: Parsed, store: "Soundness") -> Parsed:
    """The policy with a caution for everything that does not suit what the sites send."""
    from rxpulse.suitability import unsuited

    more = tuple(Fault("store", None, entry, said) for entry, said in unsuited(parsed.policy, store))
    return replace(parsed, cautions=parsed.cautions + more)


def foreseen(parsed: Parsed, now: datetime) -> Parsed:
    """The policy with a caution for each time of the next days at which a ladder would reach nobody."""
    more = tuple(Fault("policy", None, dotted(place), said) for place, said in uncovered(parsed.policy, now))
    return replace(parsed, cautions=parsed.cautions + more)


def differs(settings: Settings) -> str | None:
    """A sentence where the file of RXPULSE_POLICY is another policy than the latest version in the database of `settings`;
    None where it is the same, or there is no such file or version. Raises DatabaseAway."""
    if settings.policy is None:
        return None
    from models.store.policies import file_differs, recorded

    held = recorded(settings.required_database_url())
    return None if held is None else file_differs(settings.policy, held.latest)


def database_url(settings: Settings | None = None) -> str:
    """The URL of the database to speak to: that of the environment, else of the running stack. Raises CallerFault."""
    settings = settings or Settings.from_env(os.environ)
    return with_running_stack(settings, os.environ).required_database_url()


def asked(ask: Callable[[], T], remedy: str = _MORE) -> T:
    """What the database answers. Raises CallerFault with the `remedy` where it is away: for commands that a person gives."""
    from models.store.connecting import DatabaseAway

    try:
        return ask()
    except DatabaseAway as fault:
        raise CallerFault(f"{fault}; {remedy}") from fault


def operator() -> str:
    """Who gives this command, for the audit: the name of the login; OPERATOR where it has none, as in a container."""
    from models.store.auditing import OPERATOR

    return login() or OPERATOR


def login() -> str:
    """The name that you are logged in by; empty where the account has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def noted(url: str, what: str, ref: str) -> None:
    """A line in the audit: who gives this command did `what` about `ref`. Raises CallerFault where the database is
    away."""
    from models.store.auditing import record
    from models.store.connecting import connect

    with asked(lambda: connect(url, "rxpulse audit", autocommit=True)) as connection:
        record(connection, operator(), what, ref)


def held(connection: Any) -> Policy:
    """The latest policy of the store: its people and channels hold at once. Raises CallerFault where there is none."""
    from models.store.policies import read_policies

    policies = read_policies(connection, None)
    if policies is None:
        raise CallerFault("the store holds no policy yet: start the stack with `rxpulse up`")
    return policies.latest


def undeclared(policy: Policy, sites: Iterable[str]) -> list[str]:
    """A warning for each site that the policy does not declare: allowed, and most often a typing error. Empty where it
    declares no site at all, for then nothing is known of any."""
    strict = policy.strict_sites
    follows = "its events are refused (strict_sites)" if strict else "it is judged by [site.default]"
    return [
        f"warning: no site {site} is declared, so {follows}; {near(site, policy.sites)}"
        for site in sites
        if policy.sites and Site(site) not in policy.sites
    ]
