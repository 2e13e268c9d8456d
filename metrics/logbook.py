"""What a role writes down while it works: one JSON object a line, and never a case, a person or an order.

A log is read by people who run machines, is copied to other machines and kept for years. So it says what happened, where
in the program and to which batch, escalation or request, and leaves out what it happened to: values stand in the store.
Messages of ours are written with that in mind; of the libraries' only the wording is kept, of errors that are not ours
only the type and the places passed, for their texts may quote a row or a record.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import PurePath
from secrets import token_hex
from traceback import walk_tb
from types import TracebackType
from typing import Any, TextIO, cast

from metrics.repeating import HeldBack
from models.errors import CallerFault, RxPulseError, UsageFault
from models.event_types import KINDS

OURS = ("rxpulse", "models", "metrics", "streams", "workflows", "console")
"""Loggers whose messages are our own."""
_SERVERS = ("uvicorn.error",)
"""Loggers of libraries whose messages hold no other values than addresses of our own and numbers of processes."""
_SUBJECT = re.compile(rf"\b({'|'.join(KINDS)})/[^\s\"',;)\]}}]+")
_LEFT_OUT = "…"
_FRAMES = 30
_correlation: ContextVar[str | None] = ContextVar("correlation", default=None)


def correlate(name: str) -> None:
    """What is logged from here on by this thread or task belongs to `name`: `batch 17`, `escalation 3f…`."""
    _correlation.set(name)


class Lines(logging.Formatter):
    """Writes records as lines of one role."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "role": self._role,
            "logger": record.name,
            "message": _message(record),
        }
        repeated = getattr(record, "repeated", 0)
        if repeated:
            document["repeated"] = repeated
        correlation = _correlation.get()
        if correlation is not None:
            document["correlation"] = correlation
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            document |= {"fault": [_fault(one) for one in _causes(fault)], "trace": _places(fault.__traceback__)}
        return json.dumps(document, ensure_ascii=False)


def message_of(line: str) -> str:
    """What a line of a role's log says, for people; the line itself where it is none."""
    try:
        document = json.loads(line)
        if not isinstance(document, dict):
            return line
        said = cast("dict[str, Any]", document)
        faults = cast("list[str]", said.get("fault", []))
        return ": ".join([str(said["message"]), *faults[:1]])
    except (ValueError, KeyError):
        return line


@contextmanager
def role(name: str, level: int = logging.INFO) -> "Generator[None]":
    """Everything that this process logs goes to its error output as lines of the role `name`, what nobody caught and
    faults of the caller, which end the process with their exit code, among it. To be entered once the libraries are
    loaded: some set up the logging for themselves."""
    root, handler = logging.getLogger(), _Handler(name)
    before = root.handlers[:], root.level
    root.handlers = [one for one in root.handlers if type(one) is not logging.StreamHandler] + [handler]
    root.setLevel(level)
    for library in ("httpx", "httpcore", "kafka", "aiokafka"):
        logging.getLogger(library).setLevel(logging.WARNING)
    _take_over()
    logging.captureWarnings(True)
    hooks = sys.excepthook, threading.excepthook
    sys.excepthook, threading.excepthook = _uncaught, _uncaught_in_thread
    try:
        yield
    except CallerFault as fault:
        logging.getLogger("rxpulse").critical("%s", fault)
        raise SystemExit(2 if isinstance(fault, UsageFault) else 1) from fault
    except Exception:
        logging.getLogger("rxpulse").critical("the %s ends", name, exc_info=True)
        raise SystemExit(1) from None
    finally:
        sys.excepthook, threading.excepthook = hooks
        root.handlers, root.level = before


class _Handler(logging.StreamHandler[TextIO]):
    def __init__(self, name: str) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(Lines(name))
        self.addFilter(HeldBack(lambda record: None if _is_ours(record) else str(record.msg)))

    def handleError(self, record: logging.LogRecord) -> None:
        """A message that does not fit its values is said without them; Python would print them."""
        line = {
            "level": "error",
            "logger": record.name,
            "message": f"a message could not be written: {record.msg!s:.80}",
        }
        print(json.dumps(line), file=sys.stderr)  # noqa: T201


def _take_over() -> None:
    """Loggers that write for themselves write through us."""
    for found in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(found, logging.Logger) and found.handlers:
            found.handlers = []
            found.propagate = True


def _uncaught(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("rxpulse").critical("ended by what nobody expected", exc_info=(kind, fault, trace))


def _uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        _uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] in OURS or record.name in _SERVERS


def _message(record: logging.LogRecord) -> str:
    ours = _is_ours(record)
    args = _kept(record.args, _ours if ours else _theirs)
    try:
        text = str(record.msg) % args if args else str(record.msg)
    except (TypeError, ValueError):
        # A library's format that wants a number in the place of what is left out.
        text = str(record.msg)
    # Libraries that put their values in by themselves show them from the second line on, if at all.
    return _unnamed(text if ours else text.strip().partition("\n")[0])


def _unnamed(text: str) -> str:
    """A text without the ids of cases in it."""
    return _SUBJECT.sub(rf"\1/{_LEFT_OUT}", text)


def _kept(args: Any, keep: Callable[[object], object]) -> Any:
    if isinstance(args, dict):
        return {name: keep(value) for name, value in cast("dict[str, object]", args).items()}
    return tuple(keep(value) for value in cast("tuple[object, ...]", args or ()))


def _ours(value: object) -> object:
    """An error of ours speaks for itself; of another's only the type is safe to tell."""
    return type(value).__name__ if isinstance(value, BaseException) and not isinstance(value, RxPulseError) else value


def _theirs(value: object) -> object:
    return value if isinstance(value, int | float) else _LEFT_OUT


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, each once."""
    seen: set[int] = set()
    one: BaseException | None = fault
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or one.__context__


def _fault(fault: BaseException) -> str:
    """The type, of a database's error with its code, of ours with its message."""
    name = type(fault).__name__
    if isinstance(fault, RxPulseError):
        return f"{name}: {_unnamed(str(fault))}"
    code = getattr(fault, "sqlstate", None)
    return f"{name} ({code})" if isinstance(code, str) else name


def _places(trace: TracebackType | None) -> list[str]:
    """`folder/file.py:line function` from the outermost call to the one that failed."""
    found = [
        f"{'/'.join(PurePath(frame.f_code.co_filename).parts[-2:])}:{line} {frame.f_code.co_name}"
        for frame, line in walk_tb(trace)
    ]
    return found[-_FRAMES:]


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Scope]]
Send = Callable[[Scope], Awaitable[None]]


class Requests:
    """ASGI: gives each request an id, which its log lines and the header `X-Request-ID` of its answer carry."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        name = token_hex(8)
        correlate(f"request {name}")

        async def named(message: Scope) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), (b"x-request-id", name.encode())]
            await send(message)

        await self._app(scope, receive, named)
