"""`rxpulse _provision`: makes the roles and databases of the stack's own PostgreSQL; the stack runs it itself."""

import os

import click

from models.settings import Settings
from rxpulse import keys, plan, ports, postgres


@click.command(hidden=True)
def provision() -> None:
    """Make the roles and databases that are missing (the stack runs this itself).

    \b
    Example: rxpulse _provision
    """
    from models.store.provisioning import Owner
    from models.store.provisioning import provision as make
    from rxpulse.enacted import asked

    settings = Settings.from_env(os.environ)
    assert isinstance(settings.ports, int)
    held = keys.ensure(settings.home)
    owners = [Owner(plan.OWNER, held.owner), Owner(plan.PREFECT, held.prefect)]
    port = ports.block(settings.ports)["postgres"]
    asked(lambda: make(f"postgresql://{postgres.ADMIN}:{held.admin}@127.0.0.1:{port}/postgres", owners))
