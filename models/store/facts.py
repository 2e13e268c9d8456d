"""The facts as the store holds them at one instant, for whoever exports or recomputes them.

Everything is read in one snapshot of the database: what the worker writes meanwhile is not seen, so positions, cases and
facts belong together. Rows come one by one, however many there are.
"""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection, IsolationLevel

from models.event import CaseId
from models.policy import Kind, Policies
from models.signals import Cleared, Signal
from models.store.connecting import connect
from models.store.judging import expected_shifts, unjudged
from models.store.ledger import OutcomeCount, OutcomeKey, Tally
from models.store.months import kept_since
from models.store.policies import read_policies
from models.store.records import CaseRow
from models.store.revisions import revision_base
from models.store.rows import interval_of, signal_of
from models.tracking import Interval, Pace

_AT_ONCE = 5_000
"""Rows fetched in one go."""


@dataclass(frozen=True, slots=True)
class Applied:
    """How far a partition is applied: `position` is the next offset, counted on `cluster`; the broker `received` the record
    before it then, None where nobody wrote that down."""

    cluster: str
    position: int
    received: datetime | None
    tally: Tally


@dataclass(frozen=True, slots=True)
class Standing:
    """A signal as it stands; `told` is `yes` or why nobody was told, None while nobody has decided. `by_person`: a
    person cleared it."""

    signal: Signal
    told: str | None
    by_person: bool


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message to one person by one channel."""

    key: str
    escalation: str
    signal: str | None
    type: str
    step: int
    loop: int
    person: str
    channel: str
    state: str
    attempts: int
    first_attempt: datetime | None
    last_attempt: datetime | None
    answer: str | None


@contextmanager
def snapshot(database_url: str) -> "Generator[Facts]":
    """The facts as they stand now, held until the end of the block. Raises DatabaseAway."""
    connection = connect(database_url, "rxpulse facts")
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection:
        yield Facts(connection)


class Facts:
    """One snapshot. All instants are UTC."""

    def __init__(self, connection: "Connection[Any]") -> None:
        self._connection = connection

    def positions(self) -> dict[int, Applied]:
        """By partition."""
        rows = self._connection.execute(
            "SELECT partition, cluster, position, received, accepted, duplicates, id_reused, rejected, rerouted, after_close"
            " FROM positions ORDER BY partition"
        )
        return {
            partition: Applied(cluster, position, received, Tally(*tally))
            for partition, cluster, position, received, *tally in rows
        }

    def policies(self) -> Policies | None:
        """Every version of the policy; None where there is none."""
        return read_policies(self._connection, None)

    def ticks(self, partition: int) -> list[tuple[int, datetime]]:
        """(position, judged) of each tick that concerned a case of the partition, in order."""
        rows = self._connection.execute(
            "SELECT position, judged FROM ticks WHERE partition = %s ORDER BY position, judged", [partition]
        )
        return [(position, judged) for position, judged in rows]

    def departures(self, partition: int) -> list[tuple[int, CaseId]]:
        """(position, case) of each case of the partition that has left, in order."""
        rows = self._connection.execute(
            "SELECT position, case_id FROM departures WHERE partition = %s ORDER BY position, case_id", [partition]
        )
        return [(position, CaseId(case)) for position, case in rows]

    def cases(self, partition: int) -> Iterator[CaseRow]:
        """The cases of a partition, in no order."""
        rows = self._stream(
            "SELECT id, partition, site, kind, priority, waits, since, opened, finished, look, pace, body FROM cases"
            " WHERE partition = %s",
            [partition],
        )
        for name, number, site, kind, priority, waits, since, opened, finished, look, pace, body in rows:
            yield CaseRow(name, number, site, kind, priority, waits, since, opened, finished, look, Pace(pace), body)

    def revision_base(self) -> int:
        """What is added to a revision to make the one that readers outside see."""
        return revision_base(self._connection.cursor())

    def kept_since(self) -> datetime | None:
        """From when on turnaround times are kept; None: from the beginning on."""
        return kept_since(self._connection)

    def intervals(self, partition: int | None = None, *, all_revisions: bool = False) -> Iterator[Interval]:
        """The latest revision of each interval that is not retracted, by id; or all there ever were. `partition` None:
        of all partitions."""
        where: LiteralString = "" if partition is None else "WHERE partition = %s"
        columns: LiteralString = (
            "id, clock, site, priority, case_id, started, stopped, net, target, in_target, revision, retracted"
        )
        if all_revisions:
            query: LiteralString = f'SELECT {columns} FROM intervals {where} ORDER BY id COLLATE "C", revision'
        else:
            query = (
                f"SELECT * FROM (SELECT DISTINCT ON (id) {columns} FROM intervals {where} ORDER BY id, revision DESC) l"
                ' WHERE NOT retracted ORDER BY id COLLATE "C"'
            )
        return map(interval_of, self._stream(query, [] if partition is None else [partition]))

    def signals(self, partition: int | None = None) -> Iterator[Standing]:
        """The signals as they stand, by id. `partition`: only those of clocks and rules, about cases of it, without what was
        taken back since it did not come again."""
        where: LiteralString = (
            ""
            if partition is None
            else "JOIN (SELECT id, partition FROM cases UNION ALL SELECT case_id, partition FROM departures) c"
            " ON c.id = s.case_id"
            " WHERE c.partition = %s AND s.kind IN ('clock', 'rule') AND s.revision > 0"
        )
        rows = self._stream(
            "SELECT s.id, s.kind, s.name, s.severity, s.site, s.case_id, s.raised, s.known, s.cleared, s.reason,"
            f' s.revision, s.told, s.cleared_by FROM signals s {where} ORDER BY s.id COLLATE "C"',
            [] if partition is None else [partition],
        )
        for *about, told, cleared_by in rows:
            yield Standing(signal_of(about), told, cleared_by is not None)

    def shifts(self) -> Iterator[Standing]:
        """The signals of rates as they stand, by id, without what was disproved or taken back since it did not come again."""
        rates = (one for one in self.signals() if one.signal.kind is Kind.RATE and one.signal.revision > 0)
        return (one for one in rates if one.signal.reason is not Cleared.DISPROOF)

    def expected_shifts(self, policies: Policies) -> list[Signal]:
        """The signals of rates as they follow from the counts."""
        return expected_shifts(self._connection, policies)

    def unjudged(self) -> set[tuple[str, str]]:
        """The (site, rate) whose signals may be older than their counts: the judge has not come to them yet."""
        return unjudged(self._connection)

    def changes(self) -> Iterator[Standing]:
        """Every change of every signal, by id and revision, each with what was told of the signal."""
        rows = self._stream(
            "SELECT c.id, c.kind, c.name, c.severity, c.site, c.case_id, c.raised, c.known, c.cleared, c.reason,"
            " c.revision, s.told FROM signal_changes c LEFT JOIN signals s ON s.id = c.id"
            ' ORDER BY c.id COLLATE "C", c.revision',
            [],
        )
        for *about, told in rows:
            yield Standing(signal_of(about), told, by_person=False)

    def deliveries(self) -> Iterator[Delivery]:
        """Every delivery, oldest first."""
        rows = self._stream(
            "SELECT key, escalation, signal, type, step, loop, person, channel, state, attempts, first_attempt,"
            ' last_attempt, answer FROM deliveries ORDER BY made, key COLLATE "C"',
            [],
        )
        return (Delivery(*row) for row in rows)

    def outcomes(self, partition: int) -> dict[OutcomeKey, OutcomeCount]:
        """The trials that a partition saw, as far as there are any."""
        rows = self._stream(
            "SELECT site, rate, entry, minute, partition, clean, errors, late_clean, late_errors FROM outcomes"
            " WHERE partition = %s",
            [partition],
        )
        counts = {OutcomeKey(*row[:5]): OutcomeCount(*row[5:]) for row in rows}
        return {key: count for key, count in counts.items() if count != OutcomeCount()}

    def written_twice(self, partition: int) -> list[str]:
        """The ids of intervals and signals of which one revision stands more than once."""
        rows = self._connection.execute(
            "SELECT id FROM intervals WHERE partition = %(p)s GROUP BY id, revision HAVING count(*) > 1"
            " UNION ALL SELECT id FROM signal_changes WHERE partition = %(p)s GROUP BY id, revision HAVING count(*) > 1",
            {"p": partition},
        )
        return [name for (name,) in rows]

    def strays(self) -> list[tuple[str, str]]:
        """(what, id) of what belongs to no partition that was applied, or to no case."""
        rows = self._connection.execute(
            "SELECT 'case', id FROM cases WHERE partition NOT IN (SELECT partition FROM positions)"
            " UNION ALL SELECT 'interval', id FROM intervals WHERE partition NOT IN (SELECT partition FROM positions)"
            " UNION ALL SELECT 'departure', case_id FROM departures"
            " WHERE partition NOT IN (SELECT partition FROM positions)"
            " UNION ALL SELECT 'signal', id FROM signals s WHERE kind IN ('clock', 'rule') AND revision > 0"
            " AND NOT EXISTS (SELECT FROM cases c WHERE c.id = s.case_id)"
            " AND NOT EXISTS (SELECT FROM departures d WHERE d.case_id = s.case_id)"
        )
        return [(what, CaseId(name)) for what, name in rows]

    def _stream(self, query: LiteralString, values: Sequence[object]) -> Iterator[tuple[Any, ...]]:
        with self._connection.cursor("facts_" + str(id(query))) as cursor:
            cursor.itersize = _AT_ONCE
            cursor.execute(query, values)
            yield from cursor
