"""The way in and the way out.

A link is shown as a page with a button first: programs that look into mails follow links, but press no buttons, so they
cannot use a link up before its person does.
"""

import re
from http import HTTPStatus
from threading import BoundedSemaphore

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import auth
from console.auth import Door, Refused
from console.pages import notice, page
from console.showing import Words, age
from models.store.access import Opened
from models.store.accounts import Closed, Wrong
from models.store.console import ConsoleStore

_OVER = "This link does not sign in: it was used already, or its half hour is over."
HOW = "Without an account, ask for a link on the machine that runs RxPulse with: rxpulse console --link"
_AT_ONCE = BoundedSemaphore(2)
_PATIENCE_SECONDS = 5.0
_LONGEST_NAME = 64
_NAME = r"[A-Za-z0-9_.-]{1,64}"
_NOBODY = "there is no such person in the policy"
_NO_NAME = "that is no short name: give 1 to 64 letters, digits, . _ -"


def sign_in_page(status: HTTPStatus, wrong: str = "") -> HTMLResponse:
    """The page that asks for name and password; `wrong` says what did not work."""
    return page("signin.html", status, wrong=wrong, how=HOW)


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/enter` and `/leave`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/enter")
    def ask(link: str = "") -> HTMLResponse:
        if not link:
            return sign_in_page(HTTPStatus.OK)
        if not store.link_holds(link):
            return notice(HTTPStatus.GONE, "Sign in", f"{_OVER} {HOW}")
        return page("enter.html", link=link, people=Words(store.policy()).people())

    @routes.post("/enter")
    def enter(fields: auth.Form) -> Response:
        return _by_link(fields) if "link" in fields else _by_password(fields)

    def _by_link(fields: dict[str, str]) -> Response:
        person = fields.get("person", "").strip()
        known = dict(Words(store.policy()).people())
        # Before the policy names anybody, whoever holds the machine's link says who he is: he becomes the first admin.
        if person and (person not in known if known else not re.fullmatch(_NAME, person)):
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _NOBODY if known else _NO_NAME)
        opened = store.enter(fields.get("link", ""), person)
        if opened is None:
            auth.log.warning("refused a link")
            return notice(HTTPStatus.GONE, "Sign in", f"{_OVER} {HOW}")
        store.record(person or "screen of several people", "sign-in by link")
        return _welcome(opened)

    def _by_password(fields: dict[str, str]) -> Response:
        name = fields.get("name", "").strip()
        match _checked(name, fields.get("password", "")):
            case Opened() as opened:
                return _welcome(opened)
            case Closed(after):
                answer = sign_in_page(
                    HTTPStatus.TOO_MANY_REQUESTS, f"Too many wrong passwords: try again in {age(after)}."
                )
                answer.headers["retry-after"] = str(max(int(after.total_seconds()), 1))
                return answer
            case _:
                return sign_in_page(HTTPStatus.UNAUTHORIZED, "That is not right: name or password.")

    def _checked(name: str, password: str) -> Opened | Wrong | Closed:
        # A password costs memory and time: many at once would take both from everybody.
        if not _AT_ONCE.acquire(timeout=_PATIENCE_SECONDS):
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "many sign in just now: try again in a moment")
        try:
            return store.sign_in(name[:_LONGEST_NAME], password)
        finally:
            _AT_ONCE.release()

    def _welcome(opened: Opened) -> Response:
        auth.log.info("signed in: %r", opened.session.person)
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
        store.record(who.name, "sign-out")
        answer = notice(HTTPStatus.OK, "Signed out", f"You are signed out. {HOW}")
        door.let_out(answer)
        return answer

    return routes
