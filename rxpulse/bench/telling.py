"""How soon people are told: events that break a rule, and deadlines that pass, on a whole stack that is otherwise calm.

The events come as a pharmacy system sends them, by HTTP to the intake, and the page goes to a webhook on this machine. An
event that breaks a rule counts from the moment it is sent, a missed deadline from the instant at which it was due. Every
second one event of each sort is sent, each on a case of its own, so that every latency is that of a single page.
"""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from typing import Any

import httpx

from models.errors import CallerFault
from models.settings import Settings
from models.store.hearing import listen
from models.store.measuring import RAISED_CHANNEL, Gauge
from rxpulse.bench.rig import Rig
from rxpulse.bench.rows import Row, latency

POLICY = Path(__file__).with_name("whole.toml")
RULE, DEADLINE = "sold-before-final-check", "measured-deadline"
TARGET = timedelta(seconds=3)
"""Of the clock in `whole.toml`."""
_BETWEEN = 0.5
_PATIENCE = 30.0
_SOURCE = "/measured"


@dataclass(frozen=True, slots=True)
class Sample:
    """One event sent at `sent`; `counts_from` is what its latencies count from. Both in seconds since 1970."""

    case: str
    signal: str
    sent: float
    counts_from: float


@dataclass(slots=True)
class Heard:
    """When each signal's row was there (by case), and when each page was accepted (by signal); seconds since 1970.
    `signals` gives the signal of a case. Several threads write: under the lock."""

    rows: dict[str, float] = field(default_factory=dict[str, float])
    signals: dict[str, str] = field(default_factory=dict[str, str])
    pages: dict[str, float] = field(default_factory=dict[str, float])
    lock: Lock = field(default_factory=Lock)

    def whole(self, samples: Sequence[Sample]) -> bool:
        """Whether every sample's signal was written and its page accepted."""
        with self.lock:
            return all(self.signals.get(one.case) in self.pages for one in samples)


@contextmanager
def webhook(heard: Heard) -> Iterator[str]:
    """The address of a webhook that accepts every page and notes when."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            accepted = time.time()
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if told["type"] == "rx.escalation.page" and told["data"]["signal"]:
                with heard.lock:
                    heard.pages.setdefault(told["data"]["signal"]["id"], accepted)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Pages are counted, not logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/page"
    finally:
        server.shutdown()
        server.server_close()


def policy(address: str, folder: Path) -> Path:
    """The policy of the measurement with the webhook's address in it."""
    file = folder / "whole.toml"
    file.write_text(POLICY.read_text("utf-8").replace("{webhook}", address), "utf-8")
    return file


def measure(rig: Rig, heard: Heard, samples: int) -> list[Row]:
    """`signal-latency`, `page-latency` and `deadline-page`, each over `samples` events. Raises CallerFault where a signal or
    a page did not come within half a minute."""
    until_calm(rig)
    sent: list[Sample] = []
    with _watching(rig.settings, heard, sent):
        _send(rig, samples, sent)
        give_up = time.monotonic() + _PATIENCE + TARGET.total_seconds()
        while not heard.whole(sent):
            if time.monotonic() > give_up:
                missing = [one.case for one in sent if heard.signals.get(one.case) not in heard.pages]
                raise CallerFault(f"{len(missing)} of {len(sent)} pages did not come, such as that for {missing[0]}")
            time.sleep(0.05)
    return rows(sent, heard)


def rows(sent: Sequence[Sample], heard: Heard) -> list[Row]:
    """The three rows of samples that were all heard of."""
    broken, missed = ([one for one in sent if one.signal == name] for name in (RULE, DEADLINE))
    page = {one.case: heard.pages[heard.signals[one.case]] - one.counts_from for one in sent}
    return [
        latency("signal-latency", [heard.rows[one.case] - one.counts_from for one in broken]),
        latency("page-latency", [page[one.case] for one in broken]),
        latency("deadline-page", [page[one.case] for one in missed]),
    ]


def until_calm(rig: Rig) -> None:
    """Waits until the dispatcher has looked at every signal there is. Raises CallerFault after five minutes."""
    gauge = Gauge(str(rig.settings.database_url))
    give_up, calm = time.monotonic() + 300, 0
    try:
        while calm < 3:
            if time.monotonic() > give_up:
                raise CallerFault(f"{gauge.unattended()} signals still wait for the dispatcher")
            calm = calm + 1 if gauge.unattended() == 0 else 0
            time.sleep(1.0)
    finally:
        gauge.close()


def event(number: int, run: str, signal: str, at: datetime) -> dict[str, Any]:
    """The event of one sample: a fill handed over that nobody checked, or an order with three seconds."""
    case, kind, data = (
        (f"fill/{run}-{number}", "rx.sold", {"site": "elm", "setting": "retail"})
        if signal == RULE
        else (f"order/{run}-{number}", "rx.order.entered", {"site": "mercy", "setting": "inpatient"})
    )
    return {
        "specversion": "1.0",
        "id": f"{run}-{number}",
        "source": _SOURCE,
        "type": kind,
        "time": at.isoformat(),
        "recorded": at.isoformat(),
        "subject": case,
        "datacontenttype": "application/json",
        "data": data | ({} if signal == RULE else {"reason": "measured", "priority": "routine"}),
    }


def _send(rig: Rig, samples: int, sent: list[Sample]) -> None:
    address = f"http://127.0.0.1:{rig.plan.ports['intake']}/api/v1/events"
    headers = {
        "authorization": f"Bearer {rig.settings.api_key}",
        "content-type": "application/cloudevents+json",
    }
    run = f"m{time.time_ns():x}"
    with httpx.Client(headers=headers, timeout=30) as client:
        for number in range(2 * samples):
            begun = time.monotonic()
            signal = (RULE, DEADLINE)[number % 2]
            at = datetime.now(UTC)
            due = TARGET.total_seconds() if signal == DEADLINE else 0.0
            one = event(number, run, signal, at)
            sent.append(Sample(one["subject"], signal, at.timestamp(), at.timestamp() + due))
            answer = client.post(address, content=json.dumps(one))
            if answer.status_code != 202:
                raise CallerFault(f"the intake answered {answer.status_code}: {answer.text}")
            time.sleep(max(_BETWEEN - (time.monotonic() - begun), 0.0))


@contextmanager
def _watching(settings: Settings, heard: Heard, sent: Sequence[Sample]) -> Iterator[None]:
    """Notes when signals stand in the store while the block runs: it is woken by PostgreSQL itself at their commit."""
    url, stop = str(settings.database_url), Flag()
    gauge = Gauge(url)

    def look() -> None:
        waiting = {one.case: one.signal for one in list(sent) if one.case not in heard.signals}
        found = gauge.raised(list(waiting)) if waiting else []
        note({case: signal for signal, name, case in found if name == waiting[case]}, heard, time.time())

    listening = listen(url, RAISED_CHANNEL, "rxpulse bench hears", look, stop)
    try:
        yield
    finally:
        stop.set()
        listening.join(5)
        gauge.close()


def note(found: Mapping[str, str], heard: Heard, at: float) -> None:
    """These cases have their signal (case to signal) at `at`, seconds since 1970."""
    with heard.lock:
        for case, signal in found.items():
            heard.signals.setdefault(case, signal)
            heard.rows.setdefault(case, at)
