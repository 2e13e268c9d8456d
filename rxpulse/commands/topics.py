"""`rxpulse topics`: the topics themselves, and what flows through them."""

import json
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


@topics.command()
@click.argument("topic")
@click.option("--follow", is_flag=True, help="Wait for what comes next, until Ctrl-C.")
def tail(topic: str, follow: bool) -> None:
    """Print the records of a topic, one a line, as they lie there.

    \b
    Example: rxpulse topics tail rx.signals --follow
    """
    from streams.feed import reader
    from streams.feed import tail as records

    with reader(with_running_stack(Settings.from_env(os.environ), os.environ)) as consumer:
        try:
            for message in records(consumer, topic, follow):
                click.echo((message.value() or b"").decode(errors="backslashreplace"))
        except KeyboardInterrupt:
            # How one stops following is no fault.
            return


@topics.command()
@click.argument("record", type=click.Choice(["EVENT", "SIGNAL", "INTERVAL"], case_sensitive=False))
def schema(record: str) -> None:
    """Print the JSON Schema of a public record.

    \b
    Example: rxpulse topics schema SIGNAL > signal.schema.json
    """
    from streams.schemas import SCHEMAS

    click.echo(json.dumps(SCHEMAS[record](), indent=2))


@topics.command()
def asyncapi() -> None:
    """Print all public topics as one AsyncAPI 3 document.

    \b
    Example: rxpulse topics asyncapi > asyncapi.yaml
    """
    from streams import schemas

    click.echo(schemas.yaml(schemas.asyncapi()), nl=False)
