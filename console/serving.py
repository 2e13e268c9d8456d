"""The console on its port: plain on this machine, by TLS beyond it."""

from types import FrameType

import uvicorn
from fastapi import FastAPI

from models.settings import Settings

_LAST_WORDS_SECONDS = 3
"""So long an answer that has begun may take when the console is asked to stop."""


class _Server(uvicorn.Server):
    """Lets those who listen to the live feed go as soon as it is asked to stop: they would hold it."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._feed = app.state.feed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._feed.end()
        super().handle_exit(sig, frame)


def server(app: FastAPI, settings: Settings, port: int) -> uvicorn.Server:
    """The server of the console, not started yet. No access log: the link that signs in stands in an address."""
    config = uvicorn.Config(
        app,
        host=settings.bind,
        port=port,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=_LAST_WORDS_SECONDS,
    )
    return _Server(config, app)


def serve(app: FastAPI, settings: Settings, port: int) -> None:
    """Serves until the process is asked to stop."""
    server(app, settings, port).run()
