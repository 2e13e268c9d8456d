"""The weekly reports as Prefect flows: written on Monday morning by the clock of each site, shown in Prefect's pages.

Prefect keeps the time, and shows which run wrote what. A run that comes twice, late or after an outage finds the report
written and leaves it alone.
"""

import asyncio
import os
import re
from collections.abc import Callable, Mapping

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import EntrypointType
from prefect.runner import Runner
from prefect.schedules import Cron

from models.errors import OurFault
from models.settings import Settings
from models.store.reporting import Written
from workflows.housekeeping import EVERY_NIGHT, housekeeping
from workflows.publish import Waiting, write_due

MONDAY_MORNING = "5 6 * * 1"
"""Just after the six hours that a week is left to settle: a run may start a moment early."""
_TRIES, _APART = 11, 300
"""A run waits up to an hour for facts that are not all read."""


class NotYet(OurFault):
    """The facts of the week are not complete yet."""


@flow(
    name="weekly-report",
    flow_run_name="week of {site}",
    retries=_TRIES,
    retry_delay_seconds=_APART,
    persist_result=False,
    log_prints=False,
)
async def weekly_report(site: str) -> list[str]:
    """Writes what is due of a site. Returns the paths of what was written. Raises NotYet."""
    settings = Settings.from_env(os.environ)
    folder = settings.home / "reports"
    found = await asyncio.to_thread(write_due, str(settings.required_database_url()), folder, site)
    if isinstance(found, Waiting):
        raise NotYet(found.reason)
    if found:
        await acreate_markdown_artifact(_markdown(found), key=_key(site), description=f"Weekly reports of {site}")
    return [one.path for one in found]


async def serve(zones: Mapping[str, str], taken: Callable[[], None]) -> None:
    """Keeps a schedule for each site (a name and its time zone) and for housekeeping with Prefect, says so by `taken`, and
    runs what is due, until cancelled. Not in the main thread, where Prefect would take the signals."""
    runner = Runner(name="rxpulse-reports", pause_on_shutdown=False, limit=1)
    for site, zone in zones.items():
        deployment = await weekly_report.ato_deployment(
            name=site,
            schedule=Cron(MONDAY_MORNING, timezone=zone),
            parameters={"site": site},
            tags=["report", f"site:{site}"],
            description=f"The weekly improvement report of {site}, Mondays 06:05 {zone} time",
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        await runner.aadd_deployment(deployment)
    await runner.aadd_deployment(
        await housekeeping.ato_deployment(
            name="every night",
            schedule=Cron(EVERY_NIGHT, timezone="UTC"),
            tags=["housekeeping"],
            description="Makes the months of turnaround times ahead, and lets those go that were kept long enough",
            concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
    )
    taken()
    await runner.start(webserver=False)


def _markdown(written: list[Written]) -> str:
    lines = [f"- {one.period}, revision {one.revision}: `{one.path}`" for one in written]
    return "\n".join([f"# Weekly reports of {written[0].site}", "", *lines])


def _key(site: str) -> str:
    """Prefect's names of artifacts: small letters, digits and dashes."""
    return "week-" + (re.sub(r"[^a-z0-9]+", "-", site.lower()).strip("-") or "site")
