"""One trial: a bad feed, the real Kafka and PostgreSQL, workers that are started again whenever they end, somebody who is
told."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from click.testing import CliRunner
from confluent_kafka import KafkaException, Message

from models import policy_text
from models.event import CaseId, Event
from models.store.policies import begin
from models.wire import encode
from rxpulse.cli import main
from tests.faults.feeding import Sent, feed
from tests.faults.people import POLICY, People
from tests.live import Live, Worker, now, renew_topics, stat, stops_in_time, until

FIRST = policy_text.read(POLICY, file="faults")
FULL = 20_000
"""Events from which on a scenario takes its time; with fewer it shows the fault once."""
_SETTLED_WITHIN = 240.0


class Trial(Live):
    """The topics, the store, the workers, and what of the feed was not sent yet. `sent` are the events that were, `poison`
    the values of what can be none, `late` the cases that somebody is to hear of, `codes` how workers ended by themselves;
    `may_end` are the exit codes by which one may, none unless the scenario gives a reason; `surprised`: somebody took over from
    a worker that had no time to finish what it was sending."""

    def __init__(self, kafka: str, database_url: str, folder: Path, seed: int, events: int, people: People) -> None:
        super().__init__(kafka, database_url, folder)
        self.chance = Random(f"faults/{seed}")
        self.left = list(feed(seed, events))
        self.total = len(self.left)
        self.full = events >= FULL
        self.sent: list[Event] = []
        self.poison: set[bytes] = set()
        self.late: list[CaseId] = []
        self.crew: dict[str, Worker] = {}
        self.codes: list[int] = []
        self.may_end: tuple[int, ...] = ()
        self._killed: set[Worker] = set()
        self.surprised = False
        self.people = people
        self._read: dict[str, tuple[dict[int, tuple[int, int]], list[Message]]] = {}

    # What happens

    def feed(self, records: int) -> None:
        """The next records of the feed."""
        self.give(self.take(records))

    def take(self, records: int) -> list[Sent]:
        """The next records of the feed, for somebody else to send."""
        taken, self.left = self.left[:records], self.left[records:]
        return taken

    def give(self, records: Sequence[Sent]) -> None:
        """These records, all of them with the broker afterwards. First those that lie right: days pass within a second here,
        and what is sent on before they are all there would come a day early, before a sign of life that is a day late."""
        for right in (True, False):
            self.produce((o.key, o.value, o.partition) for o in records if (o.partition is None) is right)
        self.count(records)

    def count(self, records: Sequence[Sent]) -> None:
        """These were sent."""
        self.sent += [one.event for one in records if one.event is not None]
        self.poison |= {one.value for one in records if one.event is None}

    def forget_to_verify(self, count: int, due: timedelta = timedelta(minutes=-1)) -> None:
        """STAT orders that nobody verifies, due within ten minutes of their entry and so long from now (a minute ago):
        somebody is to hear of each."""
        first, entered = len(self.late), now() + due - timedelta(minutes=10)
        events = [stat(number, entered) for number in range(first, first + count)]
        self.give([Sent(one.subject.encode(), encode(one), one) for one in events])
        self.late += [one.subject for one in events]

    def hire(self, name: str = "w0", **env: str) -> Worker:
        """A worker that is to run from now on, and is started again whenever it ends; `env` holds for this start alone. Who
        tells people is there from then on too."""
        self.people.start()
        self.crew[name] = self.worker(name, **env)
        return self.crew[name]

    def dismiss(self, name: str = "w0") -> None:
        """A worker stops for good, in peace, and within the time that a supervisor gives it."""
        stops_in_time(self.crew.pop(name), self.told)

    def kill(self, name: str = "w0") -> None:
        """kill -9; whoever tends starts it again."""
        self.crew[name].kill()
        self._killed.add(self.crew[name])

    def tend(self) -> None:
        """Starts again whoever ended, as a supervisor does; it must have been as the scenario expects."""
        for name, worker in list(self.crew.items()):
            if not worker.alive():
                if worker not in self._killed:
                    self._ended(name, worker)
                self.crew[name] = self.worker(name)

    def _ended(self, name: str, worker: Worker) -> None:
        code = worker.process.returncode
        assert code in self.may_end, f"{name} ended with {code}: {worker.said()}"
        self.codes.append(code)

    def tending(self, ask: Callable[[], object], within: float = 60.0) -> None:
        """Waits for something, while whoever ends is started again."""

        def asked() -> object:
            self.tend()
            return ask()

        until(asked, within, why=self.told)

    def await_end(self) -> None:
        """Waits until a worker has ended by itself once more."""
        before = len(self.codes)
        self.tending(lambda: len(self.codes) > before)

    def progress(self, records: int = 1) -> None:
        """Waits until so many records more are applied, or all there are."""
        goal = min(self.position() + records, sum(self.ends().values()))
        self.tending(lambda: self.position() >= goal)

    def reset(self) -> None:
        """Everything that was made from the events is forgotten."""
        done = CliRunner().invoke(main, ["reset", "--facts", "--yes"], env=self.env)
        assert done.exit_code == 0, done.output

    def portion(self, parts: int) -> int:
        """About one of so many parts of the feed; how many records that is, from three quarters of it on, the seed decides."""
        part = self.total // parts
        return self.chance.randint(part * 3 // 4, part)

    # What is known

    def position(self) -> int:
        """Records applied."""
        return int(self.one("SELECT coalesce(sum(position), 0) FROM positions"))

    def said(self, word: str) -> int:
        """How often workers have said it."""
        return sum(log.read_text().count(word) for log in {worker.log for worker in self.workers})

    def late_signals(self) -> set[str]:
        """The signals of the late orders."""
        late = [str(one) for one in self.late]
        return {name for (name,) in self.rows(_LATE, late)}

    def applied(self) -> bool:
        """Whether everything that lies in the topic is applied."""
        positions = dict(self.rows("SELECT partition, position FROM positions"))
        return all(positions.get(number, 0) >= end for number, end in self.ends().items())

    def topic(self, name: str) -> list[Message]:
        """As ever; one to which nothing came since, and of which nothing went, is not read again."""
        extents = self.extents(name)
        if name not in self._read or self._read[name][0] != extents:
            self._read[name] = extents, super().topic(name)
        return self._read[name][1]

    def ends(self) -> dict[int, int]:
        """As ever, asked until the broker answers."""

        def asked() -> dict[int, int] | None:
            try:
                return super(Trial, self).ends()
            except KafkaException:
                return None

        return until(asked, 120.0)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """As ever, over a new connection where the database was away."""
        try:
            return super().rows(statement, *values)
        except psycopg.OperationalError:
            self.database.close()
            self.database = until(self._connected, 120.0)
            return super().rows(statement, *values)

    def _connected(self) -> "psycopg.Connection[Any] | None":
        try:
            return psycopg.connect(self.database_url, autocommit=True)
        except psycopg.OperationalError:
            return None

    # The end

    def settle(self) -> None:
        """Sends what is left of the feed, and comes to rest."""
        self.feed(len(self.left))
        self.rest()

    def rest(self) -> None:
        """Waits until everything sent is applied, judged, published, followed and told; then everybody stops in peace. First
        who tells people: that the workers have stopped is a signal too, which no worker would be there to publish."""
        self.tending(self.applied, _SETTLED_WITHIN)
        asked = self.one("SELECT clock_timestamp()")
        self.tending(lambda: self.judged() > asked)
        for done in _DONE:
            self.tending(lambda done=done: self.one(done))
        self.tending(lambda: len(self.late_signals()) == len(self.late) and self.late_signals() <= self.people.told())
        self.people.stop()
        self.tending(lambda: self.one("SELECT published = sequence FROM judge"))
        for name in list(self.crew):
            self.dismiss(name)

    def close(self) -> None:
        self.people.stop()
        super().close()


_LATE = "SELECT id FROM signals WHERE kind = 'clock' AND name = 'stat-verified' AND case_id = ANY(%s)"
_DONE = (
    # Rates are followed up to the minutes that are still running: those of the feed are long over.
    "SELECT count(*) = 0 FROM touched WHERE since < now() - interval '1 day'",
    "SELECT bool_and(published = sequence) FROM positions",
    "SELECT count(*) = 0 FROM forgotten",
    "SELECT count(*) = 0 FROM signals WHERE attention",
    "SELECT count(*) = 0 FROM deliveries WHERE state IN ('pending', 'sending')",
)
"""Each is true once nothing of its kind is left to do."""


@contextmanager
def trying(
    kafka: str,
    database_url: str,
    folder: Path,
    seed: int,
    events: int,
    people: People | None = None,
    policy: policy_text.Parsed = FIRST,
) -> Iterator[Trial]:
    """New topics and an empty store; everybody ends with the block. `people` None: those that a dispatcher in this process
    tells."""
    trial = Trial(kafka, database_url, folder, seed, events, people or People(database_url))
    try:
        begin(database_url, policy, "a test")
        renew_topics(trial.settings)
        trial.people.start()
        yield trial
    finally:
        trial.close()
