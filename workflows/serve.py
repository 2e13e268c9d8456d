"""Puts the dispatcher together from the settings, and runs it until it is asked to stop."""

import asyncio
import logging
import signal

from metrics.exporter import PrometheusRecorder, RoleServer
from models.settings import Settings
from models.store.messages import Voice
from models.store.pool import Pool
from workflows.dispatcher import Dispatcher
from workflows.notify.channels import Channels
from workflows.notify.mail import Login
from workflows.vigil import keep_showing

CONNECTIONS = 4
"""Of the database, the one that listens not counted."""


async def dispatch(settings: Settings) -> None:
    """The dispatcher's life: until SIGTERM or SIGINT."""
    url = str(settings.required_database_url())
    pool = await asyncio.to_thread(Pool, url, "rxpulse dispatcher", CONNECTIONS)
    recorder = PrometheusRecorder("dispatcher")
    login = Login(settings.smtp_user, settings.smtp_password) if settings.smtp_user and settings.smtp_password else None
    channels = Channels(settings.home, allow_private=settings.allow_private_webhooks, login=login)
    voice = Voice(settings.public_url or "http://127.0.0.1:7400")
    dispatcher = Dispatcher(pool, url, channels, voice, recorder, settings.prefect_url)
    server = RoleServer(settings.bind, settings.required_port(), recorder, dispatcher.missing, settings.api_key)
    server.start()
    work, showing = asyncio.create_task(dispatcher.run()), asyncio.create_task(keep_showing(pool, recorder))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        logging.getLogger("rxpulse.dispatcher").info("stopped")
    finally:
        showing.cancel()
        server.close()
        pool.close()
