"""How far a long command is, for whoever watches it at a terminal or reads its log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

_QUIET_SECONDS = 2.0
_STEP_SECONDS = 0.5
_STEP_ITEMS = 256
_LINE_SECONDS = 5.0
_CLEAR = "\r\x1b[K"
Item = TypeVar("Item")


def counted(items: Iterable[Item], noun: str, out: TextIO | None = None) -> Iterator[Item]:
    """`items` as they come. When that takes more than two seconds, and standard error is a terminal, a line there says
    how many of them came and how fast; it is gone at the end."""
    out = sys.stderr if out is None else out
    return _shown(items, noun, out) if out.isatty() else iter(items)


def measured(items: Iterable[Item], noun: str, total: int, out: TextIO | None = None) -> Iterator[Item]:
    """`items` as they come, of which there will be `total`. When that takes more than two seconds, lines on standard
    error, terminal or not, say every five seconds how many of them came."""
    out = sys.stderr if out is None else out
    began = time.monotonic()
    due = began + _QUIET_SECONDS
    for number, item in enumerate(items, 1):
        if (number % _STEP_ITEMS == 0 or number == total) and (now := time.monotonic()) >= due:
            out.write(f"{number:,} of {total:,} {noun}, {now - began:.0f} s\n")
            out.flush()
            due = now + _LINE_SECONDS
        yield item


def _shown(items: Iterable[Item], noun: str, out: TextIO) -> Iterator[Item]:
    began = time.monotonic()
    due = began + _QUIET_SECONDS
    try:
        for number, item in enumerate(items, 1):
            if number % _STEP_ITEMS == 0 and (now := time.monotonic()) >= due:
                out.write(f"{_CLEAR}{number:,} {noun}, {number / (now - began):,.0f} a second")
                out.flush()
                due = now + _STEP_SECONDS
            yield item
    finally:
        if due > began + _QUIET_SECONDS:
            out.write(_CLEAR)
            out.flush()
