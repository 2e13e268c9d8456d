"""`rxpulse down`: stops the stack of this home."""

import os

import click

from models.settings import Settings
from rxpulse import running
from rxpulse.output import say


@click.command()
def down() -> None:
    """Stop the stack that runs in RXPULSE_HOME, with all its parts. Its data stays.

    \b
    Example: rxpulse down
    """
    home = Settings.from_env(os.environ).home
    say("stopped" if running.stop(home) else f"no stack runs in {home}")
