"""Keyed pseudonyms: the same number of a person or order gives the same code under one key, and nobody without the key can
tell which number it was. Losing the key means that new events no longer join old cases."""

import hmac
from dataclasses import replace
from hashlib import sha256
from typing import cast

from models.event import CaseId, Event, Links
from models.event_types import KINDS

ACTOR_DIGITS = 16


def pseudonym(key: str, kind: str, number: str, length: int = 24) -> str:
    """`length` hexadecimal digits of HMAC-SHA256 over the kind and the number; kinds never collide."""
    return hmac.new(key.encode(), f"{kind}\x1f{number}".encode(), sha256).hexdigest()[:length]


def actor(key: str, number: str) -> str:
    """The pseudonym of somebody who works in the pharmacy."""
    return "a_" + pseudonym(key, "actor", number, ACTOR_DIGITS)


def pseudonymised(event: Event, key: str) -> Event:
    """The event with pseudonyms in place of its sender's own numbers: of the case, of people, and of linked things. A
    link that names its kind (`fill/17`) keeps it, so that it still meets the subject of that case."""
    data = event.data.copy()
    if "actor" in data:
        data["actor"] = actor(key, data["actor"])
    if "witness" in data:
        data["witness"] = actor(key, data["witness"])
    if "links" in data:
        links = {name: _linked(key, name, str(text)) for name, text in data["links"].items()}
        data["links"] = cast("Links", links)
    return replace(event, subject=CaseId(_linked(key, "", event.subject)), data=data)


def _linked(key: str, name: str, text: str) -> str:
    kind, slash, number = text.partition("/")
    return f"{kind}/{pseudonym(key, kind, number)}" if slash and kind in KINDS else pseudonym(key, name, text)
