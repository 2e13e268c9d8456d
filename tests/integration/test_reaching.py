"""`rxpulse contact test` and `rxpulse ack` beside a real dispatcher: the message arrives, the escalation is taken on."""

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner, Result

from models import policy_text
from models.store.auditing import ref_of
from models.store.connecting import connect
from models.store.desk import resolve
from models.store.policies import begin
from rxpulse.cli import main
from rxpulse.enacted import operator
from tests.integration.test_desk import POLICY
from tests.integration.test_dispatcher import Receiver, Running, dispatcher, receiver
from tests.live import until
from tests.mailserver import mail_server

__all__ = ["dispatcher", "receiver"]


def run(dispatcher: Running, *words: str) -> Result:
    """The command beside the dispatcher, over the same store."""
    return CliRunner(env=dispatcher.environ).invoke(main, words)


def started(dispatcher: Running) -> None:
    """Starts the dispatcher and waits until it hears: none of the time that the command gives it goes to its start."""
    dispatcher.start()
    until(dispatcher.hears, why="a dispatcher that hears")


@pytest.fixture
def reached(dispatcher: Running, receiver: Receiver, database_url: str) -> Any:
    with mail_server() as server:
        text = POLICY.replace("https://ana.example.org/hook", receiver.url).replace(
            'name = "Ana"', 'name = "Ana"\nemail = "ana@example.org"'
        )
        text += f'\n[channel.webhook]\nallow_private = true\n[channel.email]\nsmtp = "{server.url}"\n'
        dispatcher.rows("DELETE FROM policies RETURNING 1")
        begin(database_url, policy_text.read(text, file="test"), "a test")
        yield dispatcher, server


def test_a_test_message_reaches_a_person_by_every_channel_and_is_recorded(reached: Any, receiver: Receiver) -> None:
    dispatcher, server = reached
    started(dispatcher)
    ran = run(dispatcher, "contact", "test", "ana", "--json")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert [(one["channel"], one["state"]) for one in found["deliveries"]] == [
        ("email", "sent"),
        ("inbox", "sent"),
        ("webhook", "sent"),
    ]
    [(_, body, _)] = receiver.received
    event = json.loads(body)
    assert event["type"] == "rx.contact.test" and event["data"]["title"].startswith("TEST")
    assert server.types("ana@example.org") == ["rx.contact.test"]
    rows = dispatcher.rows("SELECT type, person, state, attempts FROM deliveries WHERE channel = 'webhook'")
    assert rows == [("test", "ana", "sent", 1)]
    assert dispatcher.rows("SELECT person, what, ref FROM audit") == [(operator(), "test message", ref_of("ana"))]


def test_a_channel_that_refuses_is_named_and_exits_with_1(reached: Any, receiver: Receiver) -> None:
    dispatcher, _ = reached
    receiver.answers = [(410, {})]
    started(dispatcher)
    ran = run(dispatcher, "contact", "test", "ana", "--by", "webhook")
    assert ran.exit_code == 1 and "webhook: refused (HTTP 410, gone" in ran.stdout
    assert dispatcher.rows("SELECT count(*) FROM escalation_entries") == [(0,)]


def test_a_person_or_an_address_that_is_not_there_is_said(reached: Any) -> None:
    dispatcher, _ = reached
    stranger = run(dispatcher, "contact", "test", "zoe")
    assert stranger.exit_code == 2 and "it knows: ana, ben" in stranger.output
    without = run(dispatcher, "contact", "test", "ben", "--by", "email")
    assert without.exit_code == 2 and "[person.ben] has no email" in without.output
    assert dispatcher.rows("SELECT count(*) FROM deliveries") == [(0,)]


def test_ack_takes_an_escalation_on_and_stops_the_steps(reached: Any, receiver: Receiver) -> None:
    dispatcher, _ = reached
    dispatcher.start()
    dispatcher.signal()
    until(lambda: len(receiver.received) == 1, why="the page")
    [(name,)] = dispatcher.rows("SELECT id FROM escalations")
    ran = run(dispatcher, "ack", name, "--person", "ben", "--json")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert (found["id"], found["state"], found["acknowledged_by"]) == (name, "acknowledged", "ben")
    assert found["expires"].endswith("Z")
    assert dispatcher.rows("SELECT person, what, ref FROM audit") == [(operator(), "acknowledge", ref_of(name))]
    until(lambda: "rx.escalation.acknowledged" in receiver.types(), why="word of who has it")
    again = run(dispatcher, "ack", name, "--person", "ben")
    assert re.fullmatch(r"ben has it until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \w+\n", again.stdout)


def test_ack_of_what_is_over_or_not_there_or_by_a_stranger_says_so(reached: Any, receiver: Receiver) -> None:
    dispatcher, _ = reached
    dispatcher.start()
    dispatcher.signal()
    until(lambda: len(receiver.received) == 1, why="the page")
    [(name,)] = dispatcher.rows("SELECT id FROM escalations")
    stranger = run(dispatcher, "ack", name, "--person", "zoe")
    assert stranger.exit_code == 2 and "it knows: ana, ben" in stranger.output
    with connect(dispatcher.url, "test", autocommit=True) as connection:
        resolve(connection, name, "ana", "seen")
    over = run(dispatcher, "ack", name, "--person", "ana")
    assert over.exit_code == 1 and "it is resolved" in over.output
    nothing = run(dispatcher, "ack", "nothing", "--person", "ana")
    assert nothing.exit_code == 2 and "there is no escalation" in nothing.output
