"""The pages as HTML: templates that are filled, never put together by hand, so that nothing said by an event is ever read
as HTML."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, JSONResponse, Response

from console.showing import age

_templates = Environment(
    loader=PackageLoader("console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.globals["length"] = age


def page(template: str, status: HTTPStatus = HTTPStatus.OK, **said: Any) -> HTMLResponse:
    """A page. What a template uses and is not `said` is a bug and raises UndefinedError."""
    return HTMLResponse(_templates.get_template(template).render(said), status)


def notice(status: HTTPStatus, title: str, text: str) -> HTMLResponse:
    """A page with one thing to say and a way back to the board."""
    return page("notice.html", status, title=title, text=text)


def turned_down(request: Request, status: HTTPStatus, title: str, text: str) -> Response:
    """The same for whoever asked: JSON for a program, a page for a person."""
    if request.url.path.startswith("/api/"):
        return JSONResponse({"detail": text}, status)
    return notice(status, title, text)
