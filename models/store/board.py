"""What the board shows beside its queues: what needs somebody, and the messages that reached people here."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from psycopg import Connection

from models.store.briefs import BRIEF, WITH_CASE, Brief, brief
from models.store.items import ESCALATION, EscalationItem, escalation_item
from models.store.lists import AT_ONE_OF, CHOSEN, IN_SCOPE, WHAT_IS_CURRENT, Asked, scope
from models.store.rights import EVERYTHING, Rights


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """A message that reached a person here, on the console. `message` is what his webhook would have got; `escalation` is
    empty where it is about none, as of a test; `site` and `work`, what the case of that escalation is, are None there, and
    `work` also where it is about no case or that is gone."""

    key: str
    escalation: str
    person: str
    type: str
    at: datetime
    message: dict[str, Any]
    site: str | None = None
    work: Brief | None = None


@dataclass(frozen=True, slots=True)
class Urgent:
    """The most urgent escalations that are not over. `waiting` counts all that nobody has, shown or not; `more`: there are
    others."""

    items: tuple[EscalationItem, ...]
    waiting: int
    more: bool


def urgent(connection: "Connection[Any]", asked: Asked = WHAT_IS_CURRENT, limit: int = 40) -> Urgent:
    """What needs somebody: what nobody answered first, then what nobody has, then what is taken on; of each the most severe
    first, of these the oldest."""
    rows = connection.execute(_URGENT, asked.values() | {"limit": limit}).fetchall()
    waiting, total = rows[0][-2:] if rows else (0, 0)
    return Urgent(tuple(escalation_item(row[:-2]) for row in rows), waiting, total > len(rows))


def waiting(connection: "Connection[Any]", rights: Rights = EVERYTHING) -> int:
    """How many escalations nobody has, whatever they are about."""
    query: LiteralString = f"SELECT count(*) FROM escalations WHERE state IN ('open', 'exhausted') AND {IN_SCOPE}"
    [count] = connection.execute(query, {"scope": scope(rights)}).fetchone() or (0,)
    return count


def inbox(connection: "Connection[Any]", limit: int = 20, rights: Rights = EVERYTHING) -> list[InboxMessage]:
    """The latest messages that were accepted by the inbox, newest first."""
    rows = connection.execute(_INBOX, {"limit": limit, "scope": scope(rights)})
    return [InboxMessage(*row[:-4], work=brief(*row[-4:])) for row in rows]


_URGENT: LiteralString = f"""
SELECT e.*, count(*) FILTER (WHERE state <> 'acknowledged') OVER (), count(*) OVER ()
FROM ({ESCALATION} WHERE state <> 'resolved' AND {AT_ONE_OF} AND {CHOSEN}) e
ORDER BY array_position(ARRAY['exhausted', 'open', 'acknowledged'], state), severity, opened, id DESC LIMIT %(limit)s
"""
_INBOX: LiteralString = f"""
WITH latest AS (
    SELECT key, escalation, person, type, coalesce(last_attempt, made) AS at, message FROM deliveries d
    WHERE channel = 'inbox' AND state = 'sent'
        AND (%(scope)s::text[] IS NULL OR d.escalation = ''
            OR EXISTS (SELECT FROM escalations e WHERE e.id = d.escalation AND {IN_SCOPE}))
    ORDER BY at DESC, key LIMIT %(limit)s
)
SELECT latest.*, e.site, {BRIEF}
FROM latest LEFT JOIN escalations e ON e.id = latest.escalation {WITH_CASE} ORDER BY latest.at DESC, latest.key
"""
"""Only of those that are shown the cases are looked up."""
