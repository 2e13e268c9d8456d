"""By e-mail: a plain text that says what is wrong and where to look, to one person at a time.

Every person gets a message of his own, so that a server that refuses one of two leaves the other's delivered, and a
second attempt never mails somebody twice. The Message-ID carries the delivery's key and is the same on every attempt,
by which mail programs tell a repetition. What the server says decides: 4xx asks for patience, 5xx is a refusal
(RFC 5321, 4.2.1).
"""

import asyncio
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from smtplib import (
    SMTP,
    SMTP_SSL,
    SMTPException,
    SMTPNotSupportedError,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from typing import Any
from urllib.parse import urlsplit

from models.policy import Person
from workflows.notify.answer import Answer, Delivered, Refused, RetryAfter

_SECONDS = 5.0
"""For one answer of the server."""
_WITHIN = 12.0
"""For the whole of it: shorter than the lease of a delivery."""
_AT_ONCE = 8
_KEPT = 200
"""Characters of an answer that are kept."""
_PORTS = {"smtp": 25, "smtps": 465}


class Email:
    """`server` is `smtp://host[:port]`, encrypted where the server offers it, or `smtps://host[:port]`; `sender` is the
    address that mail comes from."""

    def __init__(self, server: str, sender: str, *, answer_within: float = _SECONDS, within: float = _WITHIN) -> None:
        parts = urlsplit(server)
        self._encrypted = parts.scheme == "smtps"
        self._host, self._port = parts.hostname or "localhost", parts.port or _PORTS[parts.scheme]
        self._sender = sender
        self._answer_within = answer_within
        self._within = within
        # Threads of its own: a mail server that hangs must not keep anybody from the database.
        self._threads = ThreadPoolExecutor(_AT_ONCE, "mail")

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Answer:
        if person.email is None:
            return Refused(f"{person.key} has no e-mail address")
        try:
            mail = compose(self._sender, person, key, message)
        except ValueError as fault:
            return Refused(f"the address cannot be used: {fault}"[:_KEPT])
        client = self._client()
        post = asyncio.get_running_loop().run_in_executor(self._threads, self._post, client, mail)
        try:
            return await asyncio.wait_for(post, self._within)
        except TimeoutError:
            _hang_up(client)
            return RetryAfter(f"{self._host} took longer than {self._within:g} s")

    def _client(self) -> SMTP:
        if self._encrypted:
            trusted = ssl.create_default_context()
            client: SMTP = SMTP_SSL(timeout=self._answer_within, local_hostname=_ME, context=trusted)
        else:
            client = SMTP(timeout=self._answer_within, local_hostname=_ME)
        # A client that connects only when it is told to does not learn by itself whose certificate to expect.
        client._host = self._host
        return client

    def _post(self, client: SMTP, mail: EmailMessage) -> Answer:
        try:
            _expect(client.connect(self._host, self._port))
            if not self._encrypted:
                _encrypt(client)
            client.send_message(mail)
            return Delivered(f"taken by {self._host}")
        except SMTPRecipientsRefused as refusal:
            [(code, said), *_] = refusal.recipients.values()
            return judge(code, said)
        except SMTPResponseException as refusal:
            return judge(refusal.smtp_code, refusal.smtp_error)
        except SMTPNotSupportedError as fault:
            return Refused(f"{self._host} cannot take it: {fault}"[:_KEPT])
        except (SMTPException, OSError) as fault:
            return RetryAfter(f"no answer: {type(fault).__name__}: {fault}"[:_KEPT])
        finally:
            # Whether the server still says goodbye changes nothing about what it took.
            client.close()


def compose(sender: str, person: Person, key: str, message: dict[str, Any]) -> EmailMessage:
    """The mail of a message. Raises ValueError for an address that is none."""
    about = message["data"]
    mail = EmailMessage()
    mail["From"] = sender
    mail["To"] = formataddr((" ".join(person.name.split()), str(person.email)))
    mail["Subject"] = " ".join(about["title"].split())
    mail["Date"] = format_datetime(datetime.fromisoformat(message["time"]))
    mail["Message-ID"] = f"<{key}@{parseaddr(sender)[1].rpartition('@')[2] or 'localhost'}>"
    mail["RxPulse-Type"] = message["type"]
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(text(message))
    return mail


def text(message: dict[str, Any]) -> str:
    """What a person reads."""
    about = message["data"]
    lines = [about["title"], ""]
    if about.get("late_seconds") is not None and message["type"] != "rx.escalation.resolved":
        lines.append(f"True for {about['late_seconds'] / 60:.0f} min when this was written.")
    lines += [f"{what}: {link}" for what, link in links(message)]
    return "\n".join([*lines, "", "RxPulse"]) + "\n"


def links(message: dict[str, Any]) -> list[tuple[str, str]]:
    """The links of a message, each with what it is for."""
    link, board = message["data"]["link"], message["data"].get("board")
    if board is None or board == link:
        return [("See it on the board", link)]
    return [("Take it on (holds for a day, works once)", link), ("See it on the board", board)]


def judge(code: int, said: bytes | str) -> Answer:
    """What a reply of the server means: 4xx again later, everything else never."""
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    answer = f"SMTP {code} {' '.join(words.split())}"[:_KEPT]
    return RetryAfter(answer) if 400 <= code < 500 or code == -1 else Refused(answer)


_ME = socket.gethostname()
"""The name by which this machine greets: looking up its full one may take longer than a page may."""


def _expect(reply: tuple[int, bytes]) -> None:
    if reply[0] != 220:
        raise SMTPResponseException(*reply)


def _encrypt(client: SMTP) -> None:
    client.ehlo_or_helo_if_needed()
    if client.has_extn("starttls"):
        trusting = ssl.create_default_context()
        # Whoever listens in is shut out. Who the server is stays unproven: that is what smtps:// is for (RFC 7435).
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        client.starttls(context=trusting)


def _hang_up(client: SMTP) -> None:
    """Ends a conversation that another thread waits in."""
    held = client.sock
    if held is None:
        return
    try:
        held.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It was over already.
        return
