"""`rxpulse policy`: is this policy right, what does an entry of it do, what may stand in the file, and its versions."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from models.cusum import errors_in_a_row, expected_delay
from models.policy import Clock, Policy, Rate, Rule, SiteProfile
from models.policy_text import (
    Fault,
    Judging,
    Parsed,
    PolicyFault,
    expected_false_alarms,
    find,
    json_schema,
    judging,
    shipped_in_full,
    switched_off,
    told,
)
from models.policy_text.schema import SHIPPED
from models.rates import design_of
from models.settings import Settings
from rxpulse.commands.policy_people import on_duty, rehearse_story
from rxpulse.commands.policy_versions import apply, history
from rxpulse.enacted import foreseen, in_force, named, with_store
from rxpulse.output import json_option, print_json, say

EXAMPLE = """Example:

\b
    rxpulse policy check site.toml
"""
SCHEMA_EXAMPLE = """Example:

\b
    rxpulse policy schema > policy.schema.json
"""
EXPLAIN_EXAMPLE = """Example:

\b
    rxpulse policy explain stat-verified
"""
FILE = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Expected:
    """False alarms a month that one site may expect from all its rates; `site` None: any site of that setting."""

    site: str | None
    setting: str | None
    per_month: float


@click.group(epilog=EXAMPLE)
def policy() -> None:
    """Check, explain and apply the policy: clocks, rules, rates, and who is told."""


policy.add_command(apply)
policy.add_command(history)
policy.add_command(on_duty)
policy.add_command(rehearse_story)


@policy.command(epilog=EXAMPLE)
@click.argument("file", type=FILE, required=False)
@json_option
def check(file: Path | None, as_json: bool) -> None:
    """Name file, line and remedy of every fault of FILE, and what is worth a second look.

    Without FILE: the policy in force where a stack runs in this home, else the file of RXPULSE_POLICY, else the shipped
    default. Beside a running stack it is also held against what the sites send. Exits with 1 where there is a fault.
    """
    try:
        parsed = with_store(weighed(chosen(file), file), Settings.from_env(os.environ), os.environ)
    except PolicyFault as fault:
        show_faults(fault.faults, as_json)
        raise click.exceptions.Exit(1) from fault
    parsed = foreseen(parsed, datetime.now(UTC))
    if as_json:
        print_json(verdict((), parsed))
    else:
        click.echo(summary(parsed))


@policy.command(epilog=SCHEMA_EXAMPLE)
def schema() -> None:
    """Print the JSON Schema of the policy file, for editors that complete and check."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@policy.command("explain", epilog=EXPLAIN_EXAMPLE)
@click.argument("name", required=False)
@click.option("--policy", "file", type=FILE, help="Of this policy file; default as for `check`.")
@json_option
def explain_entry(name: str | None, file: Path | None, as_json: bool) -> None:
    """Say in plain words what the clock, rule or rate NAME does and where its figure comes from. Without NAME: list them."""
    found = chosen(file).policy
    off = switched_off(found, shipped_in_full())
    if name is None:
        groups = grouped(found, off)
        if as_json:
            print_json({**groups, "version": found.version})
        else:
            click.echo(listing(groups))
        return
    entry = find(found, name, off)
    is_off = off.get(str(entry.name)) is entry
    switch = f" Switched off; enabled = true switches it on, in [{kind_of(entry)}.{entry.name}]." if is_off else ""
    text = told(entry) + switch
    if as_json:
        print_json(described(entry) | {"enabled": not is_off, "text": text, "version": found.version})
    else:
        click.echo(text)


def grouped(found: Policy, off: Mapping[str, Judging]) -> dict[str, list[dict[str, str]]]:
    """The entries by what they are, those switched off apart."""
    groups: dict[str, list[dict[str, str]]] = {"clocks": [], "rules": [], "rates": [], "switched_off": []}
    for entry in judging(found):
        groups[f"{kind_of(entry)}s"].append({"name": str(entry.name), "title": entry.title})
    groups["switched_off"] = [{"name": name, "title": entry.title} for name, entry in off.items()]
    return groups


def listing(groups: Mapping[str, Sequence[Mapping[str, str]]]) -> str:
    """The groups for people; one that is empty is left out."""
    wide = max((len(one["name"]) for rows in groups.values() for one in rows), default=0)
    lines: list[str] = []
    for group, rows in groups.items():
        if rows:
            lines.append(f"{group.replace('_', ' ').capitalize()}:")
            lines.extend(f"  {one['name']:<{wide}}  {one['title']}" for one in rows)
    return "\n".join(lines) or "the policy has no clock, rule or rate"


def kind_of(entry: Judging) -> str:
    """The name of its table in the file."""
    return type(entry).__name__.lower()


def chosen(file: Path | None) -> Parsed:
    """The policy of a file; None: the one in force, else what a stack would start with. Raises UsageFault for a file that
    is not there."""
    if file is None:
        return in_force(Settings.from_env(os.environ), os.environ)
    return named(file)


def weighed(parsed: Parsed, file: Path | None) -> Parsed:
    """The policy with a caution where it judges nothing, or where the file says nothing, which most likely is not meant."""
    found, place = parsed.policy, str(file or "policy")
    if not (found.clocks or found.rules or found.rates):
        said = 'nothing is judged: there is no clock, rule or rate; leave out extends = "none", or write some'
    elif file is not None and not any(map(_says_something, file.read_text("utf-8-sig").splitlines())):
        said = "the file is empty: all shipped policies hold as they are; write what differs in your pharmacy"
    else:
        return parsed
    return replace(parsed, cautions=(*parsed.cautions, Fault(place, None, "", said)))


def _says_something(line: str) -> bool:
    return bool(line.partition("#")[0].strip())


def show_faults(faults: tuple[Fault, ...], as_json: bool) -> None:
    if as_json:
        print_json(verdict(faults, None))
        return
    for fault in faults:
        click.echo(str(fault))
    say(f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'}: this policy cannot be used")


def verdict(faults: tuple[Fault, ...], parsed: Parsed | None) -> dict[str, Any]:
    return {
        "faults": [placed(fault) for fault in faults],
        "warnings": [placed(caution) for caution in parsed.cautions] if parsed else [],
        "version": parsed.policy.version if parsed else None,
        "expected_false_alarms": [
            {"site": one.site, "setting": one.setting, "per_month": one.per_month}
            for one in (expected(parsed.policy) if parsed else ())
        ],
    }


def placed(fault: Fault) -> dict[str, Any]:
    return {"file": fault.file, "line": fault.line, "entry": fault.key, "message": fault.message}


def expected(found: Policy) -> list[Expected]:
    """One for each declared site; where none is declared, one for each setting."""
    sites = found.sites.values()
    if sites:
        return [Expected(str(site.site), site.setting, expected_false_alarms(found, site)) for site in sites]
    return [Expected(None, setting, expected_false_alarms(found, undeclared(found, setting))) for setting in SHIPPED]


def undeclared(found: Policy, setting: str) -> SiteProfile:
    default = found.default_site
    return SiteProfile(site=default.site, name=default.name, setting=setting, working=default.working)


def summary(parsed: Parsed) -> str:
    found = parsed.policy
    lines = [f"warning: {caution}" for caution in parsed.cautions]
    for one in expected(found):
        whose = f"any {one.setting} site" if one.site is None else one.site
        lines.append(f"{whose}: {one.per_month:g} false alarms a month to be expected from all its rates together")
    held = f"{len(found.clocks)} clocks, {len(found.rules)} rules, {len(found.rates)} rates"
    return "\n".join([*lines, f"no fault: {held}; version {found.version[:12]}"])


def described(entry: Clock | Rule | Rate) -> dict[str, Any]:
    """The entry's kind, name and figures; of a rate those of its test, too."""
    said: dict[str, Any] = {"name": str(entry.name), "title": entry.title, "source": entry.source}
    match entry:
        case Clock():
            return {"kind": "clock", **said, "severity": None if entry.target is None else entry.severity.name}
        case Rule():
            return {"kind": "rule", **said, "severity": entry.severity.name}
        case Rate():
            return {"kind": "rate", **said, "severity": entry.severity.name} | tested(entry)


def tested(rate: Rate) -> dict[str, Any]:
    test = design_of(rate)
    return {
        "baseline": rate.baseline,
        "detect": rate.detect,
        "p": test.p,
        "error_weight": test.error_weight,
        "clean_weight": test.clean_weight,
        "threshold": test.threshold,
        "errors_in_a_row": errors_in_a_row(test),
        "expected_delay_trials": expected_delay(test),
        "false_alarms_per_month": test.false_alarms_per_month,
    }
