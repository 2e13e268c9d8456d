"""What is known of the worker from outside: its figures, and whether it is ready."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Protocol

from metrics import catalog
from metrics.recorder import Recorder
from models.signals import Cleared
from models.store.ledger import Batch, Tally
from streams.backlog import Unread
from streams.laps import Doing


class Observer(Protocol):
    """Who is told how the loop gets on."""

    def owns(self, partitions: int) -> None:
        """So many partitions are held now."""
        ...

    def dead(self, reason: str) -> None:
        """A record was put aside."""
        ...

    def refolded(self, events: int) -> None:
        """So many events came after later ones of their cases."""
        ...

    def spent(self, seconds: Mapping[Doing, float]) -> None:
        """So much time went into each step since this was last said."""
        ...


class Watch:
    """What is known of the loop from outside: its figures, and whether it is ready."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._partitions: int | None = None
        self.ahead: timedelta | None = None

    def owns(self, partitions: int) -> None:
        self._partitions = partitions
        self._recorder.set(catalog.PARTITIONS, partitions)
        if not partitions:
            self.behind(Unread(0, timedelta()))

    def dead(self, reason: str) -> None:
        self._recorder.add(catalog.DEAD_LETTERS, 1, reason)

    def done(self, batch: Batch, seconds: float) -> None:
        """A batch was written."""
        self._recorder.observe(catalog.BATCH_SECONDS, seconds)
        self._recorder.add(catalog.FACTS, len(batch.intervals), "interval")
        self._recorder.add(catalog.FACTS, len(batch.signals), "signal")
        again = sum(fact.interval.revision > 1 for fact in batch.intervals)
        self._recorder.add(catalog.CORRECTIONS, again, "interval")
        disproved = sum(fact.signal.reason is Cleared.DISPROOF for fact in batch.signals)
        self._recorder.add(catalog.CORRECTIONS, disproved, "signal")
        for advance in batch.advances:
            for outcome in (field.name for field in fields(Tally)):
                self._recorder.add(catalog.EVENTS, getattr(advance.tally, outcome), outcome)
            if advance.judged is not None:
                self._recorder.set(catalog.JUDGED, advance.judged.timestamp())

    def refolded(self, events: int) -> None:
        self._recorder.add(catalog.REFOLDS, events)

    def spent(self, seconds: Mapping[Doing, float]) -> None:
        """So much time went into each step since this was last said."""
        for doing, more in seconds.items():
            self._recorder.add(catalog.STEP_SECONDS, more, doing.value)

    def behind(self, left: Unread) -> None:
        """So much is left to read."""
        self._recorder.set(catalog.LAG, left.records)
        self._recorder.set(catalog.UNREAD, left.age.total_seconds())

    def measured(self, ahead: timedelta) -> None:
        """This host's clock is so far ahead of the database's."""
        self.ahead = ahead
        self._recorder.set(catalog.CLOCKS_APART, ahead.total_seconds())

    def judged(self, beat: datetime) -> None:
        """Rates and feeds were judged, by this worker or by another one."""
        self._recorder.set(catalog.RATES_JUDGED, beat.timestamp())

    def missing(self) -> str | None:
        """What the worker waits for; None once it has partitions or was told that there are none for it."""
        return "Kafka has not assigned partitions yet" if self._partitions is None else None
