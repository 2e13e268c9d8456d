"""A file of events: one record a line, plain or packed, read as people have it and written the same way every time."""

import gzip
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

import click

from models.errors import CallerFault, UsageFault

STDIN = Path("-")
"""The name that stands for standard input."""


@contextmanager
def reading(file: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file (of standard input where it is -), unpacked where it is gzip, whatever its name. Raises
    UsageFault where it cannot be opened, CallerFault where the gzip stream is damaged or cut short."""
    try:
        # Taken over from its owner, who closes it: only what was not read of it is lost.
        plain = BufferedReader(click.get_binary_stream("stdin")) if file == STDIN else file.open("rb")  # type: ignore[arg-type]
    except OSError as fault:
        raise UsageFault(f"{file}: cannot be opened ({fault.strerror}); correct the path") from fault
    with plain:
        if plain.peek(2)[:2] != b"\x1f\x8b":
            yield plain
            return
        try:
            with gzip.GzipFile(fileobj=plain) as unpacked:
                yield cast("IO[bytes]", unpacked)
        except (gzip.BadGzipFile, EOFError, zlib.error) as fault:
            raise CallerFault(f"{file}: cannot be unpacked to its end ({fault}); fetch it anew") from fault


def records(stream: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """(line from 1, record): a byte order mark, blank lines and line ends are no records. Raises CallerFault for text in
    UTF-16, which looks like no record at all."""
    for number, whole in enumerate(stream, 1):
        if number == 1 and (whole.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or b"\0" in whole[:4]):
            raise CallerFault("the file is text in UTF-16: save it as UTF-8")
        record = (whole.removeprefix(BOM_UTF8) if number == 1 else whole).strip(b"\r\n \t")
        if record:
            yield number, record


@contextmanager
def writing(out: Path) -> Iterator[IO[bytes]]:
    """The file, or a gzip stream into it whose bytes do not tell when or under which name it was made."""
    with out.open("wb") as plain:
        if out.suffix != ".gz":
            yield plain
            return
        with gzip.GzipFile(filename="", fileobj=plain, mode="wb", mtime=0, compresslevel=6) as packed:
            yield cast("IO[bytes]", packed)
