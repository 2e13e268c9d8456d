"""Signals become escalations, escalations messages, answers their history: on the real database, through time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from msgspec import structs

from models import policy_text
from models.event import CaseId, Site
from models.policy import BEGINNING, Kind, Policy, Severity
from models.signals import Cleared, Signal, signal_id
from models.store import deliveries, desk
from models.store.connecting import connect
from models.store.desk import Desk, Over, Standing, Unknown, acknowledge, act, attend
from models.store.ledger import Advance, Batch, SignalFact
from models.store.messages import Voice
from models.store.sql import SqlLedger
from tests.clockwork import MovedClock

POLICY = """
extends = "none"
[site.mercy]
name = "Mercy"
setting = "inpatient"
timezone = "UTC"
[clock.stat-verified]
title = "STAT order verified"
case = "order"
starts = "rx.order.entered"
stops = "rx.order.verified"
target = "10m"
severity = "S2"
source = "a test"
[person.ana]
name = "Ana"
webhook = "https://ana.example.org/hook"
[person.ben]
name = "Ben"
[ladder.urgent]
for = { severity = ["S1", "S2"] }
steps = [
  { after = "0s", to = ["person:ana"], by = ["webhook", "inbox"] },
  { after = "5m", to = ["person:ben"], by = ["inbox"] },
]
ack_expires = "15m"
"""
LATE = Signal(
    id=signal_id(Kind.CLOCK, "one"),
    kind=Kind.CLOCK,
    name="stat-verified",
    severity=Severity.S2,
    site=Site("mercy"),
    case=CaseId("order/1"),
    raised=BEGINNING,
    known=BEGINNING,
)


@dataclass
class Telling:
    """A store in which a worker writes signals and a dispatcher looks at them."""

    ledger: SqlLedger
    connection: "psycopg.Connection[Any]"
    clock: MovedClock
    desk: Desk
    written: int = 0

    def now(self) -> datetime:
        return desk.now(self.connection)

    def signal(self, **changes: object) -> Signal:
        """Writes a signal that is true since now, unless told otherwise."""
        now = self.now()
        one = structs.replace(LATE, **{"raised": now, "known": now, **changes})
        fact = SignalFact(0, self.written, 0, None, one)
        self.written += 1
        self.ledger.commit(Batch([Advance(0, 1, 0, 0, self.written, 0, judged=now)], signals=[fact]))
        return one

    def listens(self) -> None:
        """The worker has listened up to now: its partition is caught up."""
        beat = Advance(0, 1, 0, 0, self.written, 0, judged=self.now())
        self.ledger.commit(Batch([beat]))

    def look(self) -> None:
        """Decides everything that is to be decided now."""
        while attend(self.connection, self.desk) + act(self.connection, self.desk):
            pass

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()

    def told(self) -> list[tuple[str, str, str]]:
        """(type, person, channel) of every message, oldest first."""
        return self.rows("SELECT type, person, channel FROM deliveries ORDER BY made, person, channel")

    def escalation(self) -> str:
        [(name,)] = self.rows("SELECT id FROM escalations")
        return name

    def send(self) -> list[str]:
        """Every message that is due is accepted; returns their keys."""
        taken = deliveries.take(self.connection)
        for one in taken:
            deliveries.accepted(self.connection, one.key, "HTTP 200")
        self.look()
        return [one.key for one in taken]


@pytest.fixture
def telling(database_url: str) -> Iterator[Telling]:
    clock = MovedClock(database_url)
    ledger = SqlLedger(database_url, "w0")
    ledger.claim("a-cluster", [0], "w0")
    connection = connect(database_url, "test desk", autocommit=True)
    policy: Policy = policy_text.parse(POLICY, file="test")
    yield Telling(ledger, connection, clock, Desk(policy, desk.now(connection), Voice("https://rx.example.org")))
    connection.close()
    ledger.close()
    clock.close()


def test_a_new_signal_pages_the_first_step_at_once(telling: Telling) -> None:
    telling.signal()
    telling.look()
    assert telling.told() == [("page", "ana", "inbox"), ("page", "ana", "webhook")]
    [(message,)] = telling.rows("SELECT message FROM deliveries WHERE channel = 'webhook'")
    assert message["type"] == "rx.escalation.page" and message["data"]["title"] == "S2 Mercy: STAT order verified: late"
    assert telling.rows("SELECT told FROM signals") == [("yes",)]


def test_looking_twice_tells_once(telling: Telling) -> None:
    telling.signal()
    telling.look()
    telling.look()
    assert len(telling.told()) == 2


def test_the_second_step_comes_after_its_delay_and_not_before(telling: Telling) -> None:
    telling.signal()
    telling.look()
    telling.send()
    telling.clock.forward(minutes=4, seconds=50)
    telling.look()
    assert ("page", "ben", "inbox") not in telling.told()
    telling.clock.forward(seconds=11)
    telling.listens()
    telling.look()
    assert ("page", "ben", "inbox") in telling.told()


def test_acknowledging_stops_the_steps_and_tells_who_was_told_before(telling: Telling) -> None:
    telling.signal()
    telling.look()
    telling.send()
    answer = acknowledge(telling.connection, telling.escalation(), "ben")
    assert isinstance(answer, Standing) and answer.acknowledged_by == "ben" and answer.state == "acknowledged"
    telling.look()
    telling.clock.forward(minutes=6)
    telling.listens()
    telling.look()
    assert [row for row in telling.told() if row[0] == "page"] == [("page", "ana", "inbox"), ("page", "ana", "webhook")]
    assert ("acknowledged", "ana", "webhook") in telling.told()


def test_a_second_acknowledgement_takes_nothing_over(telling: Telling) -> None:
    telling.signal()
    telling.look()
    acknowledge(telling.connection, telling.escalation(), "ben")
    answer = acknowledge(telling.connection, telling.escalation(), "ana")
    assert isinstance(answer, Standing) and answer.acknowledged_by == "ben"


def test_the_end_is_told_to_everybody_who_was_told(telling: Telling) -> None:
    raised = telling.signal()
    telling.look()
    telling.send()
    now = telling.now()
    telling.signal(raised=raised.raised, known=raised.known, cleared=now, reason=Cleared.STOP, revision=2)
    telling.look()
    assert [row for row in telling.told() if row[0] == "resolved"] == [
        ("resolved", "ana", "inbox"),
        ("resolved", "ana", "webhook"),
    ]
    assert telling.rows("SELECT state, resolved IS NOT NULL FROM escalations") == [("resolved", True)]
    assert isinstance(acknowledge(telling.connection, telling.escalation(), "ana"), Over)


def test_what_nobody_was_told_of_has_no_end_to_tell(telling: Telling) -> None:
    raised = telling.signal()
    telling.look()
    now = telling.now()
    telling.signal(raised=raised.raised, known=raised.known, cleared=now, reason=Cleared.STOP, revision=2)
    telling.look()
    assert {row[0] for row in telling.told()} == {"page"}
    assert telling.rows("SELECT DISTINCT state FROM deliveries") == [("cancelled",)]


def test_old_news_pages_nobody(telling: Telling) -> None:
    old = telling.now() - timedelta(minutes=16)
    telling.signal(raised=old, known=old)
    telling.look()
    assert telling.told() == [] and telling.rows("SELECT told FROM signals") == [("old",)]


def test_a_severity_that_no_ladder_names_stays_on_the_board(telling: Telling) -> None:
    telling.signal(severity=Severity.S3)
    telling.look()
    assert telling.told() == [] and telling.rows("SELECT told FROM signals") == [("nobody",)]


def test_a_rise_is_told_from_the_first_step_again(telling: Telling) -> None:
    raised = telling.signal()
    telling.look()
    telling.send()
    acknowledge(telling.connection, telling.escalation(), "ana")
    telling.look()
    telling.signal(severity=Severity.S1, raised=raised.raised + timedelta(minutes=1), revision=2)
    telling.look()
    assert telling.rows("SELECT state, severity FROM escalations") == [("open", 1)]
    assert telling.rows("SELECT count(*) FROM deliveries WHERE type = 'page' AND person = 'ana'") == [(4,)]


def test_a_warning_is_due_soon_and_not_late(telling: Telling) -> None:
    mild = policy_text.parse(POLICY.replace('["S1", "S2"]', '["S1", "S2", "S3"]'), file="test")
    telling.desk = replace(telling.desk, policy=mild)
    telling.signal(severity=Severity.S3)
    telling.look()
    [(title,)] = telling.rows("SELECT DISTINCT message->'data'->>'title' FROM deliveries")
    assert title == "S3 Mercy: STAT order verified: due soon"


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("/mercy/pis", "S2 Mercy: Feed /mercy/pis is silent"),
        ("clocks", "S2 Mercy: Clocks of worker and database differ: missed deadlines are not seen"),
    ],
)
def test_what_the_watch_itself_says_is_said_in_words(telling: Telling, name: str, title: str) -> None:
    telling.signal(kind=Kind.FEED, name=name, case=None)
    telling.look()
    assert telling.rows("SELECT DISTINCT message->'data'->>'title' FROM deliveries") == [(title,)]


def test_a_change_that_is_no_rise_tells_nothing_new(telling: Telling) -> None:
    raised = telling.signal()
    telling.look()
    telling.signal(raised=raised.raised + timedelta(seconds=1), revision=2)
    telling.look()
    assert len(telling.told()) == 2
    assert telling.rows("SELECT count(*) FROM escalation_entries WHERE entry->>'entry' = 'rose'") == [(0,)]


def test_raised_again_after_its_end_is_a_new_escalation(telling: Telling) -> None:
    raised = telling.signal()
    telling.look()
    telling.signal(raised=raised.raised, cleared=telling.now(), reason=Cleared.DISPROOF, revision=2)
    telling.look()
    telling.signal(raised=raised.raised, revision=3)
    telling.look()
    assert telling.rows("SELECT state FROM escalations ORDER BY opened") == [("resolved",), ("open",)]


def test_raised_again_before_anybody_heard_of_its_end_is_a_new_escalation(telling: Telling) -> None:
    """Many ended at once, and those who were told are being told one after the other."""
    raised = telling.signal()
    telling.look()
    telling.send()
    telling.signal(raised=raised.raised, cleared=telling.now(), reason=Cleared.DISPROOF, revision=2)
    attend(telling.connection, telling.desk)
    telling.signal(raised=raised.raised, revision=3)
    telling.look()
    assert telling.rows("SELECT state FROM escalations ORDER BY opened") == [("resolved",), ("open",)]
    types = telling.rows("SELECT type, count(*) FROM deliveries WHERE channel = 'webhook' GROUP BY 1 ORDER BY 1")
    assert types == [("page", 2), ("resolved", 1)]


def test_a_delivery_that_is_not_answered_for_is_taken_again_under_its_key(telling: Telling) -> None:
    telling.signal()
    telling.look()
    first = deliveries.take(telling.connection)
    assert deliveries.take(telling.connection) == []
    telling.clock.forward(seconds=21)
    again = deliveries.take(telling.connection)
    assert [one.key for one in again] == [one.key for one in first] and {one.attempt for one in again} == {2}


def test_who_woke_too_late_says_nothing_of_what_another_has_sent_since(telling: Telling) -> None:
    telling.signal()
    telling.look()
    late = deliveries.take(telling.connection)
    telling.clock.forward(seconds=21)
    for one in deliveries.take(telling.connection):
        if one.channel == "webhook":
            deliveries.accepted(telling.connection, one.key, "HTTP 200")
    for one in late:
        deliveries.try_again(telling.connection, one.key, one.attempt, "no answer", timedelta())
    states = telling.rows("SELECT channel, state, attempts FROM deliveries ORDER BY channel")
    assert states == [("inbox", "sending", 2), ("webhook", "sent", 2)]
    assert deliveries.take(telling.connection) == []


def test_a_delivery_whose_senders_die_over_it_is_given_up_and_the_next_step_comes(telling: Telling) -> None:
    telling.signal(severity=Severity.S1)
    telling.look()
    attempts: list[int] = []
    for _ in range(3):
        attempts += [one.attempt for one in deliveries.take(telling.connection) if one.channel == "webhook"]
        telling.clock.forward(seconds=21)
    assert attempts == [1, 2, 3] and deliveries.take(telling.connection) == []
    assert telling.rows("SELECT DISTINCT state, due, left(answer, 7) FROM deliveries") == [("gave_up", None, "gave up")]
    telling.listens()
    telling.look()
    assert ("page", "ben", "inbox") in telling.told()


def test_a_delivery_whose_sender_died_once_is_taken_again_however_long_nobody_was_there(telling: Telling) -> None:
    telling.signal(severity=Severity.S1)
    telling.look()
    deliveries.take(telling.connection)
    telling.clock.forward(minutes=10)
    assert {one.attempt for one in deliveries.take(telling.connection)} == {2}


def test_an_answer_with_a_mark_that_the_database_does_not_keep_is_written_down(telling: Telling) -> None:
    telling.signal()
    telling.look()
    inbox, webhook = sorted(deliveries.take(telling.connection), key=lambda one: one.channel)
    deliveries.accepted(telling.connection, inbox.key, "2.0.0\0ok")
    deliveries.try_again(telling.connection, webhook.key, webhook.attempt, "4.0.0\0later", None)
    answers = telling.rows("SELECT state, answer FROM deliveries ORDER BY channel")
    assert answers == [("sent", "2.0.0 ok"), ("pending", "4.0.0 later")]


def test_what_was_never_taken_goes_out_however_late(telling: Telling) -> None:
    telling.signal(severity=Severity.S1)
    telling.look()
    telling.clock.forward(minutes=10)
    assert {one.attempt for one in deliveries.take(telling.connection)} == {1}


def test_a_channel_that_stays_away_gives_up_and_the_next_step_comes(telling: Telling) -> None:
    telling.signal(severity=Severity.S1)
    telling.look()
    for _ in range(20):
        for one in deliveries.take(telling.connection):
            if one.channel == "webhook":
                deliveries.try_again(telling.connection, one.key, one.attempt, "HTTP 503", None)
            else:
                deliveries.refused(telling.connection, one.key, "no")
        telling.clock.forward(seconds=6)
        telling.listens()
        telling.look()
        if ("page", "ben", "inbox") in telling.told():
            break
    assert telling.rows("SELECT state, answer FROM deliveries WHERE channel = 'webhook'") == [("gave_up", "HTTP 503")]
    [(why,)] = telling.rows(
        "SELECT entry->>'why' FROM escalation_entries WHERE entry->>'entry' = 'told' ORDER BY number DESC LIMIT 1"
    )
    assert why == "nobody"


def test_refused_everywhere_the_next_step_comes_at_once(telling: Telling) -> None:
    telling.signal()
    telling.look()
    for one in deliveries.take(telling.connection):
        deliveries.refused(telling.connection, one.key, "HTTP 410")
    telling.look()
    assert ("page", "ben", "inbox") in telling.told()


def test_what_waits_for_the_worker_is_told_soon_after_it_has_caught_up(telling: Telling) -> None:
    telling.signal()
    attend(telling.connection, telling.desk)
    telling.connection.execute(
        "INSERT INTO cases (id, partition, site, kind, priority, since, opened, pace, body)"
        " VALUES ('order/1', 0, 'mercy', 'order', 'stat', now(), now(), 'due', '')"
    )
    telling.clock.forward(seconds=2)
    # A dispatcher starts, and the worker has not listened since: the order may have been verified meanwhile.
    telling.desk = replace(telling.desk, started=telling.now())
    telling.look()
    telling.clock.forward(seconds=6)
    telling.look()
    assert telling.told() == []
    telling.listens()
    telling.clock.forward(seconds=6)
    # A worker that keeps up listens all the time; it is behind from ten seconds on.
    telling.listens()
    telling.look()
    assert telling.told() == [("page", "ana", "inbox"), ("page", "ana", "webhook")]


def test_there_is_no_such_escalation(telling: Telling) -> None:
    assert isinstance(acknowledge(telling.connection, "none", "ana"), Unknown)


def test_the_live_feed_is_numbered_without_gaps(telling: Telling) -> None:
    telling.signal()
    telling.look()
    telling.send()
    numbers = [number for (number,) in telling.rows("SELECT number FROM announcements ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1)) and numbers


def test_two_dispatchers_open_one_escalation(telling: Telling, database_url: str) -> None:
    telling.signal()
    with connect(database_url, "another dispatcher") as other:
        # The other one holds the signal's row: this one passes over it.
        other.execute("SELECT 1 FROM signals FOR UPDATE")
        assert attend(telling.connection, telling.desk) == 0
    telling.look()
    assert telling.rows("SELECT count(*) FROM escalations") == [(1,)]
