"""`rxpulse up`: everything on this machine, in the foreground or on its own."""

import os

import click

from models.errors import CallerFault
from models.settings import Settings
from rxpulse.home import Purpose, purpose_of
from rxpulse.output import say
from rxpulse.plan import PARTS, check_only, check_policy


@click.command()
@click.option("--detach", is_flag=True, help="Return when all parts are healthy; `rxpulse down` stops them.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(PARTS),
    help="Start this part alone; may be repeated. What it needs beside it (most need postgres) is named where it is missing.",
)
@click.option("--in-background", is_flag=True, hidden=True)
@click.option("--demo-home", is_flag=True, help="Run on what `rxpulse demo` left in this home, to look at it.")
def up(detach: bool, only: tuple[str, ...], in_background: bool, demo_home: bool) -> None:
    """Start Kafka, PostgreSQL and every role on this machine. Ctrl-C stops all of it; of a detached one `rxpulse down`.

    Data lies in RXPULSE_HOME. A home of the demo is refused, unless --demo-home says so: invented history and real events
    must not mix. RXPULSE_KAFKA, RXPULSE_DATABASE_URL and RXPULSE_PREFECT_URL put servers of your own in
    the place of those that the stack brings.

    \b
    Example: rxpulse up --detach && rxpulse status
    """
    settings = Settings.from_env(os.environ)
    check_only(settings, only)
    check_policy(settings)
    if demo_home and purpose_of(settings.home) is Purpose.WORK:
        raise CallerFault(
            f"{settings.home} is a home of `rxpulse up`, not of the demo: leave out --demo-home, or set RXPULSE_HOME to"
            " the demo's"
        )
    purpose = Purpose.DEMO if demo_home else Purpose.WORK
    if detach:
        from rxpulse import detached

        detached.start(settings, os.environ, only, say, purpose)
    else:
        from rxpulse.stack import CTRL_C, run_stack

        ending = "`rxpulse down` stops everything" if in_background else CTRL_C
        run_stack(settings, os.environ, say, only=only, purpose=purpose, ending=ending)
