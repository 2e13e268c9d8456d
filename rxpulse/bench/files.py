"""Files of events to measure with: simulated with a fixed seed, kept in the cache, so that every run reads the same bytes.

A file is made anew when the simulator or the format has changed since, for then the same seed gives other events.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache as once
from hashlib import sha256
from pathlib import Path

import models
import streams
from models.event import Event, kind_of
from models.wire import encode
from rxpulse.eventfile import reading, records, writing
from rxpulse.output import Say

SEED = 7
START = datetime(2025, 1, 6, tzinfo=UTC)
"""A Monday; in the past, so that nothing measured waits for the clock on the wall."""
_SIMULATED_BY = ("simulate.py", "simulation")
_FORMAT = ("wire.py", "event.py", "event_types.py")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events: `profile` of the sites (or `demo`, those of the demonstration), `sites` of them; `kind` leaves out
    every case of another kind; `days` from the start, None: as long as it takes to `events`."""

    name: str
    profile: str
    sites: int = 1
    kind: str | None = None
    days: int | None = None
    events: int | None = None


Record = tuple[str, bytes]
"""(subject, the event as it goes on the wire)."""


def made(wish: Wish, cache: Path, say: Say) -> list[Record]:
    """The events of a wish, from the cache or made now and kept there. Raises CallerFault for a damaged file."""
    return list(streamed(kept(wish, cache, say)))


def kept(wish: Wish, cache: Path, say: Say) -> Path:
    """The file in the cache that holds the events of a wish, made now where there is none."""
    folder = cache / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{wish.name}-{_key(wish)}.ndjson.gz"
    if not file.exists():
        say(f"  making {file.name} (once)")
        _write(wish, file)
    return file


def streamed(file: Path) -> Iterator[Record]:
    """The events of a file one after the other, for more of them than the memory holds. Raises CallerFault where it is
    damaged."""
    with reading(file) as stream:
        for _, record in records(stream):
            yield subject_of(record), record


def subject_of(record: bytes) -> str:
    """The subject of an encoded event."""
    return str(json.loads(record)["subject"])


def _write(wish: Wish, file: Path) -> None:
    for older in file.parent.glob(f"{wish.name}-*.ndjson.gz"):
        older.unlink()
    half = file.with_name(f".{os.getpid()}.{file.name}")
    with writing(half) as stream:
        for event in _simulated(wish):
            stream.write(encode(event) + b"\n")
    half.replace(file)


def _simulated(wish: Wish) -> Iterator[Event]:
    from streams.simulate import SiteSpec, demo_sites, simulate

    names = [f"{wish.profile}-{number}" for number in range(1, wish.sites + 1)]
    sites = demo_sites() if wish.profile == "demo" else [SiteSpec(name, wish.profile) for name in names]
    until = None if wish.days is None else START + timedelta(days=wish.days)
    count = 0
    for event in simulate(sites, START, SEED):
        if (until is not None and event.recorded >= until) or count == wish.events:
            return
        if wish.kind in (None, kind_of(event.subject)):
            count += 1
            yield event


def _key(wish: Wish) -> str:
    return sha256(f"{wish} {SEED} {START} {_sources()}".encode()).hexdigest()[:12]


@once
def _sources() -> str:
    """A digest of the code that decides what the events are."""
    files = [Path(models.__file__).parent / name for name in _FORMAT]
    for name in _SIMULATED_BY:
        place = Path(streams.__file__).parent / name
        files += sorted(place.rglob("*.py")) if place.is_dir() else [place]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
