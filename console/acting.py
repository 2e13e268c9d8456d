"""What people and programs do about escalations and signals: take on, give back, pass on, end.

Everything here changes something, so all of it is asked for by a page of the console or with a key, by somebody whose
role goes so far, about something at his sites, and for himself unless he may act for others.
"""

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, assert_never

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, Field

from console import auth
from console.auth import Caller, Door, Refused, SignedIn
from console.showing import REASONS, Words
from models.store.answering import Ended, Free, Has, Moved, NotByHand, Over, Standing, Stranger, Unknown
from models.store.console import ConsoleStore
from models.store.rights import Role

LONGEST_NOTE = 500
MOST_SIGNALS = 150
"""At once; the form of a page holds no more."""
NOT_THERE = "There is no such escalation, or none at the sites that you look after."
_NOT_HIS = "only who has it gives it back, or a supervisor; to take it over, pass it on to yourself"
_NO_SIGNAL = "There is no such signal, or none at the sites that you look after."
RESPONSES: dict[int | str, dict[str, object]] = {
    401: {"description": "Nobody is signed in, and no key was given."},
    403: {"description": "The request does not come from a page of the console, or your role does not allow it."},
    404: {"description": "There is no such thing at your sites."},
    409: {"description": "It is over, or cannot be done now; the detail says why."},
}
Result = Standing | Moved | Ended | Free | Stranger | Has | NotByHand | Over | Unknown
_Note = Annotated[str, Field(max_length=LONGEST_NOTE, pattern="^[^\\x00]*$")]
_Id = Annotated[str, Path(max_length=200)]


class Said(BaseModel):
    """Who does it, with a word for whoever reads the story later; `person` defaults to who is signed in."""

    person: str | None = None
    note: _Note = ""


class Passed(Said):
    """To whom; None: to whoever the next step tells."""

    to: str | None = None


class Reasoned(Said):
    """Why it is over, as one of five codes."""

    code: Annotated[str, Field(json_schema_extra={"enum": list(REASONS)})]


class ReasonedMany(Reasoned):
    """Which signals are over, all for one reason."""

    signals: list[str] = Field(min_length=1, max_length=MOST_SIGNALS)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has escalation `id` now, which may be somebody who was earlier, and until when (UTC; None: for good)."""

    id: str
    state: str
    acknowledged_by: str
    expires: datetime | None


@dataclass(frozen=True, slots=True)
class Now:
    """How escalation `id` stands now."""

    id: str
    state: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """What became of one signal. `cleared`: it is over too; else only the telling is. `refused` is why not, else None."""

    id: str
    cleared: bool
    refused: str | None


@dataclass(frozen=True, slots=True)
class Resolutions:
    """One for each signal that was asked for."""

    items: list[Resolution]


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """The POSTs of the JSON interface."""
    routes = APIRouter(prefix="/api/v1", responses=RESPONSES)
    acts = Acts(store)
    writer = Annotated[Caller, Depends(door.writer)]

    @routes.post("/escalations/{escalation}/ack", tags=["escalations"])
    def ack(escalation: _Id, said: Said, caller: writer) -> Holder:
        """Takes an escalation on. Where somebody else holds it already, he goes on holding it."""
        done = _done(acts.acknowledge(caller, escalation, said.person, said.note))
        assert isinstance(done, Standing)
        return Holder(done.escalation, done.state, done.acknowledged_by, done.expires)

    @routes.post("/escalations/{escalation}/release", tags=["escalations"])
    def release(escalation: _Id, said: Said, caller: writer) -> Now:
        """Gives an escalation back: the next page goes out at once."""
        _done(acts.release(caller, escalation, said.person, said.note))
        return _now(store, escalation)

    @routes.post("/escalations/{escalation}/pass-on", tags=["escalations"])
    def pass_on(escalation: _Id, said: Passed, caller: writer) -> Now:
        """Sends an escalation on to the next step, or to a person."""
        _done(acts.pass_on(caller, escalation, said.person, said.to, said.note))
        return _now(store, escalation)

    @routes.post("/escalations/{escalation}/resolve", tags=["escalations"])
    def resolve(escalation: _Id, said: Reasoned, caller: writer) -> Now:
        """Ends the telling; a rule's signal is cleared by it, any other stays on the board until it clears by itself."""
        _done(acts.resolve(caller, escalation, said.person, said.code, said.note))
        return _now(store, escalation)

    @routes.post("/signals/resolve", tags=["signals"])
    def resolve_many(said: ReasonedMany, caller: writer) -> Resolutions:
        """Ends many signals of rules for one reason. Each stands by itself: what one is refused for, its item says."""
        found = acts.resolve_many(caller, said.signals, said.person, said.code, said.note)
        return Resolutions([_resolution(name, one) for name, one in found.items()])

    @routes.post("/signals/{signal}/resolve", tags=["signals"])
    def resolve_signal(signal: _Id, said: Reasoned, caller: writer) -> Resolution:
        """Ends one signal; as `resolve` of its escalation."""
        return _resolution(signal, _done(acts.resolve_signal(caller, signal, said.person, said.code, said.note)))

    return routes


class Acts:
    """What is done, for pages and programs alike, after looking at who asks. Every method raises Refused for who may not,
    for a person whom nobody knows, and for a reason that is none of REASONS."""

    def __init__(self, store: ConsoleStore) -> None:
        self._store = store

    def acknowledge(self, caller: Caller, escalation: str, person: str | None, note: str) -> Result:
        who = self._who(caller, Role.RESPONDER, escalation, person)
        return self._recorded(caller, "acknowledge", escalation, self._store.acknowledge(escalation, who, note))

    def release(self, caller: Caller, escalation: str, person: str | None, note: str) -> Result:
        who = self._who(caller, Role.RESPONDER, escalation, person)
        found = self._store.escalation(escalation, caller.rights)
        if found and found.acknowledged_by not in (None, who) and not caller.rights.include(Role.SUPERVISOR):
            raise Refused(HTTPStatus.FORBIDDEN, _NOT_HIS)
        return self._recorded(caller, "give back", escalation, self._store.release(escalation, who, note))

    def pass_on(self, caller: Caller, escalation: str, person: str | None, to: str | None, note: str) -> Result:
        who = self._who(caller, Role.RESPONDER, escalation, person)
        return self._recorded(caller, "pass on", escalation, self._store.pass_on(escalation, who, to, note))

    def resolve(self, caller: Caller, escalation: str, person: str | None, code: str, note: str) -> Result:
        who = self._who(caller, Role.SUPERVISOR, escalation, person)
        _need_reason(code)
        return self._recorded(caller, "resolve", escalation, self._store.resolve(escalation, who, code, note))

    def resolve_signal(self, caller: Caller, signal: str, person: str | None, code: str, note: str) -> Result:
        auth.need(caller, Role.SUPERVISOR)
        if not self._store.signals_among([signal], caller.rights):
            raise Refused(HTTPStatus.NOT_FOUND, _NO_SIGNAL)
        _need_reason(code)
        done = self._store.resolve_signal(signal, self.person(caller, person), code, note)
        return self._recorded(caller, "resolve", signal, done)

    def resolve_many(
        self, caller: Caller, signals: list[str], person: str | None, code: str, note: str
    ) -> dict[str, Result]:
        auth.need(caller, Role.SUPERVISOR)
        who = self.person(caller, person)
        _need_reason(code)
        there = self._store.signals_among(signals, caller.rights)
        done = self._store.resolve_many(there, who, code, note)
        return {one: self._recorded(caller, "resolve", one, done.get(one, Unknown())) for one in dict.fromkeys(signals)}

    def _recorded(self, caller: Caller, what: str, ref: str, result: Result) -> Result:
        """Whoever is signed in did it, in whose name ever."""
        if refusal(result) is None:
            self._store.record(caller.name, what, ref)
        return result

    def _who(self, caller: Caller, role: Role, escalation: str, named: str | None) -> str:
        auth.need(caller, role)
        if self._store.escalation(escalation, caller.rights) is None:
            raise Refused(HTTPStatus.NOT_FOUND, NOT_THERE)
        return self.person(caller, named)

    def person(self, caller: Caller, named: str | None) -> str:
        """The person who does it: who is named, else who is signed in. A screen that several people use, and a program,
        have to name one; anybody else may name another only as a supervisor."""
        own = caller.session.person if isinstance(caller, SignedIn) else ""
        person = named or own
        known = {*(key for key, _ in Words(self._store.policy()).people()), *([own] if own else [])}
        if person not in known:
            wrong = f"there is no person '{person}' in the policy" if person else "say who it is (person)"
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{wrong}; it knows: {', '.join(sorted(known)) or 'nobody'}")
        if own and person != own:
            auth.need(caller, Role.SUPERVISOR)
        return person


def refusal(result: Result) -> tuple[HTTPStatus, str] | None:
    """Why nothing was done, None where something was."""
    match result:
        case Standing() | Moved() | Ended():
            return None
        case Free():
            return HTTPStatus.CONFLICT, "nobody has it, so there is nothing to give back"
        case Stranger(person):
            return HTTPStatus.UNPROCESSABLE_ENTITY, f"there is no person '{person}' in the policy"
        case Has(person):
            return HTTPStatus.CONFLICT, f"{person} has it already; pass it on to somebody else, or to the next step"
        case NotByHand(reason) | Over(reason):
            return HTTPStatus.CONFLICT, reason
        case Unknown():
            return HTTPStatus.NOT_FOUND, "there is no such thing at the sites that you look after"
        case _:
            assert_never(result)


def _need_reason(code: str) -> None:
    """Raises Refused for a code that is none of REASONS: nobody could count or read it later."""
    if code not in REASONS:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"code: give {', '.join(REASONS)}")


def _done(result: Result) -> Result:
    refused = refusal(result)
    if refused is not None:
        raise Refused(*refused)
    return result


def _now(store: ConsoleStore, escalation: str) -> Now:
    """The state that follows is the dispatcher's to decide; this is the one that stands."""
    found = store.escalation(escalation, auth.KeyHolder().rights)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND, NOT_THERE)
    return Now(found.id, found.state)


def _resolution(signal: str, result: Result) -> Resolution:
    refused = refusal(result)
    return Resolution(signal, isinstance(result, Ended) and result.cleared, refused[1] if refused else None)
