"""Pseudonyms in the events of feeds that send their own numbers, where the policy asks for it."""

from typing import cast

from msgspec import structs

from models.event import CaseId, Event, Links
from models.event_types import KINDS
from models.pseudonym import actor, pseudonym

__all__ = ["actor", "pseudonym", "pseudonymised"]


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
    return structs.replace(event, subject=CaseId(_linked(key, "", event.subject)), data=data)


def _linked(key: str, name: str, text: str) -> str:
    kind, slash, number = text.partition("/")
    return f"{kind}/{pseudonym(key, kind, number)}" if slash and kind in KINDS else pseudonym(key, name, text)
