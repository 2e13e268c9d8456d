"""One trial: a bad feed, the real Kafka and PostgreSQL, workers that are started again whenever they end, and the proof
at the end that every figure is right."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from models import policy_text
from models.event import Event
from models.policy import Kind, Policies
from models.store.facts import snapshot
from models.store.policies import begin
from models.wire import encode, stamp
from streams.admission import home
from streams.topics import DEADLETTER, EVENTS, INTERVALS, SIGNALS
from streams.verify import uncounted, verify
from tests.faults.feeding import Sent, feed
from tests.faults.oracle import Expected, differences, expected, stands
from tests.live import PARTITIONS, Live, Worker, now, renew_topics, stat, until

SHIPPED = policy_text.shipped_default()
FULL = 20_000
"""Events from which on a scenario takes its time; with fewer it shows the fault once."""
_SETTLED_WITHIN = 240.0


class Trial(Live):
    """The topics, the store, the workers, and what of the feed was not sent yet. `sent` are the events that were."""

    def __init__(self, kafka: str, database_url: str, folder: Path, seed: int, events: int) -> None:
        super().__init__(kafka, database_url, folder)
        self.chance = Random(f"faults/{seed}")
        self.left = list(feed(seed, events))
        self.total = len(self.left)
        self.full = events >= FULL
        self.sent: list[Event] = []
        self.wanted: dict[str, dict[str, str]] = {}
        self.crew: dict[str, Worker] = {}
        self.codes: list[int] = []

    # What happens

    def feed(self, records: int) -> None:
        """The next records of the feed."""
        self.give(self.left[:records])
        del self.left[:records]

    def give(self, records: list[Sent]) -> None:
        self.produce((one.key, one.value, one.partition) for one in records)
        self.sent += [one.event for one in records if one.event is not None]

    def fresh(self, numbers: range, minutes: float = 11) -> None:
        """STAT orders of some minutes ago, which nobody verified: somebody is to be told of each."""
        events = [stat(number, now() - timedelta(minutes=minutes)) for number in numbers]
        self.give([Sent(one.subject.encode(), encode(one), one) for one in events])

    def hire(self, name: str = "w0", **env: str) -> Worker:
        """A worker that is to run from now on, and is started again whenever it ends; `env` holds for this start alone."""
        self.wanted[name] = {}
        self.crew[name] = self.worker(name, **env)
        return self.crew[name]

    def dismiss(self, name: str) -> int:
        """A worker stops for good; its exit code."""
        del self.wanted[name]
        return self.crew.pop(name).stop()

    def tend(self) -> None:
        """Starts again whoever ended, as a supervisor does."""
        for name in self.wanted:
            worker = self.crew[name]
            if not worker.alive():
                self.codes.append(worker.process.returncode)
                self.crew[name] = self.worker(name)

    def position(self) -> int:
        """Records applied."""
        return int(self.one("SELECT coalesce(sum(position), 0) FROM positions"))

    def progress(self, records: int = 1) -> None:
        """Waits until so many records more are applied."""
        goal = min(self.position() + records, sum(self.ends().values()))
        self.tending(lambda: self.position() >= goal)

    def tending(self, ask: Callable[[], object], within: float = 60.0) -> None:
        """Waits for something, while whoever ends is started again."""

        def asked() -> object:
            self.tend()
            return ask()

        until(asked, within, why=self.told)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """As ever, over a new connection where the database was away."""
        try:
            return super().rows(statement, *values)
        except psycopg.OperationalError:
            self._connect_again()
            return super().rows(statement, *values)

    def _connect_again(self) -> None:
        def connected() -> "psycopg.Connection[Any] | None":
            try:
                return psycopg.connect(self.database_url, autocommit=True)
            except psycopg.OperationalError:
                return None

        self.database.close()
        self.database = until(connected, 60.0)

    # The end

    def settle(self) -> None:
        """Sends what is left, waits until all of it is applied, judged, published and followed, and stops everybody."""
        self.feed(len(self.left))
        self.tending(self.applied, _SETTLED_WITHIN)
        asked = self.one("SELECT clock_timestamp()")
        self.tending(lambda: self.judged() > asked)
        self.tending(lambda: self.one("SELECT count(*) FROM touched WHERE since <= now() - interval '1 day'") == 0)
        self.tending(lambda: self.one("SELECT bool_and(published = sequence) FROM positions"))
        for name in list(self.crew):
            assert self.dismiss(name) == 0, self.told()

    def applied(self) -> bool:
        positions = dict(self.rows("SELECT partition, position FROM positions"))
        return all(positions.get(number, 0) >= end for number, end in self.ends().items())

    def prove(self, policies: Policies | None = None) -> Expected:
        """Everything is right: by `verify`, by the oracle, in the public topics, among the dead letters, in the telling."""
        with snapshot(self.database_url) as facts:
            found = verify(self.settings, facts, uncounted)
        assert found.differences == 0, found.examples
        judged = dict(self.rows("SELECT partition, judged FROM positions"))
        policies = policies or Policies.only(SHIPPED.policy)
        told = expected(self.sent, policies, lambda case: judged[home(case, PARTITIONS)])
        wrong = [*self._store_differs(told), *self._topics_differ(told), *self._aside_differs()]
        assert not wrong, "\n".join(wrong[:20])
        return told

    def _store_differs(self, told: Expected) -> Iterator[str]:
        with snapshot(self.database_url) as facts:
            rows = [row for number in range(PARTITIONS) for row in facts.cases(number)]
            cases = {row.id: replace(row, partition=0, body=b"", look=None) for row in rows}
            intervals = {one.id: replace(one, revision=0) for one in facts.intervals()}
            held = [one.signal for one in facts.signals() if one.signal.kind is not Kind.FEED]
        signals = {one.id: replace(one, revision=0) for one in held if stands(one)}
        yield from differences("case", cases, told.cases)
        yield from differences("interval", intervals, told.intervals)
        yield from differences("signal", signals, told.signals)
        yield from differences("trials", self._trials(), dict(told.trials))  # type: ignore[arg-type]
        tally = self.rows("SELECT sum(accepted)::int, sum(id_reused)::int FROM positions")
        if tally != [(told.accepted, told.reused)]:
            yield f"tally: {tally} / {told.accepted, told.reused}"

    def _trials(self) -> Counter[Any]:
        rows = self.rows(
            "SELECT site, rate, entry, minute, sum(clean)::int, sum(errors)::int, sum(late_clean)::int,"
            " sum(late_errors)::int FROM outcomes GROUP BY 1, 2, 3, 4"
        )
        counted = Counter[Any]()
        for site, rate, entry, minute, *counts in rows:
            for place, count in enumerate(counts):
                if count:
                    counted[site, rate, entry, minute, place % 2 == 1, place > 1] = count
        return counted

    def _topics_differ(self, told: Expected) -> Iterator[str]:
        """Each fact is there at least once, always with the same content under one id, and the latest says what holds."""
        for topic, name, hold in ((INTERVALS, "interval", told.intervals), (SIGNALS, "signal", told.signals)):
            contents: dict[str, set[bytes]] = defaultdict(set)
            latest: dict[str, dict[str, Any]] = {}
            for message in self.topic(topic):
                record = json.loads(message.value() or b"")
                contents[record["id"]].add(message.value() or b"")
                data = record["data"]
                if data["revision"] >= latest.get(data[name], data)["revision"]:
                    latest[data[name]] = data
            yield from (f"{topic} says two things under {key}" for key, said in contents.items() if len(said) > 1)
            shown = {key: _said(one) for key, one in latest.items() if _stands(one)}
            yield from differences(topic, shown, {key: _public(one) for key, one in hold.items()})

    def _aside_differs(self) -> Iterator[str]:
        """Every record that is no event lies among the dead letters, once."""
        poison = Counter(
            (message.partition(), message.offset())
            for message in self.topic(EVENTS)
            if b"poison" in (message.value() or b"")[:6]
        )
        letters = Counter[Any]()
        for message in self.topic(DEADLETTER):
            about = dict(message.headers() or [])
            letters[int(about["partition"]), int(about["offset"])] += 1
        yield from differences("dead letter", letters, poison)  # type: ignore[arg-type]


def _stands(data: dict[str, Any]) -> bool:
    return data["state"] != "retracted" and data.get("reason") != "disproof" and data.get("kind") != "feed"


def _said(data: dict[str, Any]) -> tuple[Any, ...]:
    if "interval" in data:
        return data["clock"], data["case"], data["started"], data["stopped"], data["net_seconds"], data["in_target"]
    return data["name"], data["case"], data["severity"], data["raised"], data["cleared"], data["reason"]


def _public(one: Any) -> tuple[Any, ...]:
    if hasattr(one, "clock"):
        net = one.net.total_seconds()
        return one.clock, one.case, stamp(one.started), stamp(one.stopped), net, one.in_target
    cleared = None if one.cleared is None else stamp(one.cleared)
    return one.name, one.case, one.severity.name, stamp(one.raised), cleared, one.reason and one.reason.value


@contextmanager
def trying(kafka: str, database_url: str, folder: Path, seed: int, events: int) -> Iterator[Trial]:
    """New topics and an empty store; everybody ends with the block."""
    trial = Trial(kafka, database_url, folder, seed, events)
    try:
        begin(database_url, SHIPPED, "a test")
        renew_topics(trial.settings)
        yield trial
    finally:
        trial.close()
