"""`rxpulse _migrate`: brings the tables up to date before any role starts, and the first policy into an empty store."""

import os

import click

from models.settings import Settings


@click.command(hidden=True)
def migrate() -> None:
    """Bring the tables of RXPULSE_DATABASE_URL up to date (the stack runs this itself).

    RXPULSE_POLICY, else the shipped default, becomes the first version of the policy where there is none yet.

    \b
    Example: rxpulse _migrate
    """
    from models import policy_text, store
    from models.store.policies import begin
    from models.store.provisioning import let_read
    from rxpulse import plan
    from rxpulse.enacted import asked

    settings = Settings.from_env(os.environ)
    first = policy_text.read(settings.policy) if settings.policy else policy_text.shipped_default()
    url = settings.required_database_url()
    asked(lambda: store.migrate(url))
    asked(lambda: begin(url, first, "first start"))
    asked(lambda: let_read(url, plan.READER))
