"""What commands print: one JSON document or lines for people on standard output, all else on standard error."""

import json
from collections.abc import Callable
from typing import Any

import click

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
"""The option `--json`, given to the command as `as_json`."""


def print_json(document: Any) -> None:
    """The one document of a command called with `--json`: nothing else goes to standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def say(line: str) -> None:
    """Progress and remarks, for people, on standard error."""
    click.echo(line, err=True)


def quiet(_: str) -> None:
    """Says nothing, where a `say` is asked for."""


Say = Callable[[str], None]
