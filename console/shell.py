"""What every answer of the console has around it: headers that tell browsers to be strict, and a limit on what is sent.

The page may load nothing but the console's own files, may not be framed, is never cached, and gives no address away.
"""

from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.pages import notice

LARGEST_BODY = 64 * 1024
"""Bytes; the longest form has a note in it."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}
DOCUMENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
)
"""For a report, which is one file with its style inside: it may show itself and do nothing, least of all run anything."""
_TLS_ONLY = {"strict-transport-security": "max-age=31536000"}


class Strict:
    """The headers above on every answer; with `secure` browsers are also told to come back by TLS only."""

    def __init__(self, app: ASGIApp, secure: bool) -> None:
        self._app = app
        self._headers = HEADERS | (_TLS_ONLY if secure else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, sending if scope["type"] == "http" else send)


class Limited:
    """Refuses a body that is larger than LARGEST_BODY, or does not say how large it is, and an address with a null
    character, which no text of the database can hold."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = _refusal(scope, Headers(scope=scope)) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)


def _refusal(scope: Scope, headers: Headers) -> Response | None:
    if "\0" in scope["path"] or b"%00" in scope["query_string"]:
        return PlainTextResponse("this address holds a null character\n", 400)
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not length.isdigit():
        return PlainTextResponse("say Content-Length\n", 411)
    if int(length) > LARGEST_BODY:
        if scope["path"].startswith("/api/") or "text/html" not in headers.get("accept", ""):
            return PlainTextResponse(f"at most {LARGEST_BODY} bytes\n", 413)
        text = f"What was sent is too long: at most {LARGEST_BODY // 1024} KiB. Go back, shorten it, and send it again."
        return notice(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Too long", text)
    return None
