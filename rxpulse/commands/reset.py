"""`rxpulse reset`: deletes the data of this home's stack."""

import os

import click

from models.settings import Settings
from rxpulse import home as homes
from rxpulse.output import say


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Delete RXPULSE_HOME with all its data: events, cases, who was told, reports, keys. The stack must not run.

    The pseudonym key goes too: keep a copy of keys/pseudonym.key if the same pseudonyms are to come again.

    \b
    Example: rxpulse down; rxpulse reset --yes
    """
    home = Settings.from_env(os.environ).home
    if not home.exists():
        say(f"{home} does not exist: nothing to delete")
        return
    if not yes:
        size = homes.size_bytes(home) / 2**20
        click.confirm(f"Delete {home} ({size:.0f} MiB) with all its data and keys?", abort=True, err=True)
    homes.delete(home)
    say(f"deleted {home}")
