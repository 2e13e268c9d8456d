"""Where the events of an import go: into a file, into Kafka, or nowhere, so that one can look first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from models.errors import UsageFault
from models.event import Event
from models.settings import Settings
from models.wire import encode
from rxpulse.eventfile import writing
from rxpulse.output import say
from rxpulse.progress import counted
from streams.intake.tally import Refusal

SHOWN = 10
"""Events that a dry run keeps, and refusals that any other does."""
Made = Iterable[Event | Refusal]


@dataclass(frozen=True, slots=True)
class ToFile:
    """NDJSON, packed where the name ends in .gz. It appears under its name only when it is whole."""

    file: Path


@dataclass(frozen=True, slots=True)
class ToKafka:
    """The topic of events of the broker that the settings name."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class DryRun:
    """Nowhere: the first ten events and every refusal are kept to be shown. `instead_of` is where they would go, None
    where nobody said."""

    instead_of: ToFile | ToKafka | None


Destination = ToFile | ToKafka | DryRun


def chosen(out: Path | None, to_kafka: bool, dry_run: bool, source: Path, settings: Settings) -> Destination:
    """The one that the options name; with `dry_run` the events only look as if they went there. Raises UsageFault where
    they name none, both, or a file that cannot be."""
    if out is not None and to_kafka:
        raise UsageFault("--out and --to-kafka: say one place where the events go")
    if out is None and not to_kafka and not dry_run:
        raise UsageFault("say where the events go: --out FILE.ndjson (or .ndjson.gz), --to-kafka, or --dry-run to look")
    to = _place(out, to_kafka, source, settings)
    if dry_run:
        return DryRun(to)
    if isinstance(to, ToKafka):
        settings.required_kafka()
    assert to is not None
    return to


def _place(out: Path | None, to_kafka: bool, source: Path, settings: Settings) -> ToFile | ToKafka | None:
    if to_kafka:
        return ToKafka(settings)
    return None if out is None else ToFile(writable(out, source))


def receipt(to: Destination, now: datetime) -> datetime | None:
    """When the events are received there, which none may be recorded after: now (UTC) in Kafka, never in a file."""
    match to:
        case ToKafka() | DryRun(ToKafka()):
            return now
        case _:
            return None


def carry(made: Made, to: Destination) -> list[Event | Refusal]:
    """Takes the events there; gives back what is to be shown: every refusal in a dry run with ten events, else the first
    ten refusals. Raises CallerFault where Kafka does not take them all."""
    shown: list[Event | Refusal] = []
    records = counted(made, "records")
    match to:
        case ToFile(file):
            write(_events(records, shown), file)
        case ToKafka(settings):
            _feed(_events(records, shown), settings)
        case DryRun():
            shown += _kept(records)
    return shown


def _events(made: Made, shown: list[Event | Refusal]) -> Iterator[Event]:
    for one in made:
        if isinstance(one, Event):
            yield one
        elif len(shown) < SHOWN:
            shown.append(one)


def writable(out: Path, source: Path | None = None, option: str = "--out") -> Path:
    """`out`, where a file can be written there, which is tried. Raises UsageFault that names `option` for a folder that
    is missing or is meant as a file, for what is no file, and for the file that is read."""
    if out.is_dir():
        raise UsageFault(f"{option} {out}: that is a folder; give the name of a file in it")
    if not out.parent.is_dir():
        raise UsageFault(f"{option} {out}: there is no folder {out.parent}; make it, or give another")
    if source is not None and out.exists() and source.exists() and out.samefile(source):
        raise UsageFault(f"{option} {out}: that is the file that is read; give another")
    if out.name == "-" or (out.exists() and not out.is_file()):
        raise UsageFault(f"{option} {out}: that is no file; give the name of one")
    try:
        unfinished(out).touch()
        unfinished(out).unlink()
    except OSError as fault:
        raise UsageFault(f"{option} {out}: cannot be written there ({fault.strerror}); give another place") from fault
    return out


def unfinished(out: Path) -> Path:
    """Where a file lies until it is whole."""
    return out.with_name(f".part-{out.name}")


def write(events: Iterable[Event], out: Path) -> None:
    """NDJSON, packed where the name ends in .gz; the file appears under its name only when it is whole."""
    part = unfinished(out)
    try:
        with writing(part) as stream:
            for event in events:
                stream.write(encode(event) + b"\n")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)


def _feed(events: Iterable[Event], settings: Settings) -> None:
    from streams.producing import Feeding, NotSent

    feeding = Feeding(settings)
    try:
        for one in events:
            feeding.send(one)
    except NotSent:
        raise
    except BaseException:
        say(f"it ended early; {feeding.finish()} events lie in Kafka already, and sending them again does no harm")
        raise
    say(f"{feeding.finish()} events lie in Kafka, each confirmed")


def _kept(made: Made) -> Iterator[Event | Refusal]:
    events = 0
    for one in made:
        events += isinstance(one, Event)
        if isinstance(one, Refusal) or events <= SHOWN:
            yield one
