"""The lists of signals and of escalations, as pages and as JSON: what is asked for stands in the address, so that a list
can be kept, sent to somebody, and gone back to."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse

from console.ageing import page_age
from console.auth import Caller, Door
from console.choosing import priority_control
from console.offering import offered
from console.pages import page
from console.showing import CHANNELS, DELIVERED, KINDS, MESSAGES, REASONS, SEVERITIES, STATES, TOLD, Words, age
from models.store.console import ConsoleStore
from models.store.items import EscalationItem, SignalItem
from models.store.lists import LARGEST_PAGE, Asked, Shown
from models.store.queues import Cases
from models.store.rights import Rights
from models.store.stories import Message

_ROWS = 50
"""On one page for people; it stays below 150 kB."""
_CHOICES = ("site", "kind", "severity", "priority", "name", "case", "state")
UNAUTHORIZED: dict[int | str, dict[str, object]] = {401: {"description": "Nobody is signed in, and no key was given."}}


@dataclass(frozen=True, slots=True)
class Signals:
    """A page of signals; `next` is what to give as `after` for the page behind it."""

    items: tuple[SignalItem, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Escalations:
    """A page of escalations; `next` is what to give as `after` for the page behind it."""

    items: tuple[EscalationItem, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """What a list is asked for, as it stands in the address. An empty value, as forms send it, asks for all."""

    state: Shown
    site: tuple[str, ...]
    kind: tuple[str, ...]
    severity: tuple[str, ...]
    priority: tuple[str, ...]
    name: str
    case: str

    def asked(self, rights: Rights) -> Asked:
        """The question to the store."""
        of = Cases(priorities=self.priority)
        return Asked(self.state, self.site, self.kind, self.severity, self.name, self.case, rights, of)


def choice(
    state: Shown = Shown.CURRENT,
    site: Annotated[list[str] | None, Query()] = None,
    kind: Annotated[list[str] | None, Query()] = None,
    severity: Annotated[list[str] | None, Query()] = None,
    priority: Annotated[list[str] | None, Query()] = None,
    name: str = "",
    case: str = "",
) -> Choice:
    """Reads what is asked for."""
    told = (_given(one) for one in (site, kind, severity, priority))
    return Choice(state, *told, name=name.strip(), case=case.strip())


Chosen = Annotated[Choice, Depends(choice)]
Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/signals` and `/escalations`, for programs and for people."""
    routes = APIRouter()

    @routes.get("/api/v1/signals", tags=["signals"], responses=UNAUTHORIZED)
    def signals(
        caller: Annotated[Caller, Depends(door.caller)], chosen: Chosen, limit: Limit = 100, after: str | None = None
    ) -> Signals:
        """Signals, newest first: by default those open that were told or are newer than 7 days. `site`, `kind`,
        `severity` and `priority` may be repeated; `priority` is that of the case, other: those that the list does not
        know, and none. What is about no single case has every priority."""
        found = store.signals(chosen.asked(caller.rights), limit, after)
        return Signals(found.items, found.next)

    @routes.get("/api/v1/escalations", tags=["escalations"], responses=UNAUTHORIZED)
    def escalations(
        caller: Annotated[Caller, Depends(door.caller)], chosen: Chosen, limit: Limit = 100, after: str | None = None
    ) -> Escalations:
        """Escalations, newest first: by default those that are not resolved. Choices as of `/signals`."""
        found = store.escalations(chosen.asked(caller.rights), limit, after)
        return Escalations(found.items, found.next)

    @routes.get("/signals", include_in_schema=False)
    def show_signals(request: Request, chosen: Chosen, after: str | None = None) -> HTMLResponse:
        who = door.signed_in(request)
        found = store.signals(chosen.asked(who.rights), _ROWS, after)
        told = _listed(store, who.rights, chosen, "/signals", found.next)
        words = Words(store.policy())
        may, how_old = offered(who, words), page_age(store, words, "this list")
        return page(
            "signals.html", items=found.items, may=may, reasons=REASONS, how_old=how_old, **told, session=who.session
        )

    @routes.get("/escalations", include_in_schema=False)
    def show_escalations(request: Request, chosen: Chosen, after: str | None = None) -> HTMLResponse:
        who = door.signed_in(request)
        found = store.escalations(chosen.asked(who.rights), _ROWS, after)
        sent = _by_escalation(store.messages([one.id for one in found.items]))
        told = _listed(store, who.rights, chosen, "/escalations", found.next)
        return page("escalations.html", items=found.items, sent=sent, **told, session=who.session)

    return routes


def labels() -> dict[str, dict[str, str]]:
    """The words for the codes that lists hold."""
    return {
        "severities": SEVERITIES,
        "kinds": KINDS,
        "states": STATES,
        "told": TOLD,
        "delivered": DELIVERED,
        "channels": CHANNELS,
        "messages": MESSAGES,
        "reasons": REASONS,
    }


def _listed(store: ConsoleStore, rights: Rights, chosen: Choice, path: str, after: str | None) -> dict[str, object]:
    """What the templates of both lists show."""
    words, now = Words(store.policy()), store.now()
    pairs = [(name, one) for name in _CHOICES for one in _values(chosen, name)]
    return {
        "words": words,
        "labels": labels(),
        "chosen": chosen,
        "sites": [(key, name) for key, name in words.sites() if rights.at(key)],
        "priority": priority_control(chosen.priority),
        "since": lambda instant: age(now - instant),
        "path": path,
        "further": f"{path}?{urlencode([*pairs, ('after', after)])}" if after else None,
    }


def _values(chosen: Choice, name: str) -> tuple[str, ...]:
    value = getattr(chosen, name)
    return value if isinstance(value, tuple) else (str(value),) if value else ()


def _by_escalation(messages: list[Message]) -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = defaultdict(list)
    for one in messages:
        found[one.escalation].append(one)
    return found


def _given(values: list[str] | None) -> tuple[str, ...]:
    return tuple(one for one in values or () if one)
