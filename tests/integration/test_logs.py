"""What a failing worker writes down: the kind of failure and its place, in JSON, and nothing of the work it failed on."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from models import policy_text
from models.event import CaseId, Event
from streams.topics import DEADLETTER
from tests.conftest import RunningStack
from tests.heart import event
from tests.live import Live, living, now, until

ORDER, ACTOR, STATION = "PLANTED-ORDER-77", "PLANTED-ACTOR-88", "PLANTED-STATION-99"


@pytest.fixture
def live(stack: RunningStack, database_url: str, tmp_path: Path) -> Iterator[Live]:
    with living(stack.kafka, database_url, tmp_path, policy_text.shipped_default()) as one:
        yield one


def planted() -> Event:
    case, at = CaseId(f"order/{ORDER}"), now() - timedelta(minutes=1)
    said = event("order.entered", 0, case=case, priority="stat", actor=ACTOR, station=STATION)
    return Event(said.id, said.source, said.type, at, at, case, said.data)


def lines(log: Path) -> list[dict[str, Any]]:
    """Every line of a role's log, each of which must be a JSON object."""
    return [json.loads(line) for line in log.read_text().splitlines()]


def assert_nowhere(logs: list[Path]) -> None:
    for log in logs:
        text = log.read_bytes()
        assert not [word for word in (ORDER, ACTOR, STATION) if word.encode() in text], log


def test_a_batch_that_the_database_refuses_leaves_no_identifier_in_any_log(live: Live, stack: RunningStack) -> None:
    live.database.execute("ALTER TABLE cases ADD CONSTRAINT refused CHECK (site <> 'mercy')")
    worker = live.worker()
    live.send(planted())
    assert worker.ended() == 1
    last = lines(worker.log)[-1]
    assert last["role"] == "worker" and last["level"] == "critical"
    assert last["message"] == "the worker ends: CheckViolation" and last["fault"][0] == "CheckViolation (23514)"
    assert last["correlation"].startswith("batch ") and any("commit" in place for place in last["trace"])
    # The database's own log says that something was refused, too.
    database = stack.home / "logs" / "postgres.log"
    until(lambda: b"violates check constraint" in database.read_bytes())
    assert_nowhere([worker.log, *(stack.home / "logs").iterdir()])


def test_what_cannot_be_an_event_is_put_aside_with_a_reason_that_quotes_nothing(live: Live) -> None:
    good = {**json.loads(b'{"specversion":"1.0","id":"1","source":"/t","type":"rx.order.entered"}')}
    good |= {"time": "2026-01-01T00:00:00Z", "subject": f"order/{ORDER}", "data": {"site": "mercy", "actor": ACTOR}}
    bad = [
        good | {"time": STATION},
        good | {"subject": f"strange/{ORDER}"},
        good | {"data": good["data"] | {"actor": f"{ACTOR} {STATION}"}},
        good | {"data": good["data"] | {"links": {STATION: "a b", "dose": f"{ORDER} b"}}},
        good | {"type": f"rx.{STATION} x"},
    ]
    broken = [json.dumps(one).encode() for one in bad] + [f'{{"{ORDER}": "{ACTOR}'.encode()]
    worker = live.worker()
    live.produce((b"k", one, 0) for one in broken)
    live.await_applied()
    letters = live.topic(DEADLETTER)
    assert len(letters) == len(broken)
    for letter in letters:
        said = dict(letter.headers() or [])
        assert said["reason"] and said["detail"]
        assert not [w for w in (ORDER, ACTOR, STATION) for value in said.values() if w.encode() in (value or b"")]
    assert worker.stop() == 0
    assert lines(worker.log)
    assert_nowhere([worker.log])


def test_a_worker_that_stops_on_purpose_says_so_without_quoting(live: Live) -> None:
    worker = live.worker(RXPULSE_DEADLETTER_LIMIT="1")
    live.produce((b"k", f'{{"{ORDER}": "{ACTOR}'.encode(), 0) for _ in range(3))
    assert worker.ended() == 3
    assert "cannot be events" in lines(worker.log)[-1]["message"]
    assert_nowhere([worker.log])
