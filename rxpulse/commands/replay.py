"""`rxpulse replay`: the pure heart over a file of events. The quickest way to try RxPulse on one's own data."""

import csv
import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, cast

import click

from metrics.replay import COLUMNS, Replay, document, table
from models.errors import CallerFault, UsageFault
from models.event import utc
from models.policy import Policies
from models.policy_text import load
from models.wire import decode

EXAMPLE = """Example:

    rxpulse replay events.ndjson.gz --intervals turnaround.csv
"""


@click.command(epilog=EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--policy", type=click.Path(path_type=Path), envvar="RXPULSE_POLICY", help="Judge by this policy file.")
@click.option("--intervals", type=click.Path(path_type=Path), help="Write the turnaround times to this CSV file.")
@click.option("--until", help="Let time pass up to this instant (ISO 8601 with offset).")
@click.option("--strict", is_flag=True, help="Exit with 1 if any line was refused.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def replay(
    file: Path, policy: Path | None, intervals: Path | None, until: str | None, strict: bool, as_json: bool
) -> None:
    """Figures of a file of events (one CloudEvent a line, gzip accepted), without any service."""
    heart = Replay(Policies.only(load(policy)))
    for line in lines(file):
        heart.take(decode(line, None))
    heart.end(instant(until))
    if intervals is not None:
        write_intervals(heart, intervals)
    print(json.dumps(document(heart)) if as_json else summary(heart))
    if heart.accepted == 0 or (strict and heart.rejected):
        raise click.exceptions.Exit(1)


def lines(file: Path) -> Iterator[bytes]:
    """The records of a file: no byte order mark, no blank lines, no line ends."""
    try:
        with open_any(file) as stream:
            for at, line in enumerate(stream):
                record = (line.removeprefix(b"\xef\xbb\xbf") if at == 0 else line).strip(b"\r\n \t")
                if record:
                    yield record
    except FileNotFoundError as fault:
        raise UsageFault(f"{file}: no such file; give a file of events, one CloudEvent a line") from fault
    except (OSError, EOFError) as fault:
        raise CallerFault(f"{file}: cannot be read to its end ({fault}); is it whole?") from fault


@contextmanager
def open_any(file: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is gzip whatever its name."""
    with file.open("rb") as stream:
        if stream.peek(2)[:2] != b"\x1f\x8b":
            yield stream
            return
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield cast("IO[bytes]", unpacked)


def instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError as fault:
        raise UsageFault(f"--until {text}: give ISO 8601 with an offset, such as 2026-11-20T14:03:07-05:00") from fault


def write_intervals(heart: Replay, file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(table(heart.intervals()))


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
