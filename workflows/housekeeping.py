"""Housekeeping, once a day: months of turnaround times are made ahead, and those that were kept long enough leave.

Prefect keeps the time and shows what was done; what it has not done half an hour later, the role does without it. A run
that comes twice finds nothing left to do.
"""

import asyncio
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from prefect import flow

from metrics import catalog
from metrics.recorder import Recorder
from models.errors import CallerFault
from models.keeping import Month
from models.settings import Settings
from models.store import months
from models.store.connecting import DatabaseAway
from models.store.months import Kept, count_again, let_leave, make_months

EVERY_NIGHT = "40 3 * * *"
"""By UTC, as months are; a few minutes of little work, at whatever hour of the site."""
OVERDUE_AFTER = timedelta(hours=24, minutes=30)
"""So long after the last time Prefect has had its turn; then the role does without."""
SETTLES = timedelta(hours=1)
"""A history that is being imported is not put in its months while half of it is still to come."""
_LOOKS, _RESTS = 300.0, 3600.0
"""Seconds between two looks at the house, and until it is kept again where somebody was in the way."""
log = logging.getLogger("rxpulse.reports")


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: the months made, and those that left."""

    made: Sequence[Month]
    left: Sequence[Month]


@flow(name="housekeeping", flow_run_name="housekeeping", retries=2, retry_delay_seconds=600, log_prints=False)
async def housekeeping() -> dict[str, list[str]]:
    """Keeps the months. Returns which were made and which left. Raises CallerFault where the table is in use throughout."""
    settings = Settings.from_env(os.environ)
    done = await asyncio.to_thread(keep_house, str(settings.required_database_url()), settings.keep_facts)
    return {"made": [one.label for one in done.made], "left": [one.label for one in done.left]}


def keep_house(database_url: str, keep: timedelta | None) -> Done:
    """Makes the months that are missing and lets those leave that are older than `keep` (None: none). Raises CallerFault
    where the table is in use throughout, DatabaseAway."""
    made = make_months(database_url)
    left = let_leave(database_url, keep)
    count_again(database_url)
    for month in made:
        log.info("a place for the turnaround times of %s was made", month.label)
    for month in left:
        log.info("the turnaround times of %s left: they were kept as long as RXPULSE_KEEP_FACTS_DAYS says", month.label)
    return Done(made, left)


def overdue(found: Kept) -> bool:
    """Whether nobody has kept house for longer than Prefect takes, or a history that came in waits for its months, or to be
    counted."""
    if found.done is None:
        return True
    ago = found.now - found.done
    return ago > OVERDUE_AFTER or (ago > SETTLES and (bool(found.missing) or found.outgrown))


class House:
    """Sees to it that house is kept, whatever becomes of Prefect."""

    def __init__(self, database_url: str, keep: timedelta | None, recorder: Recorder) -> None:
        self._database_url = database_url
        self._keep = keep
        self._recorder = recorder
        self._next = self._again = 0.0

    async def look(self) -> None:
        """Shows how the house is, and keeps it where nobody has. Raises DatabaseAway."""
        if monotonic() < self._next:
            return
        self._next = monotonic() + _LOOKS
        found = await asyncio.to_thread(months.look, self._database_url)
        if found is not None and overdue(found) and monotonic() >= self._again:
            self._again = monotonic() + _RESTS
            await self._keep_house()
            found = await asyncio.to_thread(months.look, self._database_url)
        if found is not None:
            self._recorder.set(catalog.HOUSEKEPT, found.done.timestamp() if found.done else 0.0)
            self._recorder.set(catalog.OUTSIDE_MONTHS, float(sum(found.rest.values())))

    async def _keep_house(self) -> None:
        """Through Prefect, so that it shows there; without, where Prefect does not run it."""
        try:
            # Whoever is in the way is waited for here, not in a run.
            await housekeeping.with_options(retries=0)()
        except DatabaseAway:
            raise
        except CallerFault as fault:
            # Reports do not wait for it: what has no month yet is found all the same.
            log.warning("no housekeeping now: %s", fault)
        except Exception as fault:
            log.warning("Prefect did not run the housekeeping: %s", type(fault).__name__)
            await self._without_prefect()

    async def _without_prefect(self) -> None:
        try:
            await asyncio.to_thread(keep_house, self._database_url, self._keep)
        except CallerFault as fault:
            log.warning("no housekeeping now: %s", fault)
