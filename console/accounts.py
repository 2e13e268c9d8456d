"""The page of accounts and tokens, for admins: who may sign in, what for and at which sites, and which programs may.

A password and a token are made here, shown once, in the answer to the form that asked for them, and kept as a hash only.
An admin of some sites looks after the accounts and tokens of those sites alone.
"""

import re
import secrets
from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import auth
from console.auth import Door, Refused, SignedIn
from console.pages import page
from console.showing import ROLES, Words
from models.event import Site, Source
from models.store.console import ConsoleStore
from models.store.rights import Rights, Role
from models.store.tokens import Token

_NAME, _SITE, _SOURCE = r"[A-Za-z0-9_.-]{1,64}", r"[A-Za-z0-9_.:/-]{1,64}", r"[\x21-\x7e]{1,256}"
_PASSWORD_BYTES = 12
"""16 characters: more than a person would think of."""
_Act = Callable[[SignedIn, str, dict[str, str]], Response]


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/accounts`, and the forms on it."""
    routes, acts = APIRouter(include_in_schema=False), _Acts(store)

    @routes.get("/accounts")
    def show(request: Request) -> HTMLResponse:
        who = door.signed_in(request)
        auth.need(who, Role.ADMIN)
        return acts.shown(who)

    for path, act in (
        ("/accounts", acts.add_account),
        ("/accounts/{name}/rights", acts.change_rights),
        ("/accounts/{name}/password", acts.new_password),
        ("/accounts/{name}/disable", acts.disable),
        ("/tokens", acts.add_token),
        ("/tokens/{name}/revoke", acts.revoke),
    ):
        routes.post(path)(_named(door, act) if "{name}" in path else _unnamed(door, act))
    return routes


def _named(door: Door, act: _Act) -> Callable[..., Response]:
    def sent(name: str, request: Request, fields: auth.Form) -> Response:
        return act(_admin(door, request, fields), name, fields)

    return sent


def _unnamed(door: Door, act: _Act) -> Callable[..., Response]:
    def sent(request: Request, fields: auth.Form) -> Response:
        return act(_admin(door, request, fields), fields.get("name", "").strip(), fields)

    return sent


def _admin(door: Door, request: Request, fields: dict[str, str]) -> SignedIn:
    who = door.signed_in(request)
    auth.check_word(fields, who)
    auth.need(who, Role.ADMIN)
    return who


class _Acts:
    """What an admin does about accounts and tokens. Every method raises Refused, and CallerFault for what the store refuses."""

    def __init__(self, store: ConsoleStore) -> None:
        self._store = store

    def shown(self, who: SignedIn, about: str = "", secret: str = "") -> HTMLResponse:
        """The page; `secret` is shown on it this once, `about` says what it opens."""
        words = Words(self._store.policy())
        return page(
            "accounts.html",
            accounts=self._store.accounts_of(who.rights),
            tokens=self._store.tokens_of(who.rights),
            roles=ROLES,
            sites=self._sites(who, words),
            bound=who.rights.sites is not None,
            about=about,
            secret=secret,
            words=words,
            session=who.session,
        )

    def add_account(self, who: SignedIn, name: str, fields: dict[str, str]) -> Response:
        _check("name", name, _NAME, "1 to 64 letters, digits, . _ -")
        rights, password = _rights(who, fields), secrets.token_urlsafe(_PASSWORD_BYTES)
        self._store.add_account(name, rights, password, who.name)
        return self.shown(who, f"{name} signs in with the password", password)

    def change_rights(self, who: SignedIn, name: str, fields: dict[str, str]) -> Response:
        self._other(who, name)
        self._store.change_account(name, _rights(who, fields), who.name)
        return RedirectResponse("/accounts", HTTPStatus.SEE_OTHER)

    def new_password(self, who: SignedIn, name: str, fields: dict[str, str]) -> Response:
        self._mine(who, name)
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        self._store.change_password(name, password, who.name)
        # Whoever changed his own is signed out with all his sessions; he still has to read the new one.
        return self.shown(who, f"{name} signs in with the new password", password)

    def disable(self, who: SignedIn, name: str, fields: dict[str, str]) -> Response:
        self._other(who, name)
        self._store.disable_account(name, who.name)
        return RedirectResponse("/accounts", HTTPStatus.SEE_OTHER)

    def add_token(self, who: SignedIn, name: str, fields: dict[str, str]) -> Response:
        _check("name", name, _NAME, "1 to 64 letters, digits, . _ -")
        sites, sources = _chosen(fields), fields.get("sources", "").split()
        for one in sources:
            _check("source", one, _SOURCE, "a path or URL without spaces, such as /mercy/pis")
        if not sites:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, "a token speaks for named sites: tick at least one")
        _within(who, sites)
        text = self._store.add_token(
            Token(name, frozenset(map(Source, sources)), frozenset(map(Site, sites))), who.name
        )
        return self.shown(who, f"{name} is the token", text)

    def revoke(self, who: SignedIn, name: str, fields: dict[str, str]) -> Response:
        if name not in [one.token.name for one in self._store.tokens_of(who.rights)]:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no token {name}, or none of your sites alone")
        self._store.revoke_token(name, who.name)
        return RedirectResponse("/accounts#tokens", HTTPStatus.SEE_OTHER)

    def _sites(self, who: SignedIn, words: Words) -> list[tuple[str, str]]:
        """(key, name) of the sites that he may give."""
        declared = dict(words.sites())
        known = {*declared, *self._store.sites_seen(who.rights), *(who.rights.sites or ())}
        return sorted((key, words.site(key)) for key in known if who.rights.at(key))

    def _mine(self, who: SignedIn, name: str) -> None:
        if name not in [one.name for one in self._store.accounts_of(who.rights)]:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no account {name}, or none of your sites alone")

    def _other(self, who: SignedIn, name: str) -> None:
        """One's own role and one's own end are another admin's to decide, so that nobody locks everybody out."""
        self._mine(who, name)
        if name == who.session.person:
            raise Refused(HTTPStatus.CONFLICT, "that is your own account: another admin, or `rxpulse user`, changes it")


def _rights(who: SignedIn, fields: dict[str, str]) -> Rights:
    role, sites = fields.get("role", ""), _chosen(fields)
    if role not in ROLES:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"give a role: {', '.join(ROLES)}")
    _within(who, sites or None)
    return Rights(Role(role), sites or None)


def _chosen(fields: dict[str, str]) -> tuple[str, ...]:
    """The sites that were ticked."""
    sites = tuple(sorted({one for one in fields.get("site", "").split("\n") if one}))
    for one in sites:
        _check("site", one, _SITE, "letters, digits, . _ : / -")
    return sites


def _within(who: SignedIn, sites: tuple[str, ...] | None) -> None:
    if not who.rights.over(sites):
        allowed = ", ".join(who.rights.sites or ())
        raise Refused(HTTPStatus.FORBIDDEN, f"you look after {allowed}: tick some of these, and no others")


def _check(what: str, text: str, pattern: str, wanted: str) -> None:
    if re.fullmatch(pattern, text) is None:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, f"{what} '{text[:64]}' cannot be: give {wanted}")
