"""The link in a page by which a person takes over an escalation without signing in.

The link itself says which escalation and which person it is for and until when it holds; a signature that only this
installation can make keeps all of it from being changed. It is a key for one door: whoever holds it can acknowledge
that one escalation as that one person, and nothing else. That it works only once is kept by who accepts it: the nonce
is what he remembers.

The signature is HMAC-SHA256 (RFC 2104), over the payload and a label, so that it is worth nothing for anything else
signed with the same secret.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

SMALLEST_SECRET = 16
"""Bytes. A shorter secret could be guessed."""

_LABEL = b"rxpulse acknowledge link 1\n"
_SIGNATURE = 43
"""Characters; a shorter one was cut off on its way, as mail programs do."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What a link stands for. It holds before `expires` (UTC, whole seconds); `nonce` tells apart two links to the same
    person and is what can be used once."""

    escalation: str
    person: str
    nonce: str
    expires: datetime


class LinkFault(StrEnum):
    """Why a link opens nothing: it is no link of ours, its signature is not ours, its time is over."""

    MALFORMED = "malformed"
    FORGED = "forged"
    EXPIRED = "expired"


def sign(secret: bytes, *, escalation: str, person: str, nonce: str, expires: datetime) -> str:
    """The token that stands in the link, of letters, digits, `-`, `_` and one `.`. `expires` is an aware time; parts of
    a second are cut. Raises ValueError for a secret shorter than `SMALLEST_SECRET` bytes and for a time without
    offset."""
    if expires.tzinfo is None:
        raise ValueError("a link's end needs a time with offset")
    until = (expires - _EPOCH) // _SECOND
    payload = _encode(json.dumps([escalation, person, nonce, until], separators=(",", ":")).encode())
    return f"{payload}.{_signature(secret, payload)}"


def read(secret: bytes, token: str, now: datetime) -> Link | LinkFault:
    """The link that a token stands for, or why it opens nothing. `now` is an aware time. What is forged is not looked
    into; of what is expired, nothing is given out. Raises ValueError for a secret that is too short."""
    payload, dot, signature = token.partition(".")
    if not (payload and dot) or len(signature) < _SIGNATURE or not token.isascii():
        return LinkFault.MALFORMED
    if not hmac.compare_digest(signature, _signature(secret, payload)):
        return LinkFault.FORGED
    link = _decode(payload)
    if isinstance(link, Link) and link.expires <= now:
        return LinkFault.EXPIRED
    return link


def _signature(secret: bytes, payload: str) -> str:
    if len(secret) < SMALLEST_SECRET:
        raise ValueError(f"the secret that signs links has {len(secret)} bytes: give it at least {SMALLEST_SECRET}")
    return _encode(hmac.digest(secret, _LABEL + payload.encode(), sha256))


def _encode(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(payload: str) -> Link | LinkFault:
    try:
        fields = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (NotBase64, ValueError):
        return LinkFault.MALFORMED
    match fields:
        case [str() as escalation, str() as person, str() as nonce, int() as until]:
            expires = _EPOCH + until * _SECOND
            return Link(escalation=escalation, person=person, nonce=nonce, expires=expires)
        case _:
            return LinkFault.MALFORMED
