"""The role that writes reports: Prefect keeps the schedule, and the role sees to it that no week is left out.

It keeps house too, by night and where nobody did. At its start it writes what is due at once, as soon as the facts are all
read; afterwards Prefect's schedule does. What Prefect has not written half an hour later, because it was away, the role
writes without it. Sites that a new version of the policy declares join the schedule within a minute.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

from prefect.exceptions import TerminationSignal

from metrics import catalog
from metrics.exporter import PrometheusRecorder, RoleServer
from metrics.recorder import Recorder
from models.errors import CallerFault, RxPulseError
from models.settings import Settings
from models.store.connecting import DatabaseAway
from workflows.housekeeping import House
from workflows.publish import Standing, declared, standing, write_due
from workflows.weekly import NotYet, serve, weekly_report

SOON, SELDOM = 3.0, 30.0
"""Seconds between two looks: while something waits to be written, and else."""
_AGAIN = 10.0
"""Seconds until Prefect is asked again that did not take the schedule."""
log = logging.getLogger("rxpulse.reports")


def report(settings: Settings) -> None:
    """The role's life: until SIGTERM or SIGINT."""
    try:
        asyncio.run(_report(settings))
    except TerminationSignal:
        # So Prefect says SIGTERM while a report is being written; the next start writes it.
        log.info("stopped while a report was written")


async def _report(settings: Settings) -> None:
    if settings.prefect_url is None:
        raise CallerFault("RXPULSE_PREFECT_URL is not set: give Prefect's API such as http://127.0.0.1:7405/api")
    recorder = PrometheusRecorder("reports")
    url = str(settings.required_database_url())
    reports = Reports(url, settings.home / "reports", recorder, settings.keep_facts)
    server = RoleServer(settings.bind, settings.required_port(), recorder, reports.missing, settings.api_key)
    server.start()
    work = asyncio.create_task(reports.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        log.info("stopped")
    finally:
        server.close()


class Reports:
    """Looks after the reports of every declared site, and after the house; turnaround times are kept for `keep` (None: for
    ever)."""

    def __init__(self, database_url: str, folder: Path, recorder: Recorder, keep: timedelta | None = None) -> None:
        self._database_url = database_url
        self._folder = folder
        self._recorder = recorder
        self._schedule: Schedule | None = None
        self._begun: set[str] = set()
        self._house = House(database_url, keep, recorder)
        self.fault: str | None = "the reports have not been looked after yet"

    def missing(self) -> str | None:
        """What keeps the role from its work, in words; None while it works."""
        return self.fault or (self._schedule.fault if self._schedule else None)

    async def run(self) -> None:
        """Works until cancelled."""
        try:
            while True:
                waiting = await self._round()
                await asyncio.sleep(SOON if waiting else SELDOM)
        finally:
            if self._schedule is not None:
                self._schedule.stop()

    async def _round(self) -> bool:
        """Looks once after every site; whether something waits."""
        try:
            zones = await asyncio.to_thread(declared, self._database_url)
            self._keep_schedule(zones)
            left = [site for site in zones if not await self._site(site)]
            await self._house.look()
            self.fault = None
            return bool(left) or not zones
        except (DatabaseAway, CallerFault) as fault:
            self.fault = str(fault)
            log.warning("%s", fault)
            return True

    async def _site(self, site: str) -> bool:
        """Writes what is due of a site, and returns whether it was looked after since the role began."""
        found = await asyncio.to_thread(standing, self._database_url, site)
        self._show(site, found)
        if found.waiting is not None:
            return False
        if site not in self._begun or found.overdue:
            try:
                await self._write(site)
            except NotYet as fault:
                # The worker went on between the two looks: the next one is soon.
                log.info("the report of %s waits: %s", site, fault)
                return False
            self._begun.add(site)
            self._show(site, await asyncio.to_thread(standing, self._database_url, site))
        return True

    async def _write(self, site: str) -> None:
        """Through Prefect, so that it shows there; without, where Prefect does not run it."""
        try:
            # A run of the schedule may wait for its facts; here they are there, and nobody waits for a second try.
            await weekly_report.with_options(retries=0)(site)
        except RxPulseError:
            raise
        except Exception as fault:
            # Prefect's own troubles come in many classes; the report is written without it.
            log.warning("Prefect did not run the report of %s: %s", site, type(fault).__name__)
            await asyncio.to_thread(write_due, self._database_url, self._folder, site)

    def _show(self, site: str, found: Standing) -> None:
        self._recorder.set(catalog.REPORTED, found.reported.timestamp() if found.reported else 0.0, site)

    def _keep_schedule(self, zones: Mapping[str, str]) -> None:
        if self._schedule is None or self._schedule.zones != zones:
            if self._schedule is not None:
                self._schedule.stop()
            self._schedule = Schedule(zones)
            self._schedule.start()


class Schedule:
    """Prefect's schedule of the sites `zones`, served in a thread of its own: in the main thread Prefect takes signals."""

    def __init__(self, zones: Mapping[str, str]) -> None:
        self.zones = dict(zones)
        self.fault: str | None = None
        self._stopping = Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = Thread(target=self._run, name="schedule", daemon=True)

    def start(self) -> None:
        """Serves from now on, if there is anything to serve."""
        if self.zones:
            self._thread.start()

    def stop(self) -> None:
        """Serves no more; the schedule stays with Prefect."""
        self._stopping.set()
        loop, task = self._loop, self._task
        if loop is not None and task is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):
                # The loop may close in this very moment: then it has stopped already.
                loop.call_soon_threadsafe(task.cancel)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                asyncio.run(self._serve())
            except asyncio.CancelledError:
                return
            except Exception as fault:
                # Prefect is away, or does not take the schedule: it is asked again.
                self.fault = f"Prefect does not take the schedule: {type(fault).__name__}"
                log.warning("%s", self.fault)
                self._stopping.wait(_AGAIN)

    async def _serve(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        if not self._stopping.is_set():
            await serve(self.zones, self._taken)

    def _taken(self) -> None:
        self.fault = None
