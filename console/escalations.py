"""The lists of signals and escalations, and the one thing a person does about them here: taking one on."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from console import auth
from console.auth import Caller, Door, Refused, SignedIn
from console.pages import notice
from console.showing import Words
from models.store.board import LARGEST_PAGE, EscalationItem, Shown, SignalItem
from models.store.console import ConsoleStore
from models.store.desk import Over, Standing, Unknown

LONGEST_NOTE = 500
_RESPONSES: dict[int | str, dict[str, object]] = {
    401: {"description": "Nobody is signed in, and no key was given."},
    403: {"description": "The request does not come from a page of the console."},
    404: {"description": "There is no such escalation."},
    409: {"description": "The escalation is over; the detail says why."},
}


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


class Taken(BaseModel):
    """Who takes an escalation on; `person` defaults to who is signed in."""

    person: str | None = None
    note: str = Field("", max_length=LONGEST_NOTE)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has escalation `id` now, which may be somebody who was earlier, and until when (UTC; None: for good)."""

    id: str
    state: str
    acknowledged_by: str
    expires: datetime | None


Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """The lists and `ack`, for programs and for people."""
    routes = APIRouter()

    @routes.get("/api/v1/signals", tags=["signals"], responses={401: _RESPONSES[401]})
    def signals(
        caller: Annotated[Caller, Depends(door.caller)],
        state: Shown = Shown.CURRENT,
        limit: Limit = 100,
        after: str | None = None,
    ) -> Signals:
        """Signals, newest first: by default those open that were told or are newer than 7 days."""
        found = store.signals(state, limit, after)
        return Signals(found.items, found.next)

    @routes.get("/api/v1/escalations", tags=["escalations"], responses={401: _RESPONSES[401]})
    def escalations(
        caller: Annotated[Caller, Depends(door.caller)],
        state: Shown = Shown.CURRENT,
        limit: Limit = 100,
        after: str | None = None,
    ) -> Escalations:
        """Escalations, newest first: by default those that are not resolved."""
        found = store.escalations(state, limit, after)
        return Escalations(found.items, found.next)

    @routes.post("/api/v1/escalations/{escalation}/ack", tags=["escalations"], responses=_RESPONSES)
    def ack(escalation: str, taken: Taken, caller: Annotated[Caller, Depends(door.writer)]) -> Holder:
        """Takes an escalation on. Where somebody else holds it already, he goes on holding it."""
        match store.acknowledge(escalation, _who(store, caller, taken.person), taken.note):
            case Standing(held, state, holder, expires):
                return Holder(held, state, holder, expires)
            case Over(reason):
                raise Refused(HTTPStatus.CONFLICT, reason)
            case Unknown():
                raise Refused(HTTPStatus.NOT_FOUND, "there is no such escalation")

    @routes.post("/escalations/{escalation}/ack", include_in_schema=False)
    def ack_form(escalation: str, request: Request, fields: auth.Form) -> Response:
        who = door.signed_in(request)
        auth.check_word(fields, who)
        person = _who(store, who, fields.get("person") or None)
        return _shown(store.acknowledge(escalation, person, fields.get("note", "")[:LONGEST_NOTE]))

    return routes


def _shown(answer: Standing | Over | Unknown) -> Response:
    match answer:
        case Standing(escalation):
            return RedirectResponse(f"/board#escalation-{escalation}", HTTPStatus.SEE_OTHER)
        case Over(reason):
            return notice(HTTPStatus.CONFLICT, "It is over", f"Nothing to take on: {reason}.")
        case Unknown():
            return notice(HTTPStatus.NOT_FOUND, "Not found", "There is no such escalation.")


def _who(store: ConsoleStore, caller: Caller, named: str | None) -> str:
    """The person who takes it on: who is named, else who is signed in. Raises Refused for nobody, and for a stranger."""
    match caller:
        case SignedIn(_, session):
            person = named or session.person
        case _:
            person = named or ""
    known = [key for key, _ in Words(store.policy()).people()]
    if person not in known:
        wrong = f"there is no person '{person}' in the policy" if person else "say who takes it on (person)"
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{wrong}; it knows: {', '.join(known) or 'nobody'}")
    return person
