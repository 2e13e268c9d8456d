"""`rxpulse token`: keys for feeds and scripts, each bound to what it may speak for."""

# The command is called so; nothing imports this module but the table of commands.
# ruff: noqa: A005
import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from models.errors import UsageFault
from models.event import Site, Source
from models.settings import Settings
from models.wire import stamp
from rxpulse.enacted import operator, undeclared
from rxpulse.output import json_option, print_json, say
from rxpulse.running import with_running_stack

if TYPE_CHECKING:
    from models.store.tokens import Kept, Token

ADD_EXAMPLE = """Example:

\b
    rxpulse token add mercy-pis --source /mercy/pis --site mercy
"""
REVOKE_EXAMPLE = """Example:

\b
    rxpulse token revoke mercy-pis
"""
LIST_EXAMPLE = """Example:

\b
    rxpulse token list
"""


@click.group(epilog=ADD_EXAMPLE)
def token() -> None:
    """Give out and take back the keys with which feeds send events and scripts read."""


@token.command(epilog=ADD_EXAMPLE)
@click.argument("name")
@click.option("--source", "sources", multiple=True, help="A source that it may send events of; may be repeated.")
@click.option(
    "--site", "sites", multiple=True, required=True, help="A site that it reads and sends of; may be repeated."
)
@json_option
def add(name: str, sources: tuple[str, ...], sites: tuple[str, ...], as_json: bool) -> None:
    """Make a token and print it, once: only its hash is kept.

    Every token reads the console's JSON interface, at its sites. With --source it also sends events of these sources at
    these sites to the intake; all others are refused with it.
    """
    from models.store import tokens

    made = tokens.Token(
        checked("NAME", name, r"[A-Za-z0-9_.-]{1,64}"),
        frozenset(Source(checked("--source", one, r"[\x21-\x7e]{1,256}")) for one in sources),
        frozenset(Site(checked("--site", one, r"[A-Za-z0-9_.:/-]{1,64}")) for one in sites),
    )
    url = database_url()
    warnings = unknown_sites(url, sites)
    text = tokens.add(url, made, by=operator())
    for warning in warnings:
        say(warning)
    if as_json:
        print_json({"name": name, "token": text, "sources": sorted(made.sources), "sites": sorted(made.sites)})
        return
    click.echo(text)
    say(f"{name} {may(made)}.")
    say(f"Keep it now: it is not shown again. `rxpulse token revoke {name}` takes it back")


@token.command(epilog=REVOKE_EXAMPLE)
@click.argument("name")
@json_option
def revoke(name: str, as_json: bool) -> None:
    """Take a token back: whoever brings it is refused from now on."""
    from models.store import tokens

    was_good = tokens.revoke(database_url(), name, by=operator())
    if as_json:
        print_json({"name": name, "revoked": was_good})
    else:
        say(f"{name} is taken back" if was_good else f"{name} had been taken back before")


@token.command("list", epilog=LIST_EXAMPLE)
@json_option
def list_(as_json: bool) -> None:
    """List every token that was given out: what it may do, since when, and whether it was taken back. Never its text.

    A token holds until it is taken back.
    """
    from models.store import tokens
    from models.store.connecting import connect

    with connect(database_url(), "rxpulse token", autocommit=True) as connection:
        found = tokens.listed(connection)
    if as_json:
        print_json([document(one) for one in found])
        return
    wide = max((len(one.token.name) for one in found), default=0)
    for one in found:
        click.echo(f"{one.token.name:<{wide}}  {held(one)}: {may(one.token)}")
    if not found:
        say("no token was ever given out: `rxpulse token add` makes one")
    say("not among them: RXPULSE_API_KEY, the key of this installation, which opens everything")


def document(one: "Kept") -> dict[str, object]:
    """A token as it is kept, without its hash: that is of no use to anybody, and looks like a secret."""
    return {
        "name": one.token.name,
        "sources": sorted(one.token.sources),
        "sites": sorted(one.token.sites),
        "made": stamp(one.made),
        "revoked": None if one.revoked is None else stamp(one.revoked),
    }


def held(one: "Kept") -> str:
    """From when on it holds, or held until when; days in UTC, for whoever reads it may sit anywhere."""
    if one.revoked is None:
        return f"since {one.made:%Y-%m-%d %H:%MZ}"
    return f"TAKEN BACK {one.revoked:%Y-%m-%d %H:%MZ}, made {one.made:%Y-%m-%d %H:%MZ}"


def unknown_sites(url: str, sites: Sequence[str]) -> list[str]:
    """A warning for each site that the store's policy does not declare."""
    from models.store.connecting import connect
    from models.store.policies import read_policies

    with connect(url, "rxpulse token", autocommit=True) as connection:
        policies = read_policies(connection, None)
    return [] if policies is None else undeclared(policies.latest, sites)


def may(token: "Token") -> str:
    """What a token is good for, in words."""
    sites = ", ".join(sorted(token.sites))
    sends = f"sends events of {', '.join(sorted(token.sources))} to the intake" if token.sources else "sends nothing"
    return f"reads the console at {sites} and {sends}"


def database_url() -> str:
    return with_running_stack(Settings.from_env(os.environ), os.environ).required_database_url()


def checked(what: str, text: str, pattern: str) -> str:
    if re.fullmatch(pattern, text) is None:
        raise UsageFault(
            f"{what} '{text}': give 1 to 64 letters, digits, . _ - (a source may also be a longer path or URL)"
        )
    return text
