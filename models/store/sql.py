"""The worker's ledger in PostgreSQL.

One transaction a batch: first the positions are moved by compare-and-set, so that a worker that lost its partitions
writes nothing; then facts are copied in, cases and signals merged. One connection reads and claims, another one writes;
whoever claims a partition ends the writing connection of its last owner, which may hang in the middle of a transaction.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, LiteralString

from psycopg import Connection, Cursor, OperationalError

from models.event import CaseId
from models.policy import Kind, Policies
from models.store.changes import append_changes, signal_changes, stage_changes
from models.store.connecting import connect
from models.store.departing import departing, let_go
from models.store.ledger import (
    Batch,
    Claim,
    Fenced,
    ForeignCluster,
    IntervalFact,
    OtherPartitions,
    OutcomeCount,
    OutcomeKey,
    SignalFact,
    Walk,
)
from models.store.policies import read_policies
from models.store.records import unpack
from models.store.revisions import REVISION_BASE
from models.store.rows import interval_of
from models.store.writing import Types, columns, merge, put, stage, together
from models.tracking import Departed, Watched

log = logging.getLogger("rxpulse.worker")
_MICROSECOND = timedelta(microseconds=1)
_FREEZE = "10s"
"""A writer that stands still this long inside a transaction is ended by the database: it may have been stopped. Not while
few statements are sent together, when PostgreSQL does not count; then it is ended by who takes over its partitions."""


class SqlLedger:
    """The ledger of one worker. `owner` tells its writing connection apart from everybody's."""

    def __init__(self, database_url: str, owner: str) -> None:
        self.owner = owner
        self._reader = connect(database_url, f"reads for {owner}", autocommit=True)
        self._writer = connect(database_url, owner)
        stage(self._writer, "cases", _CASE)
        stage_changes(self._writer)
        self._writer.execute(f"SET idle_in_transaction_session_timeout = '{_FREEZE}'")
        self._writer.commit()

    def close(self) -> None:
        """Ends both connections; what was not committed is undone."""
        self._reader.close()
        self._writer.close()

    def now(self) -> datetime:
        return _one(self._reader.execute("SELECT now()"))[0]

    def spread(self, cluster: str, partitions: int, first: Callable[[int], int]) -> None:
        held, ours = _one(self._reader.execute(_HELD, [cluster]))
        if held == 0:
            # One that begins at once may have been faster: then it is its answers that hold.
            numbers = range(partitions)
            self._reader.execute(_SPREAD, [cluster, list(numbers), [first(number) for number in numbers]])
        elif held == ours != partitions:
            raise OtherPartitions(held, partitions)

    def claim(self, cluster: str, partitions: Sequence[int], owner: str) -> list[Claim]:
        wanted = list(partitions)
        with self._reader.transaction():
            _refuse_foreign(self._reader, cluster)
            # Before a row is touched: who stands still inside a transaction holds them all.
            shut_out = [number for number, ended in self._reader.execute(_END_OTHERS, [wanted, owner]) if ended]
            self._reader.execute(
                "INSERT INTO positions (partition, cluster) SELECT unnest(%s::smallint[]), %s ON CONFLICT DO NOTHING",
                [wanted, cluster],
            )
            # Once more: of two clusters' workers that begin at once the second finds the rows of the first only now.
            _refuse_foreign(self._reader, cluster)
            backend = self._writer.info.backend_pid
            rows = self._reader.execute(_CLAIM, [owner, backend, shut_out, wanted]).fetchall()
        return [Claim(*row) for row in sorted(rows)]

    def release(self, partitions: Sequence[int], owner: str) -> None:
        self._reader.execute(
            "UPDATE positions SET owner = NULL, backend = NULL WHERE partition = ANY(%s) AND owner = %s",
            [list(partitions), owner],
        )

    def load(self, cases: Sequence[CaseId], policies: Policies) -> dict[CaseId, tuple[Watched, datetime | None]]:
        rows = self._reader.execute(_LOAD, {"cases": list(cases)}, binary=True)
        return {name: (Departed(name), None) if body is None else unpack(name, body, policies) for name, body in rows}

    def policies(self, known: Policies | None) -> Policies | None:
        return read_policies(self._reader, known)

    def due(self, partitions: Sequence[int], until: datetime, most: int) -> dict[int, list[tuple[datetime, CaseId]]]:
        found: dict[int, list[tuple[datetime, CaseId]]] = {}
        for partition, look, name in self._reader.execute(_DUE, [list(partitions), until, most]):
            found.setdefault(partition, []).append((look, CaseId(name)))
        return found

    def worried(self, partitions: Sequence[int], about: Collection[tuple[Kind, str]]) -> list[tuple[int, CaseId]]:
        rows = self._reader.execute(
            "SELECT DISTINCT c.partition, c.id FROM signals s JOIN cases c ON c.id = s.case_id WHERE s.cleared IS NULL"
            " AND c.partition = ANY(%s) AND (s.kind, s.name) IN (SELECT * FROM unnest(%s::text[], %s::text[]))"
            " ORDER BY 1, 2",
            [list(partitions), [kind.value for kind, _ in about], [name for _, name in about]],
        )
        return [(partition, CaseId(name)) for partition, name in rows]

    def departing(self, partitions: Sequence[int], since: int) -> Walk:
        return departing(self._reader, partitions, since)

    def commit(self, batch: Batch) -> None:
        try:
            self._commit(batch)
        except Fenced:
            self._note_loss(batch)
            raise

    def _note_loss(self, batch: Batch) -> None:
        """Counts the loss in a transaction of its own: the process ends with it, and so would a count in the process."""
        rows = ((a.partition, a.epoch, a.was) for a in batch.advances)
        try:
            with self._writer.transaction():
                self._writer.execute(_LOST, columns(rows, 3))
        except OperationalError as fault:
            log.warning("the loss is not counted: %s", fault)

    def _commit(self, batch: Batch) -> None:
        with self._writer.transaction(), self._writer.cursor() as cursor:
            # First, and with an answer: without it nothing else is so much as tried.
            _advance(cursor, batch)
            sizes = map(len, (batch.intervals, batch.ticks, batch.cases, batch.signals))
            with together(self._writer, max(sizes)):
                put(cursor, "intervals", _INTERVAL, _INTERVAL_TYPES, map(_interval_row, batch.intervals))
                _ticks(cursor, batch)
                _merge_cases(cursor, batch)
                let_go(cursor, batch.departures)
                _merge_outcomes(cursor, batch)
                _merge_feeds(cursor, batch)
                _merge_seen(cursor, batch)
                _merge_doubts(cursor, batch)
                append_changes(cursor, batch.signals, batch.tell_within)

    def facts(self, partition: int, since: int) -> list[IntervalFact | SignalFact]:
        with self._reader.cursor() as cursor:
            found: list[IntervalFact | SignalFact] = [
                *intervals(cursor, "partition = %s AND sequence >= %s", [partition, since]),
                *signal_changes(cursor, "partition = %s AND sequence >= %s", [partition, since]),
            ]
        return sorted(found, key=lambda fact: fact.sequence)


def intervals(cursor: "Cursor[Any]", where: LiteralString, values: Sequence[object]) -> Iterable[IntervalFact]:
    """The interval rows that match, in no order."""
    cursor.execute(f"SELECT {_INTERVAL} FROM intervals WHERE {where}", values)
    for row in cursor:
        yield _interval_fact(row)


_CASE: LiteralString = "id, partition, site, kind, priority, waits, since, opened, finished, look, pace, body"
_INTERVAL: LiteralString = (
    "partition, sequence, position, id, clock, site, priority, case_id, started, stopped, net, target, in_target,"
    " revision, retracted"
)
_INTERVAL_TYPES: Types = (
    "int2", "int8", "int8", "text", "text", "text", "text", "text",
    "timestamptz", "timestamptz", "int8", "int8", "bool", "int2", "bool",
)  # fmt: skip
_CASE_TYPES: Types = (
    "text", "int2", "text", "text", "text", "text",
    "timestamptz", "timestamptz", "timestamptz", "timestamptz", "text", "bytea",
)  # fmt: skip

_HELD: LiteralString = "SELECT count(*), count(*) FILTER (WHERE cluster = %s) FROM positions"
_SPREAD: LiteralString = (
    "INSERT INTO positions (cluster, partition, position) SELECT %s, * FROM unnest(%s::int2[], %s::int8[])"
    " ON CONFLICT DO NOTHING"
)
_END_OTHERS = """
SELECT p.partition, pg_terminate_backend(a.pid) FROM positions p JOIN pg_stat_activity a ON a.pid = p.backend
WHERE a.application_name = p.owner AND p.partition = ANY(%s) AND p.owner <> %s
"""
_CLAIM: LiteralString = f"""
UPDATE positions SET epoch = epoch + 1, owner = %s, backend = %s, losses = losses + (partition = ANY(%s))::int
WHERE partition = ANY(%s)
RETURNING partition, epoch, position, sequence, published, judged, {REVISION_BASE}, received
"""
_LOAD = """
SELECT id, body FROM cases WHERE id = ANY(%(cases)s)
UNION ALL SELECT case_id, NULL FROM departures WHERE case_id = ANY(%(cases)s)
"""
_DUE = """
SELECT p, look, id FROM unnest(%s::smallint[]) p CROSS JOIN LATERAL (
    SELECT look, id FROM cases WHERE partition = p AND look < %s ORDER BY look FETCH FIRST (%s) ROWS WITH TIES) c
ORDER BY p, look, id
"""
"""Each partition by itself: so its part of the index is read from the beginning, and no further than needed."""
_ADVANCE = """
UPDATE positions p SET position = v.position, sequence = v.sequence, published = v.published, beat = now(),
    recorded = greatest(p.recorded, v.recorded), judged = greatest(p.judged, v.judged),
    received = coalesce(v.received, p.received),
    accepted = p.accepted + v.accepted, duplicates = p.duplicates + v.duplicates,
    id_reused = p.id_reused + v.id_reused, rejected = p.rejected + v.rejected, rerouted = p.rerouted + v.rerouted,
    after_close = p.after_close + v.after_close
FROM unnest(%s::int2[], %s::int8[], %s::int8[], %s::int8[], %s::int8[], %s::int8[], %s::timestamptz[],
            %s::timestamptz[], %s::timestamptz[], %s::int8[], %s::int8[], %s::int8[], %s::int8[], %s::int8[],
            %s::int8[], %s::int8[], %s::int8[])
     v(partition, epoch, was, position, sequence, published, recorded, judged, received, accepted, duplicates, id_reused,
       rejected, rerouted, after_close, lowest, highest)
WHERE p.partition = v.partition AND p.epoch = v.epoch AND p.position = v.was
    AND p.sequence <= coalesce(v.lowest, p.sequence) AND coalesce(v.highest < v.sequence, true)
"""
_LOST = """
UPDATE positions p SET losses = p.losses + 1 FROM unnest(%s::int2[], %s::int8[], %s::int8[]) v(partition, epoch, was)
WHERE p.partition = v.partition AND (p.epoch, p.position) <> (v.epoch, v.was)
"""
_MERGE_CASES: LiteralString = f"""
INSERT INTO cases ({_CASE}) SELECT {_CASE} FROM {{source}}
ON CONFLICT (id) DO UPDATE SET partition = excluded.partition, site = excluded.site, priority = excluded.priority,
    waits = excluded.waits, since = excluded.since, opened = excluded.opened, finished = excluded.finished,
    look = excluded.look, pace = excluded.pace, body = excluded.body, applied = now()
"""
_OUTCOMES = """
INSERT INTO outcomes AS o (site, rate, entry, minute, partition, clean, errors, late_clean, late_errors)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::int2[], %s::int8[], %s::int8[],
                     %s::int8[], %s::int8[])
ON CONFLICT (site, rate, entry, minute, partition) DO UPDATE SET clean = o.clean + excluded.clean,
    errors = o.errors + excluded.errors, late_clean = o.late_clean + excluded.late_clean,
    late_errors = o.late_errors + excluded.late_errors
"""
_TOUCHED = """
INSERT INTO touched (site, rate, entry, since)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[])
"""
_HOURS = """
INSERT INTO feed_hours AS h (source, site, hour, partition, minutes)
SELECT * FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::int2[], %s::int8[])
ON CONFLICT (source, site, hour, partition) DO UPDATE SET minutes = h.minutes | excluded.minutes
WHERE h.minutes | excluded.minutes <> h.minutes
"""
_FEEDS = """
INSERT INTO feeds AS f (source, site, partition, events, duplicates, unknown_types, dropped_fields, clock_skew,
                        last_time, last_recorded)
SELECT * FROM unnest(%s::text[], %s::text[], %s::int2[], %s::int8[], %s::int8[], %s::int8[], %s::int8[], %s::int8[],
                     %s::timestamptz[], %s::timestamptz[])
ON CONFLICT (source, site, partition) DO UPDATE SET events = f.events + excluded.events,
    duplicates = f.duplicates + excluded.duplicates, unknown_types = f.unknown_types + excluded.unknown_types,
    dropped_fields = f.dropped_fields + excluded.dropped_fields, clock_skew = f.clock_skew + excluded.clock_skew,
    last_time = greatest(f.last_time, excluded.last_time),
    last_recorded = greatest(f.last_recorded, excluded.last_recorded), heard = now()
"""
_SEEN = """
INSERT INTO seen_types (site, type) SELECT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING
"""

_DOUBTS = """
INSERT INTO doubts AS d (site, kind, reason, hour, partition, count)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::int2[], %s::int8[])
ON CONFLICT (site, kind, reason, hour, partition) DO UPDATE SET count = d.count + excluded.count
"""


def _one(cursor: "Cursor[Any]") -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row


def _refuse_foreign(connection: "Connection[Any]", cluster: str) -> None:
    others = connection.execute("SELECT DISTINCT cluster FROM positions WHERE cluster <> %s", [cluster]).fetchall()
    if others:
        raise ForeignCluster(others[0][0], cluster)


def _advance(cursor: "Cursor[Any]", batch: Batch) -> None:
    advances, numbers = batch.advances, _numbers(batch)
    rows = (
        (
            *(a.partition, a.epoch, a.was, a.position, a.sequence, a.published, a.recorded, a.judged),
            a.received,
            *(a.tally.accepted, a.tally.duplicates, a.tally.id_reused, a.tally.rejected, a.tally.rerouted),
            a.tally.after_close,
            *numbers.get(a.partition, (None, None)),
        )
        for a in advances
    )
    moved = cursor.execute(_ADVANCE, columns(rows, 17)).rowcount
    if moved != len(advances):
        raise Fenced(f"only {moved} of {len(advances)} partitions are still this worker's, at the position it knows")


def _numbers(batch: Batch) -> dict[int, tuple[int, int]]:
    """The lowest and the highest number that each partition's facts have. None may have been given before, nor be given
    again: no key of a table that lies in months says so by itself."""
    found: dict[int, tuple[int, int]] = {}
    for fact in chain(batch.intervals, batch.signals):
        number = fact.sequence
        low, high = found.get(fact.partition, (number, number))
        found[fact.partition] = (low if low < number else number, high if high > number else number)
    return found


def _ticks(cursor: "Cursor[Any]", batch: Batch) -> None:
    rows = ((tick.partition, tick.position, tick.judged) for tick in batch.ticks)
    put(cursor, "ticks", "partition, position, judged", ("int2", "int8", "timestamptz"), rows)


def _merge_cases(cursor: "Cursor[Any]", batch: Batch) -> None:
    rows = (
        (
            *(one.id, one.partition, one.site, one.kind, one.priority, one.waits, one.since, one.opened),
            *(one.finished, one.look, one.pace.value, one.body),
        )
        for one in batch.cases
    )
    merge(cursor, "cases", _CASE, _CASE_TYPES, rows, [(_MERGE_CASES, [])])


def _merge_outcomes(cursor: "Cursor[Any]", batch: Batch) -> None:
    if batch.outcomes:
        rows = (
            (k.site, k.rate, k.entry, k.minute, k.partition, n.clean, n.errors, n.late_clean, n.late_errors)
            for k, n in batch.outcomes.items()
        )
        cursor.execute(_OUTCOMES, columns(rows, 9))
        touched = touched_rates(batch.outcomes)
        if touched:
            cursor.execute(_TOUCHED, columns(((*rate, since) for rate, since in touched.items()), 4))


def _merge_feeds(cursor: "Cursor[Any]", batch: Batch) -> None:
    if batch.feeds:
        rows = (
            (
                *(k.source, k.site, k.partition, n.events, n.duplicates, n.unknown_types, n.dropped_fields),
                *(n.clock_skew, n.last_time, n.last_recorded),
            )
            for k, n in batch.feeds.items()
        )
        cursor.execute(_FEEDS, columns(rows, 10))
        spoke = ((k.source, k.site, k.hour, k.partition, minutes) for k, minutes in batch.hours.items())
        cursor.execute(_HOURS, columns(spoke, 5))


def touched_rates(outcomes: Mapping[OutcomeKey, OutcomeCount]) -> dict[tuple[str, str, str], datetime]:
    """The (site, rate, entry) whose trials in time changed, with the earliest minute that did."""
    found: dict[tuple[str, str, str], datetime] = {}
    for key, count in outcomes.items():
        if count.clean or count.errors:
            rate = key.site, key.rate, key.entry
            found[rate] = min(found.get(rate, key.minute), key.minute)
    return found


def _merge_seen(cursor: "Cursor[Any]", batch: Batch) -> None:
    if batch.seen:
        # In one order, so that two workers never wait for each other.
        cursor.execute(_SEEN, columns(sorted(batch.seen), 2))


def _merge_doubts(cursor: "Cursor[Any]", batch: Batch) -> None:
    if batch.doubts:
        cursor.execute(_DOUBTS, columns(((*key, by) for key, by in batch.doubts.items()), 6))


def _interval_row(fact: IntervalFact) -> tuple[Any, ...]:
    one = fact.interval
    target = None if one.target is None else one.target // _MICROSECOND
    return (
        *(fact.partition, fact.sequence, fact.position, one.id, one.clock, one.site, one.priority, one.case),
        *(one.started, one.stopped, one.net // _MICROSECOND, target, one.in_target, one.revision, one.retracted),
    )


def _interval_fact(row: tuple[Any, ...]) -> IntervalFact:
    partition, sequence, position, *about = row
    return IntervalFact(partition, sequence, position, interval_of(about))
