"""One escalation: its story, and what a person does about it here."""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from console import auth
from console.auth import Caller, Door, Refused, SignedIn
from console.listing import labels
from console.pages import notice, page
from console.showing import Words, age
from console.storytelling import sentences
from models.store.console import ConsoleStore
from models.store.desk import Over, Standing, Unknown

LONGEST_NOTE = 500
_NOT_THERE = "There is no such escalation, or none at the sites that you look after."
_RESPONSES: dict[int | str, dict[str, object]] = {
    401: {"description": "Nobody is signed in, and no key was given."},
    403: {"description": "The request does not come from a page of the console, or your role does not allow it."},
    404: {"description": "There is no such escalation."},
    409: {"description": "The escalation is over; the detail says why."},
}


class Taken(BaseModel):
    """Who takes an escalation on; `person` defaults to who is signed in."""

    person: str | None = None
    note: str = Field("", max_length=LONGEST_NOTE, pattern="^[^\\x00]*$")


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has escalation `id` now, which may be somebody who was earlier, and until when (UTC; None: for good)."""

    id: str
    state: str
    acknowledged_by: str
    expires: datetime | None


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/escalations/{id}` and what is done to it."""
    routes = APIRouter()

    @routes.get("/escalations/{escalation}", include_in_schema=False)
    def show(escalation: str, request: Request) -> Response:
        who = door.signed_in(request)
        found = store.story(escalation, who.rights)
        if found is None:
            return notice(HTTPStatus.NOT_FOUND, "Not found", _NOT_THERE)
        words = Words(store.policy())
        return page(
            "escalation.html",
            story=found,
            one=found.escalation,
            words=words,
            history=sentences(found, words),
            since=lambda instant: age(found.now - instant),
            labels=labels(),
            session=who.session,
        )

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
        answer = store.acknowledge(escalation, person, fields.get("note", "")[:LONGEST_NOTE])
        return _shown(answer, fields.get("back") == "story")

    return routes


def _shown(answer: Standing | Over | Unknown, story: bool) -> Response:
    match answer:
        case Standing(escalation):
            back = f"/escalations/{escalation}" if story else f"/board#escalation-{escalation}"
            return RedirectResponse(back, HTTPStatus.SEE_OTHER)
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
