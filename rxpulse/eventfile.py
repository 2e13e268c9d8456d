"""A file of events: one record a line, plain or packed, read as people have it and written the same way every time."""

import gzip
import zlib
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from models.errors import CallerFault, UsageFault


@contextmanager
def reading(file: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is gzip, whatever its name. Raises UsageFault where it cannot be opened,
    CallerFault where the gzip stream is damaged or cut short."""
    try:
        plain = file.open("rb")
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
    """(line from 1, record): a byte order mark, blank lines and line ends are no records."""
    for number, whole in enumerate(stream, 1):
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
