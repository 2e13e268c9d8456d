"""`rxpulse export`: facts for a spreadsheet, one row each."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from metrics.replay import COLUMNS
from models.errors import CallerFault
from models.event import Data, Event, field
from models.settings import Settings
from models.wire import NUMBERS, OBJECTS
from rxpulse.enacted import noted
from rxpulse.output import json_option, print_json, say
from rxpulse.progress import counted
from rxpulse.running import with_running_stack
from rxpulse.spreadsheet import Holds, Table, Value, check, write

EXAMPLE = """Example:

\b
    rxpulse export intervals --out turnaround.csv
    rxpulse export signals --all-revisions --out signals.parquet --json
"""
TEXT, WHOLE, NUMBER, TRUTH, INSTANT = Holds.TEXT, Holds.WHOLE, Holds.NUMBER, Holds.TRUTH, Holds.INSTANT
_INTERVALS = dict.fromkeys(COLUMNS, TEXT) | {
    **dict.fromkeys(("started", "stopped"), INSTANT),
    **dict.fromkeys(("net_seconds", "target_seconds"), NUMBER),
    "in_target": TRUTH,
    "revision": WHOLE,
}
_SIGNALS = dict.fromkeys(
    ("signal", "kind", "name", "severity", "site", "case", "raised", "cleared", "reason", "told", "known", "revision"),
    TEXT,
) | {**dict.fromkeys(("raised", "cleared", "known"), INSTANT), "revision": WHOLE}
_DELIVERIES = dict.fromkeys(
    (
        *("delivery", "escalation", "signal", "step", "loop", "person", "channel", "key", "state", "attempts"),
        *("first_attempt", "last_attempt", "answer", "type"),
    ),
    TEXT,
) | {
    **dict.fromkeys(("step", "loop", "attempts"), WHOLE),
    **dict.fromkeys(("first_attempt", "last_attempt"), INSTANT),
}
_DATA = tuple(
    dotted
    for name in Data.__annotations__
    for dotted in ([f"{name}.{part}" for part in OBJECTS[name]] if name in OBJECTS else [name])
)
_EVENTS = dict.fromkeys(("id", "source", "type", "time", "recorded", "subject", *_DATA), TEXT) | {
    **dict.fromkeys(("time", "recorded", "promised"), INSTANT),
    **dict.fromkeys(NUMBERS, NUMBER),
}


@click.command(epilog=EXAMPLE)
@click.argument("what", type=click.Choice(["intervals", "signals", "events", "deliveries"]))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="FILE.csv or FILE.parquet.")
@click.option("--all-revisions", is_flag=True, help="The whole story: earlier revisions and what was retracted too.")
@json_option
def export(what: str, out: Path, all_revisions: bool, as_json: bool) -> None:
    """Write facts to a file, one row each: turnaround times, signals, events, or messages to people.

    Only the latest revision of each fact is written, and what late evidence retracted is left out, unless you ask for
    all revisions. Beside a running stack, or with RXPULSE_DATABASE_URL (and RXPULSE_KAFKA for events). It is recorded in
    the audit.
    """
    from models.store.facts import snapshot

    check(out)
    settings = with_running_stack(Settings.from_env(os.environ), os.environ)
    url = settings.required_database_url()
    noted(url, "export", what)
    with snapshot(url) as facts:
        match what:
            case "intervals":
                if since := facts.kept_since():
                    say(f"turnaround times are kept from {since:%Y-%m-%d} on: those of before have left the store")
                table = Table(tuple(_INTERVALS.items()), _intervals(facts, all_revisions))
            case "signals":
                table = Table(tuple(_SIGNALS.items()), _signals(facts, all_revisions))
            case "deliveries":
                table = Table(tuple(_DELIVERIES.items()), _deliveries(facts))
            case _:
                table = Table(tuple(_EVENTS.items()), _events(settings, facts, all_revisions))
        rows = write(table, out)
    if as_json:
        print_json({"what": what, "file": str(out), "rows": rows})
    else:
        say(f"{rows} {what} in {out}")


def _intervals(facts: Any, all_revisions: bool) -> Iterator[tuple[Value, ...]]:
    base = facts.revision_base()
    for one in counted(facts.intervals(all_revisions=all_revisions), "intervals"):
        yield (
            *(one.id, one.clock, one.site, one.priority, one.case, one.started, one.stopped, one.net.total_seconds()),
            None if one.target is None else one.target.total_seconds(),
            *(one.in_target, base + one.revision, "retracted" if one.retracted else "closed"),
        )


def _signals(facts: Any, all_revisions: bool) -> Iterator[tuple[Value, ...]]:
    base = facts.revision_base()
    for standing in counted(facts.changes() if all_revisions else facts.signals(), "signals"):
        one = standing.signal
        reason = None if one.reason is None else one.reason.value
        yield (
            *(one.id, one.kind.value, one.name, one.severity.name, one.site, one.case, one.raised, one.cleared),
            *(reason, standing.told, one.known, base + one.revision),
        )


def _deliveries(facts: Any) -> Iterator[tuple[Value, ...]]:
    for one in counted(facts.deliveries(), "deliveries"):
        yield (
            *(one.key, one.escalation, one.signal, one.step, one.loop, one.person, one.channel, one.key, one.state),
            *(one.attempts, one.first_attempt, one.last_attempt, one.answer, one.type),
        )


def _events(settings: Settings, facts: Any, every_record: bool) -> Iterator[tuple[Value, ...]]:
    from streams.history import events

    policies = facts.policies()
    if policies is None:
        raise CallerFault("the store holds no policy, so nothing was ever applied: start a stack with `rxpulse up`")
    for event in events(settings, policies, lambda records: counted(records, "records"), every_record=every_record):
        yield event_row(event)


def event_row(event: Event) -> tuple[Value, ...]:
    """The envelope, then the fields of `data` under their dotted names; lists as words with spaces between."""
    about = (event.id, event.source, event.type, event.time, event.recorded, event.subject)
    return (*about, *(_said(event.data, dotted) for dotted in _DATA))


def _said(data: Data, dotted: str) -> Value:
    value = field(data, dotted)
    match value:
        case list():
            return " ".join(map(str, value))
        case int():
            return float(value)
        case _:
            return value  # type: ignore[return-value]
