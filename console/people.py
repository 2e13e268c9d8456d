"""The page of people: who can be told, by what, and whether it works: a test message, sent by the same hands as a page.

The console only asks for it. The dispatcher sends it, and what the channel answered is written down like that of any
page.
"""

import time
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import auth
from console.auth import Door, Refused
from console.pages import page
from console.showing import CHANNELS, DELIVERED, Words, age
from models.policy import Channel, Policy
from models.policy_text.first_run import needed
from models.store.console import ConsoleStore
from models.store.contacting import ways
from models.store.messages import Voice
from models.store.rights import Role

PATIENCE_SECONDS = 4.0
"""So long a form waits for the channel's answer; whoever looks later sees it all the same."""
_EVERY_SECONDS = 0.1


def router(store: ConsoleStore, door: Door, voice: Voice) -> APIRouter:
    """`/people` and the button for a test message."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/people")
    def show(request: Request) -> HTMLResponse:
        who = door.signed_in(request)
        policy, now = store.policy(), store.now()
        words = Words(policy)
        return page(
            "people.html",
            people=[(key, name, ways(policy, key)) for key, name in words.people()] if policy else [],
            tests=store.tests(),
            gone=store.gone(),
            channels=CHANNELS,
            delivered=DELIVERED,
            since=lambda instant: age(now - instant),
            first_run=policy is not None and needed(policy) and who.rights.everywhere(Role.ADMIN),
            may_all=who.rights.include(Role.SUPERVISOR),
            may_own=who.rights.include(Role.RESPONDER),
            words=words,
            session=who.session,
        )

    @routes.post("/people/{person}/test")
    def test(person: str, request: Request, fields: auth.Form) -> Response:
        who = door.signed_in(request)
        auth.check_word(fields, who)
        auth.need(who, Role.RESPONDER if person == who.session.person else Role.SUPERVISOR)
        channel = _channel(store.policy(), person, fields.get("channel", ""))
        key = store.send_test(voice, person, channel)
        store.record(who.name, "test message", person)
        until = time.monotonic() + PATIENCE_SECONDS
        while not store.tried(key).ended and time.monotonic() < until:
            time.sleep(_EVERY_SECONDS)
        return RedirectResponse("/people#tests", HTTPStatus.SEE_OTHER)

    return routes


def _channel(policy: Policy | None, person: str, named: str) -> Channel:
    """The channel asked for. Raises Refused for a person, or a way to reach him, that the policy does not know."""
    if policy is None or person not in policy.people:
        raise Refused(HTTPStatus.NOT_FOUND, f"there is no person '{person}' in the policy")
    found = next((one for one in ways(policy, person) if one.value == named), None)
    if found is None:
        open_ways = ", ".join(ways(policy, person))
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{person} cannot be reached by '{named}': the policy knows {open_ways} (docs/policy.md says how to add more)",
        )
    return found
