"""Everything that was made from the events is forgotten, so that the worker makes it again from the topic.

What people did stays: who was told, who answered, what somebody cleared, accounts, every version of the policy. Signals
come back under the same ids, so what was told of each is remembered here and holds again when it does: nobody is told
twice. Readers of the public topics know these ids too, so what is made again has higher revisions there, and what was
open and does not come again is taken back.
"""

from time import sleep
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.errors import DeadlockDetected, LockNotAvailable

from models.errors import CallerFault
from models.store.connecting import connect
from models.store.forgotten import write_down
from models.store.revisions import step_over

MADE: tuple[LiteralString, ...] = (
    *("positions", "cases", "departures", "intervals", "signals", "signal_changes", "ticks"),
    *("outcomes", "touched", "rate_states", "shifts", "feeds", "feed_hours", "silences", "seen_types"),
    *("judge", "worker_clocks", "doubts"),
)
"""Tables whose rows follow from the events and the policy alone."""
KEPT: tuple[LiteralString, ...] = (
    *("policies", "escalations", "escalation_entries", "deliveries", "announcements", "remembered", "forgotten"),
    *("tokens", "links", "sessions", "signing_key", "used_links", "reports", "grouped", "watch"),
    *("accounts", "audit", "housekeeping"),
)
"""Tables that hold what people and programs did."""
_TRIES = 100
_WAIT = "300ms"
"""Shorter than PostgreSQL waits before it looks for a deadlock: whoever is at work goes first."""
_WORKERS = r"^(worker-|reads for worker-|judges for )"
"""The names under which workers connect."""
_REMEMBER = """
INSERT INTO remembered (signal, known, told, cleared, cleared_by, code, note, quiet)
SELECT id, known, told, CASE WHEN cleared_by IS NOT NULL THEN cleared END, cleared_by, code, note, quiet FROM signals
WHERE told <> 'old' OR cleared_by IS NOT NULL OR quiet
ON CONFLICT (signal) DO UPDATE SET known = excluded.known, told = excluded.told, cleared = excluded.cleared,
    cleared_by = excluded.cleared_by, code = excluded.code, note = excluded.note, quiet = excluded.quiet
"""


def forget_facts(database_url: str) -> None:
    """Empties what was made from the events, in one transaction, and ends the workers' connections: what they have in
    mind is worth nothing any more. Raises CallerFault where the tables are in use for half a minute, DatabaseAway."""
    with connect(database_url, "rxpulse reset") as connection:
        for _ in range(_TRIES):
            try:
                with connection.transaction():
                    _forget(connection)
                    return
            except (LockNotAvailable, DeadlockDetected):
                sleep(0.05)
    raise CallerFault("the store's tables are in use all the time: stop what reads them (an export?), then try again")


def _forget(connection: "Connection[Any]") -> None:
    _end_workers(connection)
    connection.execute(f"SET LOCAL lock_timeout = '{_WAIT}'")
    # Before the tables: the dispatcher, too, has the row of the watch before it writes what it found.
    step_over(connection)
    tables: LiteralString = ", ".join(MADE)
    connection.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
    # A worker may have come back before the lock was had. Who comes now finds no positions but those that it claims.
    _end_workers(connection)
    connection.execute(_REMEMBER)
    write_down(connection)
    connection.execute(f"TRUNCATE {tables}")


def _end_workers(connection: "Connection[Any]") -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name ~ %s",
        [_WORKERS],
    )
