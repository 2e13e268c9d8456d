"""The questions that tell whether a part does its work: asked of Kafka, PostgreSQL and everything that speaks HTTP.

They go over plain sockets, so that the supervisor needs none of the heavy client libraries. An open port is no
answer: a stranger's program may hold it. Each raises NotReady or OSError until the answer is yes.
"""

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from rxpulse.supervisor import NotReady

_SECONDS = 2.0
_METADATA, _METADATA_VERSION = 3, 4  # https://kafka.apache.org/protocol#The_Messages_Metadata
_POSTGRES_PROTOCOL = 3 << 16  # https://www.postgresql.org/docs/18/protocol-message-formats.html, StartupMessage


@asynccontextmanager
async def _line(
    host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection for one short exchange."""
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(host, port, ssl=tls)
            try:
                yield reader, writer
            finally:
                writer.close()
    except TimeoutError as error:
        raise NotReady(f"no answer from {host}:{port} within {_SECONDS:g} s") from error
    except asyncio.IncompleteReadError as error:
        raise NotReady(f"{host}:{port} hung up") from error


async def http_answers(url: str) -> None:
    """Whether a GET of `url` is answered with 2xx. The certificate of an https address is not looked at: the question
    is whether our own process answers."""
    parts = urlsplit(url)
    host, tls = parts.hostname or "", None
    if parts.scheme == "https":
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    async with _line(host, parts.port or (443 if tls else 80), tls) as (reader, writer):
        writer.write(f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode())
        status = (await reader.readline()).decode("latin-1").split(" ")
        if len(status) < 2 or not status[1].startswith("2"):
            body = (await reader.read(4096)).decode(errors="replace").partition("\r\n\r\n")[2].strip()
            raise NotReady(f"{url} answers {' '.join(status[1:]).strip() or 'nothing'} {body[:200]}".strip())


async def postgres_answers(host: str, port: int) -> None:
    """Whether PostgreSQL would take a log-in now: during start and recovery it says that it does not."""
    text = b"user\0postgres\0database\0postgres\0\0"
    async with _line(host, port) as (reader, writer):
        writer.write(struct.pack(">ii", 8 + len(text), _POSTGRES_PROTOCOL) + text)
        kind = await reader.readexactly(1)
        body = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0] - 4)
    if kind != b"R":  # Authentication…: the door is open and asks for the password
        fields = [field[1:].decode(errors="replace") for field in body.split(b"\0") if field[:1] == b"M"]
        raise NotReady(f"PostgreSQL says: {'; '.join(fields) or 'something unknown'}")


async def kafka_cluster(host: str, port: int) -> str:
    """The id of the cluster whose broker answers there, once a broker of it takes work."""
    client = b"rxpulse-supervisor"
    request = struct.pack(">hhih", _METADATA, _METADATA_VERSION, 1, len(client)) + client + struct.pack(">i?", 0, False)
    async with _line(host, port) as (reader, writer):
        writer.write(struct.pack(">i", len(request)) + request)
        body = await reader.readexactly(struct.unpack(">i", await reader.readexactly(4))[0])
    brokers, cluster = _read_metadata(body)
    if cluster is None or brokers == 0:
        raise NotReady("the broker does not take work yet")
    return cluster


def _read_metadata(body: bytes) -> tuple[int, str | None]:
    """Number of brokers and cluster id of a Metadata response, version 4. Raises NotReady for anything else."""
    try:
        _correlation, _throttle, brokers = struct.unpack_from(">iii", body)
        place = 12
        for _ in range(brokers):
            _, place = _read_string(body, place + 4)
            _, place = _read_string(body, place + 4)
        return brokers, _read_string(body, place)[0]
    except (struct.error, UnicodeDecodeError) as error:
        raise NotReady("what answers is no Kafka broker") from error


def _read_string(body: bytes, place: int) -> tuple[str | None, int]:
    [length] = struct.unpack_from(">h", body, place)
    if length < 0:
        return None, place + 2
    return body[place + 2 : place + 2 + length].decode(), place + 2 + length
