"""`rxpulse policy on-duty` and `rehearse`: who has it, and who would be told what and when, without telling anybody."""

import os
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from models.errors import UsageFault
from models.escalation import Acknowledged, Page, Rehearsal, Released, Resolved, Rose, Story, rehearse
from models.event import Site, Source, utc
from models.policy import Kind, Policy, Severity
from models.policy_text import find
from models.roster import Turn, gaps, spans
from models.settings import Settings
from models.wire import stamp
from rxpulse.enacted import in_force, undeclared
from rxpulse.output import json_option, print_json, say

ON_DUTY_EXAMPLE = """Example:

\b
    rxpulse policy on-duty lead-pharmacist --at 2026-12-24T00:00-05:00
"""
REHEARSE_EXAMPLE = """Example:

\b
    rxpulse policy rehearse --kind clock --name stat-verified --site mercy --at 2026-12-24T22:00-05:00
"""
WEEK, DAY = timedelta(days=7), timedelta(days=1)
LONGEST = timedelta(days=3660)
"""A roster is not asked for longer: it is printed turn by turn."""
T = TypeVar("T")
_MINUTE = re.compile(r"[0-9.]+Z?")
"""The end of a time, where nothing was said behind it."""
_AFTER_TIME = {"--ack": "PERSON", "--rise": "SEVERITY"}
_AFTER_TIME_SAMPLE = {"--ack": "2026-12-24T22:05-05:00:ana", "--rise": "2026-12-24T22:05-05:00:S1"}
SEVERITIES = click.Choice([one.name for one in Severity])


@click.command("on-duty", epilog=ON_DUTY_EXAMPLE)
@click.argument("roster")
@click.option("--at", "at", help="From then on (ISO 8601 with offset); default: now.")
@click.option("--until", "until", help="Up to then; default: a week later.")
@json_option
def on_duty(roster: str, at: str | None, until: str | None, as_json: bool) -> None:
    """Say who is on duty by ROSTER, turn by turn, and when nobody is.

    Exits with 1 where there is a time with nobody on duty.
    """
    policy = latest()
    if roster not in policy.rosters:
        raise UsageFault(f"the policy has no roster {roster}; {remedy(roster, policy.rosters, 'rosters')}")
    begin = instant("--at", at) if at else datetime.now(UTC)
    end = instant("--until", until) if until else begin + WEEK
    if not begin < end <= begin + LONGEST:
        raise UsageFault(f"--until {stamp(end)}: give a time after {stamp(begin)}, at most ten years later")
    turns, empty = spans(policy.rosters[roster], begin, end), gaps(policy.rosters[roster], begin, end)
    if as_json:
        print_json(
            {
                "roster": roster,
                "spans": [turned(turn) for turn in turns],
                "gaps": [{"from": stamp(a), "to": stamp(b)} for a, b in empty],
            }
        )
    else:
        zone = policy.rosters[roster].timezone
        for turn in turns:
            click.echo(f"{wall(turn.begins, zone)} to {wall(turn.finishes, zone)}: {turn.person} ({turn.why})")
        for a, b in empty:
            click.echo(f"{wall(a, zone)} to {wall(b, zone)}: NOBODY")
    if empty:
        raise click.exceptions.Exit(1)


@click.command("rehearse", epilog=REHEARSE_EXAMPLE)
@click.option("--kind", type=click.Choice([one.value for one in Kind]), required=True, help="What the signal is about.")
@click.option("--name", required=True, help="The clock, rule or rate; of a silent feed its source.")
@click.option("--site", required=True, help="The site of the signal.")
@click.option("--severity", type=SEVERITIES, help="Its severity; default: that of the entry.")
@click.option("--at", "at", required=True, help="When it is raised (ISO 8601 with offset).")
@click.option("--ack", "acks", multiple=True, metavar="T:PERSON", help="Somebody takes it on; may be repeated.")
@click.option("--rise", "rises", multiple=True, metavar="T:SEVERITY", help="It gets worse; may be repeated.")
@click.option("--release", "releases", multiple=True, metavar="T", help="It is given back; may be repeated.")
@click.option("--resolve", "resolve", metavar="T", help="It is over.")
@click.option("--until", "until", help="Up to then; default: a day later.")
@json_option
def rehearse_story(
    kind: str,
    name: str,
    site: str,
    severity: str | None,
    at: str,
    acks: Sequence[str],
    rises: Sequence[str],
    releases: Sequence[str],
    resolve: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Try the ladders on a story: who would be told what and when. Nobody is told.

    Every message is taken as accepted at once. Exits with 1 where nobody would be told.
    """
    policy, raised = latest(), instant("--at", at)
    story = Story(
        kind=Kind(kind),
        name=name,
        site=Site(site),
        setting=policy.setting(Site(site), own_setting(policy, Kind(kind), name)),
        severity=Severity[severity] if severity else own_severity(policy, Kind(kind), name),
        raised=raised,
        acts=(
            *(Acknowledged(at=when, person=known(policy, who)) for when, who in split("--ack", acks, str)),
            *(Rose(at=when, severity=to, ladder=None) for when, to in split("--rise", rises, risen)),
            *(Released(at=instant("--release", one), person="") for one in releases),
            *((Resolved(at=instant("--resolve", resolve)),) if resolve else ()),
        ),
    )
    end = instant("--until", until) if until else raised + DAY
    if not raised <= end <= raised + LONGEST:
        raise UsageFault(f"--until {stamp(end)}: give a time from {stamp(raised)} on, at most ten years later")
    for warning in undeclared(policy, [site]):
        say(warning)
    told = rehearse(policy, story, end)
    if as_json:
        print_json(document(told))
    else:
        show(told, policy.site(Site(site)).working.timezone)
    if not told.pages:
        raise click.exceptions.Exit(1)


def latest() -> Policy:
    """The policy by which people are told now."""
    return in_force(Settings.from_env(os.environ), os.environ, people=True).policy


def own_severity(policy: Policy, kind: Kind, name: str) -> Severity:
    """The severity of an entry, by kind and name. Raises UsageFault for one that the policy does not have."""
    if kind is Kind.FEED:
        feed = policy.feeds.get(Source(name))
        return Severity.S2 if feed is None else feed.severity
    return entry(policy, kind, name).severity


def own_setting(policy: Policy, kind: Kind, name: str) -> str:
    """The setting that an undeclared site would have for this entry to apply there."""
    settings = None if kind is Kind.FEED else entry(policy, kind, name).applies.settings
    return min(settings or {"inpatient"})


def entry(policy: Policy, kind: Kind, name: str) -> Any:
    """The clock, rule or rate. Raises UsageFault."""
    found = find(policy, name)
    if type(found).__name__.lower() != kind:
        raise UsageFault(f"--kind {kind} --name {name}: {name} is a {type(found).__name__.lower()}")
    return found


def known(policy: Policy, person: str) -> str:
    if person not in policy.people:
        raise UsageFault(f"the policy has no person {person}; {remedy(person, policy.people, 'people')}")
    return person


def remedy(name: str, names: Iterable[str], what: str) -> str:
    held = sorted(names)
    close = get_close_matches(name, held, n=1)
    return f"did you mean {close[0]}?" if close else f"it has: {', '.join(held) or f'no {what}'}"


def risen(severity: str) -> Severity:
    if severity not in Severity.__members__:
        raise UsageFault(f"--rise {severity}: give one of {', '.join(Severity.__members__)}")
    return Severity[severity]


def split(option: str, given: Sequence[str], read: Callable[[str], T]) -> list[tuple[datetime, T]]:
    """(instant, what) of every `T:WHAT`, cut at the last colon."""
    told: list[tuple[datetime, T]] = []
    for one in given:
        when, _, what = one.rpartition(":")
        if not (when and what) or _MINUTE.fullmatch(what):
            raise UsageFault(
                f"{option} {one}: give T:{_AFTER_TIME[option]}, T with an offset, such as {_AFTER_TIME_SAMPLE[option]}"
            )
        told.append((instant(option, when), read(what)))
    return told


def instant(option: str, text: str) -> datetime:
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError as fault:
        raise UsageFault(f"{option} {text}: give ISO 8601 with an offset, such as 2026-12-01T00:00-05:00") from fault


def wall(at: datetime, zone: str) -> str:
    """An instant as the clock on the wall shows it, with the name of its time."""
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}"


def turned(turn: Turn) -> dict[str, Any]:
    return {"from": stamp(turn.begins), "to": stamp(turn.finishes), "person": turn.person, "why": turn.why.value}


def document(told: Rehearsal) -> dict[str, Any]:
    return {
        "ladder": told.ladder,
        "pages": [
            {
                "at": stamp(page.at),
                "type": page.message.value,
                "loop": page.loop,
                "step": page.step,
                "person": page.person,
                "channel": page.channel.value,
                "why": None if page.why is None else page.why.value,
            }
            for page in told.pages
        ],
        "states": [{"at": stamp(at), "state": state.value} for at, state in told.states],
    }


def show(told: Rehearsal, zone: str) -> None:
    if told.ladder is None:
        say("no ladder matches: it would stand on the board, and nobody would be told")
        return
    lines = [(page.at, paged(page)) for page in told.pages]
    lines += [(at, f"-- {state} --") for at, state in told.states]
    click.echo(f"ladder {told.ladder}")
    for at, line in sorted(lines, key=lambda one: one[0]):
        click.echo(f"{wall(at, zone)}  {line}")
    if not told.pages:
        say("nobody would be told: no step reaches anybody")


def paged(page: Page) -> str:
    why = "" if page.why is None else f", {page.why}"
    return f"{page.message} to {page.person} by {page.channel} (loop {page.loop}, step {page.step}{why})"
