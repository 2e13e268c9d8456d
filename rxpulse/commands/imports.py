"""`rxpulse import`: foreign records become events, in a file or in Kafka, with nothing that names a person."""

import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

import click

from models.errors import UsageFault
from models.event import Event
from models.settings import Settings
from models.wire import CODE, Decoded, Rejected, decode, early, encode
from rxpulse import keys
from rxpulse.destination import Destination, DryRun, ToFile, ToKafka, carry, chosen, receipt
from rxpulse.eventfile import reading, records
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack
from streams.intake.map_reading import read_map
from streams.intake.mimic import Import
from streams.intake.tabular import Table
from streams.intake.tally import Refusal, Tally

EXAMPLE = """Example:

\b
    rxpulse import mimic mimic-iv-demo/ --rebase 2026-11-20 --out orders.ndjson.gz
"""
CSV_EXAMPLE = """Example:

\b
    rxpulse import csv export.csv --map export.toml --dry-run
"""
NDJSON_EXAMPLE = """Example:

\b
    rxpulse import ndjson feed.ndjson --out checked.ndjson.gz
"""
out_option = click.option("--out", type=click.Path(path_type=Path), help="NDJSON, gzip where the name ends in .gz.")
kafka_option = click.option("--to-kafka", is_flag=True, help="Into the topic of events, each confirmed.")
dry_option = click.option("--dry-run", is_flag=True, help="Write and send nothing; print ten events and every refusal.")


def checked(source: Iterable[bytes], tally: Tally, received: datetime | None) -> Iterator[Event | Refusal]:
    """Each record's event or refusal, after the same check that every feed passes; fields outside the closed list are
    left out. `received` (UTC) is when they are taken, None: they are only written down. Blank lines are no records."""
    for number, line in records(source):
        tally.read += 1
        found = decode(line, None)
        if isinstance(found, Decoded) and received is not None:
            found = early(found.event, received) or found
        if isinstance(found, Rejected):
            tally.skipped[found.reason] += 1
            yield Refusal(number, None, found.reason, found.detail)
        else:
            tally.events += 1
            tally.removed += found.dropped
            yield found.event


@click.group(epilog=EXAMPLE.replace("mimic mimic-iv-demo/ --rebase 2026-11-20", "csv export.csv --map export.toml"))
def imports() -> None:
    """Bring the records of another system into the event format."""


@imports.command(epilog=EXAMPLE)
@click.argument("folder", type=click.Path(path_type=Path))
@out_option
@kafka_option
@click.option("--site", default="mimic", show_default=True, help="The site that the events name.")
@click.option("--utc-offset", default="+00:00", show_default=True, help="Of the tables' wall times.")
@click.option("--rebase", help="Move each patient by whole weeks to the week before this date.")
@dry_option
@json_option
def mimic(
    folder: Path,
    out: Path | None,
    to_kafka: bool,
    site: str,
    utc_offset: str,
    rebase: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """The tables of the open MIMIC-IV demo (poe, pharmacy, emar)."""
    settings = of_stack()
    to = chosen(out, to_kafka, dry_run, folder, settings)
    latest = day(rebase)
    past(latest, receipt(to, datetime.now(UTC)))
    tables = Import(key(settings, to), site_code(site), offset(utc_offset))
    finish(tables.tally, carry(tables.rows(folder, latest), to), to, as_json)


@imports.command("csv", epilog=CSV_EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--map", "mapping", type=click.Path(path_type=Path), required=True, help="TOML: what the columns mean.")
@out_option
@kafka_option
@click.option("--site", help="The site of rows for which the map names none.")
@dry_option
@json_option
def tabular(
    file: Path, mapping: Path, out: Path | None, to_kafka: bool, site: str | None, dry_run: bool, as_json: bool
) -> None:
    """An export of the pharmacy's own system, by a map of its columns.

    docs/csv.md shows a map for a long table (one row an event) and for a wide one (one row an order), with every key.
    """
    settings = of_stack()
    to = chosen(out, to_kafka, dry_run, file, settings)
    wanted = read_map(text_of(mapping), str(mapping))
    named = None if site is None else site_code(site)
    table = Table(key(settings, to), wanted, named, receipt(to, datetime.now(UTC)))
    with reading(file) as stream:
        shown = carry(table.rows(stream, str(file)), to)
    finish(table.tally, shown, to, as_json)


@imports.command(epilog=NDJSON_EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path))
@out_option
@kafka_option
@dry_option
@json_option
def ndjson(file: Path, out: Path | None, to_kafka: bool, dry_run: bool, as_json: bool) -> None:
    """A file of events: those that pass the check are written anew, with the closed list of fields alone."""
    tally = Tally()
    to = chosen(out, to_kafka, dry_run, file, of_stack())
    with reading(file) as stream:
        shown = carry(checked(stream, tally, receipt(to, datetime.now(UTC))), to)
    finish(tally, shown, to, as_json, "line")


def document(tally: Tally) -> dict[str, object]:
    return {
        "records": {"read": tally.read, "events": tally.events, "skipped": tally.skipped.total()},
        "skipped_reasons": dict(sorted(tally.skipped.items())),
        "identifiers_removed": tally.removed,
    }


def finish(tally: Tally, shown: list[Event | Refusal], to: Destination, as_json: bool, counted_in: str = "row") -> None:
    """Prints what became of the records, which lie in rows or lines. Exits with 1 where not one of them is an event."""
    if not isinstance(to, DryRun):
        tell_refused(shown, tally.skipped.total(), counted_in)
    if as_json:
        print_json(document(tally) | (sample(shown) if isinstance(to, DryRun) else {}))
    else:
        if isinstance(to, DryRun):
            click.echo("".join(told(one, counted_in) + "\n" for one in shown), nl=False)
        say(tally.summary)
    if isinstance(to, DryRun):
        say(nothing_done(to))
    if not tally.events:
        raise click.exceptions.Exit(1)


def tell_refused(shown: list[Event | Refusal], skipped: int, counted_in: str) -> None:
    """The first refusals, and how many records more were left out."""
    for one in shown:
        say(told(one, counted_in))
    if shown and skipped > len(shown):
        say(f"and {skipped - len(shown)} more; --dry-run shows every one")


def nothing_done(to: DryRun) -> str:
    match to.instead_of:
        case ToKafka():
            return "dry run: nothing was sent to Kafka; leave out --dry-run to send them"
        case ToFile(file):
            return f"dry run: nothing was written to {file}; leave out --dry-run to write it"
        case None:
            return "dry run: nothing was written or sent"


def sample(shown: list[Event | Refusal]) -> dict[str, object]:
    return {
        "events": [json.loads(encode(one)) for one in shown if isinstance(one, Event)],
        "refused": [asdict(one) for one in shown if isinstance(one, Refusal)],
    }


def told(one: Event | Refusal, counted_in: str) -> str:
    match one:
        case Event():
            return encode(one).decode()
        case Refusal(row, None, reason, remedy):
            return f"{counted_in} {row}: {reason}: {remedy}"
        case Refusal(row, column, reason, remedy):
            return f"{counted_in} {row}, column {column}: {reason}: {remedy}"


def text_of(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as fault:
        raise UsageFault(f"{file}: cannot be read ({fault.strerror}); give a map in TOML") from fault
    except UnicodeDecodeError as fault:
        raise UsageFault(f"{file}: not UTF-8; save the map as UTF-8") from fault


def of_stack() -> Settings:
    """The settings given, completed by those of the stack that runs in this home."""
    return with_running_stack(Settings.from_env(os.environ), os.environ)


def key(settings: Settings, to: Destination) -> str:
    """The key given, or that of the stack that runs or last ran in this home. A dry run without one takes a key that
    nobody keeps, and says so. Raises UsageFault."""
    known = settings.pseudonym_key or keys.pseudonym_of(settings.home)
    if known is not None:
        return str(known)
    if isinstance(to, DryRun):
        say(
            "there is no key for pseudonyms yet: this dry run takes one for itself, so the real import makes other case ids"
        )
        return secrets.token_hex(32)
    raise UsageFault(
        "no key for pseudonyms: set RXPULSE_PSEUDONYM_KEY (or RXPULSE_PSEUDONYM_KEY_FILE) to a secret of your own and "
        f"keep it, since another key makes other case ids; or start a stack in {settings.home}, which makes one"
    )


def site_code(text: str) -> str:
    """Raises UsageFault for what no event may name as its site."""
    if re.fullmatch(CODE, text) is None:
        raise UsageFault(f"--site '{text}': give a code of 1 to 64 characters A-Z a-z 0-9 _ . : / -")
    return text


def offset(text: str) -> timezone:
    found = re.fullmatch(r"([+-])(\d{2}):([0-5]\d)", text)
    if found is None or int(found[2]) > 14:
        raise UsageFault(f"--utc-offset {text}: give hours and minutes such as -05:00")
    length = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-length if found[1] == "-" else length)


def past(latest: datetime | None, received: datetime | None) -> None:
    """Raises UsageFault where the tables' times, moved before `latest`, would lie after `received`."""
    if received is None:
        return
    if latest is None:
        raise UsageFault(
            "--to-kafka: the tables' dates lie after the year 2100, and Kafka takes nothing from the future: give --rebase"
            " with today's date"
        )
    if latest > received:
        raise UsageFault(
            f"--rebase {latest:%Y-%m-%d}: events up to that date would lie in the future; give today or an earlier date"
        )


def day(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time.min, UTC)
    except ValueError as fault:
        raise UsageFault(f"--rebase {text}: give a date such as 2026-11-20") from fault
