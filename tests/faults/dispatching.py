"""The dispatcher as a process, and the gateway by which it tells Ana: over HTTP, as it does in a pharmacy.

The gateway may be told to let a message be the last that its sender sends: it has got it, kills the sender, and answers nobody.
So nobody can write down that it came. Whoever goes on sends it again under the same key, once the lease of it is over.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from threading import Event as Flag
from threading import Thread
from typing import Any
from urllib.request import urlopen

import psycopg

from models import policy_text
from tests.faults.people import HOOK, POLICY, People
from tests.faults.servers import pass_time
from tests.live import free_port, until

_IN_FLIGHT = "SELECT key FROM deliveries WHERE state = 'sending'"
_CONNECTED = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'rxpulse dispatcher%'"
)
_PATIENCE = 0.1
"""Seconds at most until the gateway answers."""
_EVERY = 0.02
"""Seconds between two looks whether a dispatcher still lives."""


class Dispatchers:
    """Processes as the product starts them, one after the other: who was killed is followed by the next at once. `people` are
    whom they tell, under `policy`; `unanswered` are the keys of messages over which the gateway killed their senders."""

    def __init__(self, folder: Path, database_url: str, gateway: str, seed: int) -> None:
        self._log = folder / "dispatcher.log"
        self._env = {name: told for name, told in os.environ.items() if not name.startswith(("RXPULSE_", "PREFECT_"))}
        self._env |= {
            "RXPULSE_HOME": str(folder / "dispatcher"),
            "RXPULSE_DATABASE_URL": database_url,
            "RXPULSE_PUBLIC_URL": "https://rx.example.org",
        }
        self._chance = Random(f"gateway/{seed}")
        self._process: subprocess.Popen[bytes] | None = None
        self._killed: subprocess.Popen[bytes] | None = None
        self._last = 0
        self.policy = policy_text.read(
            POLICY.replace(HOOK, gateway) + "[channel.webhook]\nallow_private = true\n", file="faults"
        )
        self.people = People(database_url, self._tell)
        self.unanswered: list[str] = []

    def let_die_over(self, number: int) -> None:
        """Whoever sends the so manyeth message from now on (from 1) that was never sent before is killed before the answer."""
        self._last = number

    def kill(self) -> None:
        """kill -9 of the one that lives, be it that it only begins to; what it was sending is known afterwards."""
        before = len(self.people.downs)
        self._kill(until(self._living))
        until(lambda: len(self.people.downs) > before, why="the death of a dispatcher")

    def arrived(self, key: str, message: dict[str, Any]) -> bool:
        """A message is with the gateway. Whether it is answered."""
        new = key not in self.people.heard
        self.people.hear(key, message)
        if new and self._last > 0:
            self._last -= 1
            if self._last == 0:
                self.unanswered.append(key)
                self._kill(until(self._living))
                return False
        pass_time(self._chance.uniform(0.0, _PATIENCE))
        return True

    def _living(self) -> "subprocess.Popen[bytes] | None":
        process = self._process
        return process if process is not None and process.poll() is None else None

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        self._killed = process
        process.kill()

    def _tell(self, people: People, stop: Flag) -> None:
        while not stop.is_set():
            process = self._process = self._started()
            while process.poll() is None and not stop.wait(_EVERY):
                pass
            if process.poll() is None:
                process.terminate()
                assert process.wait(20) == 0, self._said()
            else:
                assert process is self._killed, f"it ended with {process.returncode}: {self._said()}"
                people.went_down(self._in_flight())

    def _started(self) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, "-m", "rxpulse", "dispatcher"]
        with self._log.open("ab") as log:
            return subprocess.Popen(argv, env=self._env | {"RXPULSE_PORT": str(free_port())}, stdout=log, stderr=log)

    def _in_flight(self) -> list[str]:
        """What the one that is dead was sending, once all is heard that it had sent and all is done that it had asked for."""
        with urlopen(self.policy.policy.people["ana"].webhook or "", timeout=30):
            pass
        with psycopg.connect(self.people.database_url, autocommit=True) as connection:
            until(lambda: not connection.execute(_CONNECTED).fetchall(), why="the end of its connections")
            return [key for (key,) in connection.execute(_IN_FLIGHT)]

    def _said(self) -> str:
        return self._log.read_text()[-6000:]


@contextmanager
def gateway() -> "Iterator[Gateway]":
    """It takes messages as long as the block lasts."""
    taking = Gateway()
    thread = Thread(target=taking.serve_forever, args=(_EVERY,), name="gateway", daemon=True)
    thread.start()
    try:
        yield taking
    finally:
        taking.shutdown()
        taking.server_close()


class Gateway(HTTPServer):
    """Takes one message after the other, in the order in which they were sent: so whoever asks it something and has an answer
    knows that it has heard all before. `arrived` says of each, given by its key, whether it is answered."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.arrived: Callable[[str, dict[str, Any]], bool] = lambda _key, _message: True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Request(BaseHTTPRequestHandler):
    server: Gateway

    def handle(self) -> None:
        # Whoever was killed hears no answer, and may have sent half of a message.
        with suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) == length and self.server.arrived(self.headers["webhook-id"], json.loads(body)):
            self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
