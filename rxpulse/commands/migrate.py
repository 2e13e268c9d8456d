"""`rxpulse _migrate`: brings the tables up to date before any role starts."""

import os

import click

from models.settings import Settings


@click.command(hidden=True)
def migrate() -> None:
    """Bring the tables of RXPULSE_DATABASE_URL up to date (the stack runs this itself).

    \b
    Example: rxpulse _migrate
    """
    from models import store

    store.migrate(Settings.from_env(os.environ).required_database_url())
