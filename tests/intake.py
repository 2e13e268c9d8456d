"""Words for tests of the intake: one that answers over real HTTP with a real Kafka and a real store behind it, events to send
to it, and what it answers and counts."""

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import uvicorn

from metrics.exporter import PrometheusRecorder
from models import policy_text, store
from models.settings import Settings
from models.store import policies
from models.store.intake import IntakeStore, Standing
from streams import topics
from streams.confirming import Confirming
from streams.intake.http import Behind, create_app
from tests.conftest import RunningStack

KEY = "an-api-key-of-24-characters-or-more"
PSEUDONYMS = "a key that is long enough to be one"
POLICY = """
extends = "inpatient"
[site.mercy]
name = "Mercy"
setting = "inpatient"
timezone = "America/New_York"
[feed."/raw/pis"]
pseudonymise = true
"""
SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


@dataclass(frozen=True, slots=True)
class Intake:
    """A running intake. `behind` are its parts, to make others with."""

    url: str
    behind: Behind
    database_url: str
    settings: Settings

    def post(self, body: object, kind: str = SINGLE, key: str = KEY, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": kind, "authorization": f"Bearer {key}"} | headers
        return httpx.post(f"{self.url}/api/v1/events", content=content, headers=named, timeout=30)


@contextmanager
def receiving(stack: RunningStack) -> Iterator[Intake]:
    """An intake before a database of its own; both are gone afterwards."""
    with _database(stack) as url, _over(stack, url) as intake:
        yield intake


@contextmanager
def _database(stack: RunningStack) -> Iterator[str]:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE intake_tests")
        try:
            url = stack.url_of("intake_tests")
            store.migrate(url)
            policies.begin(url, policy_text.read(POLICY), "test")
            yield url
        finally:
            connection.execute("DROP DATABASE intake_tests WITH (FORCE)")


@contextmanager
def _over(stack: RunningStack, database: str) -> Iterator[Intake]:
    settings = Settings(home=stack.home, cache=stack.home, kafka=stack.kafka)
    topics.create(settings)
    held, producer = IntakeStore(database), Confirming(settings)
    behind = Behind(
        standing=held.standing,
        deliver=producer.deliver,
        missing=lambda: producer.missing() or held.missing(),
        recorder=PrometheusRecorder("intake"),
        api_key=KEY,
        pseudonym_key=PSEUDONYMS,
    )
    with served(behind) as url:
        yield Intake(url, behind, database, settings)
    producer.close()
    held.close()


@contextmanager
def served(behind: Behind) -> Iterator[str]:
    """The address of an intake with these parts."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(behind), ws="none", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.01)


def now(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def cloud(name: str = "e1", source: str = "/test/intake", **changed: object) -> dict[str, object]:
    made = {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": "rx.order.entered",
        "time": now(),
        "subject": "order/7f3a",
        "data": {"site": "mercy", "setting": "inpatient"},
    }
    return {key: value for key, value in (made | changed).items() if value is not ...}


def reasons(answer: httpx.Response) -> list[tuple[int, str]]:
    return [(item["index"], item["reason"]) for item in answer.json()["items"]]


def figure(intake: Intake, name: str, labels: str = "") -> float:
    text = httpx.get(f"{intake.url}/metrics").text
    found = re.search(rf"^{name}{re.escape(labels)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def stands(intake: Intake, **changed: object) -> Callable[[], Standing]:
    return lambda: replace(intake.behind.standing(), **changed)  # type: ignore[arg-type]
