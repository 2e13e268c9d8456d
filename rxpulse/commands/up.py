"""`rxpulse up`: everything on this machine, in the foreground or on its own."""

import os

import click

from models.settings import Settings
from rxpulse.output import say
from rxpulse.plan import PARTS


@click.command()
@click.option("--detach", is_flag=True, help="Return when all parts are healthy; `rxpulse down` stops them.")
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Start this part alone; may be repeated.")
def up(detach: bool, only: tuple[str, ...]) -> None:
    """Start Kafka, PostgreSQL and every role on this machine. Ctrl-C stops all of it.

    Data lies in RXPULSE_HOME. RXPULSE_KAFKA, RXPULSE_DATABASE_URL and RXPULSE_PREFECT_URL put servers of your own in
    the place of those that the stack brings.

    \b
    Example: rxpulse up --detach && rxpulse status
    """
    settings = Settings.from_env(os.environ)
    if detach:
        from rxpulse import detached

        detached.start(settings, os.environ, only, say)
    else:
        from rxpulse.stack import run_stack

        run_stack(settings, os.environ, say, only=only)
