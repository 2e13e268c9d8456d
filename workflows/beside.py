"""A loop of its own for what may stand still: whatever blocks there blocks nobody here.

A library that is asynchronous by its word may still wait for a server inside a plain call, and with it everybody who shares
its loop. What must never wait is kept apart from that by a thread.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

Out = TypeVar("Out")


class Beside:
    """A thread with an event loop, begun with its first work. Both end with the process, whatever is on its way there."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, work: Coroutine[Any, Any, Out]) -> "Future[Out]":
        """Starts the work there and waits for nothing."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            Thread(target=self._loop.run_forever, name=self._name, daemon=True).start()
        return asyncio.run_coroutine_threadsafe(work, self._loop)
