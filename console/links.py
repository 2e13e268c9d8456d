"""The link in a message: who follows it takes the escalation on without signing in.

Looking at it changes nothing, for programs that look into mails follow links too; a button does, once. The link says
which escalation and which person it is for, signed by this installation, and opens nothing else.
"""

from http import HTTPStatus
from typing import assert_never

from fastapi import APIRouter
from starlette.responses import HTMLResponse

from console import auth
from console.acting import LONGEST_NOTE
from console.pages import notice, page
from console.showing import STATES, Words
from models.links import LinkFault
from models.store.answering import Over, Standing, Unknown
from models.store.console import ConsoleStore
from models.store.linking import Offer, Spent
from models.store.rights import EVERYTHING

_WHY = {
    LinkFault.MALFORMED: "It is not whole: follow it from the message again.",
    LinkFault.FORGED: "It was not made by this installation, or was changed on its way.",
    LinkFault.EXPIRED: "Its day is over.",
}
_BOARD = "Sign in and look at the board instead."


def router(store: ConsoleStore) -> APIRouter:
    """`/a/{token}`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/a/{token}")
    def ask(token: str) -> HTMLResponse:
        match store.offer(token):
            case Offer() as found if found.state == "resolved":
                return _refused(store, Over("it is resolved"))
            case Offer() as found:
                words = Words(store.policy())
                title = words.headline(found.kind, found.name, found.severity, found.title)
                return page("take.html", token=token, one=found, title=title, words=words, states=STATES)
            case fault:
                return _refused(store, fault)

    @routes.post("/a/{token}")
    def take(token: str, fields: auth.Form) -> HTMLResponse:
        match store.acknowledge_by_link(token, fields.get("note", "")[:LONGEST_NOTE]):
            case Standing() as found:
                words = Words(store.policy())
                who, site = words.person(found.acknowledged_by), _site(store, found.escalation)
                until = f" until {words.wall(found.expires, site)}" if found.expires else ""
                if found.acknowledged_by != found.person:
                    text = f"{who} keeps it{until}: what you pressed is written down and takes nothing over."
                    return notice(HTTPStatus.OK, f"{who} has it already", text)
                return notice(HTTPStatus.OK, "Taken on", f"{who} has it{until}.")
            case fault:
                return _refused(store, fault)

    return routes


def _site(store: ConsoleStore, escalation: str) -> str:
    """Where an escalation belongs; empty where it is not here any more."""
    found = store.escalation(escalation, EVERYTHING)
    return found.site if found else ""


def _refused(store: ConsoleStore, fault: LinkFault | Spent | Over | Unknown) -> HTMLResponse:
    auth.log.warning("refused a link in a message: %s", type(fault).__name__)
    match fault:
        case LinkFault():
            return notice(HTTPStatus.GONE, "This link opens nothing", f"{_WHY[fault]} {_BOARD}")
        case Spent(escalation, used):
            at = Words(store.policy()).wall(used, _site(store, escalation))
            return notice(HTTPStatus.GONE, "Used already", f"This link was used at {at}; it works once. {_BOARD}")
        case Over(reason):
            return notice(HTTPStatus.CONFLICT, "It is over", f"Nothing to take on: {reason}.")
        case Unknown():
            return notice(HTTPStatus.NOT_FOUND, "Not found", f"What this link is about is not here any more. {_BOARD}")
        case _:
            assert_never(fault)
