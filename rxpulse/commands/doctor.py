"""`rxpulse doctor`: looks for what is wrong or will be."""

import os
from dataclasses import asdict

import click

from models.settings import Settings
from rxpulse.output import json_option, print_json


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Look at this machine, this home and the stack in it, and say what to do. Exit code 1 where something is wrong.

    \b
    Example: rxpulse doctor
    """
    from rxpulse.examination import examine
    from rxpulse.findings import Level

    findings = examine(Settings.from_env(os.environ), os.environ)
    sound = all(finding.level is not Level.FAULT for finding in findings)
    if as_json:
        print_json({"healthy": sound, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            place = f" ({finding.where})" if finding.where else ""
            click.echo(f"{finding.level.upper():<8} {finding.what}{place}")
            if finding.remedy:
                click.echo(f"{'':<8} -> {finding.remedy}")
    ctx.exit(0 if sound else 1)
