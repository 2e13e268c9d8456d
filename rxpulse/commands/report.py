"""`rxpulse report`: a report as a file, from what the store knows."""

import os
from pathlib import Path

import click

from models.settings import Settings
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack

EXAMPLE = """Example:

\b
    rxpulse report week --site mercy --out .
    rxpulse report week --site mercy --period 2026-W46 --out /srv/reports --json
"""


@click.group(epilog=EXAMPLE)
def report() -> None:
    """Write a report of a site as one HTML file that needs nothing else."""


@report.command(epilog=EXAMPLE)
@click.option("--site", required=True, help="Any site that the store has heard of.")
@click.option("--period", help="An ISO week such as 2026-W46; left out: the last one that is to be reported.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="DIR; gets SITE/PERIOD.html."
)
@json_option
def week(site: str, period: str | None, out: Path, as_json: bool) -> None:
    """Write the weekly improvement report of a site, from Monday to Sunday by its own clock.

    The same facts give the same bytes. A week is reported six hours after its end; facts that became known after the
    `reports` role wrote it make a revision, and the file says so. Beside a running stack, or with RXPULSE_DATABASE_URL.
    """
    from workflows.publish import KIND, asked_for, figures, file_of, save

    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    edition = asked_for(str(settings.required_database_url()), site, period)
    path = file_of(out, edition.report)
    save(path, edition.html)
    if as_json:
        print_json(
            {
                "kind": KIND,
                "site": site,
                "period": edition.report.week.label,
                "revision": edition.report.revision,
                "digest": f"sha256:{edition.digest}",
                "path": str(path),
                "measures": figures(edition.report),
            }
        )
    else:
        say(f"{edition.report.site_name}, week {edition.report.week.label}, in {path}")
