"""`rxpulse pseudonym`: own numbers to the ids of their cases, for whoever holds the key."""

import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from models.errors import UsageFault
from models.event_types import KINDS
from models.pseudonym import actor, case_of
from models.settings import Settings
from rxpulse.enacted import noted
from rxpulse.keys import pseudonym_of
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack

EXAMPLE = """Example:

\b
    rxpulse pseudonym --list orders.txt --kind order
"""


@click.command(epilog=EXAMPLE)
@click.option(
    "--list",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    help="A file with one number a line; - for standard input.",
)
@click.option(
    "--kind", type=click.Choice([*KINDS, "actor"]), default="order", show_default=True, help="What the numbers are of."
)
@json_option
def pseudonym(file: Path, kind: str, as_json: bool) -> None:
    """Print number and pseudonym of each line of a file, as CSV.

    The table tells whose case is whose: keep it as safe as the key (RXPULSE_PSEUDONYM_KEY; of a running stack the one in
    its home). It is recorded in the audit of the running stack.
    """
    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    key = _key(settings)
    made = [
        (number, actor(key, number) if kind == "actor" else case_of(key, kind, number)) for number in _numbers(file)
    ]
    if settings.database_url is None:
        say("no stack runs here, so this is recorded in no audit")
    else:
        noted(settings.required_database_url(), "pseudonyms", kind)
    if as_json:
        print_json([{"number": number, "pseudonym": code} for number, code in made])
        return
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(("number", "pseudonym"))
    out.writerows(made)


def _numbers(file: Path) -> Iterator[str]:
    """The lines that are not empty, without the spaces around them. Raises UsageFault."""
    try:
        text = click.get_text_stream("stdin").read() if str(file) == "-" else file.read_text("utf-8-sig")
    except OSError as fault:
        raise UsageFault(
            f"--list {file} cannot be read ({fault.strerror}): give a file with one number a line"
        ) from fault
    except UnicodeDecodeError as fault:
        raise UsageFault(f"--list {file} is not UTF-8: save it as UTF-8, one number a line") from fault
    return (line.strip() for line in text.splitlines() if line.strip())


def _key(settings: Settings) -> str:
    known = settings.pseudonym_key or pseudonym_of(settings.home)
    if known is None:
        raise UsageFault(
            "no key for pseudonyms: set RXPULSE_PSEUDONYM_KEY_FILE to the file that holds it (of a stack"
            " keys/pseudonym.key in its home), or run this where the stack runs"
        )
    return known
