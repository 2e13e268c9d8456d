"""Counts the answers of the console by their status, so that somebody sees when it turns people away."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from metrics import catalog
from metrics.recorder import Recorder

_OWN = ("/healthz", "/readyz", "/metrics")
"""Asked every second by machines: they would drown what people do."""


class Tallied:
    """Counts every answer but those about the console itself, when it begins: the live feed has no end."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._recorder.add(catalog.CONSOLE_REQUESTS, 1, str(message["status"]))
            await send(message)

        counted = scope["type"] == "http" and scope["path"] not in _OWN
        await self._app(scope, receive, sending if counted else send)
