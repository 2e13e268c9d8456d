"""`rxpulse import`: foreign records become events in a file, with keyed pseudonyms and nothing that names a person."""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import click

from models.errors import UsageFault
from models.event import Event
from models.settings import Settings
from models.wire import encode
from rxpulse.commands.simulate import opened
from rxpulse.output import json_option, print_json, say
from streams.intake.mimic import Import

EXAMPLE = """Example:

    rxpulse import mimic mimic-iv-demo/ --rebase 2026-11-20 --out orders.ndjson.gz
"""


@click.group(epilog=EXAMPLE)
def imports() -> None:
    """Bring the records of another system into the event format."""


@imports.command(epilog=EXAMPLE)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NDJSON, gzip where the name ends in .gz.")
@click.option("--site", default="mimic", show_default=True, help="The site that the events name.")
@click.option("--utc-offset", default="+00:00", show_default=True, help="Of the tables' wall times.")
@click.option("--rebase", help="Move each patient by whole weeks to the week before this date.")
@json_option
def mimic(folder: Path, out: Path, site: str, utc_offset: str, rebase: str | None, as_json: bool) -> None:
    """The tables of the open MIMIC-IV demo (poe, pharmacy, emar)."""
    reading = Import(key(), site, offset(utc_offset))
    write(reading.rows(folder, day(rebase)), out)
    document = {
        "records": {"read": reading.read, "events": reading.events, "skipped": reading.skipped.total()},
        "skipped_reasons": dict(sorted(reading.skipped.items())),
        "identifiers_removed": reading.removed,
    }
    if as_json:
        print_json(document)
    else:
        say(f"{reading.events} events of {reading.read} records in {out}; skipped: {document['skipped_reasons']}")


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


def write(events: Iterable[Event], out: Path) -> None:
    with opened(out) as stream:
        for event in events:
            stream.write(encode(event) + b"\n")
