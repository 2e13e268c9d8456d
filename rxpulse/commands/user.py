"""`rxpulse user`: accounts of the console, each with a role and the sites that it is bound to."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from models.errors import CallerFault
from models.settings import Settings
from models.wire import stamp
from rxpulse.commands.token import checked
from rxpulse.enacted import operator
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack

if TYPE_CHECKING:
    from models.store.accounts import Account

ROLES = ("viewer", "responder", "supervisor", "admin")
ADD_EXAMPLE = """Example:

\b
    rxpulse user add ana --role responder --site mercy
"""
PASSWORD_EXAMPLE = """Example:

\b
    rxpulse user password ana
"""
LIST_EXAMPLE = """Example:

\b
    rxpulse user list
"""
DISABLE_EXAMPLE = """Example:

\b
    rxpulse user disable ana
"""
from_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="A file with the password, - for standard input; else asked.",
)


@click.group(epilog=ADD_EXAMPLE)
def user() -> None:
    """Add, list and disable accounts of the console."""


@user.command(epilog=ADD_EXAMPLE)
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What it may do; each may do all before it too.")
@click.option("--site", "sites", multiple=True, help="A site that it is bound to; may be repeated. Default: all sites.")
@from_file
@json_option
def add(name: str, role: str, sites: tuple[str, ...], password_file: Path | None, as_json: bool) -> None:
    """Make the account NAME. An account and a person of the policy of one name are the same human.

    A viewer reads; a responder also acknowledges, gives back, passes on; a supervisor also resolves and acts for
    others; an admin may do everything.
    """
    from models.store import accounts
    from models.store.rights import Rights, Role

    checked("NAME", name, r"[A-Za-z0-9_.-]{1,64}")
    bound = tuple(sorted({checked("--site", one, r"[A-Za-z0-9_.:/-]{1,64}") for one in sites})) or None
    accounts.add(database_url(), name, Rights(Role(role), bound), password(password_file), by=operator())
    for remark in strange(bound or ()):
        say(remark)
    if as_json:
        print_json({"name": name, "role": role, "sites": bound})
    else:
        say(f"{name} signs in as {role} of {'all sites' if bound is None else ', '.join(bound)}")


def strange(sites: Iterable[str]) -> Iterator[str]:
    """A warning for each site that neither the policy nor the store knows: a typing error shows nothing for ever."""
    from models.policy_text.faults import near
    from models.store.connecting import connect
    from models.store.policies import read_policies

    with connect(database_url(), "rxpulse user", autocommit=True) as connection:
        policies = read_policies(connection, None)
        known = {site for (site,) in connection.execute("SELECT DISTINCT site FROM feeds")}
    if policies is not None:
        known |= set(map(str, policies.latest.sites))
    for one in sites:
        if one not in known:
            yield f"warning: neither the policy nor the store knows a site {one}; {near(one, known, 'nothing is seen of it yet')}"


@user.command("password", epilog=PASSWORD_EXAMPLE)
@click.argument("name")
@from_file
def change(name: str, password_file: Path | None) -> None:
    """Give the account NAME another password. Its sessions end; a disabled account may sign in again."""
    from models.store import accounts

    accounts.change_password(database_url(), name, password(password_file), by=operator())
    say(f"{name} has another password")


@user.command("list", epilog=LIST_EXAMPLE)
@json_option
def list_all(as_json: bool) -> None:
    """List every account with its role and sites."""
    from models.store import accounts
    from models.store.connecting import connect

    with connect(database_url(), "rxpulse user") as connection:
        found = accounts.listed(connection)
    if as_json:
        print_json([_plain(one) for one in found])
        return
    for one in found:
        sites = "all sites" if one.rights.sites is None else ", ".join(one.rights.sites)
        ended = f", disabled {stamp(one.disabled)}" if one.disabled else ""
        click.echo(f"{one.name}  {one.rights.role.value}  {sites}{ended}")
    if not found:
        say("there are no accounts; `rxpulse user add NAME --role admin` makes the first one")


@user.command(epilog=DISABLE_EXAMPLE)
@click.argument("name")
@json_option
def disable(name: str, as_json: bool) -> None:
    """End the account NAME and all its sessions, at once. What it did stays recorded under its name."""
    from models.store import accounts

    was_open = accounts.disable(database_url(), name, by=operator())
    if as_json:
        print_json({"name": name, "disabled": was_open})
    else:
        say(f"{name} is disabled" if was_open else f"{name} had been disabled before")


def password(file: Path | None) -> str:
    """The password as it was given; it is never an argument, where other users of the machine would see it."""
    if file is None:
        return click.prompt("Password", hide_input=True, confirmation_prompt=True)
    try:
        text = click.get_text_stream("stdin").read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise CallerFault(f"--password-file {file} cannot be read ({fault})") from fault
    return text.rstrip("\r\n")


def database_url() -> str:
    return with_running_stack(Settings.from_env(os.environ), os.environ).required_database_url()


def _plain(one: "Account") -> dict[str, object]:
    return {
        "name": one.name,
        "role": one.rights.role.value,
        "sites": one.rights.sites,
        "made": stamp(one.made),
        "disabled": None if one.disabled is None else stamp(one.disabled),
    }
