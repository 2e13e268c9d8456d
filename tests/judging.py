"""Words for tests of the judge of rates: a policy with one rate, a worker that counts trials, minutes and hours of good and bad
doses, and what a round of the judge told."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
from msgspec import structs

from models import policy_text
from models.event import CaseId, Event
from models.rates import MINUTE, Shift, Trials, design_of, shifts
from models.store import policies as versions
from models.store.ledger import Advance, Batch, OutcomeCount, OutcomeKey, SignalFact
from models.store.seat import Elsewhere, Round
from models.store.sql import SqlLedger
from tests.heart import event

PARTITIONS = 3
POLICY = """
extends = "none"
[site.mercy]
name = "Mercy"
setting = "inpatient"
timezone = "UTC"
[rate.not-given]
title = "Doses not given"
opportunity = "rx.dose.administered"
error = "rx.dose.not_given"
per_month = 2000
baseline = 0.05
detect = %s
false_alarms_per_month = 1
severity = "S3"
source = "a test"
"""
FIRST = policy_text.read(POLICY % "2.0", file="first.toml")
RATE = FIRST.policy.rates["not-given"]
DAY = timedelta(days=1)
Counts = dict[tuple[datetime, int], tuple[int, int]]
"""(clean, errors) by minute and partition."""


def always() -> bool:
    return True


@dataclass
class Floor:
    """A worker that counts trials, and the times up to which its partitions have read."""

    url: str
    ledger: SqlLedger
    advances: dict[int, Advance] = field(default_factory=dict)
    total: Counter[tuple[datetime, bool]] = field(default_factory=Counter)

    def count(
        self,
        counts: Mapping[tuple[datetime, int], tuple[int, int]],
        read: datetime,
        rate: Any = RATE,
        site: str = "mercy",
    ) -> None:
        """Adds trials in one batch; every partition has read up to `read` afterwards, or further if it had."""
        outcomes = {}
        for (minute, partition), (clean, errors) in counts.items():
            key = OutcomeKey(site, rate.name, rate.entry, minute, partition)
            outcomes[key] = OutcomeCount(clean, errors)
            self.total[minute, False] += clean
            self.total[minute, True] += errors
        self.ledger.commit(
            Batch([self._advance(partition, read) for partition in range(PARTITIONS)], outcomes=outcomes)
        )

    def _advance(self, partition: int, read: datetime) -> Advance:
        before = self.advances.get(partition) or Advance(partition, 1, 0, 0, 0, 0)
        now = replace(before, was=before.position, position=before.position + 1, recorded=read)
        self.advances[partition] = now
        return now

    def expected(self) -> list[Shift]:
        """What follows from everything counted, by the pure test."""
        minutes = sorted({minute for minute, _ in self.total})
        trials = [Trials(minute, self.total[minute, False], self.total[minute, True]) for minute in minutes]
        return list(shifts(trials, design_of(RATE)))

    def signals(self) -> list[tuple[Any, ...]]:
        """The signals of rates as they stand, without what was disproved."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                "SELECT raised, cleared, reason FROM signals WHERE kind = 'rate' AND reason IS DISTINCT FROM 'disproof'"
                " ORDER BY raised, cleared"
            ).fetchall()

    def row(self, query: str) -> Any:
        with psycopg.connect(self.url) as connection:
            found = connection.execute(query).fetchone()
            assert found is not None
            return found[0]


def told(found: Round | Elsewhere) -> list[SignalFact]:
    assert isinstance(found, Round)
    return found.changes


def stand(shift: Shift) -> tuple[Any, ...]:
    return shift.raised, shift.cleared, None if shift.reason is None else shift.reason.value


def now(floor: Floor) -> datetime:
    return floor.row("SELECT now()")


def bad_hour(begins: datetime, partition: int = 0) -> Counts:
    """An hour in which every second dose is not given."""
    return {(begins + MINUTE * minute, partition): (1, 1) for minute in range(60)}


def good(begins: datetime, minutes: int) -> Counts:
    """Doses as they should be, one a minute."""
    return {(begins + MINUTE * minute, minute % PARTITIONS): (1, 0) for minute in range(minutes)}


def change_policy(url: str, version: policy_text.Parsed, effective: datetime) -> None:
    with psycopg.connect(url) as connection:
        versions.append(connection, version, effective, "a test")


def dose(what: str, number: int, at: datetime) -> Event:
    case = CaseId(f"dose/{what}-{number}")
    return structs.replace(event(f"dose.{what}", 0, case=case, key=f"{what}-{number}"), time=at, recorded=at)
