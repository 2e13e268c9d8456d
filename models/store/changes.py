"""Changes of signals: kept one after the other, and brought together into each signal as it now stands.

The worker and the judge write them alike, within their own transactions. What is news asks the dispatcher to look.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, LiteralString

from psycopg import Connection, Cursor

from models.store.ledger import SignalFact
from models.store.rows import signal_of
from models.store.writing import Types, merge, stage

ATTENTION: LiteralString = "rxpulse_attention"
"""The channel on which the dispatcher hears that a signal asks for attention."""
_CHANGE: LiteralString = (
    "partition, sequence, position, judged, id, kind, name, severity, site, case_id, raised, known, cleared, reason,"
    " revision"
)
_CHANGE_TYPES: Types = (
    "int2", "int8", "int8", "timestamptz", "text", "text", "text", "int2", "text", "text",
    "timestamptz", "timestamptz", "timestamptz", "text", "int2",
)  # fmt: skip
# A change that is old news stays untold; what is new, and what changes a signal that somebody may have been told about,
# asks the dispatcher to look. What was known before the facts were forgotten is made again, and is no news: what was told
# of it, and what a person cleared, holds. So does it against any later end, and against whatever was known when the person
# looked; only newer evidence raises the signal again. The end of what was told asks in any case: whether an escalation runs is
# seen as of the beginning of the statement, and whoever held the row meanwhile may just have opened one.
_APPEND: LiteralString = f"INSERT INTO signal_changes ({_CHANGE}) SELECT {_CHANGE} FROM {{source}}"
_MERGE: LiteralString = """
WITH merged AS (
INSERT INTO signals AS s (id, kind, name, severity, site, case_id, raised, known, cleared, reason, revision, told,
                          attention, cleared_by, code, note, quiet)
SELECT DISTINCT ON (c.id) c.id, kind, name, severity, site, case_id, raised, c.known,
    CASE WHEN r.cleared_by IS NOT NULL THEN r.cleared ELSE c.cleared END,
    CASE WHEN r.cleared_by IS NOT NULL THEN 'person' ELSE reason END, revision,
    coalesce(r.told, CASE WHEN now() - c.known > %s THEN 'old' WHEN c.cleared IS NOT NULL THEN 'cleared' END),
    r.signal IS NULL AND now() - coalesce(c.cleared, c.known) <= %s
        OR EXISTS (SELECT 1 FROM escalations e WHERE e.signal = c.id AND e.state <> 'resolved')
        OR EXISTS (SELECT 1 FROM grouped g JOIN escalations e ON e.id = g.escalation
                   WHERE g.signal = c.id AND e.state <> 'resolved'),
    r.cleared_by, r.code, r.note, coalesce(r.quiet AND c.cleared IS NULL, false)
FROM (SELECT * FROM {{source}}) c LEFT JOIN remembered r ON r.signal = c.id AND c.known <= r.known
ORDER BY c.id, revision DESC
ON CONFLICT (id) DO UPDATE SET severity = excluded.severity, site = excluded.site, raised = excluded.raised,
    known = excluded.known, revision = excluded.revision,
    cleared = CASE WHEN {by_person} THEN s.cleared ELSE excluded.cleared END,
    reason = CASE WHEN {by_person} THEN s.reason ELSE excluded.reason END,
    cleared_by = CASE WHEN {by_person} THEN s.cleared_by ELSE excluded.cleared_by END,
    code = CASE WHEN {by_person} THEN s.code ELSE excluded.code END,
    note = CASE WHEN {by_person} THEN s.note ELSE excluded.note END,
    told = coalesce(s.told, excluded.told), changed = now(),
    attention = excluded.attention OR s.attention OR (s.told IN ('yes', 'summary') AND excluded.cleared IS NOT NULL),
    quiet = (s.quiet OR excluded.quiet) AND excluded.cleared IS NULL
RETURNING attention)
SELECT pg_notify('{attention}', '') FROM merged WHERE attention LIMIT 1
""".format(
    attention=ATTENTION,
    by_person="(s.cleared_by IS NOT NULL AND (excluded.cleared IS NOT NULL OR excluded.known <= s.cleared))",
)


def stage_changes(connection: "Connection[Any]") -> None:
    """Prepares a connection for `append_changes`."""
    stage(connection, "signal_changes", _CHANGE)


def append_changes(cursor: "Cursor[Any]", changes: Sequence[SignalFact], tell_within: timedelta) -> None:
    """Appends changes and merges them into the signals, in the transaction of `cursor`. One known longer ago than
    `tell_within` is old news. The connection must have been prepared."""
    twice: list[object] = [tell_within, tell_within]
    merge(cursor, "signal_changes", _CHANGE, _CHANGE_TYPES, map(_row, changes), [(_APPEND, []), (_MERGE, twice)])


def signal_changes(cursor: "Cursor[Any]", where: LiteralString, values: Sequence[object]) -> Iterable[SignalFact]:
    """The changes of signals that match, in no order."""
    cursor.execute(f"SELECT {_CHANGE} FROM signal_changes WHERE {where}", values)
    for row in cursor:
        yield _fact(row)


def _row(fact: SignalFact) -> tuple[Any, ...]:
    one = fact.signal
    return (
        *(fact.partition, fact.sequence, fact.position, fact.judged, one.id, one.kind.value, one.name),
        *(int(one.severity), one.site, one.case, one.raised, one.known, one.cleared),
        *(None if one.reason is None else one.reason.value, one.revision),
    )


def _fact(row: tuple[Any, ...]) -> SignalFact:
    partition, sequence, position, judged, *about = row
    return SignalFact(partition, sequence, position, judged, signal_of(about))
