"""`rxpulse replay`: the pure heart over a file of events. The quickest way to try RxPulse on one's own data."""

import csv
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import cast

import click

from metrics.replay import COLUMNS, Replay, document, table
from models.errors import UsageFault
from models.event import utc
from models.policy import Policies
from models.policy_text import load
from models.wire import Rejected, decode
from rxpulse.destination import SHOWN, unfinished, writable
from rxpulse.eventfile import reading, records
from rxpulse.output import json_option, print_json, say

EXAMPLE = """Example:

\b
    rxpulse replay events.ndjson.gz --intervals turnaround.csv
"""


@click.command(epilog=EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", type=click.Path(path_type=Path), envvar="RXPULSE_POLICY", help="Judge by this policy file.")
@click.option("--intervals", type=click.Path(path_type=Path), help="Write the turnaround times to this CSV file.")
@click.option("--until", help="Let time pass up to this instant (ISO 8601 with offset).")
@click.option("--strict", is_flag=True, help="Exit with 1 if any line was refused.")
@json_option
def replay(
    file: Path, policy: Path | None, intervals: Path | None, until: str | None, strict: bool, as_json: bool
) -> None:
    """Figures of a file of events (one CloudEvent a line, gzip accepted), without any service. FILE may be - for
    standard input."""
    heart = Replay(Policies.only(load(policy)))
    end = instant(until)
    if intervals is not None:
        writable(intervals, file, "--intervals")
    with reading(file) as stream:
        refused = take(heart, stream)
    heart.end(end)
    if intervals is not None:
        write_intervals(heart, intervals)
    if as_json:
        print_json(document(heart) | {"refused": [refused_line(*one) for one in refused]})
    else:
        click.echo(summary(heart))
    tell_refused(refused, heart.rejected.total())
    if not heart.accepted:
        say(
            f"{file}: {'no line of it is an event' if heart.rejected else 'it holds no records'}; give one event a line"
        )
    if heart.accepted == 0 or (strict and heart.rejected):
        raise click.exceptions.Exit(1)


def take(heart: Replay, stream: Iterable[bytes]) -> list[tuple[int, Rejected]]:
    """Takes every line in; gives back the first ten refusals with the number of their line."""
    refused: list[tuple[int, Rejected]] = []
    for number, record in records(stream):
        found = decode(record, None)
        heart.take(found)
        if isinstance(found, Rejected) and len(refused) < SHOWN:
            refused.append((number, found))
    return refused


def refused_line(number: int, found: Rejected) -> dict[str, object]:
    return {"line": number, "reason": found.reason, "detail": found.detail}


def tell_refused(refused: list[tuple[int, Rejected]], total: int) -> None:
    for number, found in refused:
        say(f"line {number}: {found.reason}: {found.detail}")
    if total > len(refused):
        say(f"and {total - len(refused)} more; `rxpulse import ndjson FILE --dry-run` shows every one")


def instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError as fault:
        raise UsageFault(f"--until {text}: give ISO 8601 with an offset, such as 2026-11-20T14:03:07-05:00") from fault


def write_intervals(heart: Replay, file: Path) -> None:
    """The file appears under its name only when it is whole."""
    part = unfinished(file)
    try:
        with part.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(table(heart.intervals()))
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def summary(heart: Replay) -> str:
    found = document(heart)
    events = cast("dict[str, int]", found["events"])
    rows = [row for row in cast("list[dict[str, object]]", found["intervals"]) if row["site"] == "*"]
    head = f"{events['accepted']} of {events['read']} events accepted, {events['rejected']} refused"
    out = [head, *(f"  refused: {reason}: {n}" for reason, n in heart.rejected.items())]
    out += [f"{'clock':<36} {'n':>8} {'p50':>9} {'p90':>9} {'p95':>9}  in target"]
    for row in rows:
        share = row["in_target"]
        target = "-" if share is None else f"{cast('float', share):.1%}"
        quantiles = " ".join(f"{cast('float', row[name]):9.2f}" for name in ("p50", "p90", "p95"))
        out.append(f"{row['clock']!s:<36} {row['n']:>8} {quantiles}  {target}")
    for one in cast("list[dict[str, object]]", found["signals"]):
        out.append(f"{one['severity']} {one['kind']} {one['name']}: {one['raised']} raised, {one['cleared']} cleared")
    return "\n".join(out)
