"""What the demo shows once the stack is healthy."""

import asyncio

from models.settings import Settings
from rxpulse.output import say
from rxpulse.stack import Stack


async def play(settings: Settings, stack: Stack) -> None:
    """Says where to look, marks the history as loaded, and goes on until it is cancelled. `settings` are complete."""
    for part in ("console", "intake", "prefect"):
        if part in stack.supervisor.lives:
            say(f"  {part:<10} {stack.url(part)}")
    if link := await asyncio.to_thread(first_link, settings):
        say(f"  sign in    {link}  (once)")
    stack.loaded.set()
    await asyncio.Event().wait()


def first_link(settings: Settings) -> str | None:
    """A link to the console that signs in once; None where the store of this installation makes none. Blocks."""
    from models import store

    mint = getattr(store, "mint_first_link", None)
    return mint(settings.required_database_url(), settings.public_url) if mint else None
