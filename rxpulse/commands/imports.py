"""`rxpulse import`: foreign records become events in a file, with keyed pseudonyms and nothing that names a person."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import click

from models.errors import UsageFault
from models.event import Event
from models.settings import Settings
from models.wire import Rejected, decode, encode
from rxpulse.eventfile import reading, records, writing
from rxpulse.output import json_option, print_json, say
from streams.intake.mimic import Import
from streams.intake.tabular import Refusal, Table
from streams.intake.tabular_map import read_map

EXAMPLE = """Example:

    rxpulse import mimic mimic-iv-demo/ --rebase 2026-11-20 --out orders.ndjson.gz
"""
CSV_EXAMPLE = """Example:

    rxpulse import csv export.csv --map export.toml --dry-run
"""
NDJSON_EXAMPLE = """Example:

    rxpulse import ndjson feed.ndjson --out checked.ndjson.gz
"""
SHOWN = 10
"""Events that a dry run prints."""
out_option = click.option("--out", type=click.Path(path_type=Path), help="NDJSON, gzip where the name ends in .gz.")
dry_option = click.option("--dry-run", is_flag=True, help="Write nothing; print ten events and every refusal.")


@dataclass(slots=True)
class Lines:
    """A file of events on its way through the same check that every feed passes. `dropped` counts fields outside the
    closed list, which are left out."""

    read: int = 0
    events: int = 0
    skipped: Counter[str] = field(default_factory=Counter[str])
    dropped: int = 0

    def rows(self, source: Iterable[bytes]) -> Iterator[Event | Refusal]:
        """Each record's event or refusal; `row` is the line, from 1. Blank lines are no records."""
        for number, line in records(source):
            self.read += 1
            found = decode(line, None)
            if isinstance(found, Rejected):
                self.skipped[found.reason] += 1
                yield Refusal(number, None, found.reason)
            else:
                self.events += 1
                self.dropped += found.dropped
                yield found.event


@click.group(epilog=EXAMPLE.replace("mimic mimic-iv-demo/ --rebase 2026-11-20", "csv export.csv --map export.toml"))
def imports() -> None:
    """Bring the records of another system into the event format."""


@imports.command(epilog=EXAMPLE)
@click.argument("folder", type=click.Path(path_type=Path))
@out_option
@click.option("--site", default="mimic", show_default=True, help="The site that the events name.")
@click.option("--utc-offset", default="+00:00", show_default=True, help="Of the tables' wall times.")
@click.option("--rebase", help="Move each patient by whole weeks to the week before this date.")
@dry_option
@json_option
def mimic(
    folder: Path, out: Path | None, site: str, utc_offset: str, rebase: str | None, dry_run: bool, as_json: bool
) -> None:
    """The tables of the open MIMIC-IV demo (poe, pharmacy, emar)."""
    tables = Import(key(), site, offset(utc_offset))
    shown = carry(tables.rows(folder, day(rebase)), target(out, dry_run, folder))
    finish(document(tables.read, tables.events, tables.skipped, tables.removed), shown, dry_run, as_json)


@imports.command("csv", epilog=CSV_EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "mapping", type=click.Path(path_type=Path), required=True, help="TOML: what the columns mean.")
@out_option
@click.option("--site", help="The site of rows for which the map names none.")
@dry_option
@json_option
def tabular(file: Path, mapping: Path, out: Path | None, site: str | None, dry_run: bool, as_json: bool) -> None:
    """An export of the pharmacy's own system, by a map of its columns."""
    table = Table(key(), read_map(text_of(mapping), str(mapping)), site)
    to = target(out, dry_run, file)
    with reading(file) as stream:
        shown = carry(table.rows(stream, str(file)), to)
    finish(document(table.read, table.events, table.skipped, table.removed), shown, dry_run, as_json)


@imports.command(epilog=NDJSON_EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path))
@out_option
@dry_option
@json_option
def ndjson(file: Path, out: Path | None, dry_run: bool, as_json: bool) -> None:
    """A file of events: those that pass the check are written anew, with the closed list of fields alone."""
    lines = Lines()
    to = target(out, dry_run, file)
    with reading(file) as stream:
        shown = carry(lines.rows(stream), to)
    finish(document(lines.read, lines.events, lines.skipped, lines.dropped), shown, dry_run, as_json)


def document(read: int, events: int, skipped: Counter[str], removed: int) -> dict[str, object]:
    return {
        "records": {"read": read, "events": events, "skipped": skipped.total()},
        "skipped_reasons": dict(sorted(skipped.items())),
        "identifiers_removed": removed,
    }


def finish(found: dict[str, object], shown: list[Event | Refusal], dry_run: bool, as_json: bool) -> None:
    """Prints what became of the records. Exits with 1 where not one of them is an event."""
    counts = found["records"]
    assert isinstance(counts, dict)
    if as_json:
        print_json(found | (sample(shown) if dry_run else {}))
    else:
        for one in shown if dry_run else ():
            click.echo(told(one))
        say(f"{counts['events']} events of {counts['read']} records; skipped: {found['skipped_reasons'] or 'none'}")
    if not counts["events"]:
        raise click.exceptions.Exit(1)


def sample(shown: list[Event | Refusal]) -> dict[str, object]:
    return {
        "events": [json.loads(encode(one)) for one in shown if isinstance(one, Event)],
        "refused": [asdict(one) for one in shown if isinstance(one, Refusal)],
    }


def told(one: Event | Refusal) -> str:
    match one:
        case Event():
            return encode(one).decode()
        case Refusal(row, column, reason):
            return f"row {row}, {'whole row' if column is None else f'column {column}'}: {reason}"


def text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as fault:
        raise UsageFault(f"{file}: cannot be read ({fault}); give a map in TOML, in UTF-8") from fault


def target(out: Path | None, dry_run: bool, source: Path) -> Path | None:
    """Where the events go; None in a dry run."""
    if dry_run:
        return None
    if out is None:
        raise UsageFault("give --out FILE.ndjson (or .ndjson.gz) for the events, or --dry-run to look first")
    if not out.parent.is_dir():
        raise UsageFault(f"--out {out}: there is no folder {out.parent}; make it, or give another")
    if out.exists() and source.exists() and out.samefile(source):
        raise UsageFault(f"--out {out}: that is the file that is read; give another")
    return out


def carry(made: Iterable[Event | Refusal], out: Path | None) -> list[Event | Refusal]:
    """Writes the events to `out`, or keeps the first ten events and every refusal where `out` is None. The file
    appears under its name only when it is whole."""
    if out is None:
        return list(kept(made))
    part = out.with_name(f".part-{out.name}")
    try:
        with writing(part) as stream:
            for one in made:
                if isinstance(one, Event):
                    stream.write(encode(one) + b"\n")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return []


def kept(made: Iterable[Event | Refusal]) -> Iterator[Event | Refusal]:
    events = 0
    for one in made:
        events += isinstance(one, Event)
        if isinstance(one, Refusal) or events <= SHOWN:
            yield one


def key() -> str:
    found = Settings.from_env(os.environ).pseudonym_key
    if found is None:
        raise UsageFault(
            "no key for pseudonyms: set RXPULSE_PSEUDONYM_KEY (or RXPULSE_PSEUDONYM_KEY_FILE) to a secret of your own and "
            "keep it: another key makes other case ids"
        )
    return str(found)


def offset(text: str) -> timezone:
    found = re.fullmatch(r"([+-])(\d{2}):([0-5]\d)", text)
    if found is None or int(found[2]) > 14:
        raise UsageFault(f"--utc-offset {text}: give hours and minutes such as -05:00")
    length = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-length if found[1] == "-" else length)


def day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as fault:
        raise UsageFault(f"--rebase {text}: give a date such as 2026-11-20") from fault
