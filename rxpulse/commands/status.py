"""`rxpulse status`: how every part is, and what is open."""

import os

import click

from models.settings import Settings
from rxpulse import status as figures
from rxpulse.output import json_option, print_json


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
        click.echo(_for_people(document))
    ctx.exit(0 if document["healthy"] else 1)


def _for_people(document: figures.Document) -> str:
    lines = [_part(part) for part in document["parts"]] or ["no stack runs here: `rxpulse up` starts one"]
    lines.extend(f"feed {feed['source']} at {feed['site']}: silent {feed['silent_s']} s" for feed in document["feed"])
    lines.append(f"{document['events_total']} events, {document['lag_events']} not yet read")
    for kind, cases in document["cases"].items():
        lines.append(f"{kind}: {cases['open']} open, {cases['late']} late, {cases['total']} in all")
    signals, told = document["signals"], document["escalations"]
    lines.append(f"signals: {signals['open']} open, {signals['raised_total']} raised in all")
    lines.append(
        f"escalations: {told['open']} open, {told['unacknowledged']} unacknowledged;"
        f" {told['delivered_total']} messages delivered, {told['failed_total']} failed"
    )
    lines.extend(f"report {row['kind']} {row['site']} {row['period']}: {row['path']}" for row in document["reports"])
    return "\n".join(lines)


def _part(part: figures.Document) -> str:
    state = "healthy" if part["healthy"] else "NOT HEALTHY"
    return f"{part['name']:<10} {state:<11} {part['url'] or '':<50} {part['detail']}".rstrip()
