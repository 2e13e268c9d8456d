"""The way in and the way out.

A link is shown as a page with a button first: programs that look into mails follow links, but press no buttons, so they
cannot use a link up before its person does.
"""

from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import auth
from console.auth import Door, Refused
from console.pages import notice, page
from console.showing import Words
from models.store.console import ConsoleStore

_OVER = "This link does not sign in: it was used already, or its half hour is over."
HOW = "Ask for a link on the machine that runs RxPulse with: rxpulse console --link"


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/enter` and `/leave`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/enter")
    def ask(link: str = "") -> HTMLResponse:
        if not link:
            return notice(HTTPStatus.OK, "Sign in", HOW)
        if not store.link_holds(link):
            return notice(HTTPStatus.GONE, "Sign in", f"{_OVER} {HOW}")
        return page("enter.html", link=link, people=Words(store.policy()).people())

    @routes.post("/enter")
    def enter(fields: auth.Form) -> Response:
        person = fields.get("person", "")
        if person and person not in dict(Words(store.policy()).people()):
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "there is no such person in the policy")
        opened = store.enter(fields.get("link", ""), person)
        if opened is None:
            auth.log.warning("refused a link")
            return notice(HTTPStatus.GONE, "Sign in", f"{_OVER} {HOW}")
        auth.log.info("signed in: %r", person)
        answer = RedirectResponse("/board", HTTPStatus.SEE_OTHER)
        door.let_in(answer, opened.cookie)
        return answer

    @routes.get("/leave")
    def ask_to_leave(request: Request) -> HTMLResponse:
        return page("leave.html", csrf=door.signed_in(request).session.csrf)

    @routes.post("/leave")
    def leave(request: Request, fields: auth.Form) -> Response:
        who = door.signed_in(request)
        auth.check_word(fields, who)
        store.leave(who.cookie)
        answer = notice(HTTPStatus.OK, "Signed out", f"You are signed out. {HOW}")
        door.let_out(answer)
        return answer

    return routes
