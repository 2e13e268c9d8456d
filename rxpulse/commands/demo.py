"""`rxpulse demo`: a whole pharmacy on this machine, to look at."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

import models
from models.errors import CallerFault
from models.settings import Settings
from rxpulse import status
from rxpulse.output import json_option, print_json, say
from rxpulse.plan import check_policy

POLICY = Path(models.__file__).parent / "defaults" / "demo.toml"


@click.command()
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="Stop after this many seconds of live work.")
@json_option
def demo(seconds: float | None, as_json: bool) -> None:
    """Run everything on this machine with the demo's policy: history first, then a live pharmacy. Ctrl-C stops it.

    With --for, the exit code is 0 when every part was healthy to the end; what it made stays in RXPULSE_HOME. A home in
    which `rxpulse up` keeps a pharmacy's own events is refused.

    \b
    Example: rxpulse demo --for 60 --json
    """
    from rxpulse.home import Purpose
    from rxpulse.stack import run_stack

    settings = Settings.from_env(os.environ)
    check_policy(settings)
    if settings.policy is None and POLICY.is_file():
        settings = replace(settings, policy=POLICY)
    show = _Show(settings, os.environ, seconds)
    run_stack(settings, os.environ, say, play=show.play, purpose=Purpose.DEMO)
    if seconds is None:
        return
    if show.document is None:
        raise CallerFault(f"the demo was stopped before its {seconds:g} s were over")
    if as_json:
        print_json(show.document)
    if not show.healthy:
        raise CallerFault("not every part was healthy to the end: the logs say why, see RXPULSE_HOME/logs")


@dataclass(slots=True)
class _Show:
    """One demo: what was asked for, and what came of it."""

    settings: Settings
    environ: Mapping[str, str]
    seconds: float | None
    document: dict[str, Any] | None = None
    healthy: bool = False

    async def play(self, stack: Any) -> None:
        from rxpulse import demo as script

        playing = asyncio.create_task(script.play(stack.settings, stack))
        if self.seconds is None:
            await playing
            return
        try:
            await self._first_of(playing, stack.loaded.wait())
            restarts = stack.restarts
            await self._first_of(playing, asyncio.sleep(self.seconds))
            self.document = await status.gather(self.settings, self.environ)
            self.healthy = self.document["healthy"] and stack.healthy and stack.restarts == restarts
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    async def _first_of(self, playing: "asyncio.Task[None]", awaited: Any) -> None:
        """Waits for `awaited`; a play that fails meanwhile raises its own error."""
        other = asyncio.ensure_future(awaited)
        await asyncio.wait({playing, other}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            other.cancel()
            playing.result()
            raise CallerFault("the demo's play ended before its time")
