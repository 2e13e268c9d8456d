"""`rxpulse contact test`: send a person a message that says TEST, and say whether it was taken."""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from models.errors import UsageFault
from models.policy import Channel, Policy
from models.settings import Settings
from rxpulse.enacted import asked, held, operator
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack

if TYPE_CHECKING:
    from models.store.contacting import Tried

EXAMPLE = """Example:

\b
    rxpulse contact test ana --by webhook
"""
WITHIN_SECONDS = 20.0
"""How long the command waits for the answers."""
EVERY_SECONDS = 0.1


@click.group(epilog=EXAMPLE)
def contact() -> None:
    """Find out whether people can be reached."""


@contact.command(epilog=EXAMPLE)
@click.argument("person")
@click.option(
    "--by",
    "channel",
    type=click.Choice([one.value for one in Channel]),
    help="By this channel alone; default: all by which the policy knows how to reach PERSON.",
)
@json_option
def test(person: str, channel: str | None, as_json: bool) -> None:
    """Send PERSON a test message, as a page would be sent, and wait for the answer.

    It is recorded with the pages. Exits with 1 where a channel did not take it.
    """
    from models.store.auditing import record
    from models.store.connecting import connect
    from models.store.contacting import send_test
    from models.store.messages import Voice

    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    url = settings.required_database_url()
    with asked(lambda: connect(url, "rxpulse contact", autocommit=True)) as connection:
        voice = Voice(settings.public_url or "http://127.0.0.1:7400")
        policy = held(connection)
        by = channels(policy, person, channel)
        with connection.transaction():
            keys = send_test(connection, voice, policy, person, by)
            record(connection, operator(), "test message", person)
        found = wait(connection, keys)
    show(person, found, as_json)
    if any(one.state != "sent" for one in found):
        raise click.exceptions.Exit(1)


def channels(policy: Policy, person: str, channel: str | None) -> Sequence[Channel]:
    """By which channels to send. Raises UsageFault for a person or an address that the policy does not know."""
    from models.store.contacting import ways

    if person not in policy.people:
        known = ", ".join(sorted(policy.people)) or "nobody"
        raise UsageFault(f"the policy knows no person '{person}'; it knows: {known}")
    open_ways = ways(policy, person)
    if channel is None:
        return open_ways
    if Channel(channel) not in open_ways:
        raise UsageFault(f"{person} cannot be reached by {channel}: {missing(policy, person, Channel(channel))}")
    return [Channel(channel)]


def missing(policy: Policy, person: str, channel: Channel) -> str:
    if channel is Channel.EMAIL and policy.people[person].email is not None:
        return 'set e-mail up: [channel.email] with smtp = "smtp://HOST:25" and from'
    return f"[person.{person}] has no {channel}; add it to the policy and apply it"


def wait(connection: Any, keys: Sequence[str]) -> "list[Tried]":
    from models.store.contacting import tried

    give_up = time.monotonic() + WITHIN_SECONDS
    while True:
        found = tried(connection, keys)
        if all(one.ended for one in found) or time.monotonic() > give_up:
            return found
        time.sleep(EVERY_SECONDS)


def show(person: str, found: "Sequence[Tried]", as_json: bool) -> None:
    if as_json:
        deliveries = [
            {"delivery": one.key, "channel": one.channel, "state": one.state, "answer": one.answer} for one in found
        ]
        print_json({"person": person, "deliveries": deliveries})
        return
    for one in found:
        click.echo(f"{one.channel}: {one.state}{f' ({one.answer})' if one.answer else ''}")
    if any(not one.ended for one in found):
        say(f"not answered within {WITHIN_SECONDS:g} s: is the dispatcher at work? `rxpulse status` says")
