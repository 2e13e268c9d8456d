"""`rxpulse reports`: the role that writes the reports."""

import os
import tempfile
from pathlib import Path

import click

from models.settings import Settings
from rxpulse.prefect_client import introduce


@click.command()
def reports() -> None:
    """Write the weekly report of every declared site into RXPULSE_HOME/reports. Set up by RXPULSE_... variables alone.

    The schedule stands with Prefect (RXPULSE_PREFECT_URL): Mondays 06:05 by the clock of each site.

    \b
    Example: RXPULSE_DATABASE_URL_FILE=db.url RXPULSE_PREFECT_URL=http://prefect:4200/api rxpulse reports
    """
    settings = Settings.from_env(os.environ)
    introduce(settings, os.environ)
    own_temporary_folder(settings.home)
    from metrics import logbook
    from workflows.plain_logging import settle_logging
    from workflows.reporting import report

    settle_logging()
    with logbook.role("reports"):
        report(settings)


def own_temporary_folder(home: Path) -> None:
    """Prefect keeps a folder of a fixed name where temporary files go, which whoever came first on this machine owns."""
    folder = home / "tmp"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
