"""E-mail against a server that speaks SMTP: what is taken, what is refused, what has to wait, and what a password needs."""

import asyncio
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.policy import Channel, ChannelSettings, Person
from models.settings import Secret
from tests.conftest import require_program
from tests.mailserver import MailServer, mail_server
from workflows.notify.answer import Answer, Delivered, Refused, RetryAfter
from workflows.notify.channels import Channels
from workflows.notify.mail import Email, Login

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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of 127.0.0.1 with its key, signed by itself."""
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    command = [require_program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", str(file.with_name("cert"))]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + file.with_name("cert").read_text())
    return file


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificate, which this machine trusts for once."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_name("cert")))
    return certificate


def send(server: MailServer, person: Person = ANA, login: Login | None = None, **limits: float) -> Answer:
    return asyncio.run(Email(server.url, "RxPulse <rx@example.org>", login, **limits).send(person, "k1", PAGE))


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


@pytest.mark.parametrize("implicit", [False, True])
def test_a_mail_that_was_given_up_during_the_tls_handshake_is_never_sent(
    server: MailServer, trusted: Path, implicit: bool
) -> None:
    server.certificate, server.implicit, server.holds = trusted, implicit, threading.Event()
    answer = send(server, within=0.3)
    assert isinstance(answer, RetryAfter) and "longer than" in answer.answer
    server.holds.set()
    assert server.over.wait(10)
    assert server.taken == [] and server.asked == []


def test_a_person_without_an_address_is_refused(server: MailServer) -> None:
    nobody = Person(key="cy", name="Cy", email=None, webhook=None)
    assert send(server, nobody) == Refused("cy has no e-mail address")


def test_an_address_that_is_none_is_refused_and_sends_nothing(server: MailServer) -> None:
    broken = Person(key="cy", name="Cy", email="cy@example.org\r\nBcc: all@example.org", webhook=None)
    assert isinstance(send(server, broken), Refused)
    assert server.asked == []


# Signing in

LOGIN = Login("rxpulse", Secret("open sesame"))


@pytest.mark.parametrize("implicit", [False, True])
def test_a_login_goes_over_tls_to_a_server_that_is_proven(server: MailServer, trusted: Path, implicit: bool) -> None:
    server.certificate, server.implicit, server.login = trusted, implicit, ("rxpulse", "open sesame")
    assert isinstance(send(server, login=LOGIN), Delivered)
    assert [to for to, _ in server.taken] == ["ana@example.org"]
    assert [line[:4] for line in server.plain] == ([] if implicit else ["ehlo", "STAR"])


def test_a_server_that_offers_no_tls_never_hears_the_password(server: MailServer) -> None:
    server.login = ("rxpulse", "open sesame")
    answer = send(server, login=LOGIN)
    assert answer == Refused("the mail server offers no STARTTLS, and a password goes by TLS alone: use smtps://")
    assert [line[:4] for line in server.plain] == ["ehlo"] and server.taken == []


@pytest.mark.parametrize("implicit", [False, True])
def test_a_server_that_is_not_proven_never_hears_the_password(
    server: MailServer, certificate: Path, implicit: bool
) -> None:
    server.certificate, server.implicit, server.login = certificate, implicit, ("rxpulse", "open sesame")
    answer = send(server, login=LOGIN)
    assert isinstance(answer, Refused) and "certificate of 127.0.0.1 is not to be trusted: self" in answer.answer
    assert not [line for line in server.plain if line.startswith("AUTH")] and server.taken == []


def test_a_wrong_password_is_a_refusal_with_the_servers_words(server: MailServer, trusted: Path) -> None:
    server.certificate, server.login = trusted, ("rxpulse", "another")
    assert send(server, login=LOGIN) == Refused("SMTP 535 no such user or password")


def test_a_server_that_wants_a_login_and_gets_none_refuses(server: MailServer) -> None:
    server.login = ("rxpulse", "open sesame")
    assert send(server) == Refused("SMTP 530 sign in first")


def test_without_a_login_tls_is_taken_where_it_is_offered_whoever_offers_it(
    server: MailServer, certificate: Path
) -> None:
    server.certificate = certificate
    assert isinstance(send(server), Delivered)
    assert [line[:4] for line in server.plain] == ["ehlo", "STAR"]


def by_mail(home: Path, wanted: ChannelSettings, login: Login | None = None) -> Answer:
    """What a page by e-mail is answered, with the channels of these settings."""
    channels = Channels(home, allow_private=False, login=login)(wanted)
    return asyncio.run(channels[Channel.EMAIL].send(ANA, "k1", PAGE))


def test_the_policy_names_a_user_and_a_file_that_is_read_for_each_mail(
    server: MailServer, trusted: Path, tmp_path: Path
) -> None:
    server.certificate, server.login = trusted, ("rxpulse", "open sesame")
    wanted = ChannelSettings(smtp=server.url, smtp_user="rxpulse", smtp_password_file="smtp.password")
    missing = by_mail(tmp_path, wanted)
    assert isinstance(missing, Refused) and "which holds the mail server's password, cannot be read" in missing.answer
    (tmp_path / "smtp.password").write_text("\n")
    empty = by_mail(tmp_path, wanted)
    assert isinstance(empty, Refused) and "is empty: put the mail server's password into it" in empty.answer
    (tmp_path / "smtp.password").write_text("open sesame\n")
    assert isinstance(by_mail(tmp_path, wanted), Delivered)


def test_a_login_of_the_settings_stands_before_that_of_the_policy(
    server: MailServer, trusted: Path, tmp_path: Path
) -> None:
    server.certificate, server.login = trusted, ("rxpulse", "open sesame")
    wanted = ChannelSettings(smtp=server.url, smtp_user="old", smtp_password_file="gone")
    assert isinstance(by_mail(tmp_path, wanted, LOGIN), Delivered)
