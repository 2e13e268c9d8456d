"""What the dispatcher shows of its work to whoever watches the watchman: read from the store every few seconds, beside the
work itself, so that no page ever waits for a figure."""

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime

from metrics import catalog
from metrics.catalog import Metric
from metrics.recorder import Recorder
from models.store.connecting import DatabaseAway
from models.store.pool import Pool
from models.store.vigil import Vigil, vigil

EVERY = 5.0
"""Seconds between two looks."""
log = logging.getLogger("rxpulse.dispatcher")


class Showing:
    """Keeps the gauges as the store stands. Series of what is gone fall to 0 instead of standing for ever."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._shown: dict[Metric, set[tuple[str, ...]]] = {}

    def show(self, seen: Vigil) -> None:
        """Sets every gauge."""
        self._by_label(catalog.ESCALATIONS, (((state,), count) for state, count in seen.escalations.items()))
        self._by_label(catalog.DELIVERIES_FAILED, (((channel,), count) for channel, count in seen.failed.items()))
        feeds = [((feed.source, feed.site), feed) for feed in seen.feeds]
        self._by_label(catalog.FEED_HEARD, ((names, feed.last.timestamp()) for names, feed in feeds))
        self._by_label(catalog.FEED_SILENT, ((names, float(feed.silent)) for names, feed in feeds))
        self._by_label(catalog.RECENT_DEAD_LETTERS, (((reason,), count) for reason, count in seen.dead_letters.items()))
        places = [((str(one.partition),), one) for one in seen.followed]
        self._by_label(catalog.POSITION, ((name, one.position) for name, one in places))
        self._by_label(catalog.CLAIMS, ((name, one.claims) for name, one in places))
        self._by_label(catalog.LOSSES, ((name, one.losses) for name, one in places))
        self._recorder.set(catalog.OVERDUE, seen.overdue_seconds)
        self._recorder.set(catalog.WORKER_BEAT, _instant(seen.beat))
        self._recorder.set(catalog.LISTENED, _instant(seen.listened))

    def _by_label(self, metric: Metric, values: Iterable[tuple[tuple[str, ...], float]]) -> None:
        standing = dict(values)
        gone = self._shown.get(metric, set()) - standing.keys()
        for labels, value in [*standing.items(), *((labels, 0.0) for labels in gone)]:
            self._recorder.set(metric, value, *labels)
        self._shown[metric] = {*standing, *gone}


async def keep_showing(pool: Pool, recorder: Recorder) -> None:
    """Looks every few seconds until cancelled."""
    showing = Showing(recorder)
    while True:
        try:
            showing.show(await asyncio.to_thread(_look, pool))
        except DatabaseAway as fault:
            # The round of the dispatcher says the same, and its own figure stands still.
            log.debug("no figures: %s", fault)
        await asyncio.sleep(EVERY)


def _look(pool: Pool) -> Vigil:
    with pool.connection() as connection:
        return vigil(connection)


def _instant(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
