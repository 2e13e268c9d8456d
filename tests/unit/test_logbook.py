"""The log: one JSON object a line that says where and what kind, and never a case, a person or an order."""

import json
import logging
import sys
from typing import Any

import pytest

from metrics.logbook import Lines, Requests, correlate, message_of, role
from models.errors import CallerFault, OurFault, UsageFault

SECRET = "SECRET-4711"


def line(
    logger: str, message: str, *args: object, fault: BaseException | None = None, level: int = logging.ERROR
) -> dict[str, Any]:
    info = None if fault is None else (type(fault), fault, fault.__traceback__)
    written = Lines("worker").format(logging.LogRecord(logger, level, __file__, 1, message, args, info))
    assert "\n" not in written
    return json.loads(written)


def caught(raised: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise raised from cause
    except BaseException as fault:
        return fault


def test_a_line_says_when_how_bad_and_who() -> None:
    found = line("rxpulse.worker", "%d partitions", 8, level=logging.INFO)
    assert found | {"time": ""} == {
        "time": "",
        "level": "info",
        "role": "worker",
        "logger": "rxpulse.worker",
        "message": "8 partitions",
    }
    assert found["time"].endswith("+00:00")


def test_the_id_of_a_case_is_left_out_wherever_it_stands() -> None:
    assert line("rxpulse.worker", "lost order/%s, and 'fill/9'", SECRET)["message"] == "lost order/…, and 'fill/…'"


def test_of_an_error_that_is_not_ours_only_type_and_place_are_told() -> None:
    fault = caught(ValueError(SECRET))
    found = line("rxpulse.worker", "it ends: %s", fault, fault=fault)
    assert found["message"] == "it ends: ValueError" and found["fault"] == ["ValueError"]
    assert [place.rpartition(" ")[2] for place in found["trace"]] == ["caught"]
    assert SECRET not in json.dumps(found)


def test_an_error_of_ours_speaks_and_its_cause_does_not() -> None:
    found = line("rxpulse.worker", "no", fault=caught(OurFault("the disk is full"), ValueError(SECRET)))
    assert found["fault"] == ["OurFault: the disk is full", "ValueError"]


@pytest.mark.parametrize(
    ("message", "args", "kept"),
    [
        ("sent %s to %s", (SECRET, 7), "sent … to 7"),
        ("%(what)s failed", ({"what": SECRET},), "… failed"),
        ("never retrieved\nfuture: " + SECRET, (), "never retrieved"),
        ("%d of them", (SECRET,), "%d of them"),
    ],
)
def test_of_a_library_only_the_wording_is_kept(message: str, args: tuple[object, ...], kept: str) -> None:
    assert line("somebody.else", message, *args)["message"] == kept


def test_a_server_says_where_it_listens() -> None:
    said = line("uvicorn.error", "Uvicorn running on %s://%s:%d", "http", "127.0.0.1", 7400)["message"]
    assert said == "Uvicorn running on http://127.0.0.1:7400"
    assert line("uvicorn.access", "%s of %s", "GET", SECRET)["message"] == "… of …"


def test_a_line_says_to_which_batch_it_belongs() -> None:
    from contextvars import copy_context

    def logged() -> dict[str, Any]:
        correlate("batch 17")
        return line("rxpulse.worker", "slow")

    assert copy_context().run(logged)["correlation"] == "batch 17"


def test_people_are_shown_the_message_of_a_line() -> None:
    written = json.dumps({"message": "the worker ends", "fault": ["CheckViolation (23514)", "x"]})
    assert message_of(written) == "the worker ends: CheckViolation (23514)"
    assert message_of("plain words") == "plain words" and message_of("7") == "7"


@pytest.mark.parametrize(("fault", "code"), [(CallerFault("mend it"), 1), (UsageFault("not so"), 2)])
def test_a_fault_of_the_caller_ends_a_role_with_a_line_and_its_code(
    capsys: pytest.CaptureFixture[str], fault: CallerFault, code: int
) -> None:
    with pytest.raises(SystemExit) as ended, role("intake"):
        raise fault
    [said] = map(json.loads, capsys.readouterr().err.splitlines())
    assert (ended.value.code, said["role"], said["message"]) == (code, "intake", str(fault))


def test_a_library_that_writes_for_itself_writes_lines(capsys: pytest.CaptureFixture[str]) -> None:
    stranger = logging.getLogger("stranger.lib")
    stranger.addHandler(logging.StreamHandler(sys.stderr))
    stranger.propagate = False
    with role("worker"):
        stranger.warning("gone: %s", SECRET)
    [said] = map(json.loads, capsys.readouterr().err.splitlines())
    assert said["message"] == "gone: …"


def test_what_a_library_says_again_and_again_is_written_once_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    def said(logger: str, message: str, second: float) -> None:
        record = logging.LogRecord(logger, logging.ERROR, __file__, 1, message, (second,), None)
        record.created = 1e9 + second
        logging.getLogger(logger).handle(record)

    with role("worker"):
        for tenth in range(250):
            said("aiokafka", "no broker after %s s", tenth / 10)
        said("aiokafka", "another matter after %s s", 25.0)
        said("aiokafka", "no broker after %s s", -3600.0)
        for _ in range(3):
            said("rxpulse.worker", "ours %s", 1.0)
    lines = [json.loads(one) for one in capsys.readouterr().err.splitlines()]
    assert [(one["message"].split()[0], one.get("repeated", 0)) for one in lines] == [
        *(("no", 0), ("no", 99), ("no", 99), ("another", 0), ("no", 49)),
        *[("ours", 0)] * 3,
    ]


def test_a_message_that_cannot_be_written_is_said_without_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    class Odd:
        def __str__(self) -> str:
            raise LookupError(SECRET)

    logger = logging.getLogger("rxpulse.odd")
    with role("worker"):
        [handler] = [one for one in logging.getLogger().handlers if isinstance(one.formatter, Lines)]
        logger.propagate, logger.handlers = False, [handler]
        logger.error("it is %s", Odd())
    logger.handlers = []
    [said] = map(json.loads, capsys.readouterr().err.splitlines())
    assert said["message"] == "a message could not be written: it is %s"


@pytest.mark.anyio
async def test_a_request_has_an_id_in_its_answer_and_in_its_lines() -> None:
    sent: list[Any] = []
    said: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        said.append(line("rxpulse.console", "looked at"))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    await Requests(app)({"type": "http"}, None, send)  # type: ignore[arg-type]
    [(name, value)] = sent[0]["headers"]
    assert (name, f"request {value.decode()}") == (b"x-request-id", said[0]["correlation"])
