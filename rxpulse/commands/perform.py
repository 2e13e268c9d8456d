"""`rxpulse _perform`: plays the demonstration's pharmacies into a stack that runs already, such as one in containers."""

import os
import signal
from threading import Event as Flag
from threading import Thread

import click

from models.errors import CallerFault
from models.settings import Settings


@click.command(hidden=True)
def perform() -> None:
    """Play the demonstration into RXPULSE_KAFKA until it is asked to stop (the containers run this themselves).

    \b
    Example: rxpulse _perform
    """
    from rxpulse import demo
    from streams.demonstration import perform as play

    settings, stop, loaded = Settings.from_env(os.environ), Flag(), Flag()
    if settings.public_url is None:
        raise CallerFault("RXPULSE_PUBLIC_URL is not set: give the address under which people reach the console")
    for kind in (signal.SIGTERM, signal.SIGINT):
        signal.signal(kind, lambda *_: stop.set())
    file = settings.home / "demo.json"
    demo.check_topic(settings, file)
    click.echo(f"sign in    {demo.first_link(settings)}  (once)")

    def wait(events: int) -> None:
        if demo.applied(settings, stop):
            click.echo(f"history    {events} events loaded; from here on it is live")
            loaded.set()

    # It waits for the worker; the pharmacies do not wait for it.
    play(settings, file, stop, lambda events: Thread(target=wait, args=(events,), daemon=True).start(), loaded)
