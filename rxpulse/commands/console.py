"""`rxpulse console`: the role that serves the board and its pages, and the link that signs in to it."""

import os
from typing import TYPE_CHECKING

import click

from models.errors import CallerFault
from models.settings import Settings

if TYPE_CHECKING:
    from console.first_run import Announce
    from models.store.policies import Version


@click.command()
@click.option("--link", is_flag=True, help="Print an address that signs in once, within half an hour, and stop.")
def console(link: bool) -> None:
    """Serve the board, the lists and the live feed. Set up by RXPULSE_... variables alone.

    Beyond this machine it starts only with RXPULSE_TLS_CERT and RXPULSE_TLS_KEY, or behind a proxy that ends TLS
    (RXPULSE_BEHIND_PROXY=1).

    \b
    Example: rxpulse console --link
    """
    settings = Settings.from_env(os.environ)
    if link:
        click.echo(_link(settings))
    else:
        _serve(settings)


def _link(settings: Settings) -> str:
    from models.store import mint_first_link
    from rxpulse.enacted import asked
    from rxpulse.running import with_running_stack

    found = with_running_stack(settings, os.environ)
    if found.database_url is None:
        raise CallerFault(
            f"no stack runs in {settings.home}: start one with `rxpulse up`, or set RXPULSE_HOME to the home of the one"
            " that runs; beside containers set RXPULSE_DATABASE_URL and RXPULSE_PUBLIC_URL"
        )
    if found.public_url is None:
        raise CallerFault("RXPULSE_PUBLIC_URL is not set: give the address under which people reach the console")
    url, address = found.database_url, found.public_url
    return asked(lambda: mint_first_link(url, address))


def announcing(settings: Settings) -> "Announce":
    """Tells other programs of a version made on the console, as `rxpulse policy apply` does; the log says where that did
    not work."""
    from console.auth import log
    from rxpulse.commands.policy_versions import announced

    def announce(made: "Version") -> None:
        if remark := announced(settings, made):
            log.warning("%s", remark)

    return announce


def _serve(settings: Settings) -> None:
    settings.check_exposure()
    port = settings.required_port()
    from console.app import create_app
    from console.auth import log
    from console.serving import serve
    from metrics import logbook
    from metrics.exporter import PrometheusRecorder
    from models.store.console import ConsoleStore

    with logbook.role("console"):
        store = ConsoleStore(settings.required_database_url())
        if missing := store.missing():
            store.close()
            raise CallerFault(missing)
        if store.policy() is None:
            log.warning("there is no policy in the store yet; the board says so until one is brought")
        app = create_app(settings, store, PrometheusRecorder("console"), announcing(settings))
        app.add_middleware(logbook.Requests)
        serve(app, settings, port)
