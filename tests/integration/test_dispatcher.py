"""The dispatcher as a process: a signal in the store becomes a signed webhook, with Prefect away, once, until the end."""

import asyncio
import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec import structs
from standardwebhooks import Webhook

from metrics import catalog
from metrics.recorder import MemoryRecorder, NullRecorder, Recorder
from models import policy_text
from models.policy import Channel, Person
from models.signals import Cleared
from models.store import deliveries
from models.store.connecting import connect
from models.store.contacting import send_test
from models.store.deliveries import LEASE
from models.store.desk import acknowledge, now
from models.store.ledger import Advance, Batch, SignalFact
from models.store.messages import Voice
from models.store.policies import begin, read_policies
from models.store.pool import Pool
from models.store.sql import SqlLedger
from tests.door import Door
from tests.integration.test_desk import LATE, POLICY
from tests.live import free_port, until
from tests.mailserver import mail_server
from workflows.dispatcher import Dispatcher
from workflows.notify.answer import Answer, Delivered, Notifier


@dataclass
class Receiver:
    """An HTTP server that keeps what it is sent and answers as it is told."""

    server: ThreadingHTTPServer
    received: list[tuple[dict[str, str], bytes, float]] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/hook"

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for _, body, _ in self.received]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers = kept.answers.pop(0) if kept.answers else (200, {})
            kept.received.append((dict(self.headers.items()), body, time.monotonic()))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kept = Receiver(server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kept
    server.shutdown()
    server.server_close()


@dataclass
class Running:
    """A dispatcher process over a store in which a worker writes."""

    home: Path
    url: str
    ledger: SqlLedger
    environ: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    written: int = 0

    def start(self, **environ: str) -> None:
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rxpulse", "dispatcher"],
                env=self.environ | environ,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def kill(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(60)

    def hears(self) -> bool:
        """Whether one is up, and hears of signals."""
        asked = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name ~ 'dispatcher hears' AND datname = current_database()"
        )
        return self.rows(asked) == [(1,)]

    def signal(self, **changes: object) -> None:

        with connect(self.url, "test", autocommit=True) as connection:
            at = now(connection)
        one = structs.replace(LATE, **{"raised": at, "known": at, **changes})
        self.written += 1
        advance = Advance(0, 1, 0, 0, self.written, 0, judged=at)
        self.ledger.commit(Batch([advance], signals=[SignalFact(0, self.written - 1, 0, None, one)]))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connect(self.url, "test", autocommit=True) as connection:
            return connection.execute(query).fetchall()


def worker_under(policy: str, database_url: str) -> SqlLedger:
    """The ledger of a worker that has begun under a policy."""
    begin(database_url, policy_text.read(policy, file="test"), "a test")
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", [0], "w0")
    return ledger


@asynccontextmanager
async def at_work_here(database_url: str, gateway: Notifier, recorder: Recorder) -> AsyncIterator[None]:
    """A dispatcher in this process, over a gateway that does what no receiver can, for as long as the block lasts."""
    with closing(Pool(database_url, "test", 2)) as pool:
        channels = {Channel.WEBHOOK: gateway}
        here = Dispatcher(pool, database_url, lambda _: channels, Voice("http://here"), recorder, None)
        work = asyncio.create_task(here.run())
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


@pytest.fixture
def dispatcher(database_url: str, receiver: Receiver, tmp_path: Path) -> Iterator[Running]:
    policy = POLICY.replace("https://ana.example.org/hook", receiver.url)
    policy = policy.replace('extends = "none"', 'extends = "none"\n[channel.webhook]\nallow_private = true')
    ledger = worker_under(policy, database_url)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RXPULSE_", "PREFECT_"))}
    environ |= {
        "RXPULSE_HOME": str(tmp_path),
        "RXPULSE_DATABASE_URL": database_url,
        "RXPULSE_PORT": str(free_port()),
        "RXPULSE_PUBLIC_URL": "https://rx.example.org",
    }
    running = Running(tmp_path, database_url, ledger, environ)
    yield running
    if running.process is not None and running.process.poll() is None:
        running.kill(signal.SIGKILL)
    ledger.close()


def test_a_signal_becomes_a_signed_webhook_and_its_end_another(dispatcher: Running, receiver: Receiver) -> None:
    dispatcher.start()
    dispatcher.signal()
    until(lambda: len(receiver.received) == 1, why="the page")
    headers, body, _ = receiver.received[0]
    secret = (dispatcher.home / "webhook.secret").read_text().strip()
    Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    event = json.loads(body)
    assert event["id"] == headers["webhook-id"] == headers["Idempotency-Key"]
    assert event["type"] == "rx.escalation.page" and event["data"]["person"] == "ana"
    assert event["data"]["link"].startswith("https://rx.example.org/a/")
    dispatcher.signal(cleared=dispatcher.rows("SELECT now()")[0][0], reason=Cleared.STOP, revision=2)
    until(lambda: receiver.types() == ["rx.escalation.page", "rx.escalation.resolved"], why="word of the end")
    assert dispatcher.kill(signal.SIGTERM) == 0
    # Every line once and as our own kind of line: Prefect's console stands not beside it.
    lines = [json.loads(line) for line in (dispatcher.home / "log").read_text().splitlines()]
    assert [line["message"] for line in lines].count("stopped") == 1


def test_the_secret_is_readable_by_its_owner_alone(dispatcher: Running, receiver: Receiver) -> None:
    dispatcher.start()
    dispatcher.signal()
    until(lambda: len(receiver.received) == 1, why="the page")
    file = dispatcher.home / "webhook.secret"
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(file.read_text().strip().removeprefix("whsec_"))) == 32


def test_a_receiver_that_asks_for_patience_gets_the_same_message_again(dispatcher: Running, receiver: Receiver) -> None:
    receiver.answers = [(503, {}), (429, {"Retry-After": "1"})]
    dispatcher.start()
    dispatcher.signal()
    until(lambda: len(receiver.received) == 3, why="three attempts")
    assert len({headers["webhook-id"] for headers, _, _ in receiver.received}) == 1
    assert len({body for _, body, _ in receiver.received}) == 1
    until(
        lambda: dispatcher.rows("SELECT state, attempts FROM deliveries WHERE channel = 'webhook'") == [("sent", 3)],
        why="sent",
    )


def test_a_receiver_that_asks_for_patience_without_end_gives_up_and_the_next_step_comes(
    dispatcher: Running, receiver: Receiver
) -> None:
    receiver.answers = [(429, {"Retry-After": "999999999999"})]
    dispatcher.start()
    dispatcher.signal()
    until(
        lambda: (
            dispatcher.rows("SELECT state, attempts, answer FROM deliveries WHERE channel = 'webhook'")
            == [("gave_up", 1, "HTTP 429")]
        ),
        why="given up",
    )
    assert len(receiver.received) == 1


def test_a_channel_that_breaks_is_tried_again_and_its_reason_logged(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """In a way that nobody foresaw, so that no receiver can bring it about: the dispatcher runs here, over such a one."""

    class Broken:
        keys: ClassVar[list[str]] = []

        async def send(self, person: Person, key: str, message: dict[str, Any]) -> Answer:
            self.keys.append(key)
            raise RuntimeError("nobody foresaw this")

    ledger = worker_under(POLICY, database_url)
    running = Running(Path(), database_url, ledger, {})

    async def twice() -> None:
        async with at_work_here(database_url, Broken(), NullRecorder()):
            await asyncio.to_thread(running.signal)
            # Well before the lease is over: it was settled.
            within = LEASE.total_seconds() / 2
            await asyncio.to_thread(until, lambda: len(Broken.keys) > 1, within, why="a second attempt")

    with closing(ledger):
        asyncio.run(twice())
        [(answer,)] = running.rows("SELECT answer FROM deliveries WHERE channel = 'webhook'")
    assert answer == "could not be sent: RuntimeError: nobody foresaw this" and len(set(Broken.keys)) == 1
    [record, *_] = [one for one in caplog.records if one.name == "rxpulse.dispatcher" and one.exc_info]
    assert "the channel webhook failed" in record.message


def test_what_was_sent_as_the_database_went_away_is_written_down_when_it_is_back_and_not_sent_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is away for longer than the lease of what was sent."""
    monkeypatch.setattr(deliveries, "LEASE", timedelta(seconds=2))
    ledger = worker_under(POLICY, database_url)
    running = Running(Path(), database_url, ledger, {})
    door, recorder, turn = Door(database_url), MemoryRecorder(), (catalog.ROUND.name, ())

    class Gateway:
        sent: ClassVar[list[str]] = []

        async def send(self, person: Person, key: str, message: dict[str, Any]) -> Answer:
            if not self.sent:
                await asyncio.to_thread(door.shut)
            self.sent.append(key)
            return Delivered("taken")

    async def through() -> None:
        async with at_work_here(database_url, Gateway(), recorder):
            await asyncio.to_thread(until, lambda: Gateway.sent, why="the page")
            shut = time.monotonic()
            await asyncio.to_thread(until, lambda: time.monotonic() - shut > 4.0, why="the end of the lease")
            await asyncio.to_thread(door.open)
            await asyncio.to_thread(until, lambda: _answers(running, "taken") == 1, why="the answer")
            seen = recorder.values[turn]
            await asyncio.to_thread(until, lambda: recorder.values[turn] > seen, why="another round")

    running.signal()
    ledger.close()
    with closing(door):
        asyncio.run(through())
    assert len(Gateway.sent) == 1


def test_a_receiver_that_is_gone_refuses(dispatcher: Running, receiver: Receiver) -> None:
    receiver.answers = [(410, {})]
    dispatcher.start()
    dispatcher.signal()
    until(
        lambda: (
            dispatcher.rows("SELECT state, left(answer, 14) FROM deliveries WHERE channel = 'webhook'")
            == [("refused", "HTTP 410, gone")]
        ),
        why="the refusal",
    )


def test_an_address_that_is_gone_is_not_posted_to_again_until_a_test_reaches_it(
    dispatcher: Running, receiver: Receiver
) -> None:
    receiver.answers = [(410, {})]
    dispatcher.start()
    dispatcher.signal()
    until(lambda: _answers(dispatcher, "HTTP 410, gone%") == 1, why="the refusal")
    dispatcher.signal(id="another", case="order/another")
    until(lambda: _answers(dispatcher, "gone (410): not sent%") == 1, why="the refusal without a post")
    assert len(receiver.received) == 1
    with connect(dispatcher.url, "test", autocommit=True) as connection:
        policies = read_policies(connection, None)
        assert policies is not None
        send_test(connection, Voice("http://127.0.0.1"), policies.latest, "ana", [Channel.WEBHOOK])
    until(lambda: len(receiver.received) == 2, why="the test")
    until(lambda: dispatcher.rows("SELECT state FROM deliveries WHERE type = 'test'") == [("sent",)], why="sent")
    dispatcher.signal(id="third", case="order/third")
    until(lambda: len(receiver.received) == 3, why="the page after the test")


def _answers(dispatcher: Running, like: str) -> int:
    [(count,)] = dispatcher.rows(f"SELECT count(*) FROM deliveries WHERE channel = 'webhook' AND answer LIKE '{like}'")
    return int(count)


def test_a_dispatcher_that_was_killed_goes_on_and_tells_nobody_twice(dispatcher: Running, receiver: Receiver) -> None:
    dispatcher.start()
    dispatcher.signal()
    until(lambda: len(receiver.received) == 1, why="the page")
    until(lambda: dispatcher.rows("SELECT state FROM deliveries WHERE channel = 'webhook'") == [("sent",)], why="sent")
    dispatcher.kill(signal.SIGKILL)
    [(escalation,)] = dispatcher.rows("SELECT id FROM escalations")
    with connect(dispatcher.url, "test", autocommit=True) as connection:
        acknowledge(connection, escalation, "ben")
    dispatcher.start()
    until(lambda: "rx.escalation.acknowledged" in receiver.types(), why="word of who has it")
    assert receiver.types().count("rx.escalation.page") == 1


def test_a_private_address_is_refused_unless_the_policy_allows_it(
    dispatcher: Running, receiver: Receiver, database_url: str
) -> None:
    dispatcher.rows("DELETE FROM policies RETURNING 1")
    begin(database_url, policy_text.read(POLICY.replace("https://ana.example.org/hook", receiver.url)), "a test")
    dispatcher.start()
    dispatcher.signal()
    until(
        lambda: (
            [row[0] for row in dispatcher.rows("SELECT state FROM deliveries WHERE channel = 'webhook'")] == ["refused"]
        ),
        why="the refusal",
    )
    [(answer,)] = dispatcher.rows("SELECT answer FROM deliveries WHERE channel = 'webhook'")
    assert "allow_private" in answer and receiver.received == []


def test_prefect_that_does_not_answer_delays_no_page(dispatcher: Running, receiver: Receiver) -> None:
    """A server that takes connections and never answers is worse than none."""
    import socket

    with socket.socket() as stalled:
        stalled.bind(("127.0.0.1", 0))
        stalled.listen()
        url = f"http://127.0.0.1:{stalled.getsockname()[1]}/api"
        dispatcher.start(RXPULSE_PREFECT_URL=url, PREFECT_API_URL=url)
        until(dispatcher.hears, why="up")
        asked = time.monotonic()
        dispatcher.signal()
        until(lambda: len(receiver.received) == 1, why="the page")
        assert receiver.received[0][2] - asked < 15.0


def test_a_mail_server_that_refuses_one_of_two_leaves_the_other_told_once(
    dispatcher: Running, receiver: Receiver, database_url: str
) -> None:
    with mail_server() as server:
        server.refuses["ben@example.org"] = "550 no such mailbox"
        policy = POLICY.replace('name = "Ana"', 'name = "Ana"\nemail = "ana@example.org"')
        policy = policy.replace('name = "Ben"', 'name = "Ben"\nemail = "ben@example.org"')
        policy = policy.replace(
            'to = ["person:ana"], by = ["webhook", "inbox"]', 'to = ["person:ana", "person:ben"], by = ["email"]'
        )
        dispatcher.rows("DELETE FROM policies RETURNING 1")
        begin(database_url, policy_text.read(f'{policy}\n[channel.email]\nsmtp = "{server.url}"'), "a test")
        dispatcher.start()
        dispatcher.signal()
        until(
            lambda: (
                dispatcher.rows("SELECT person, state, answer FROM deliveries ORDER BY person")
                == [
                    ("ana", "sent", "taken by 127.0.0.1"),
                    ("ben", "refused", "SMTP 550 no such mailbox"),
                ]
            ),
            why="one taken, one refused",
        )
        assert server.types("ana@example.org") == ["rx.escalation.page"]
