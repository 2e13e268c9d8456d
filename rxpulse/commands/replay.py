"""`rxpulse replay`: the pure heart over a file of events. The quickest way to try RxPulse on one's own data."""

import csv
import os
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
from models.settings import Settings
from models.wire import Decoded, Rejected, decode
from rxpulse.destination import SHOWN, unfinished, writable
from rxpulse.eventfile import reading, records
from rxpulse.output import json_option, print_json, say
from rxpulse.progress import measured
from rxpulse.running import with_running_stack

EXAMPLE = """Example:

\b
    rxpulse replay events.ndjson.gz --intervals turnaround.csv
    rxpulse replay --from-topic --policy new.toml --json
"""
Told = tuple[dict[str, int], Rejected]
"""A refusal and where it lies: its line, or its partition and offset."""


@click.command(epilog=EXAMPLE)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--from-topic", is_flag=True, help="The events that Kafka holds, instead of a file.")
@click.option("--partitions", help="With --from-topic: only these, such as 0,3.")
@click.option("--policy", type=click.Path(path_type=Path), envvar="RXPULSE_POLICY", help="Judge by this policy file.")
@click.option("--intervals", type=click.Path(path_type=Path), help="Write the turnaround times to this CSV file.")
@click.option("--until", help="Let time pass up to this instant (ISO 8601 with offset).")
@click.option("--strict", is_flag=True, help="Exit with 1 if any line or record was refused.")
@json_option
def replay(
    file: Path | None,
    from_topic: bool,
    partitions: str | None,
    policy: Path | None,
    intervals: Path | None,
    until: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Figures of a file of events (one CloudEvent a line, gzip accepted), without any service. FILE may be - for
    standard input.

    With --from-topic the figures of everything that rx.events holds as the command begins, beside a running stack or with
    RXPULSE_KAFKA, without a database. Nothing is changed. All its cases are held in memory, as those of a file are.
    """
    wanted = numbers(partitions)
    if (file is None) is not from_topic or (wanted is not None and not from_topic):
        raise UsageFault("say what to replay: FILE, or --from-topic (and with it perhaps --partitions 0,3)")
    heart = Replay(Policies.only(load(policy)))
    end = instant(until)
    if intervals is not None:
        writable(intervals, file, "--intervals")
    if file is None:
        source, refused, more = "rx.events", *from_kafka(heart, wanted)
    else:
        source, refused, more = str(file), from_file(heart, file), {}
    heart.end(end)
    if intervals is not None:
        write_intervals(heart, intervals)
    if as_json:
        print_json(document(heart) | {"refused": [refused_place(*one) for one in refused]} | more)
    else:
        click.echo(summary(heart))
    tell_refused(refused, heart.rejected.total(), from_topic)
    if not heart.accepted:
        tell_empty(source, bool(heart.rejected), from_topic)
    if heart.accepted == 0 or (strict and heart.rejected):
        raise click.exceptions.Exit(1)


def from_file(heart: Replay, file: Path) -> list[Told]:
    """Takes every line in; gives back the first ten refusals."""
    with reading(file) as stream:
        return take(heart, (({"line": number}, decode(record, None)) for number, record in records(stream)))


def from_kafka(heart: Replay, wanted: frozenset[int] | None) -> tuple[list[Told], dict[str, object]]:
    """Takes every record of these partitions (None: all) in; gives back the first ten refusals, and from which offset to
    which each partition was read."""
    from streams.feed import reader
    from streams.rereading import judged, stretches
    from streams.rereading import records as held_by

    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    with reader(settings) as consumer:
        held = stretches(consumer, wanted)
        if gone := sum(there.low for there in held.values()):
            say(f"warning: {gone} records of its beginning are no longer in rx.events: cases that began then lack them")
        total = sum(there.high - there.low for there in held.values())
        shown = measured(held_by(consumer, held), "records read", total)
        refused = take(
            heart,
            (({"partition": record.partition, "offset": record.offset}, found) for record, found in judged(shown)),
        )
    return refused, {
        "from": {str(number): there.low for number, there in held.items()},
        "to": {str(number): there.high for number, there in held.items()},
    }


def take(heart: Replay, found: Iterable[tuple[dict[str, int], Decoded | Rejected]]) -> list[Told]:
    """Takes all of it in; gives back the first ten refusals with their places."""
    refused: list[Told] = []
    for place, one in found:
        heart.take(one)
        if isinstance(one, Rejected) and len(refused) < SHOWN:
            refused.append((place, one))
    return refused


def numbers(text: str | None) -> frozenset[int] | None:
    """The partitions that the text names. Raises UsageFault."""
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise UsageFault(f"--partitions {text}: give numbers with commas between, such as 0,3")
    return frozenset(map(int, parts))


def refused_place(place: dict[str, int], found: Rejected) -> dict[str, object]:
    return {**place, "reason": found.reason, "detail": found.detail}


def tell_refused(refused: list[Told], total: int, from_topic: bool) -> None:
    for place, found in refused:
        where = " ".join(f"{name} {number}" for name, number in place.items())
        say(f"{where}: {found.reason}: {found.detail}")
    if total > len(refused):
        every = "`rxpulse deadletter list`" if from_topic else "`rxpulse import ndjson FILE --dry-run`"
        say(f"and {total - len(refused)} more; {every} shows every one")


def tell_empty(source: str, refused: bool, from_topic: bool) -> None:
    what, remedy = ("record", "see `rxpulse deadletter list`") if from_topic else ("line", "give one event a line")
    say(f"{source}: {f'no {what} of it is an event' if refused else 'it holds no records'}; {remedy}")


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
