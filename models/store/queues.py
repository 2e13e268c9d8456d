"""Where work waits: how many open cases, since when, how many at risk and late, by site, kind, stage and priority.

The same choice of cases narrows what the board shows beside its queues. What is about no single case (a silent feed, a
rate, a summary) passes every choice of cases: it may concern any of them, and hiding it could leave it without anybody.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from models.store.rights import EVERYTHING, Rights

PRIORITIES = ("stat", "now", "urgent", "routine", "prn", "")
"""The priorities that a queue is told apart by, in order; any other value is shown as `other`."""
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Cases:
    """A choice of cases. An empty `kinds`, `priorities` or `stages` asks for all; OTHER among the priorities are those that
    PRIORITIES does not name, and none."""

    kinds: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    def values(self) -> dict[str, Any]:
        """The parameters of `OF_CASES` and of the queues."""
        return {
            "case_kinds": list(self.kinds),
            "priorities": list(self.priorities),
            "stages": list(self.stages),
            "named": [one for one in PRIORITIES if one],
        }


EVERY_CASE = Cases()


@dataclass(frozen=True, slots=True)
class Queue:
    """The open cases of a site and kind that wait at one stage with one priority. `waits` None: nobody's turn. `oldest` is
    since when (UTC) the first of them waits there; `at_risk` and `late` count those of `count` that are."""

    site: str
    kind: str
    waits: str | None
    priority: str
    count: int
    oldest: datetime
    at_risk: int
    late: int


def queues(
    connection: "Connection[Any]",
    sites: Sequence[str] = (),
    kinds: Sequence[str] = (),
    rights: Rights = EVERYTHING,
    priorities: Sequence[str] = (),
    stages: Sequence[str] = (),
) -> list[Queue]:
    """Where open cases wait, by site, kind, stage and priority. What is empty asks for all; `priorities` as of Cases."""
    chosen = Cases(tuple(kinds), tuple(priorities), tuple(stages)).values()
    scope = None if rights.sites is None else list(rights.sites)
    found = connection.execute(_QUEUES, chosen | {"sites": list(sites), "known": list(PRIORITIES), "scope": scope})
    return [Queue(*row) for row in found]


OF_CASES: LiteralString = """(case_id IS NULL
    OR (cardinality(%(case_kinds)s::text[]) = 0 OR split_part(case_id, '/', 1) = ANY(%(case_kinds)s))
    AND (cardinality(%(stages)s::text[]) = 0 OR case_stage = ANY(%(stages)s))
    AND (cardinality(%(priorities)s::text[]) = 0 OR
        CASE WHEN case_priority = ANY(%(named)s::text[]) THEN case_priority ELSE 'other' END = ANY(%(priorities)s)))"""
"""Whether a signal or escalation, with the columns of its case (`briefs.WITH_CASE`), is about a case that is chosen."""
_BUCKET: LiteralString = "CASE WHEN priority = ANY(%(known)s) THEN priority ELSE 'other' END"
_QUEUES: LiteralString = f"""
SELECT site, kind, waits, {_BUCKET} AS bucket, count(*), min(since),
    count(*) FILTER (WHERE pace = 'at_risk'), count(*) FILTER (WHERE pace = 'late')
FROM cases
WHERE finished IS NULL AND (cardinality(%(sites)s::text[]) = 0 OR site = ANY(%(sites)s))
    AND (cardinality(%(case_kinds)s::text[]) = 0 OR kind = ANY(%(case_kinds)s))
    AND (cardinality(%(stages)s::text[]) = 0 OR waits = ANY(%(stages)s))
    AND (cardinality(%(priorities)s::text[]) = 0 OR
        CASE WHEN priority = ANY(%(named)s::text[]) THEN priority ELSE 'other' END = ANY(%(priorities)s))
    AND (%(scope)s::text[] IS NULL OR site = ANY(%(scope)s) OR site = '*')
GROUP BY site, kind, waits, bucket
ORDER BY site, kind, waits, array_position(%(known)s::text[], {_BUCKET})
"""
