"""The channels that are set up, made from the policy as it now stands.

People and channels hold at once, in running escalations too: whoever changes the mail server in the policy need not
start anything again. A channel that cannot be set up refuses with the reason, so that the next step comes at once and
everybody can read why.
"""

import base64
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.errors import CallerFault
from models.policy import Channel, ChannelSettings, Person
from workflows.notify.answer import Answer, Notifier, Refused
from workflows.notify.inbox import Inbox
from workflows.notify.mail import Email, Login
from workflows.notify.webhook import Webhook

log = logging.getLogger("rxpulse.dispatcher")


class Unusable:
    """A channel that cannot be set up, and why."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def send(self, person: Person, key: str, message: dict[str, Any]) -> Answer:
        return Refused(self._why)


class Channels:
    """`home` holds the secrets; `allow_private` lets webhooks go anywhere, `login` signs in to the mail server, whatever
    the policy says."""

    def __init__(self, home: Path, *, allow_private: bool, login: Login | None = None) -> None:
        self._home = home
        self._login = login
        self._allow_private = allow_private
        self._made: tuple[ChannelSettings, Mapping[Channel, Notifier]] | None = None

    def __call__(self, wanted: ChannelSettings) -> Mapping[Channel, Notifier]:
        """The notifiers by channel. A channel that is not there is not set up."""
        if self._made is None or self._made[0] != wanted:
            self._made = wanted, self._make(wanted)
        return self._made[1]

    def _make(self, wanted: ChannelSettings) -> Mapping[Channel, Notifier]:
        made: dict[Channel, Notifier] = {Channel.INBOX: Inbox(), Channel.WEBHOOK: self._webhook(wanted)}
        if wanted.smtp is not None:
            made[Channel.EMAIL] = Email(wanted.smtp, wanted.email_from or "rxpulse@localhost", self._mail_login(wanted))
        return made

    def _mail_login(self, wanted: ChannelSettings) -> Login | None:
        if self._login is not None or wanted.smtp_user is None or wanted.smtp_password_file is None:
            return self._login
        return Login(wanted.smtp_user, self._home / wanted.smtp_password_file)

    def _webhook(self, wanted: ChannelSettings) -> Notifier:
        try:
            secret = webhook_secret(self._home / (wanted.webhook_secret_file or "webhook.secret"))
        except CallerFault as fault:
            log.error("webhooks cannot be sent: %s", fault)
            return Unusable(str(fault))
        return Webhook(secret, allow_private=wanted.allow_private or self._allow_private)


def webhook_secret(file: Path) -> str:
    """The secret that signs webhooks, made on first use. Raises CallerFault for a file that cannot be used."""
    try:
        _ensure(file)
        secret = file.read_text("ascii").strip()
        base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (OSError, ValueError) as fault:
        raise CallerFault(f"{file} cannot be used ({fault}): it must hold whsec_ and base64, or be removed") from fault
    if not secret:
        raise CallerFault(f"{file} is empty: put its copy back, or remove it for a new secret")
    return secret


def _ensure(file: Path) -> None:
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    try:
        with open(file, "x", opener=_private) as made:
            made.write(fresh + "\n")
    except FileExistsError:
        # Another dispatcher was faster.
        return


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
