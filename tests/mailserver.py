"""A mail server for tests: it speaks SMTP over a real socket, keeps what it takes and says what it is told to say."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path


@dataclass
class MailServer:
    """`refuses` maps a recipient to the reply it gets; `after_data` is the reply to a mail; `hangs` never answers;
    `holds` is waited for before TLS begins, and `over` set when a conversation has ended. With a `certificate` (its key in
    the same file) it offers STARTTLS, or, if `implicit`, speaks TLS from the first byte; with `login` (user and password)
    it wants one before it takes mail. `plain` is every line that came without TLS."""

    port: int = 0
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    greeting: str = "220 test server"
    after_data: str = "250 taken"
    asked: list[str] = field(default_factory=list)
    hangs: threading.Event | None = None
    holds: threading.Event | None = None
    over: threading.Event = field(default_factory=threading.Event)
    certificate: Path | None = None
    implicit: bool = False
    login: tuple[str, str] | None = None
    plain: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{'smtps' if self.implicit else 'smtp'}://127.0.0.1:{self.port}"

    @property
    def tls(self) -> ssl.SSLContext | None:
        """How it speaks TLS, where it does."""
        if self.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    def extensions(self, encrypted: bool) -> list[str]:
        """What it says it can do, to who has gone over to TLS or not."""
        offers = ["STARTTLS"] if self.certificate is not None and not encrypted else []
        return ["at your service", *offers, *(["AUTH PLAIN"] if self.login else [])]

    def types(self, recipient: str) -> list[str]:
        """The types of the mails to an address, in order."""
        return [str(mail["RxPulse-Type"]) for to, mail in self.taken if to == recipient]


class _Session(socketserver.StreamRequestHandler):
    server: "_Listener"

    def handle(self) -> None:
        kept = self.server.kept
        if kept.hangs is not None:
            kept.hangs.wait(30)
            return
        try:
            if kept.implicit:
                self._encrypt()
            self._converse()
        except (ssl.SSLError, ConnectionError):
            # The client does not trust the certificate, or has hung up.
            return

    def finish(self) -> None:
        super().finish()
        # Gone over to TLS, it is another socket than the one that the listener knows and closes.
        self.connection.close()
        self.server.kept.over.set()

    def _converse(self) -> None:
        kept = self.server.kept
        self._say(kept.greeting)
        recipients: list[str] = []
        known = kept.login is None
        while line := self.rfile.readline():
            words = line.decode().strip()
            if not self._encrypted():
                kept.plain.append(words)
            match words[:4].upper():
                case "EHLO":
                    *more, last = kept.extensions(self._encrypted())
                    self._say("\r\n".join([*(f"250-{one}" for one in more), f"250 {last}"]))
                case "STAR":
                    self._say("220 go on")
                    self._encrypt()
                case "AUTH":
                    known = self._known(words.split()[-1])
                    self._say("235 welcome" if known else "535 no such user or password")
                case "RCPT" if not known:
                    self._say("530 sign in first")
                case "RCPT":
                    recipients += self._recipient(words.partition("<")[2].partition(">")[0])
                case "DATA":
                    self._data(recipients)
                case verb:
                    self._say("221 bye" if verb == "QUIT" else "250 fine")

    def _encrypted(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket)

    def _encrypt(self) -> None:
        tls = self.server.kept.tls
        assert tls is not None
        if self.server.kept.holds is not None:
            self.server.kept.holds.wait(30)
        self.request = tls.wrap_socket(self.request, server_side=True)
        self.setup()

    def _known(self, told: str) -> bool:
        _, user, password = base64.b64decode(told).decode().split("\0")
        return (user, password) == self.server.kept.login

    def _recipient(self, address: str) -> list[str]:
        self.server.kept.asked.append(address)
        refusal = self.server.kept.refuses.get(address)
        self._say(refusal or "250 fine")
        return [] if refusal else [address]

    def _data(self, recipients: list[str]) -> None:
        self._say("354 go on")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        kept = self.server.kept
        if kept.after_data.startswith("250"):
            kept.taken += [(one, message_from_bytes(b"".join(lines), policy=default)) for one in recipients]
        self._say(kept.after_data)

    def _say(self, reply: str) -> None:
        self.wfile.write(reply.encode() + b"\r\n")


class _Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, kept: MailServer) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.kept = kept


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A server that runs while the block does."""
    kept = MailServer()
    with _Listener(kept) as listener:
        kept.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield kept
        listener.shutdown()
        thread.join()
