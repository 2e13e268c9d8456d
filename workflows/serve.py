"""Puts the dispatcher together from the settings, and runs it until it is asked to stop."""

import asyncio
import base64
import logging
import os
import secrets
import signal
from pathlib import Path

from metrics.exporter import PrometheusRecorder, RoleServer
from models.errors import CallerFault
from models.policy import Channel, ChannelSettings
from models.settings import Settings
from models.store.messages import Voice
from models.store.policies import read_policies
from models.store.pool import Pool
from workflows.dispatcher import Dispatcher
from workflows.notify.answer import Notifier
from workflows.notify.inbox import Inbox
from workflows.notify.webhook import Webhook

CONNECTIONS = 4
"""Of the database, the one that listens not counted."""


async def dispatch(settings: Settings) -> None:
    """The dispatcher's life: until SIGTERM or SIGINT."""
    url = str(settings.required_database_url())
    pool = await asyncio.to_thread(Pool, url, "rxpulse dispatcher", CONNECTIONS)
    recorder = PrometheusRecorder("dispatcher")
    notifiers = await asyncio.to_thread(_notifiers, settings, pool)
    voice = Voice(settings.public_url or "http://127.0.0.1:7400")
    dispatcher = Dispatcher(pool, url, notifiers, voice, recorder, settings.prefect_url)
    server = RoleServer(settings.bind, settings.required_port(), recorder, dispatcher.missing, settings.api_key)
    server.start()
    work = asyncio.create_task(dispatcher.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    try:
        await work
    except asyncio.CancelledError:
        logging.getLogger("rxpulse.dispatcher").info("stopped")
    finally:
        server.close()
        pool.close()


def _notifiers(settings: Settings, pool: Pool) -> dict[Channel, Notifier]:
    with pool.connection() as connection:
        policies = read_policies(connection, None)
    channels = ChannelSettings() if policies is None else policies.latest.channels
    secret = webhook_secret(settings.home / (channels.webhook_secret_file or "webhook.secret"))
    allow = channels.allow_private or settings.allow_private_webhooks
    return {Channel.INBOX: Inbox(), Channel.WEBHOOK: Webhook(secret, allow_private=allow)}


def webhook_secret(file: Path) -> str:
    """The secret that signs webhooks, made on first use. Raises CallerFault for a file that cannot be used."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
        try:
            with open(file, "x", opener=_private) as made:
                made.write(fresh + "\n")
        except FileExistsError:
            # Another dispatcher was faster.
            pass
    try:
        secret = file.read_text("ascii").strip()
        base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (OSError, ValueError) as fault:
        raise CallerFault(f"{file} cannot be used ({fault}): it must hold whsec_ and base64, or be removed") from fault
    if not secret:
        raise CallerFault(f"{file} is empty: put its copy back, or remove it for a new secret")
    return secret


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
