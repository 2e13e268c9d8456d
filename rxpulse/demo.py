"""What the demo shows once the stack is healthy: nine weeks of history, then a hospital and three stores at work."""

import asyncio
import contextlib
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event as Flag

from models.errors import CallerFault
from models.settings import Settings
from rxpulse.output import say
from rxpulse.stack import Stack

_LOOK_EVERY = 0.5


async def play(settings: Settings, stack: Stack) -> None:
    """Says where to look, plays the pharmacies, marks the history as loaded, and goes on until it is cancelled.
    `settings` are complete. Raises CallerFault where the events of somebody else lie in the topic already."""
    file = settings.home / "demo.json"
    await asyncio.to_thread(check_topic, settings, file)
    for part in ("console", "intake", "prefect", "prometheus"):
        if part in stack.supervisor.lives:
            say(f"  {part:<10} {stack.url(part)}")
    say(f"  sign in    {await asyncio.to_thread(first_link, settings)}  (once)")
    stop, loaded, sent = Flag(), Flag(), asyncio.get_running_loop().create_future()
    playing = asyncio.create_task(asyncio.to_thread(_perform, settings, file, stop, _told(sent), loaded))
    loading = asyncio.create_task(_load(settings, stack, sent, stop, loaded))
    try:
        await playing
    finally:
        # The thread ends by itself; to cancel the task would only forget it.
        stop.set()
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(playing, loading, return_exceptions=True)


def first_link(settings: Settings) -> str:
    """A link to the console that signs in once. Blocks."""
    from models.store import mint_first_link

    return mint_first_link(settings.required_database_url(), settings.public_url)


def check_topic(settings: Settings, file: Path) -> None:
    """A broker of one's own outlives homes: a demo that is new (nothing is in `file`) begins on an empty topic only.
    Blocks. Raises CallerFault."""
    from streams.lag import ends

    if file.exists():
        return
    if held := sum(ends(settings).values()):
        raise CallerFault(
            f"{held} events lie in Kafka at {settings.required_kafka()} that no demo of this home sent, and invented"
            " ones must not mix with them: unset RXPULSE_KAFKA, or give a broker for the demo alone"
        )


def _perform(settings: Settings, file: Path, stop: Flag, caught_up: Callable[[int], None], loaded: Flag) -> None:
    from streams.demonstration import perform

    perform(settings, file, stop, caught_up, loaded)


def _told(sent: "asyncio.Future[int]") -> Callable[[int], None]:
    loop = asyncio.get_running_loop()

    def tell(events: int) -> None:
        loop.call_soon_threadsafe(lambda: sent.done() or sent.set_result(events))

    return tell


async def _load(settings: Settings, stack: Stack, sent: "asyncio.Future[int]", stop: Flag, loaded: Flag) -> None:
    """Marks the history as loaded once the worker has applied everything that was sent of it, and says what to try."""
    began = asyncio.get_running_loop().time()
    say("  the history loads; the board shows how far")
    events = await sent
    if not await asyncio.to_thread(applied, settings, stop):
        return
    seconds = asyncio.get_running_loop().time() - began
    say(f"  history    {events} events loaded in {seconds:.0f} s; from here on it is live")
    for line in invitation(stack.url("console"), stack.supervisor.lives["worker"].pid, _command(os.environ, settings)):
        say(line)
    loaded.set()
    stack.loaded.set()


def invitation(console: str, worker: int | None, command: str) -> list[str]:
    """Five lines: what to try while it runs. `command` is what a person types for `rxpulse` in another terminal."""
    return [
        "Now, while it runs:",
        f"  1 answer  a STAT order at Mercy is late; its page is in the inbox: say who you are, press Acknowledge  {console}/",
        f"  2 watch   overlooked orders are found and their signals clear; Elm Street's data entry slips  {console}/signals",
        f"  3 read    the report of last week, and charts that do not cry wolf  {console}/reports",
        f"  4 break   kill -9 {worker}  (the worker; it comes back), then  {command} verify  finds 0 differences",
        f"  5 ask     {command} policy explain stat-verified  says why ten minutes; more: docs/getting-started.md",
    ]


def _command(environ: Mapping[str, str], settings: Settings) -> str:
    """What a person types: the program as this one was called, in this home."""
    program = os.path.relpath(sys.argv[0]) if os.sep in sys.argv[0] else sys.argv[0]
    return f"RXPULSE_HOME={shlex.quote(str(settings.home))} {program}" if "RXPULSE_HOME" in environ else program


def applied(settings: Settings, stop: Flag) -> bool:
    """Waits until the worker has applied what lies in the topic now; False where it was stopped before. Blocks."""
    from models.store.figures import figures
    from streams.lag import ends

    wanted = ends(settings)
    while not stop.wait(_LOOK_EVERY):
        found = figures(str(settings.required_database_url()))
        positions = {} if found is None else found.positions
        if all(positions.get(partition, 0) >= end for partition, end in wanted.items()):
            return True
    return False
