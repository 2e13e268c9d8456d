"""`rxpulse reset`: deletes the data of this home's stack, or only what the worker makes again from the topic."""

import os
from pathlib import Path

import click

from models.errors import CallerFault
from models.settings import Settings
from rxpulse import home as homes
from rxpulse.output import say
from rxpulse.running import running_state, start_of, with_running_stack
from rxpulse.supervisor import Phase


@click.command()
@click.option("--facts", is_flag=True, help="Only cases, turnaround times, signals and positions: they are made again.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(facts: bool, yes: bool) -> None:
    """Delete RXPULSE_HOME with all its data: events, cases, who was told, reports, keys. The stack must not run.

    The pseudonym key goes too: keep a copy of keys/pseudonym.key if the same pseudonyms are to come again.

    With --facts the stack goes on: what was made from the events is emptied, and the worker reads the topic again from its
    beginning. Nobody is told twice; accounts, the policy's versions, escalations, deliveries and what people cleared stay.

    \b
    Example: rxpulse down; rxpulse reset --yes
    """
    settings = Settings.from_env(os.environ)
    if facts:
        forget(with_running_stack(settings, os.environ), yes)
    else:
        delete(settings, yes)


def delete(settings: Settings, yes: bool) -> None:
    home = settings.home
    if not home.exists():
        say(f"{home} does not exist: nothing to delete")
        return
    homes.check_deletable(home)
    if not yes:
        size = homes.size_bytes(home) / 2**20
        click.confirm(f"Delete {home} ({size:.0f} MiB) with all its data and keys?", abort=True, err=True)
    homes.delete(home)
    say(f"deleted {home}")


def forget(settings: Settings, yes: bool) -> None:
    """Empties the facts. Raises CallerFault where the database or Kafka, from which they are made again, is away."""
    from models.store.figures import figures
    from models.store.rebuilding import forget_facts
    from rxpulse.enacted import asked

    url = settings.required_database_url()
    held = asked(lambda: figures(url))
    if held is None:
        raise CallerFault("the database has no tables of RxPulse: nothing to reset")
    events = in_topic(settings)
    total = sum(cases.total for cases in held.cases.values())
    say(f"{total} cases and {held.signals_raised} signals are forgotten and made again from {events} events")
    if not yes:
        click.confirm("Forget them?", abort=True, err=True)
    asked(lambda: forget_facts(url))
    say("forgotten; the worker reads the topic again from its beginning: `rxpulse doctor` shows how far")
    if rests(settings.home):
        say(f"it has stopped on purpose: start it by `rxpulse down` and `{start_of(settings.home)}`")


def rests(home: Path) -> bool:
    """Whether the worker of the stack that runs in `home` has stopped on purpose and is not started again."""
    state = running_state(home)
    parts = () if state is None else state.parts
    return any(part.name == "worker" and part.phase == Phase.STAYS_DOWN for part in parts)


def in_topic(settings: Settings) -> int:
    """How many events the topic holds; says how many of its beginning are gone."""
    from streams.lag import beginnings, ends

    first, last = beginnings(settings), ends(settings)
    if gone := sum(first.values()):
        say(f"warning: {gone} events are no longer in the topic, and what they led to does not come back")
    return sum(last.values()) - gone
