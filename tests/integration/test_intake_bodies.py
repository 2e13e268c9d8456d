"""How what is sent to the intake has to come: of one of two media types, not packed, not too large, and to its end."""

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from models.wire import MAX_RECORD
from streams.intake.http import MAX_BATCH
from tests.intake import BATCH, KEY, SINGLE, Intake, cloud, figure, reasons, served, wait_until


@pytest.mark.parametrize("kind", ["application/json", "", "text/plain", "application/cloudevents+xml"])
def test_another_media_type_is_told_which_two_there_are(intake: Intake, kind: str) -> None:
    answer = intake.post(cloud(), kind)
    assert answer.status_code == 415 and SINGLE in answer.json()["error"] and BATCH in answer.headers["accept"]


def test_a_packed_body_is_told_to_come_as_it_is(intake: Intake) -> None:
    assert intake.post(b"\x1f\x8b", **{"content-encoding": "gzip"}).status_code == 415


@pytest.mark.parametrize(("body", "kind"), [([cloud()], SINGLE), (cloud(), BATCH)])
def test_one_event_is_no_batch_and_a_batch_is_no_event(intake: Intake, body: object, kind: str) -> None:
    assert intake.post(body, kind).status_code == 400


def test_a_body_too_large_is_refused_by_its_length_and_by_what_comes(intake: Intake) -> None:
    large = b" " * (MAX_RECORD + 1)
    assert intake.post(large).status_code == 413

    def unannounced() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * (MAX_RECORD // 10)

    headers = {"content-type": SINGLE, "authorization": f"Bearer {KEY}"}
    answer = httpx.post(f"{intake.url}/api/v1/events", content=unannounced(), headers=headers)
    assert answer.status_code == 413 and str(MAX_RECORD) in answer.json()["error"]


def test_a_batch_may_be_larger_than_one_event_but_none_of_its_events(intake: Intake) -> None:
    many = [cloud(f"e{n}", "/test/large") for n in range(6000)]
    assert MAX_RECORD < len(json.dumps(many)) < MAX_BATCH
    assert intake.post(many, BATCH).status_code == 202
    one = cloud("huge", "/test/large", data={"site": "mercy", "codes": ["x" * 60] * 20_000})
    answer = intake.post([cloud(), one], BATCH)
    assert (answer.status_code, reasons(answer)) == (413, [(1, "too large")])


def test_a_sender_that_stops_in_the_middle_is_not_waited_for(intake: Intake) -> None:
    with served(replace(intake.behind, body_seconds=1.0)) as url:
        slow = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
        slow.putrequest("POST", "/api/v1/events")
        named = {"Content-Type": SINGLE, "Authorization": f"Bearer {KEY}", "Content-Length": "500"}
        for name, value in named.items():
            slow.putheader(name, value)
        slow.endheaders(b'{"specversion":')
        assert slow.getresponse().status == 408
        slow.close()
        # On a busy machine a whole body may take its second as well.
        wait_until(lambda: replace(intake, url=url).post(cloud()).status_code == 202)


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing_behind(intake: Intake) -> None:
    host, port = intake.url.removeprefix("http://").split(":")
    before = figure(intake, "rxpulse_intake_requests_total", '{status="400"}')
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: {SINGLE}\r\nAuthorization: Bearer {KEY}\r\n"
    with socket.create_connection((host, int(port))) as gone:
        gone.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
    wait_until(lambda: figure(intake, "rxpulse_intake_requests_total", '{status="400"}') == before + 1)
