"""By e-mail: a plain text that says what is wrong and where to look, to one person at a time.

Every person gets a message of his own, so that a server that refuses one of two leaves the other's delivered, and a
second attempt never mails somebody twice. The Message-ID carries the delivery's key and is the same on every attempt,
by which mail programs tell a repetition. What the server says decides: 4xx asks for patience, 5xx is a refusal
(RFC 5321, 4.2.1).

A password goes over TLS alone, to a server whose certificate was checked; where that cannot be had, nothing is sent and
the reason is said. Without a login a server that offers TLS is spoken to by TLS, and any other plainly: what a mail says
names no patient, and a page that a hospital's own relay would take must not fail for want of a certificate.
"""

import asyncio
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, formataddr, parseaddr
from pathlib import Path
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

from models.errors import CallerFault
from models.policy import Person
from models.settings import Secret
from workflows.notify.answer import Answer, Delivered, Refused, RetryAfter

_SECONDS = 5.0
"""For one answer of the server."""
_WITHIN = 12.0
"""For the whole of it: shorter than the lease of a delivery."""
_AT_ONCE = 8
_KEPT = 200
"""Characters of an answer that are kept."""
_PORTS = {"smtp": 25, "smtps": 465}


@dataclass(frozen=True, slots=True)
class Login:
    """How to sign in to the mail server. `secret` is the password, or a file that holds it, which is read for each mail:
    a new password holds at once."""

    user: str
    secret: Secret | Path

    def password(self) -> str:
        """Raises CallerFault where the file holds none."""
        match self.secret:
            case Path() as file:
                return _held(file)
            case Secret() as told:
                return str(told)


class Email:
    """`server` is `smtp://host[:port]`, encrypted where the server offers it, or `smtps://host[:port]`; `sender` is the
    address that mail comes from; `login` None: the server asks for none. With a login the server is encrypted and proven,
    or nothing is sent."""

    def __init__(
        self,
        server: str,
        sender: str,
        login: Login | None = None,
        *,
        answer_within: float = _SECONDS,
        within: float = _WITHIN,
    ) -> None:
        parts = urlsplit(server)
        self._encrypted = parts.scheme == "smtps"
        self._host, self._port = parts.hostname or "localhost", parts.port or _PORTS[parts.scheme]
        self._sender = sender
        self._login = login
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
        call = _Call(self._client())
        post = asyncio.get_running_loop().run_in_executor(self._threads, self._post, call, mail)
        try:
            return await asyncio.wait_for(post, self._within)
        except TimeoutError:
            return RetryAfter(f"{self._host} took longer than {self._within:g} s")
        finally:
            # Whoever stops waiting, cancelled too, sends it again later: it must not go out behind his back.
            call.give_up()

    def _client(self) -> SMTP:
        if self._encrypted:
            trusted = ssl.create_default_context()
            client: SMTP = SMTP_SSL(timeout=self._answer_within, local_hostname=_ME, context=trusted)
        else:
            client = SMTP(timeout=self._answer_within, local_hostname=_ME)
        # A client that connects only when it is told to does not learn by itself whose certificate to expect.
        client._host = self._host
        return client

    def _post(self, call: "_Call", mail: EmailMessage) -> Answer:
        client = call.client
        try:
            _expect(client.connect(self._host, self._port))
            call.go_on()
            if not self._encrypted:
                _encrypt(client, proven=self._login is not None)
                call.go_on()
            if self._login is not None:
                client.login(self._login.user, self._login.password())
            call.go_on()
            client.send_message(mail)
            return Delivered(f"taken by {self._host}")
        except SMTPRecipientsRefused as refusal:
            [(code, said), *_] = refusal.recipients.values()
            return judge(code, said)
        except SMTPResponseException as refusal:
            return judge(refusal.smtp_code, refusal.smtp_error)
        except SMTPNotSupportedError as fault:
            return Refused(f"{self._host} cannot take it: {fault}"[:_KEPT])
        except ssl.SSLCertVerificationError as fault:
            return Refused(f"the certificate of {self._host} is not to be trusted: {fault.verify_message}"[:_KEPT])
        except CallerFault as fault:
            return Refused(str(fault)[:_KEPT])
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
    lines += _case(about)
    lines += [f"{what}: {link}" for what, link in links(message)]
    return "\n".join([*lines, "", "RxPulse"]) + "\n"


def _case(about: dict[str, Any]) -> list[str]:
    """By what people tell the order: how urgent, whose turn, since when, as the clock of its site shows it."""
    if "started" not in about:
        return []
    began = datetime.fromisoformat(about["started"])
    stage = f"waits for {about['stage'].replace('_', ' ')}" if about["stage"] else "nobody's turn"
    urgent = f"priority {about['priority']}, " if about["priority"] else ""
    return [f"The case: {urgent}{stage}, began {began.day} {began:%b %H:%M}."]


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


def _held(file: Path) -> str:
    """The password in a file. Raises CallerFault."""
    try:
        held = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as fault:
        raise CallerFault(f"{file}, which holds the mail server's password, cannot be read: {fault}") from fault
    if not held:
        raise CallerFault(f"{file} is empty: put the mail server's password into it")
    return held


def _encrypt(client: SMTP, *, proven: bool) -> None:
    """Goes over to TLS where the server offers it. `proven`: it has to, and has to show who it is. Raises CallerFault
    where it does not offer it and has to."""
    client.ehlo_or_helo_if_needed()
    if not client.has_extn("starttls"):
        if proven:
            raise CallerFault("the mail server offers no STARTTLS, and a password goes by TLS alone: use smtps://")
        return
    trust = ssl.create_default_context()
    if not proven:
        # Whoever listens in is shut out. Who the server is stays unproven: that is what smtps:// is for (RFC 7435).
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    client.starttls(context=trust)


class _Call:
    """A conversation that one thread holds and another may give up. While the server is looked up, connected to or goes
    over to TLS there is no socket to close yet: so the one that speaks asks after each of these whether to go on."""

    def __init__(self, client: SMTP) -> None:
        self.client = client
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Ends it: what is not being sent yet is never sent. Changes nothing once it is over."""
        self._given_up.set()
        _hang_up(self.client)

    def go_on(self) -> None:
        """Raises TimeoutError once it was given up."""
        if self._given_up.is_set():
            raise TimeoutError("nobody waits for it any more")


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
