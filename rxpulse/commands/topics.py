"""`rxpulse topics`: the topics themselves, and what flows through them."""

import os

import click

from models.settings import Settings
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack


@click.group()
def topics() -> None:
    """Create and read the topics; print the types of events and the schemas of public records.

    \b
    Example: rxpulse topics types
    """


@topics.command()
@json_option
def create(as_json: bool) -> None:
    """Make the topics that are missing; say where one differs from its declaration.

    \b
    Example: rxpulse topics create
    """
    from streams.topics import create as create_topics

    outcomes = create_topics(with_running_stack(Settings.from_env(os.environ), os.environ))
    if as_json:
        print_json([{"topic": o.name, "made": o.made, "differences": list(o.differences)} for o in outcomes])
        return
    for outcome in outcomes:
        say(f"{outcome.name}: {'made' if outcome.made else 'is there'}")
        for difference in outcome.differences:
            say(f"  {difference}")


@topics.command()
@json_option
def types(as_json: bool) -> None:
    """Print every type of event with its meaning and the kinds of case it belongs to.

    \b
    Example: rxpulse topics types --json
    """
    from models.event_types import CATALOGUE

    if as_json:
        print_json([{"type": name, "meaning": m.text, "kinds": list(m.cases)} for name, m in CATALOGUE.items()])
        return
    for name, meaning in CATALOGUE.items():
        click.echo(f"{name:<40} {','.join(meaning.cases):<24} {meaning.text}")
