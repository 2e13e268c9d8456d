"""Who asks: a person who is signed in, or a program with the key of this installation; everybody else is turned away.

A browser proves that a form or a request comes from the console's own page: by the word that only the pages of this
session hold, or by the header that browsers set themselves and no page can forge. So another site that the same person
has open can do nothing in his name.
"""

import hmac
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request, Response

from models.settings import Settings
from models.store.access import LONGEST, Session
from models.store.console import ConsoleStore
from models.store.rights import EVERYTHING, Rights, Role
from models.store.tokens import Token

log = logging.getLogger("rxpulse.console")
_FIELDS = 200
_UNSAFE = ("cross-site", "same-site")


class SignInNeeded(Exception):
    """Nobody is signed in."""


class Refused(Exception):
    """The request is turned down with a status and a reason for people."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """A program with the key of this installation. It may do everything, for anybody."""

    @property
    def rights(self) -> Rights:
        return EVERYTHING

    @property
    def name(self) -> str:
        """Who it is, for the audit."""
        return "key of the installation"


@dataclass(frozen=True, slots=True)
class TokenHolder:
    """A program with a token: it reads, at the sites that the token is bound to."""

    text: str
    token: Token

    @property
    def rights(self) -> Rights:
        return Rights(Role.VIEWER, tuple(sorted(self.token.sites)))

    @property
    def name(self) -> str:
        """Who it is, for the audit."""
        return f"token {self.token.name}"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with a browser."""

    cookie: str
    session: Session

    @property
    def rights(self) -> Rights:
        return self.session.rights

    @property
    def name(self) -> str:
        """Who it is, for the audit."""
        return self.session.person or "screen of several people"


Caller = KeyHolder | TokenHolder | SignedIn


class Door:
    """Tells who asks. Cookies are `__Host-` ones unless the console is reached without TLS, which it is on this machine
    alone."""

    def __init__(self, settings: Settings, store: ConsoleStore) -> None:
        self.secure = settings.tls_cert is not None or settings.behind_proxy
        self._cookie = "__Host-rxpulse" if self.secure else "rxpulse"
        self._key = settings.api_key
        self._store = store

    def caller(self, request: Request) -> Caller:
        """For the JSON interface. Raises SignInNeeded."""
        authorization = request.headers.get("authorization")
        if authorization is None:
            return self.signed_in(request)
        scheme, _, given = authorization.partition(" ")
        given = given.strip()
        if scheme.lower() == "bearer" and self._key is not None and same(given, self._key):
            return KeyHolder()
        token = self._store.token(given) if scheme.lower() == "bearer" and given else None
        if token is not None:
            return TokenHolder(given, token)
        log.warning("refused a bearer token")
        raise SignInNeeded

    def writer(self, request: Request) -> Caller:
        """For requests of the JSON interface that change something. Raises SignInNeeded and Refused."""
        match self.caller(request):
            case SignedIn(_, session) as found:
                own_word = same(request.headers.get("x-csrf-token", ""), session.csrf)
                if not own_word and request.headers.get("sec-fetch-site") != "same-origin":
                    raise Refused(HTTPStatus.FORBIDDEN, "this request does not come from a page of the console")
                return found
            case key:
                return key

    def signed_in(self, request: Request) -> SignedIn:
        """For pages. Raises SignInNeeded."""
        cookie = request.cookies.get(self._cookie, "")
        session = self._store.session(cookie) if cookie else None
        if session is None:
            raise SignInNeeded
        return SignedIn(cookie, session)

    def still_signed_in(self, caller: Caller) -> bool:
        """Whether who asked some time ago could ask again; does not keep a session alive."""
        match caller:
            case SignedIn(cookie, _):
                return self._store.session(cookie, touch=False) is not None
            case TokenHolder(text, _):
                return self._store.token(text) is not None
            case KeyHolder():
                return True

    def let_in(self, response: Response, cookie: str) -> None:
        """Hands the cookie out."""
        age = int(LONGEST.total_seconds())
        response.set_cookie(self._cookie, cookie, max_age=age, secure=self.secure, httponly=True, samesite="lax")

    def let_out(self, response: Response) -> None:
        """Takes the cookie back."""
        response.delete_cookie(self._cookie, secure=self.secure, httponly=True, samesite="lax")
        response.headers["clear-site-data"] = '"cache", "cookies", "storage"'


def need(caller: "Caller", role: Role) -> None:
    """Whether who asks may do what this role may. Raises Refused."""
    if not caller.rights.include(role):
        log.warning("refused what takes a %s to a %s", role.value, caller.rights.role.value)
        raise Refused(HTTPStatus.FORBIDDEN, f"that takes {_a(role)}; you are signed in as {_a(caller.rights.role)}")


def _a(role: Role) -> str:
    return f"{'an' if role is Role.ADMIN else 'a'} {role.value}"


def need_everywhere(caller: "Caller") -> None:
    """Whether who asks is an admin of all sites, for what concerns the whole installation. Raises Refused."""
    need(caller, Role.ADMIN)
    if not caller.rights.everywhere(Role.ADMIN):
        log.warning("refused what takes an admin of all sites to one of some")
        raise Refused(HTTPStatus.FORBIDDEN, "that takes an admin of all sites; you look after some")


async def form(request: Request) -> dict[str, str]:
    """The fields of a form of one of our own pages; of one given several times all values, one a line. Raises Refused for
    a form that another site sent."""
    if request.headers.get("sec-fetch-site") in _UNSAFE:
        log.warning("refused a form from another site")
        raise Refused(HTTPStatus.FORBIDDEN, "this form was sent by another site")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the form of the page")
    try:
        pairs = parse_qsl((await request.body()).decode(), max_num_fields=_FIELDS)
        if any("\0" in value for _, value in pairs):
            raise ValueError("a null character")
        fields: dict[str, str] = {}
        for name, value in pairs:
            fields[name] = f"{fields[name]}\n{value}" if name in fields else value
        return fields
    except ValueError:
        raise Refused(HTTPStatus.BAD_REQUEST, "this form cannot be read: load the page again") from None


Form = Annotated[dict[str, str], Depends(form)]


def check_word(fields: dict[str, str], who: SignedIn) -> None:
    """Whether a form belongs to this session. Raises Refused."""
    if not same(fields.get("csrf", ""), who.session.csrf):
        log.warning("refused a form without the word of its session")
        raise Refused(HTTPStatus.FORBIDDEN, "this form belongs to another session: load the page again")


def same(given: str, expected: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how far."""
    return hmac.compare_digest(given.encode(), expected.encode())
