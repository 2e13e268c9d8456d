"""`rxpulse status`: how every part is, and what is open."""

import os
from datetime import datetime

import click

from models.settings import Settings
from rxpulse import status as figures
from rxpulse.output import json_option, print_json
from rxpulse.status import KILLED, STOPPED

LOADING = 1_000
"""More events than this still to be read are history that loads, or a worker that is behind."""


@click.command()
@json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Say how every part of the stack in RXPULSE_HOME is, and what is open. Exit code 1 where a part is unhealthy.

    \b
    Example: rxpulse status --json
    """
    document = figures.document(Settings.from_env(os.environ), os.environ)
    if as_json:
        print_json(document)
    else:
        click.echo(for_people(document))
    ctx.exit(0 if document["healthy"] else 1)


def for_people(document: figures.Document) -> str:
    """The document in lines."""
    parts = document["parts"]
    if not document["running"]:
        stopped = [f"{part['name']:<10} {_at_rest(part['detail'])}" for part in parts]
        return "\n".join([*stopped, document["why"]])
    lines = [_part(part) for part in parts]
    if document["events_total"] is None:
        return "\n".join([*lines, "the database does not answer, so nothing is known of events, cases and signals"])
    lag = document["lag_events"]
    if lag is not None and lag > LOADING:
        lines.append(loading(lag, document["feed"]))
    else:
        lines.extend(
            f"feed {feed['source']} at {feed['site']}: {heard(feed['silent_s'], alarm=feed['alarm'])}"
            for feed in document["feed"]
        )
    lines.append(f"{document['events_total']} events, {'unknown how many' if lag is None else lag} not yet read")
    for kind, cases in document["cases"].items():
        lines.append(f"{kind}: {cases['open']} open, {cases['late']} late, {cases['total']} in all")
    signals, told = document["signals"], document["escalations"]
    lines.append(f"signals: {signals['open']} open, {signals['raised_total']} raised in all")
    lines.append(
        f"escalations: {told['open']} open, {told['unacknowledged']} unacknowledged;"
        f" {told['delivered_total']} messages delivered, {told['failed_total']} failed"
    )
    outside, since = document["turnaround"]["outside_months"], document["turnaround"]["kept_since"]
    if since:
        lines.append(f"turnaround times are kept from {since[:10]} on")
    if outside:
        lines.append(f"{outside} turnaround times lie in no month of their own: `rxpulse doctor` says why")
    lines.extend(f"report {row['kind']} {row['site']} {row['period']}: {row['path']}" for row in document["reports"])
    return "\n".join(lines)


def loading(lag: int, feeds: list[dict[str, str]]) -> str:
    """While what was sent before is still being read, how long a feed was silent is not known."""
    latest = max((datetime.fromisoformat(feed["last_event"]) for feed in feeds), default=None)
    upto = "" if latest is None else f", read up to {latest:%-d %b %H:%M}Z"
    return f"history loads: {lag} events to read{upto}"


def heard(seconds: float, *, alarm: bool) -> str:
    """When a feed was last heard of; an alarm only where that is longer ago than it may be, for at night or in closed hours
    many a feed says nothing for long."""
    if alarm:
        return f"ALARM: silent for {lasting(seconds)}, longer than it may be"
    return f"last heard of {lasting(seconds)} ago"


def lasting(seconds: float) -> str:
    """A length in words: the two largest units that say anything."""
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86400)
    if minutes < 1:
        return "less than a minute"
    if hours < 1:
        return f"{minutes} min"
    if days < 1:
        return f"{hours} h {minutes % 60} min"
    return f"{days} d {hours % 24} h"


def _at_rest(detail: str) -> str:
    """`detail` is the last mishap, where there was one."""
    return detail if detail in (STOPPED, KILLED) else f"{STOPPED}; before that it {detail}"


def _part(part: figures.Document) -> str:
    state = "healthy" if part["healthy"] else "NOT HEALTHY"
    return f"{part['name']:<10} {state:<11} {part['url'] or '':<50} {part['detail']}".rstrip()
