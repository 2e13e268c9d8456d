"""Words for tests of the worker as it really runs: its topics, its database, its process, and what it is fed.

The names of topics and of the worker's group are fixed, so tests that use them come one after the other: each begins with
new topics, and leaves no member in the group.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import psutil
import psycopg
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from kafka.admin import KafkaAdminClient, MemberToRemove
from kafka.errors import KafkaError

from models.event import CaseId, Event
from models.policy_text import Parsed
from models.settings import Settings
from models.store.policies import begin
from models.wire import encode
from streams import topics
from streams.simulate import SiteSpec, simulate
from streams.topics import EVENTS
from tests.heart import event

PARTITIONS = 4
GROUP = "rxpulse-worker"
_WITHIN = 60.0
Found = TypeVar("Found")


def until(ask: Callable[[], Found | None], within: float = _WITHIN, *, why: str | Callable[[], str] = "") -> Found:
    """The first answer that says something. `why` is told where there is none within so many seconds: what is waited for, or
    how things stand by then."""
    give_up = time.monotonic() + within
    while time.monotonic() < give_up:
        found = ask()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {within:g} s: {why if isinstance(why, str) else why()}")


class Worker:
    """One worker process; what it says goes to a file, and it shows its figures on `port`. `host`: what goes before its
    command, where it is to run on another host."""

    def __init__(self, log: Path, env: dict[str, str], host: Sequence[str] = ()) -> None:
        self.log, self.port = log, int(env["RXPULSE_PORT"])
        argv = [*host, sys.executable, "-m", "rxpulse", "worker"]
        with log.open("ab") as out:
            self.process = subprocess.Popen(argv, env=env, stdout=out, stderr=out, start_new_session=True)

    def said(self) -> str:
        return self.log.read_text()[-6000:]

    def alive(self) -> bool:
        return self.process.poll() is None

    def frozen(self) -> bool:
        """Whether a signal has stopped it where it stood."""
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def ended(self, within: float = 30.0) -> int:
        """Its exit code, once it ends by itself."""
        return self.process.wait(within)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


STOPS_WITHIN = 5.0
"""Seconds within which a worker that is told to stop has finished its batch and is gone."""


def stops_in_time(worker: Worker, told: Callable[[], str]) -> None:
    """It stops in peace, and within the time that a supervisor gives it. `told` says how things stand where it does not."""
    began = time.monotonic()
    assert worker.stop() == 0, told()
    assert time.monotonic() - began < STOPS_WITHIN, told()


class Live:
    """Topics, a database with a policy, and the workers of one test. `hosts` are the commands by which instances run on
    other hosts."""

    def __init__(self, kafka: str, database_url: str, folder: Path) -> None:
        self.kafka, self.database_url, self.folder = kafka, database_url, folder
        self.partitions = PARTITIONS
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")} | {
            "RXPULSE_HOME": str(folder / "home"),
            "RXPULSE_KAFKA": kafka,
            "RXPULSE_DATABASE_URL": database_url,
            "RXPULSE_PARTITIONS": str(PARTITIONS),
        }
        self.workers: list[Worker] = []
        self.hosts: dict[str, Sequence[str]] = {}
        self.database = psycopg.connect(database_url, autocommit=True)
        self.producer = self.sender()

    def sender(self) -> Producer:
        """A system that sends, started anew."""
        large = {"message.max.bytes": 16 << 20, "compression.type": "gzip"}
        told = {"bootstrap.servers": self.kafka, "partitioner": "murmur2_random", "log_level": 2}
        return Producer({**told, **large, "enable.idempotence": True})

    @property
    def settings(self) -> Settings:
        return Settings.from_env(self.env)

    def worker(self, instance: str = "w0", **env: str) -> Worker:
        """Starts a worker."""
        own = {"RXPULSE_WORKER_INSTANCE": instance, "RXPULSE_PORT": str(free_port())}
        host = self.hosts.get(instance, ())
        self.workers.append(Worker(self.folder / f"{instance}.log", self.env | own | env, host))
        return self.workers[-1]

    def send(self, *events: Event) -> None:
        """Events, each where its case belongs."""
        self.produce((event.subject.encode(), encode(event), None) for event in events)

    def produce(self, records: Iterable[tuple[bytes | None, bytes, int | None]]) -> None:
        """Records (key, value, partition or None for the key's own) in this order, all of them with the broker afterwards."""
        faults: list[object] = []

        def delivered(fault: object, _: Message) -> None:
            if fault is not None:
                faults.append(fault)

        for key, value, partition in records:
            placed = {} if partition is None else {"partition": partition}
            while len(self.producer) >= _ON_THE_WAY:
                self.producer.poll(0.1)
            self.producer.produce(EVENTS, value, key, on_delivery=delivered, **placed)
            self.producer.poll(0)
        assert self.producer.flush(30) == 0 and not faults, faults

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return self.database.execute(statement, values).fetchall()  # type: ignore[arg-type]

    def one(self, statement: str, *values: object) -> Any:
        return self.rows(statement, *values)[0][0]

    def ends(self) -> dict[int, int]:
        """How far each partition of the events reaches."""
        with reading(self.kafka) as consumer:
            places = [TopicPartition(EVENTS, number) for number in range(self.partitions)]
            return {place.partition: consumer.get_watermark_offsets(place, 10)[1] for place in places}

    def await_applied(self, within: float = _WITHIN) -> None:
        """Waits until everything sent is applied, and silence was judged after that."""

        def applied() -> bool:
            assert any(worker.alive() for worker in self.workers), self.told()
            positions = dict(self.rows("SELECT partition, position FROM positions"))
            return all(positions.get(number, 0) >= end for number, end in self.ends().items())

        until(applied, within, why=self.told)
        now = self.one("SELECT clock_timestamp()")
        until(lambda: self.judged() > now, within, why=self.told)

    def judged(self) -> datetime:
        """The instant up to which the silence of every partition was listened to."""
        judged = self.rows("SELECT judged FROM positions")
        if len(judged) < self.partitions or any(one is None for (one,) in judged):
            return datetime.min.replace(tzinfo=UTC)
        return min(one for (one,) in judged)

    def told(self) -> str:
        """What the workers said and where the positions stand, for whoever looks at a failed test."""
        rows = self.rows("SELECT partition, epoch, position, owner, judged FROM positions ORDER BY 1")
        return f"{rows}\n" + "\n".join(worker.said() for worker in self.workers)

    def extents(self, name: str) -> dict[int, tuple[int, int]]:
        """The offsets that each partition of a topic holds: from the first up to and without the second."""
        with reading(self.kafka) as consumer:
            places = [TopicPartition(name, number) for number in consumer.list_topics(name, 10).topics[name].partitions]
            return {place.partition: consumer.get_watermark_offsets(place, 10) for place in places}

    def topic(self, name: str) -> list[Message]:
        """Every record of a topic."""
        extents = self.extents(name)
        left = {number: high for number, (low, high) in extents.items() if high > low}
        with reading(self.kafka) as consumer:
            consumer.assign([TopicPartition(name, number, 0) for number in extents])
            found: list[Message] = []
            give_up = time.monotonic() + _WITHIN
            while left and time.monotonic() < give_up:
                for message in consumer.consume(10_000, 0.1):
                    assert message.error() is None, message.error()
                    found.append(message)
                    partition, offset = message.partition(), message.offset()
                    if partition in left and offset is not None and offset + 1 >= left[partition]:
                        del left[partition]
            assert not left, left
            return found

    def close(self) -> None:
        for worker in self.workers:
            if worker.alive():
                worker.kill()
        self.database.close()


@contextmanager
def living(kafka: str, database_url: str, folder: Path, policy: Parsed) -> Iterator[Live]:
    """New topics and an empty store under a policy; the workers end with the block."""
    live = Live(kafka, database_url, folder)
    try:
        begin(database_url, policy, "a test")
        renew_topics(live.settings)
        yield live
    finally:
        live.close()


def now() -> datetime:
    return datetime.now(UTC)


def simulated(days: int = 1, volume: float = 0.3, profile: str = "retail") -> list[Event]:
    """Events of some days long past, so that every deadline has passed too."""
    start = datetime(2025, 1, 6, 5, tzinfo=UTC)
    running = simulate([SiteSpec("elm", profile, volume=volume)], start, 7)
    return list(takewhile(lambda one: one.recorded < start + timedelta(days=days), running))


def stat(number: int, at: datetime, what: str = "order.entered") -> Event:
    """A STAT order, now."""
    case = CaseId(f"order/{number}")
    said = event(what, 0, key=f"{what}-{number}", case=case, priority="stat", setting="inpatient")
    return Event(said.id, said.source, said.type, at, at, case, said.data)


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


_ON_THE_WAY = 50_000
"""Records that wait for the broker's word, at most: half of what the client holds."""
_READS = {"group.id": "tests", "enable.auto.commit": False, "auto.offset.reset": "earliest"}


@contextmanager
def reading(kafka: str) -> Iterator[Consumer]:
    consumer = Consumer({**_READS, "bootstrap.servers": kafka})
    try:
        yield consumer
    finally:
        consumer.close()


def renew_topics(settings: Settings) -> None:
    """New topics in place of whatever is there, and a group without members."""
    admin = KafkaAdminClient(bootstrap_servers=settings.required_kafka())
    try:
        empty_group(admin)
        ours = {topic.name for topic in topics.declared(settings)}
        there = ours & set(admin.list_topics())
        if there:
            admin.delete_topics(list(there))
        until(lambda: not ours & set(admin.list_topics()))
    finally:
        admin.close()
    assert all(outcome.made for outcome in topics.create(settings))


def empty_group(admin: KafkaAdminClient) -> None:
    """Members that were killed stay until their session times out: they are sent away."""
    try:
        members = admin.describe_groups([GROUP])[GROUP]["members"]
    except KafkaError:
        return
    static = [member["group_instance_id"] for member in members]
    if static:
        admin.remove_group_members(GROUP, [MemberToRemove(group_instance_id=name) for name in static])
