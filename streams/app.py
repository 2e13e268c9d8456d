"""The worker: a Faust app that hosts the batch loop.

Faust gives the process its life: start, stop on a signal, the agent of the low-rate control topic. What must not be lost
does not go through Faust's agents but through the loop of `streams.batch`, in a thread of its own. Everything the worker
is made of is put together here.
"""

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import TypeVar

import faust
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from metrics.exporter import PrometheusRecorder, RoleServer
from models.errors import CallerFault, RxPulseError
from models.settings import KafkaSecurity, Settings
from models.store.connecting import DatabaseAway, in_words
from models.store.ledger import Fenced, ForeignCluster, Ledger, OtherPartitions
from models.store.seat import Seat
from models.store.sql import SqlLedger
from models.wire import MAX_RECORD
from streams import hostclock
from streams.aside import put_aside
from streams.batch import Loop
from streams.cases import Cases
from streams.commit import Committer
from streams.connection import confluent
from streams.deadletter import DeadLetters, TooManyDeadLetters
from streams.extents import TopicDiffers
from streams.lag import ends
from streams.laps import Laps
from streams.living import living
from streams.outcomes import Judge
from streams.ownership import Ownership
from streams.producing import producer_settings
from streams.relay import Relay
from streams.ticks import Ticker
from streams.topics import CONTROL, EVENTS
from streams.watching import Watch

GROUP = "rxpulse-worker"
STOPPED_ON_PURPOSE = 3
"""Exit code of a worker that must not be started again before somebody has looked: too much was put aside, or the topic is not
the one that the store was made from, which only a person can mend. Everything else of the stack goes on, the pages too."""
FENCED, FAILED = 4, 1
_SESSION_MS = 10_000
_FACTS = {"linger.ms": 5, "compression.type": "lz4"}
"""How facts are sent: much of each is said in the next one again, and they are kept for a year."""
_DATABASE_SECONDS = 30.0
_KAFKA_SECONDS, _KAFKA_PAUSE = 60.0, 0.3
T = TypeVar("T")
log = logging.getLogger("rxpulse.worker")


def end(fault: BaseException) -> None:
    """Ends the process at once, with nothing half done: the transaction that was not committed is undone."""
    match fault:
        case TooManyDeadLetters() | TopicDiffers() | ForeignCluster() | OtherPartitions():
            code = STOPPED_ON_PURPOSE
        case Fenced():
            code = FENCED
        case _:
            code = FAILED
    known = isinstance(fault, RxPulseError)
    log.critical("the worker ends: %s", _words(fault), exc_info=None if known else fault)
    logging.shutdown()
    os._exit(code)


def _words(fault: BaseException) -> str:
    """Why, without anything that a record or a row may say."""
    match fault:
        case RxPulseError():
            return str(fault)
        case KafkaException():
            return f"Kafka says: {fault.args[0].str()}"
        case _:
            return in_words(fault) or type(fault).__name__


def build(settings: Settings, watch: Watch, ledger: Ledger | None = None) -> Loop:
    """The loop with all its parts, connected; `ledger` None: the database's. Raises DatabaseAway where the database
    stays away."""
    owner = owner_name(settings.worker_instance)
    ledger = ledger or _connected(lambda: SqlLedger(settings.required_database_url(), owner))
    base, producer = confluent(settings), producer_settings(settings)
    consumer = Consumer(_consumer_settings(settings))
    relay = Relay(Producer({**producer, **_FACTS}), lambda why: end(RxPulseError(why)))
    large = {**producer, "message.max.bytes": 2 * MAX_RECORD}
    dead_letters = DeadLetters(Producer(large), settings.deadletter_limit, settings.deadletter_window)
    cases = Cases(ledger)
    committer = Committer(ledger, relay, dead_letters, watch.done, end, Laps(watch.spent))
    loop: Loop | None = None

    def drain() -> None:
        assert loop is not None
        loop.drain()
        relay.flush(5.0)

    def remember(positions: Mapping[int, int], afresh: bool) -> None:
        dead_letters.remember(put_aside(settings, positions, entire=afresh))

    ownership = Ownership(consumer, ledger, relay, owner, remember, drain)
    margin = timedelta(seconds=settings.tick_margin_seconds)
    ticker = Ticker(ledger, lambda: AdminClient(base), cases, margin, _host_clock, watch.measured, watch.behind)
    committer.start()
    loop = Loop(consumer, ledger, ownership, cases, ticker, committer, dead_letters, watch)
    return loop


def owner_name(instance: str) -> str:
    """Whom the store knows this process by, at most 63 bytes of ASCII. Not by the process's number: workers of one name in two
    containers may both be number 7, and would take each other for themselves."""
    return f"worker-{instance}-{secrets.token_hex(4)}"


def _host_clock() -> datetime:
    return datetime.now(UTC)


def build_judge(settings: Settings, watch: Watch) -> Judge:
    """The judge of rates and feeds, connected. Raises DatabaseAway where the database stays away."""
    seat = _connected(lambda: Seat(settings.required_database_url(), settings.worker_instance))
    relay = Relay(Producer({**producer_settings(settings), **_FACTS}), lambda why: end(RxPulseError(why)))
    return Judge(seat, relay, lambda: watch.ahead, watch.judged, end)


def _consumer_settings(settings: Settings) -> dict[str, object]:
    return {
        **confluent(settings),
        "group.id": GROUP,
        "group.instance.id": settings.worker_instance,
        # Who comes or goes moves some partitions; the others are read on meanwhile.
        "partition.assignment.strategy": "cooperative-sticky",
        "client.id": f"{GROUP}-{settings.worker_instance}",
        # The store's positions decide; a position that the topic does not hold must be said, not skipped.
        "auto.offset.reset": "error",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "session.timeout.ms": _SESSION_MS,
        "heartbeat.interval.ms": 1000,
        "fetch.wait.max.ms": 50,
        "queued.max.messages.kbytes": 65536,
    }


def _connected(connect: Callable[[], T]) -> T:
    give_up = time.monotonic() + _DATABASE_SECONDS
    wait = 0.1
    while True:
        try:
            return connect()
        except DatabaseAway:
            if time.monotonic() > give_up:
                raise
            time.sleep(wait)
            wait = min(2 * wait, 2.0)


def _await_kafka(settings: Settings) -> None:
    """Waits until Kafka answers: a broker that was killed takes a while, and Faust would give up at once. Ends
    the process where it stays away."""
    give_up = time.monotonic() + _KAFKA_SECONDS
    while True:
        try:
            if ends(settings):
                return
            raise CallerFault(f"Kafka has no topic {EVENTS}: make it with `rxpulse topics create`")
        except CallerFault as fault:
            if time.monotonic() > give_up:
                end(fault)
        time.sleep(_KAFKA_PAUSE)


def run(settings: Settings, ledger: Ledger | None = None) -> None:
    """The life of a worker process: exits with its code. `ledger` None: the database's."""
    recorder = PrometheusRecorder("worker")
    watch = Watch(recorder)
    RoleServer(settings.bind, settings.required_port(), recorder, watch.missing, settings.api_key).start()
    hostclock.start(end)
    _await_kafka(settings)
    app = create_app(settings, watch, ledger)
    host = faust.Worker(app, quiet=True, redirect_stdouts=False, override_logging=False)
    host.spinner = None  # it would draw into the log
    host.execute_from_commandline()


def create_app(settings: Settings, watch: Watch, ledger: Ledger | None = None) -> faust.App:
    """The Faust app of one worker."""
    folder = settings.home / "worker" / settings.worker_instance
    folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        # A group of its own at every start: whoever was killed would be waited for otherwise. Nothing is missed, for
        # what is announced is read from the store.
        f"rxpulse-control-{settings.worker_instance}-{secrets.token_hex(4)}",
        broker=[f"kafka://{broker.strip()}" for broker in settings.required_kafka().split(",")],
        broker_credentials=_credentials(settings),
        broker_session_timeout=_SESSION_MS / 1000,
        datadir=folder,
        value_serializer="raw",
        key_serializer="raw",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="latest",
    )

    @app.agent(app.topic(CONTROL))
    async def heard(messages: faust.StreamT[bytes]) -> None:
        """Whatever is announced is in the store already, and read from there before the next batch."""
        async for message in messages:
            log.info("%d bytes were announced", len(message))

    @app.service
    class BatchService(faust.Service):
        """The loop in its thread, from the app's start to its stop."""

        running: tuple[Loop, Thread, Judge | None] | None = None

        async def on_start(self) -> None:
            loop, judge = await asyncio.to_thread(_built, settings, watch, ledger)
            thread = living("loop", loop.run, end)
            self.running = loop, thread, judge
            thread.start()
            if judge is not None:
                judge.start()

        async def on_stop(self) -> None:
            if self.running is not None:
                loop, thread, judge = self.running
                loop.stopping.set()
                if judge is not None:
                    await asyncio.to_thread(judge.stop)
                await asyncio.to_thread(thread.join)

    return app


def _built(settings: Settings, watch: Watch, ledger: Ledger | None) -> tuple[Loop, Judge | None]:
    """The loop, and the judge of what is in the database; over another ledger there is none."""
    try:
        return build(settings, watch, ledger), None if ledger else build_judge(settings, watch)
    except BaseException as fault:  # Faust would go on without its service
        end(fault)
        raise


def _credentials(settings: Settings) -> object:
    if settings.kafka_security is KafkaSecurity.PLAINTEXT:
        return None
    import ssl

    context = ssl.create_default_context(cafile=str(settings.kafka_ca) if settings.kafka_ca else None)
    if settings.kafka_security is KafkaSecurity.SSL:
        return faust.SSLCredentials(context)
    return faust.SASLCredentials(
        username=settings.kafka_user,
        password=str(settings.kafka_password or ""),
        ssl_context=context,
        mechanism="SCRAM-SHA-512",
    )
