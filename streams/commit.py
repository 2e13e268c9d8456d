"""The committer: the one thread that writes.

It takes a draft whenever it is free, writes it in one transaction, and only then sends the facts on. Whatever goes wrong
ends the process: nothing is half done, and the next worker goes on where the last transaction ended.
"""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event as Flag
from time import monotonic

from metrics.logbook import correlate
from models.errors import OurFault
from models.policy import Policies
from models.store.ledger import Batch, Ledger
from streams.deadletter import DeadLetters
from streams.draft import Draft
from streams.faultpoints import reached
from streams.laps import Doing, Laps
from streams.living import living
from streams.relay import Relay

_LONGEST = 60.0
"""Seconds after which a commit is given up as hanging."""


class CommitHangs(OurFault):
    """The database did not answer for too long."""


class Committer:
    """`idle` is set while nothing is being written; `writing` is the draft on its way. `done` is called after each
    transaction with the batch and the seconds it took; `failed` with whatever ended the thread. `laps` is told what took
    how long."""

    def __init__(
        self,
        ledger: Ledger,
        relay: Relay,
        dead_letters: DeadLetters,
        done: Callable[[Batch, float], None],
        failed: Callable[[BaseException], None],
        laps: Laps,
    ) -> None:
        self._ledger = ledger
        self._relay = relay
        self._dead_letters = dead_letters
        self._done = done
        self._failed = failed
        self._laps = laps
        self._queue: SimpleQueue[tuple[Draft, Policies]] = SimpleQueue()
        self._batches = 0
        self.writing: Draft | None = None
        self.idle = Flag()
        self.idle.set()

    def start(self) -> None:
        """Starts the thread; it ends with the process."""
        living("committer", self._run, self._failed).start()

    def give(self, draft: Draft, policies: Policies) -> None:
        """Hands a draft over; `idle` must be set."""
        self.writing = draft
        self.idle.clear()
        self._queue.put((draft, policies))

    def wait(self) -> None:
        """Waits until what was given is written. Raises CommitHangs."""
        if not self.idle.wait(_LONGEST):
            raise CommitHangs(
                f"a transaction has taken more than {_LONGEST:g} s: look at the database's locks and disk"
            )

    def _run(self) -> None:
        while True:
            self._write(*self._queue.get())

    def _write(self, draft: Draft, policies: Policies) -> None:
        begun = monotonic()
        self._laps.begin()
        self._batches += 1
        correlate(f"batch {self._batches}")
        self._dead_letters.settle()
        self._laps.end(Doing.CONFIRM)
        batch = draft.batch(self._relay.mark, policies.latest.tell_within)
        reached("before transaction")
        self._ledger.commit(batch)
        self._laps.end(Doing.TRANSACTION)
        reached("after transaction")
        reached("before produce")
        self._relay.publish(draft.facts)
        reached("after produce")
        self._laps.end(Doing.PRODUCE)
        self._done(batch, monotonic() - begun)
        self.writing = None
        self.idle.set()
