"""The first-run page: as long as the policy tells nobody anything, an admin names the first person who is told.

What he types becomes the next version of the policy, by the same code and the same checks as `rxpulse policy apply`, and
other programs hear of it as they do of any version, once it is recorded.
"""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response

from console import auth
from console.auth import Door, SignedIn
from console.pages import notice, page
from console.showing import Words
from models.policy_text import PolicyFault
from models.policy_text.first_run import First, needed, with_first
from models.store.console import ConsoleStore
from models.store.policies import Version

_DONE = (
    "Somebody is told already. `rxpulse policy apply FILE` changes who; docs/policy.md says how the file is written."
)
_NO_POLICY = "There is no policy in the store yet: start the stack with `rxpulse up`, then come back."
_LONGEST = 200
Announce = Callable[[Version], None]
"""Tells other programs that a version was recorded. Nothing waits for it: the store is the truth."""


def unheard(_: Version) -> None:
    """Where no other program listens."""


def router(store: ConsoleStore, door: Door, announce: Announce) -> APIRouter:
    """`/first-run`."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/first-run")
    def ask(request: Request) -> Response:
        who = door.signed_in(request)
        auth.need_everywhere(who)
        return _closed(store) or _page(who, HTTPStatus.OK, _guess(who), ())

    @routes.post("/first-run")
    def save(request: Request, fields: auth.Form) -> Response:
        who = door.signed_in(request)
        auth.need_everywhere(who)
        auth.check_word(fields, who)
        if closed := _closed(store):
            return closed
        first = First(*(fields.get(name, "").strip()[:_LONGEST] for name in ("key", "name", "email")))
        if not first.key:
            return _page(who, HTTPStatus.UNPROCESSABLE_ENTITY, first, ("Give a short name, such as ana.",))
        try:
            made = _enact(who, first)
        except PolicyFault as fault:
            return _page(who, HTTPStatus.UNPROCESSABLE_ENTITY, first, tuple(one.message for one in fault.faults))
        # A broker that is away keeps nobody waiting.
        return RedirectResponse("/people", HTTPStatus.SEE_OTHER, background=BackgroundTask(announce, made))

    def _enact(who: SignedIn, first: First) -> Version:
        number, before = store.last_policy()
        return store.enact(with_first(before.dump, before.policy, first), number, who.name)

    def _page(who: SignedIn, status: HTTPStatus, first: First, wrong: tuple[str, ...]) -> Response:
        policy = store.policy()
        email = policy is not None and policy.channels.smtp is not None
        return page(
            "first_run.html", status, first=first, wrong=wrong, email=email, words=Words(policy), session=who.session
        )

    return routes


def _closed(store: ConsoleStore) -> Response | None:
    """Why there is nothing to set up here; None where there is."""
    policy = store.policy()
    if policy is None:
        return notice(HTTPStatus.CONFLICT, "Not yet", _NO_POLICY)
    return None if needed(policy) else notice(HTTPStatus.CONFLICT, "Done already", _DONE)


def _guess(who: SignedIn) -> First:
    """Most likely the first admin himself."""
    person = who.session.person
    return First(person, person, "")
