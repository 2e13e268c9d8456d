"""Finished cases leave while the worker is killed inside the transaction in which they do, and right after it; what comes of
them afterwards, copies, late events and corrections, is counted and changes nothing.

Seen red when the rows of the cases went in a transaction of their own, and when the worker that was started again did not ask
the store who had left.
"""

import signal
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from msgspec import structs

from models.event import Event
from models.event_types import VOIDED
from models.wire import encode
from streams.faultpoints import VARIABLE
from tests.faults.feeding import Sent
from tests.faults.proof import all_differ, foretold, recomputed, right
from tests.faults.trial import FULL, Trial
from tests.live import until

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
RESTING = (
    "SELECT id FROM cases c WHERE finished IS NOT NULL AND look IS NULL"
    " AND NOT EXISTS (SELECT FROM signals s WHERE s.case_id = c.id AND s.cleared IS NULL)"
)


def test_killed_while_finished_cases_leave(trial: Trial) -> None:
    trial.hire()
    trial.forget_to_verify(1)
    trial.feed(trial.portion(2))
    trial.tending(trial.applied)
    asked = trial.one("SELECT clock_timestamp()")
    trial.tending(lambda: trial.judged() > asked)
    trial.dismiss()
    resting = {case for (case,) in trial.rows(RESTING)}
    assert len(resting) > 20
    trial.rows("UPDATE cases SET applied = applied - interval '91 days' RETURNING 1")

    killed_inside(trial)
    assert left(trial) == set() and {case for (case,) in trial.rows(RESTING)} == resting
    passing = 0
    while not left(trial):
        passing += 1
        worker = trial.worker(**{VARIABLE: f"after transaction:{passing}:KILL"})
        assert worker.ended() == -signal.SIGKILL
    trial.hire()
    trial.tending(lambda: left(trial) == resting)

    lived, whole = list(trial.sent), len(trial.sent)
    trial.give(spoken_again(lived, resting))
    trial.feed(len(trial.left) // 2)
    trial.kill()
    trial.settle()
    after = [one for one in trial.sent[whole:] if one.subject in resting]
    counts = [one for one in trial.sent[whole:] if one.subject not in resting]
    assert len(after) >= 3 * len(resting)

    recomputed(trial)
    came_late = int(trial.one("SELECT sum(after_close) FROM positions")) - len(after)
    assert came_late == 0 or (trial.total > FULL and came_late > 0), "signs of life alone, and those of the long form"
    told = foretold(trial, [*lived, *counts])
    told = replace(told, cases={name: row for name, row in told.cases.items() if name not in resting})
    right(*all_differ(trial, told, came_late))
    assert left(trial) == resting


def left(trial: Trial) -> set[str]:
    return {case for (case,) in trial.rows("SELECT case_id FROM departures")}


def killed_inside(trial: Trial) -> None:
    """A worker that stands in the transaction in which cases leave, and is killed there."""
    waits = "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'departures'::regclass AND NOT granted"
    with psycopg.connect(trial.database_url) as door:
        door.execute("LOCK TABLE departures IN EXCLUSIVE MODE")
        worker = trial.worker()
        until(lambda: trial.one(waits), why=trial.told)
        worker.kill()


def spoken_again(events: Iterable[Event], cases: set[str]) -> list[Sent]:
    """Of each of the cases something that it knows, something new before its end, and a void."""
    of = {one.subject: one for one in events if one.subject in cases}
    said = [
        version
        for one in of.values()
        for version in (
            one,
            structs.replace(one, id=f"{one.id}-late", time=one.time - timedelta(seconds=30)),
            structs.replace(
                one, id=f"{one.id}-void", type=VOIDED, data={"site": one.site, "voids": [one.source, one.id]}
            ),
        )
    ]
    return [Sent(one.subject.encode(), encode(one), one) for one in said]
