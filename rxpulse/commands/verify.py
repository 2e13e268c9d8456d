"""`rxpulse verify`: does the store say what the events say?"""

import gc
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from models.settings import Settings
from models.wire import stamp
from rxpulse.output import json_option, print_json
from rxpulse.progress import measured
from rxpulse.running import with_running_stack

if TYPE_CHECKING:
    from streams.admission import Record

EXAMPLE = """Example:

\b
    rxpulse verify --json
"""


@click.command(epilog=EXAMPLE)
@json_option
def verify(as_json: bool) -> None:
    """Recompute everything from the topic of events and compare it with the store.

    Beside a running stack, or with RXPULSE_KAFKA and RXPULSE_DATABASE_URL. Nothing is changed, and the worker may go on
    working. Takes about a minute for nine weeks of the demo, more on a busy machine, and says on standard error how far it
    is. Exit code 1: there are differences; `rxpulse reset --facts` lets the worker compute everything anew.
    """
    from models.store.facts import snapshot
    from streams.verify import verify as recompute

    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    # What is read stays in memory to the end of its partition: the collector need not look at it again and again.
    gc.set_threshold(100_000, 50, 100)
    with snapshot(settings.required_database_url()) as facts:
        found = recompute(settings, facts, _shown)
    document = {
        "from": {str(number): offset for number, offset in found.start.items()},
        "to": {str(number): offset for number, offset in found.end.items()},
        "events": found.events,
        "cases_compared": found.cases,
        "intervals_compared": found.intervals,
        "signals_compared": found.signals,
        "differences": found.differences,
        "examples": [asdict(one) for one in found.examples],
        "rates_not_judged_yet": found.waiting,
        "kept_since": None if found.kept_since is None else stamp(found.kept_since),
    }
    if as_json:
        print_json(document)
    else:
        click.echo(
            f"{found.events} records read again; {found.cases} cases, {found.intervals} turnaround times and"
            f" {found.signals} signals compared: {found.differences} differences"
        )
        if found.waiting:
            click.echo(
                f"{found.waiting} rates were left out: the worker had not judged their newest trials yet; ask again"
            )
        if found.kept_since:
            click.echo(
                f"turnaround times of before {found.kept_since:%Y-%m-%d} have left the store: they were not compared"
            )
        for one in found.examples:
            click.echo(f"  {one.what} {one.id}\n    store:      {one.stored}\n    recomputed: {one.recomputed}")
    if found.differences:
        raise click.exceptions.Exit(1)


def _shown(records: "Iterable[Record]", total: int, partitions: int) -> "Iterator[Record]":
    return measured(records, f"records of {partitions} partitions read again and compared", total)
