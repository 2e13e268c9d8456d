"""What the intake asks the store: who may send, what the policy wants of feeds, and whether the worker keeps up.

It is asked again some times a second at most. While the database is away the last answer holds, so that feeds can go on:
what they send lies safe in Kafka.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from time import monotonic
from typing import Any

from psycopg import Connection, OperationalError

from models.policy import Policies, Policy
from models.store.connecting import DatabaseAway, connect
from models.store.policies import read_policies
from models.store.silences import APART
from models.store.tokens import Token, standing

_FRESH_SECONDS = 0.02
"""How long an answer is used: a token is good, and one that was taken back is refused, after that at the latest."""
_AWAY_SECONDS = 2.0
_ALIVE = "60 seconds"
"""A worker whose heartbeat is older is away, and not behind (`semantics.md` 18)."""


@dataclass(frozen=True, slots=True)
class Standing:
    """`tokens` by their hash. `policy` is the version in force, None where the store has none yet. `behind` is for how
    many seconds the worker, though it runs, has not read some partition to its end; None where that is not known: it does
    not run, never has, or does not listen because its clock and the database's differ."""

    tokens: Mapping[str, Token]
    policy: Policy | None
    behind: float | None


class IntakeStore:
    """The intake's view of the store. For several threads."""

    def __init__(self, database_url: str) -> None:
        """Does not connect yet."""
        self._url = database_url
        self._lock = Lock()
        self._connection: Connection[Any] | None = None
        self._policies: Policies | None = None
        self._last: Standing | None = None
        self._until = 0.0

    def standing(self) -> Standing:
        """How things stand, a moment old at most unless the database is away. Raises DatabaseAway where it
        was never there."""
        with self._lock:
            if monotonic() >= self._until:
                self._ask()
            if self._last is None:
                raise DatabaseAway("the database does not answer")
            return self._last

    def missing(self) -> str | None:
        """What is missing in the store for events to be taken; None where nothing is."""
        with self._lock:
            self._ask()
            if self._connection is None or self._last is None:
                return "the database does not answer"
            return "the store holds no policy yet" if self._last.policy is None else None

    def close(self) -> None:
        """Ends the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _ask(self) -> None:
        """Over a new connection where the database has ended the one that was kept: it may have been started again since."""
        kept = self._connection
        if not self._answered() and kept is not None and kept.broken:
            self._answered()

    def _answered(self) -> bool:
        try:
            if self._connection is None:
                self._connection = connect(self._url, "rxpulse intake", autocommit=True)
                self._connection.execute("SET statement_timeout = '2s'")
            self._last = self._read(self._connection)
            self._until = monotonic() + _FRESH_SECONDS
        except (DatabaseAway, OperationalError):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            self._until = monotonic() + _AWAY_SECONDS
            return False
        return True

    def _read(self, connection: "Connection[Any]") -> Standing:
        self._policies = read_policies(connection, self._policies) or self._policies
        behind = connection.execute(
            "SELECT now(), extract(epoch FROM max(now() - judged))::float FROM positions"
            f" WHERE beat > now() - interval '{_ALIVE}' AND NOT EXISTS (SELECT 1 FROM worker_clocks"
            f" WHERE measured > now() - interval '{_ALIVE}' AND abs(ahead) > %s)",
            [APART // timedelta(microseconds=1)],
        ).fetchone()
        assert behind is not None
        now, seconds = behind
        return Standing(standing(connection), self._policies.at(now) if self._policies else None, seconds)
