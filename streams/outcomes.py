"""The judge of what concerns no single case: rates that shift and feeds that fall silent.

About once a second one worker, whichever holds the seat, follows what was counted since and sends what is news. While
history is read there is much to follow: then it takes longer breaths, so that reading is not held up.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Event as Flag
from time import monotonic

from models.store.seat import PARTITION, Elsewhere, Round, Seat
from streams.living import living
from streams.relay import Relay

_EVERY, _LONGEST = 1.0, 3.0
"""Seconds from one round to the next, at least and at most."""
_BREATHS = 12.0
"""How many times as long as a round the pause after it is, within those bounds."""
_BUDGET = 0.2
"""Seconds after which a round begins no further rates."""
_FLUSH = 5.0


class Judge:
    """One worker's judge, in a thread of its own. `ahead` says how far this host's clock is ahead of the database's, None
    while nobody measured. `seen` is told the instant of the last round, whoever judged it; `failed` is called with whatever
    ended the thread."""

    def __init__(
        self,
        seat: Seat,
        relay: Relay,
        ahead: Callable[[], timedelta | None],
        seen: Callable[[datetime], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._seat = seat
        self._relay = relay
        self._ahead = ahead
        self._seen = seen
        self._seated = False
        self._stopping = Flag()
        self._thread = living("judge", self._run, failed)

    def start(self) -> None:
        """Begins to judge."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the round that is under way, with everything sent."""
        self._stopping.set()
        self._thread.join()
        self._relay.flush(_FLUSH)
        self._seat.close()

    def judge(self) -> float:
        """One round, if the seat is free. Returns the seconds until the next."""
        begun = monotonic()
        ahead = self._ahead()
        if ahead is not None:
            self._seat.measure(ahead)
        published = self._relay.mark(PARTITION) if self._seated else None
        match self._seat.judge(published, lambda: monotonic() - begun < _BUDGET):
            case Round(beat, mark, changes, revision_base):
                if not self._seated:
                    self._relay.resume(PARTITION, mark, revision_base)
                self._seated = True
                self._relay.publish(changes)
            case Elsewhere(beat):
                self._seated = False
        if beat is not None:
            self._seen(beat)
        return min(max(_BREATHS * (monotonic() - begun), _EVERY), _LONGEST)

    def _run(self) -> None:
        while not self._stopping.wait(self.judge()):
            pass
