"""`rxpulse deadletter`: what could not be read, why, and the way back for what can be read by now.

The content of a dead letter may name a patient: a list never shows it, and who looks at it is recorded.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from models.errors import CallerFault, UsageFault
from models.event import utc
from models.settings import Settings
from rxpulse import letterbook
from rxpulse.output import json_option, print_json, say
from rxpulse.progress import counted
from rxpulse.running import with_running_stack

if TYPE_CHECKING:
    from streams.letters import Letter
    from streams.resending import Review

_REFUSED_SHOWN = 20
"""Refused letters that are shown to people; `--json` has all."""


@click.group()
def deadletter() -> None:
    """List, show and replay what could not be read.

    \b
    Example: rxpulse deadletter list
    """


@deadletter.command("list")
@click.option("-n", "--last", type=click.IntRange(min=1), default=20, show_default=True, help="So many, the newest.")
@click.option("--reason", help="Only those put aside for this reason.")
@click.option("--since", help="Only those put aside since then: ISO 8601 with offset, or 90s, 15m, 4h, 2d ago.")
@json_option
def list_(last: int, reason: str | None, since: str | None, as_json: bool) -> None:
    """List what was put aside, newest first: when, why, from where, how large, how often the same came. Never the content.

    The last column says what holds today: `in order` can be sent again by `rxpulse deadletter replay`.

    \b
    Example: rxpulse deadletter list -n 50 --since 2d
             rxpulse deadletter list --reason "unknown site" --json
    """
    from rxpulse.lettertext import line, printable, row
    from streams.feed import reader
    from streams.letters import Letter, judge, kept, letters, overview

    settings, now = _settings(), datetime.now(UTC)
    earliest = None if since is None else beginning(since, now)

    def wanted(one: Letter) -> bool:
        return reason in (None, one.why.reason) and (earliest is None or one.why.at >= earliest)

    with reader(settings) as consumer:
        found = overview(counted(letters(consumer, kept(consumer)), "dead letters"), wanted, last)
    known = letterbook.known(settings) if found.newest else letterbook.Known()
    rows = [
        row(one, judge(one, now, known.policies), known.replayed(one.mark)) | {"times": found.times(one)}
        for one in found.newest
    ]
    matching = found.matching.total()
    if as_json:
        print_json({"kept": found.kept, "matching": matching, "reasons": dict(found.matching), "items": rows})
        return
    for one in rows:
        click.echo(line(one))
    say(f"{len(rows)} of {matching} shown; rx.deadletter keeps {found.kept}")
    if reason is not None and found.kept and reason not in found.reasons:
        say(without(reason, found.reasons))
    for name, count in found.matching.most_common():
        say(f"  {count} {printable(name)}")


@deadletter.command()
@click.argument("letter")
@click.option("--raw", is_flag=True, help="The record alone, byte by byte, also where standard output is no terminal.")
@json_option
def show(letter: str, raw: bool, as_json: bool) -> None:
    """Show one dead letter by its id: why and from where, the record itself, what holds of it today, and what to do.

    The record may name a patient. It is shown at a terminal only, or with --raw, and the audit keeps who looked at it.

    \b
    Example: rxpulse deadletter show 0:17
             rxpulse deadletter show 0:17 --raw > record.json
    """
    from rxpulse.lettertext import content, described, row
    from streams.feed import reader
    from streams.letters import judge, letter_at, place_of

    settings, place = _settings(), place_of(letter)
    with reader(settings) as consumer:
        found = letter_at(consumer, place)
    known = letterbook.known(settings)
    shown = row(found, judge(found, datetime.now(UTC), known.policies), known.replayed(found.mark))
    if visible := raw or sys.stdout.isatty():
        say(letterbook.warning("this record"))
        letterbook.looked(settings, [found.mark])
        shown |= {"key": None if found.key is None else content(found.key), "content": content(found.value)}
    if as_json:
        print_json(shown)
    elif raw:
        click.get_binary_stream("stdout").write(found.value)
    else:
        click.echo(described(shown))
    if not visible:
        say("the record itself is left out, for it may name a patient: see it at a terminal, or with --raw")


@deadletter.command()
@click.argument("ids", nargs=-1)
@click.option("--reason", help="All that were put aside for this reason.")
@click.option("--all", "every", is_flag=True, help="All that are kept.")
@click.option("--again", is_flag=True, help="Also those that were replayed before.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def replay(ids: tuple[str, ...], reason: str | None, every: bool, again: bool, yes: bool, as_json: bool) -> None:
    """Send dead letters to rx.events again that are in order by now, unchanged. Those still refused are named with why.

    Each is judged by this release and the policy in force. The audit keeps which were sent, and those are not sent twice.
    Where that is not known, or with --again, sending twice does no harm: an event that is there already is a duplicate and
    changes nothing. A letter stays in rx.deadletter as long as that is kept. Exit code 1: some are still refused.

    \b
    Example: rxpulse deadletter replay 0:17 0:18
             rxpulse deadletter replay --reason "unknown site" --yes
    """
    from streams.feed import reader
    from streams.letters import Letter, judge, kept, letters
    from streams.resending import resend, review

    chosen, settings, now = choice(ids, reason, every), _settings(), datetime.now(UTC)
    known = letterbook.known(settings)

    def sent(letter: Letter) -> bool:
        return not again and known.replayed(letter.mark) is not None

    with reader(settings) as consumer:
        held = kept(consumer)

        def asked_for() -> Iterator[Letter]:
            return filter(chosen, counted(letters(consumer, held), "dead letters"))

        found = review(asked_for(), lambda one: judge(one, now, known.policies), sent)
        require(ids, found)
        tell(found)
        marks: list[str] = []
        if found.ready and confirmed(len(found.ready), yes):
            marks = resend(settings, asked_for(), found.ready)
    if marks:
        letterbook.sent(settings, marks)
        say(f"{len(marks)} sent to rx.events again, each confirmed")
    if as_json:
        refused = [
            {"id": str(place), "reason": one.reason, "detail": one.detail} for place, one in found.refused.items()
        ]
        before = [str(place) for place in found.before]
        known_before = known.said is not None
        print_json({"sent": len(marks), "replayed_before": before, "refused": refused, "before_known": known_before})
    if found.refused:
        raise click.exceptions.Exit(1)


def without(reason: str, held: Mapping[str, int]) -> str:
    """What to ask for where no letter that is kept was put aside for `reason`; `held` are the reasons that there are."""
    from models.policy_text.faults import near
    from rxpulse.lettertext import printable

    close = near(reason, held, " ").strip()
    kept = ", ".join(f'"{name}" ({count})' for name, count in sorted(held.items()))
    return printable(f'none was put aside for "{reason}"{f"; {close}" if close else "."} The reasons there are: {kept}')


def choice(ids: tuple[str, ...], reason: str | None, every: bool) -> "Callable[[Letter], bool]":
    """Which letters the command line asks for. Raises UsageFault where it asks for none, or in two ways."""
    from streams.letters import place_of

    if (bool(ids), reason is not None, every).count(True) != 1:
        raise UsageFault("say which: ids such as 0:17, or --reason REASON, or --all, and one of these alone")
    if ids:
        places = {place_of(one) for one in ids}
        return lambda letter: letter.place in places
    return lambda letter: every or letter.why.reason == reason


def require(ids: tuple[str, ...], found: "Review") -> None:
    """Raises CallerFault where a letter that was asked for by its id is not kept."""
    from streams.letters import place_of

    there = {*found.ready, *found.before, *found.refused}
    if missing := [one for one in ids if place_of(one) not in there]:
        raise CallerFault(f"there is no dead letter {', '.join(missing)}; `rxpulse deadletter list` shows them")


def tell(found: "Review") -> None:
    """What was found, for people."""
    say(f"{found.total} dead letters: {len(found.ready)} in order now, {len(found.refused)} still refused")
    if found.before:
        say(f"{len(found.before)} were replayed before and are left out: --again sends them too")
    for place, one in islice(found.refused.items(), _REFUSED_SHOWN):
        say(f"  {place} {one.reason}: {one.detail}")
    if len(found.refused) > _REFUSED_SHOWN:
        say(f"  and {len(found.refused) - _REFUSED_SHOWN} more: --json names them all")


def confirmed(count: int, yes: bool) -> bool:
    """Asks, unless `yes`; ends the command where the answer is no."""
    return yes or click.confirm(f"Send {count} to rx.events again?", abort=True, err=True)


def beginning(since: str, now: datetime) -> datetime:
    """The instant that `since` names, or that lies so long before `now`. Raises UsageFault."""
    from models.policy_text.durations import DURATION, duration

    try:
        return now - duration(since) if re.match(DURATION, since) else utc(datetime.fromisoformat(since))
    except ValueError as fault:
        raise UsageFault(
            f"--since {since}: give 90s, 15m, 4h or 2d ago, or an instant such as 2026-11-20T14:03:07-05:00"
        ) from fault


def _settings() -> Settings:
    return with_running_stack(Settings.from_env(os.environ), os.environ)
