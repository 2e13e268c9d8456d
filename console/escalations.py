"""One escalation: its story, and what a person does about it here."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from console import auth
from console.acting import LONGEST_NOTE, NOT_THERE, Acts, Result, refusal
from console.auth import Door, SignedIn
from console.choosing import again
from console.listing import labels
from console.offering import offered
from console.pages import notice, page
from console.showing import REASONS, Words, age
from console.storytelling import sentences
from models.store.answering import Standing
from models.store.console import ConsoleStore

_Act = Callable[[SignedIn, str, dict[str, str]], Result]


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/escalations/{id}` and the forms on it."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/escalations/{escalation}")
    def show(escalation: str, request: Request) -> Response:
        who = door.signed_in(request)
        found = store.story(escalation, who.rights)
        if found is None:
            return notice(HTTPStatus.NOT_FOUND, "Not found", NOT_THERE)
        words = Words(store.policy())
        return page(
            "escalation.html",
            story=found,
            one=found.escalation,
            words=words,
            history=sentences(found, words),
            since=lambda instant: age(found.now - instant),
            labels=labels(),
            may=offered(who, words),
            reasons=REASONS,
            session=who.session,
        )

    for name, act in _acts(Acts(store)).items():
        routes.post(f"/escalations/{{escalation}}/{name}")(_form(store, door, act))

    @routes.post("/signals/resolve")
    def resolve_many(request: Request, fields: auth.Form) -> Response:
        who = door.signed_in(request)
        auth.check_word(fields, who)
        chosen = [one for one in fields.get("signal", "").split("\n") if one]
        if not chosen:
            return notice(
                HTTPStatus.UNPROCESSABLE_ENTITY, "Nothing chosen", "Tick what is over, then press the button."
            )
        done = Acts(store).resolve_many(who, chosen, _person(fields), fields.get("code", ""), _note(fields))
        refused = [found[1] for one in done.values() if (found := refusal(one))]
        if refused:
            text = f"{len(done) - len(refused)} of {len(done)} are over. The others: {'; '.join(sorted(set(refused)))}."
            return notice(HTTPStatus.CONFLICT, "Not all are over", text)
        return RedirectResponse("/signals?kind=rule", HTTPStatus.SEE_OTHER)

    return routes


def _acts(acts: Acts) -> dict[str, _Act]:
    return {
        "ack": lambda who, ref, said: acts.acknowledge(who, ref, _person(said), _note(said)),
        "release": lambda who, ref, said: acts.release(who, ref, _person(said), _note(said)),
        "pass-on": lambda who, ref, said: acts.pass_on(who, ref, _person(said), said.get("to") or None, _note(said)),
        "resolve": lambda who, ref, said: acts.resolve(who, ref, _person(said), said.get("code", ""), _note(said)),
    }


def _form(store: ConsoleStore, door: Door, act: _Act) -> Callable[..., Response]:
    """The route of one form: whoever sent it is led back to where he was."""

    def sent(escalation: str, request: Request, fields: auth.Form) -> Response:
        who = door.signed_in(request)
        auth.check_word(fields, who)
        done = act(who, escalation, fields)
        refused = refusal(done)
        if refused is not None:
            return notice(refused[0], "It did not work", f"Nothing was done: {refused[1]}.")
        if isinstance(done, Standing) and done.acknowledged_by != done.person:
            return _held_by_another(done, Words(store.policy()))
        story = fields.get("back") == "story"
        query = again(fields.get("query", ""))
        board = f"/board{'?' if query else ''}{query}#escalation-{escalation}"
        back = f"/escalations/{escalation}" if story else board
        return RedirectResponse(back, HTTPStatus.SEE_OTHER)

    return sent


def _held_by_another(done: Standing, words: Words) -> Response:
    """An acknowledgement while somebody else has it takes nothing over, and whoever gave it must not believe it did."""
    holder = words.person(done.acknowledged_by)
    text = (
        f"{holder} keeps it; that {words.person(done.person)} acknowledged it too is written down. To take it over, pass"
        " it on to yourself, on the page of the escalation."
    )
    return notice(HTTPStatus.OK, f"{holder} has it already", text)


def _person(fields: dict[str, str]) -> str | None:
    return fields.get("person") or None


def _note(fields: dict[str, str]) -> str:
    return fields.get("note", "")[:LONGEST_NOTE]
