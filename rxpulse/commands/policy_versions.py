"""`rxpulse policy apply` and `history`: the next version of the policy, and who made which one when."""

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from models.errors import CallerFault, UsageFault
from models.event import utc
from models.policy import Policy
from models.policy_text import Parsed
from models.policy_text.differing import Change, difference
from models.settings import Settings
from models.store.policies import Recorded, Version, checked, enact, recorded, stored
from models.tracking.ending import narrowed, resettled
from rxpulse.enacted import asked, named, operator
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack

APPLY_EXAMPLE = """Example:

\b
    rxpulse policy apply site.toml --effective 2026-12-01T00:00-05:00
"""
HISTORY_EXAMPLE = """Example:

\b
    rxpulse policy history
"""


@click.command(epilog=APPLY_EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--version", "number", type=click.IntRange(1), help="Go back to this version instead of a file.")
@click.option("--effective", help="In force from then on (ISO 8601 with offset); default: as soon as can be.")
@click.option("--author", help="Who makes it; default: the user of this machine.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def apply(
    file: Path | None, number: int | None, effective: str | None, author: str | None, yes: bool, as_json: bool
) -> None:
    """Make FILE the next version of the policy: shows what changes, asks, and says when it takes effect.

    Clocks, rules and rates change at a whole minute, at least 6 minutes from now; ladders, rosters and people at once.
    """
    given = asked_version(file, number)
    since = instant(effective)
    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    url = settings.required_database_url()
    wanted = given if isinstance(given, Parsed) else asked(lambda: stored(url, given))
    held = asked(lambda: recorded(url))
    if held is None:
        raise CallerFault("the store holds no policy yet: start the stack with `rxpulse up`, then apply")
    checked(since, held.now, held.latest.effective)
    before = asked(lambda: stored(url, held.latest.number))
    changes = difference(before.dump, wanted.dump)
    if not changes:
        outcome(None, held.latest, (), as_json)
        return
    tell(held, before.policy, wanted, changes)
    if not yes:
        click.confirm("Make it the next version?", abort=True, err=True)
    # Only as long as what was shown holds: else what somebody else made meanwhile would be undone unseen.
    after = held.latest.number
    made = asked(lambda: enact(url, wanted, since, author or operator(), after=after, by=operator()))
    outcome(announced(settings, made), made, changes, as_json)


@click.command(epilog=HISTORY_EXAMPLE)
@json_option
def history(as_json: bool) -> None:
    """List every version of the policy: who made it when, and from when on it judges."""
    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    held = asked(lambda: recorded(settings.required_database_url()))
    if held is None:
        raise CallerFault("the store holds no policy yet: start the stack with `rxpulse up`")
    if as_json:
        print_json([document(one, held) for one in held.versions])
        return
    for one in held.versions:
        mark = {"in force": "*", "to come": "+"}.get(state(one, held), " ")
        since = "from the beginning" if one.effective is None else f"from {said(one.effective)}"
        click.echo(f"{mark} {one.number:>4}  {since:<22} by {one.author}, made {said(one.made)}  {one.version[:12]}")


def asked_version(file: Path | None, number: int | None) -> Parsed | int:
    """The policy of the file, or the number of an earlier one. Raises UsageFault, PolicyFault."""
    if (file is None) == (number is None):
        raise UsageFault("say what to apply: a FILE, or --version N to go back to an earlier one")
    if number is not None:
        return number
    assert file is not None
    return named(file)


def instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError as fault:
        raise UsageFault(f"--effective {text}: give ISO 8601 with an offset, such as 2026-12-01T00:00-05:00") from fault


def tell(held: Recorded, before: Policy, wanted: Parsed, changes: Sequence[Change]) -> None:
    """What changes, for people."""
    say(f"against version {held.latest.number}, made by {held.latest.author} at {said(held.latest.made)}:")
    for change in changes:
        say(f"  {change}")
    for line in endings(before, wanted.policy):
        say(f"  {line}")
    for warning in wanted.warnings:
        say(f"  warning: {warning}")


def endings(before: Policy, after: Policy) -> Iterator[str]:
    """Where something that runs would end, in lines: each sentence once, with all that it holds of."""
    gone: dict[str, list[str]] = {}
    for kind, name in sorted(narrowed(before, after)):
        gone.setdefault(kind, []).append(name)
    for kind, names in gone.items():
        each = "it no longer judges" if len(names) == 1 else "one no longer judges"
        yield f"{named_all(kind, names)}: where {each}, what runs ends then and its signals are cleared"
    turned: dict[tuple[str | None, str | None], list[str]] = {}
    for site, pair in resettled(before, after).items():
        turned.setdefault(pair, []).append(site)
    for (was, now), sites in turned.items():
        yield f"{named_all('site', sites)}: judged as {_setting(now)}, until now as {_setting(was)}"
    if turned:
        yield "  what runs there of clocks and rules that do not judge it any more ends then, and their signals are cleared"


def named_all(what: str, names: Sequence[str]) -> str:
    """`clock a`, or `clocks a, b`."""
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _setting(setting: str | None) -> str:
    return "each case says" if setting is None else setting


def announced(settings: Settings, made: Version) -> str | None:
    """Tells other programs; a remark where that did not work. The store is the truth, so nothing more follows."""
    from streams.announcing import policy_changed

    assert made.effective is not None
    if settings.kafka is None:
        return "RXPULSE_KAFKA is not set: the change was not announced on rx.control, and holds all the same"
    try:
        policy_changed(settings, made.number, made.version, made.effective, made.made)
    except CallerFault as fault:
        return f"{fault}: the change was not announced, and holds all the same"
    return None


def outcome(remark: str | None, made: Version, changes: Sequence[Change], as_json: bool) -> None:
    if remark:
        say(remark)
    if as_json:
        told = [
            {"what": c.what, "table": c.table, "name": c.name, "figures": list(map(str, c.figures))} for c in changes
        ]
        print_json(figures(made) | {"changes": told})
    elif not changes:
        say(f"nothing to do: version {made.number} is this policy already")
    else:
        assert made.effective is not None
        click.echo(
            f"version {made.number}, made by {made.author}: clocks, rules and rates change at {said(made.effective)};"
            " ladders, rosters and people did now"
        )


def document(one: Version, held: Recorded) -> dict[str, Any]:
    return figures(one) | {"state": state(one, held)}


def figures(one: Version) -> dict[str, Any]:
    return {
        "number": one.number,
        "version": one.version,
        "effective": None if one.effective is None else said(one.effective),
        "author": one.author,
        "made": one.made.astimezone(UTC).isoformat(),
    }


def state(one: Version, held: Recorded) -> str:
    """`in force`, `to come`, or `past`."""
    if one is held.in_force:
        return "in force"
    return "to come" if one.number > held.in_force.number else "past"


def said(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
