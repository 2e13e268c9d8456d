"""A mail server for tests: it speaks SMTP over a real socket, keeps what it takes and says what it is told to say."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default


@dataclass
class MailServer:
    """`refuses` maps a recipient to the reply it gets; `after_data` is the reply to a mail; `hangs` never answers."""

    port: int = 0
    taken: list[tuple[str, EmailMessage]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)
    greeting: str = "220 test server"
    after_data: str = "250 taken"
    asked: list[str] = field(default_factory=list)
    hangs: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

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
        self._say(kept.greeting)
        recipients: list[str] = []
        while line := self.rfile.readline():
            words = line.decode().strip()
            verb = words[:4].upper()
            if verb == "RCPT":
                recipients += self._recipient(words.partition("<")[2].partition(">")[0])
            elif verb == "DATA":
                self._data(recipients)
            else:
                self._say("221 bye" if verb == "QUIT" else "250 fine")

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
