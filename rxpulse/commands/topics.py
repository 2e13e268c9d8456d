"""`rxpulse topics`: the topics themselves, and what flows through them."""

import json
import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import click

from models.errors import UsageFault
from models.settings import Settings
from rxpulse import letterbook
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack

if TYPE_CHECKING:
    from streams.aside import Why
    from streams.feed import Start

T = TypeVar("T")
_TOGETHER = 500
"""Dead letters that the audit is told of at once, before they are shown."""


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
@click.option("-n", "--last", type=click.IntRange(min=1), help="Only so many, the latest.")
@click.option("--from", "whence", help="beginning (the default), end, or an offset: where to begin in each partition.")
def tail(topic: str, follow: bool, last: int | None, whence: str | None) -> None:
    """Print the records of a topic, one a line, as they lie there.

    What was put aside (rx.deadletter) comes with when and why, and with the place in rx.events that it came from. It may
    name a patient: the audit keeps who looked at which, as of `rxpulse deadletter show`.

    \b
    Example: rxpulse topics tail rx.deadletter -n 20
             rxpulse topics tail rx.signals --from end --follow
    """
    from streams.aside import why_aside
    from streams.feed import beyond, reader
    from streams.feed import tail as records
    from streams.letters import letter_of
    from streams.topics import DEADLETTER

    start = beginning(last, whence, follow)
    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    with reader(settings) as consumer:
        try:
            if topic == DEADLETTER:
                say(letterbook.warning("what was put aside"))
            if (end := beyond(consumer, topic, start)) is not None:
                say(
                    f"{topic} ends at offset {end}: nothing lies at {whence} or beyond; give a smaller offset, or -n 20"
                )
            for some in together(records(consumer, topic, start, follow), 1 if follow else _TOGETHER):
                if topic == DEADLETTER:
                    letterbook.looked(settings, [letter_of(message).mark for message in some])
                for message in some:
                    click.echo(line(message.value() or b"", why_aside(message)))
        except KeyboardInterrupt:
            # How one stops following is no fault.
            return


def together(records: Iterator[T], most: int) -> Iterator[list[T]]:
    """The records in groups of so many, the last one smaller."""
    while some := list(islice(records, most)):
        yield some


def beginning(last: int | None, whence: str | None, follow: bool) -> "Start":
    """Where the options say that reading begins. Raises UsageFault where they say it twice, or nothing that is known."""
    from streams.feed import Latest, Offset, Whence

    if last is not None and whence is not None:
        raise UsageFault("-n and --from both say where to begin: give one of them")
    if last is not None:
        return Latest(last)
    if whence is not None and whence.isascii() and whence.isdigit():
        return Offset(int(whence))
    try:
        start = Whence(whence or "beginning")
    except ValueError as fault:
        raise UsageFault(f"--from {whence}: give beginning, end, or an offset such as 1200") from fault
    if start is Whence.END and not follow:
        raise UsageFault("--from end shows what comes next: add --follow")
    return start


def line(value: bytes, why: "Why | None") -> str:
    """A record as one line; one that was put aside begins with when, from where, and why."""
    text = value.decode(errors="backslashreplace")
    if why is None:
        return text
    place = f"{why.topic} partition {why.partition} offset {why.offset}"
    whole = text.replace("\r", "\\r").replace("\n", "\\n")
    return f"{why.at:%Y-%m-%dT%H:%M:%SZ} from {place}: {why.reason}: {why.detail} | {whole}"


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
