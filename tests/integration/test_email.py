"""E-mail against a server that speaks SMTP: what is taken, what is refused, and what has to wait."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from models.policy import Person
from tests.mailserver import MailServer, mail_server
from workflows.notify.answer import Answer, Delivered, Refused, RetryAfter
from workflows.notify.mail import Email

ANA = Person(key="ana", name="Ana Ångström", email="ana@example.org", webhook=None)
BEN = Person(key="ben", name="Ben", email="ben@example.org", webhook=None)
PAGE: dict[str, Any] = {
    "id": "k1",
    "type": "rx.escalation.page",
    "time": "2026-11-20T14:03:07Z",
    "data": {
        "title": "S2 Mercy: STAT order verified: late",
        "late_seconds": 125.0,
        "link": "https://rx.example.org/a/TOKEN",
        "board": "https://rx.example.org/board#escalation-e1",
    },
}


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as running:
        yield running


def send(server: MailServer, person: Person = ANA, **limits: float) -> Answer:
    return asyncio.run(Email(server.url, "RxPulse <rx@example.org>", **limits).send(person, "k1", PAGE))


def test_a_mail_carries_key_type_title_and_link(server: MailServer) -> None:
    assert isinstance(send(server), Delivered)
    [(to, mail)] = server.taken
    assert to == "ana@example.org" and "Ana Ångström" in str(mail["To"])
    assert mail["Message-ID"] == "<k1@example.org>" and mail["RxPulse-Type"] == "rx.escalation.page"
    assert mail["Subject"] == "S2 Mercy: STAT order verified: late"
    text = mail.get_content()
    assert "https://rx.example.org/a/TOKEN" in text and "True for 2 min" in text


def test_a_second_attempt_is_the_same_mail(server: MailServer) -> None:
    send(server)
    send(server)
    [(_, first), (_, second)] = server.taken
    assert first.as_bytes() == second.as_bytes()


def test_of_two_recipients_the_one_that_is_refused_keeps_nothing_from_the_other(server: MailServer) -> None:
    server.refuses["ben@example.org"] = "550 no such mailbox"
    assert isinstance(send(server, ANA), Delivered)
    assert send(server, BEN) == Refused("SMTP 550 no such mailbox")
    assert [to for to, _ in server.taken] == ["ana@example.org"]


def test_a_recipient_that_is_refused_for_now_is_tried_again(server: MailServer) -> None:
    server.refuses["ana@example.org"] = "451 greylisted, come back"
    assert send(server) == RetryAfter("SMTP 451 greylisted, come back")


@pytest.mark.parametrize(
    ("greeting", "after_data", "answer"),
    [
        ("421 too busy", "250 taken", RetryAfter("SMTP 421 too busy")),
        ("554 not here", "250 taken", Refused("SMTP 554 not here")),
        ("220 hello", "452 disk full", RetryAfter("SMTP 452 disk full")),
        ("220 hello", "554 looks like spam", Refused("SMTP 554 looks like spam")),
    ],
)
def test_what_the_server_says_decides(server: MailServer, greeting: str, after_data: str, answer: Answer) -> None:
    server.greeting, server.after_data = greeting, after_data
    assert send(server) == answer
    assert server.taken == []


def test_a_server_that_is_not_there_is_tried_again(server: MailServer) -> None:
    with mail_server() as gone:
        pass
    answer = send(gone)
    assert isinstance(answer, RetryAfter) and "ConnectionRefusedError" in answer.answer


def test_a_server_that_never_answers_is_tried_again(server: MailServer) -> None:
    server.hangs = threading.Event()
    answer = send(server, answer_within=0.2)
    server.hangs.set()
    assert isinstance(answer, RetryAfter) and "no answer" in answer.answer


def test_a_server_that_takes_its_time_for_every_answer_is_hung_up_on(server: MailServer) -> None:
    server.hangs = threading.Event()
    answer = send(server, within=0.3)
    assert isinstance(answer, RetryAfter) and "longer than" in answer.answer
    server.hangs.set()


def test_a_person_without_an_address_is_refused(server: MailServer) -> None:
    nobody = Person(key="cy", name="Cy", email=None, webhook=None)
    assert send(server, nobody) == Refused("cy has no e-mail address")


def test_an_address_that_is_none_is_refused_and_sends_nothing(server: MailServer) -> None:
    broken = Person(key="cy", name="Cy", email="cy@example.org\r\nBcc: all@example.org", webhook=None)
    assert isinstance(send(server, broken), Refused)
    assert server.asked == []
