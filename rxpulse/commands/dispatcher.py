"""`rxpulse dispatcher`: the role that tells people."""

import asyncio
import os

import click

from models.settings import Settings
from rxpulse.prefect_client import introduce


@click.command()
def dispatcher() -> None:
    """Turn signals into escalations and tell people until somebody answers. Set up by RXPULSE_... variables alone.

    \b
    Example: RXPULSE_DATABASE_URL_FILE=db.url RXPULSE_PUBLIC_URL=https://rxpulse.example.org rxpulse dispatcher
    """
    settings = Settings.from_env(os.environ)
    # A page must not wait for Prefect to try again, nor its log for Prefect's server.
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "0")
    introduce(settings, os.environ)
    from metrics import logbook
    from workflows.plain_logging import settle_logging
    from workflows.serve import dispatch

    settle_logging()
    with logbook.role("dispatcher"):
        asyncio.run(dispatch(settings))
