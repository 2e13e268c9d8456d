"""`rxpulse _provision`: makes the roles and databases of a PostgreSQL; the stack and the containers run it themselves."""

import os
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from models.errors import CallerFault
from models.settings import PREFIX, Secret, Settings
from rxpulse import keys, plan, ports, postgres

if TYPE_CHECKING:
    from models.store.provisioning import Owner


@click.command(hidden=True)
def provision() -> None:
    """Make the roles and databases that are missing (the stack runs this itself).

    With RXPULSE_ADMIN_URL on that server: the owner named by RXPULSE_DATABASE_URL, Prefect's and the dashboards' roles.

    \b
    Example: rxpulse _provision
    """
    from models.store.provisioning import Reader
    from models.store.provisioning import provision as make
    from rxpulse.enacted import asked

    settings = Settings.from_env(os.environ)
    admin, owners, password = _elsewhere(settings) if settings.admin_url else _here(settings)
    reader = Reader(plan.READER, password, owners[0].name, postgres.CONNECTION_BUDGET[plan.READER])
    asked(lambda: make(admin, owners, reader))


def _here(settings: Settings) -> "tuple[str, list[Owner], Secret]":
    """The one-machine stack's own server, its passwords from the home."""
    from models.store.provisioning import Owner

    assert isinstance(settings.ports, int)
    held, port = keys.ensure(settings.home), ports.block(settings.ports)["postgres"]
    owners = [Owner(plan.OWNER, held.owner), Owner(plan.PREFECT, held.prefect)]
    return postgres.admin_url(held.admin, port), owners, settings.reader_password or held.reader


def _elsewhere(settings: Settings) -> "tuple[str, list[Owner], Secret]":
    """A server of its own, its passwords from the settings. Raises CallerFault for one that is missing."""
    from models.store.provisioning import Owner

    found = urlsplit(settings.required_database_url())
    user, database = unquote(found.username or ""), found.path.strip("/")
    if user != database or not found.password:
        raise CallerFault(
            f"{PREFIX}DATABASE_URL: give postgresql://NAME:password@host:port/NAME, a role and its database"
        )
    if not (settings.prefect_password and settings.reader_password):
        raise CallerFault(f"{PREFIX}ADMIN_URL is set: set {PREFIX}PREFECT_PASSWORD and {PREFIX}READER_PASSWORD too")
    owners = [Owner(user, Secret(unquote(found.password))), Owner(plan.PREFECT, settings.prefect_password)]
    return str(settings.admin_url), owners, settings.reader_password
