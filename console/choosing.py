"""What a board is narrowed to: sites, kinds, priorities and stages, as they stand in the address, so that the board of
one desk can be kept as a bookmark and stays what it is while it updates itself."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Query

from console.showing import PRIORITIES, Words
from models.store.queues import OTHER, Cases
from models.store.rights import Rights

STAGES = ("benefits", "entry", "claim", "verify", "fill", "prepare", "check", "ready", "deliver", "ship", "administer")
"""In the order in which work passes them."""
WORK = ("order", "dose", "vend", "fill")
"""The kinds of cases that have a road."""
_NAMES = ("site", "kind", "priority", "stage")


@dataclass(frozen=True, slots=True)
class BoardChoice:
    """An empty tuple asks for all."""

    site: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()

    def cases(self) -> Cases:
        """The question to the store."""
        return Cases(self.kind, self.priority, self.stage)

    def query(self) -> str:
        """As it stands in the address, empty for all."""
        return urlencode([(name, one) for name in _NAMES for one in getattr(self, name)])


@dataclass(frozen=True, slots=True)
class Control:
    """One choice of the form: its name in the address, what it is called, and (key, words) of what can be chosen; `chosen`
    are the keys that are, `everything` is what choosing none is called."""

    name: str
    label: str
    everything: str
    options: tuple[tuple[str, str], ...]
    chosen: tuple[str, ...]


def choice(
    site: Annotated[list[str] | None, Query()] = None,
    kind: Annotated[list[str] | None, Query()] = None,
    priority: Annotated[list[str] | None, Query()] = None,
    stage: Annotated[list[str] | None, Query()] = None,
) -> BoardChoice:
    """Reads what is asked for. An empty value, as forms send it, asks for all."""
    return BoardChoice(_given(site), _given(kind), _given(priority), _given(stage))


Chosen = Annotated[BoardChoice, Depends(choice)]


def again(query: str) -> str:
    """A query of the board, as a form of it sent it back: what is no choice of the board is left out."""
    return urlencode([(name, value) for name, value in parse_qsl(query) if name in _NAMES])


def controls(chosen: BoardChoice, words: Words, rights: Rights) -> tuple[Control, ...]:
    """What the board can be narrowed to by who has these rights."""
    sites = tuple(one for one in words.sites() if rights.at(one[0]))
    return (
        _control("site", "Site", "all sites", sites, chosen.site),
        _control("kind", "Work", "all work", tuple((one, one) for one in WORK), chosen.kind),
        priority_control(chosen.priority),
        _control("stage", "Waits for", "any stage", tuple((one, one) for one in STAGES), chosen.stage),
    )


def priority_control(chosen: tuple[str, ...]) -> Control:
    """The choice of priorities; `chosen` are their keys as they stand in the address."""
    return _control("priority", "Priority", "any priority", (*PRIORITIES.items(), (OTHER, "Other")), chosen)


def _control(
    name: str, label: str, everything: str, options: tuple[tuple[str, str], ...], chosen: tuple[str, ...]
) -> Control:
    """What is chosen can be seen even where it is not among the usual."""
    unusual = tuple((one, one) for one in chosen if one not in dict(options))
    return Control(name, label, everything, (*options, *unusual), chosen)


def in_words(shown: tuple[Control, ...]) -> str:
    """What the board is narrowed to, empty for nothing."""
    named = (dict(one.options)[key] for one in shown for key in one.chosen)
    return ", ".join(named)


def _given(values: list[str] | None) -> tuple[str, ...]:
    return tuple(one for one in values or () if one)
