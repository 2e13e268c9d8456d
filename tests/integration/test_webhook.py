"""A webhook against receivers that speak HTTP badly: no answer, however long or slow, holds or fills the dispatcher."""

import asyncio
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from models.policy import Person
from workflows.notify.answer import Answer, Delivered, RetryAfter
from workflows.notify.webhook import Webhook

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
PAGE: dict[str, Any] = {"id": "k1", "type": "rx.escalation.page"}
WITHIN = 10.0
"""Seconds after which a test is lost."""


@dataclass
class Talker:
    """`hung_up` is set when the client has gone."""

    url: str
    hung_up: threading.Event = field(default_factory=threading.Event)


@contextmanager
def talker(begin: bytes, go_on: bytes, pause: float) -> Iterator[Talker]:
    """A receiver that answers with `begin`, and then with `go_on` every `pause` seconds until the client hangs up."""
    ended = threading.Event()

    class Session(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            try:
                self.request.sendall(begin)
                while not ended.wait(pause):
                    self.request.sendall(go_on)
            except OSError:
                kept.hung_up.set()

    class Listener(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Listener(("127.0.0.1", 0), Session) as listener:
        kept = Talker(f"http://127.0.0.1:{listener.server_address[1]}/hook")
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield kept
        finally:
            ended.set()
            listener.shutdown()
            thread.join()


def send(to: Talker, then: Callable[[], None] = lambda: None, **limits: float) -> Answer:
    """The answer; `then` is done before the webhook is closed."""
    ana = Person(key="ana", name="Ana", email=None, webhook=to.url)

    async def ask() -> Answer:
        webhook = Webhook(SECRET, allow_private=True, **limits)
        try:
            answer = await asyncio.wait_for(webhook.send(ana, "k1", PAGE), WITHIN)
            await asyncio.to_thread(then)
            return answer
        finally:
            await webhook.close()

    return asyncio.run(ask())


def test_an_answer_that_never_ends_is_judged_by_its_status_and_hung_up_on() -> None:
    begin = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with talker(begin, b": still here\n\n", 0.02) as endless:
        assert send(endless, lambda: _wait(endless.hung_up)) == Delivered("HTTP 200")


def test_a_body_without_end_is_not_read() -> None:
    with talker(b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\n\r\n", b"x" * 65536, 0.0) as endless:
        answer = send(endless, lambda: _wait(endless.hung_up))
    assert isinstance(answer, RetryAfter) and answer.answer == "HTTP 503"
    assert answer.wait is not None and answer.wait.total_seconds() == 7


def test_an_answer_that_drips_is_given_up_within_the_limit_of_the_whole() -> None:
    with talker(b"HTTP/1.1 200 OK\r\nX-Drip: ", b"x", 0.02) as dripping:
        assert send(dripping, lambda: _wait(dripping.hung_up), within=0.3) == RetryAfter("no answer within 0.3 s")


def _wait(event: threading.Event) -> None:
    assert event.wait(WITHIN), "the receiver was not hung up on"
