"""Which events the intake refuses by what stands in them, and how: each by its place and the reason, a batch as a whole, and
without repeating what was sent."""

import json
from collections.abc import Mapping
from dataclasses import replace

import httpx
import pytest

from tests.intake import BATCH, Intake, cloud, now, reasons, served, stands
from tests.topics import Tail


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/api/v1/events", 405), ("POST", "/events", 404)])
def test_another_address_or_method_is_refused_in_the_same_shape(
    intake: Intake, method: str, path: str, status: int
) -> None:
    answer = httpx.request(method, f"{intake.url}{path}")
    assert answer.status_code == status and answer.json()["items"] == []
    assert "POST to /api/v1/events" in answer.json()["error"]
    assert status != 405 or answer.headers["allow"] == "POST"


NESTED = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xff\xfe{}", "not UTF-8"),
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (json.dumps(cloud()).encode("utf-16"), "not UTF-8"),
        (b'{"data":{"site":"mercy","qty":NaN}}', "no JSON"),
        (b'{"data":{"site":"mercy","qty":-Infinity}}', "no JSON"),
        (b'{"qty":' + b"9" * 10_000 + b"}", "no JSON"),
        (NESTED, "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_is_refused_with_the_reason(intake: Intake, body: bytes, said: str) -> None:
    answer = intake.post(body)
    assert answer.status_code == 400 and said in answer.json()["error"]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"specversion": 1.0}, "specversion"),
        ({"specversion": ...}, "specversion"),
        ({"id": ...}, "missing id"),
        ({"id": "x" * 10_000}, "bad id"),
        ({"id": ""}, "bad id"),
        ({"source": ...}, "missing source"),
        ({"type": ...}, "missing type"),
        ({"time": ...}, "missing time"),
        ({"time": "2026-11-20T14:03:07"}, "bad time"),
        ({"time": "2026-11-20"}, "bad time"),
        ({"time": "yesterday"}, "bad time"),
        ({"time": 1763650987}, "bad time"),
        ({"time": "1066-10-14T09:00:00Z"}, "absurd time"),
        ({"time": "2300-01-01T00:00:00Z"}, "absurd time"),
        ({"subject": ...}, "missing subject"),
        ({"subject": "order/" + "7" * 10_000}, "bad subject"),
        ({"subject": "patient/1"}, "subject"),
        ({"subject": "place/1"}, "kind"),
        ({"data": ...}, "missing data"),
        ({"data": {}}, "missing data.site"),
        ({"data": {"site": "mercy", "actor": "Jane Doe"}}, "bad data.actor"),
        ({"data": {"site": "\ud800"}}, "bad data.site"),
        ({"data": {"site": "mercy", "qty": 10**400}}, "bad data.qty"),
        ({"data": {"site": "mercy", "amount": -(10**20)}}, "bad data.amount"),
        ({"data": {"site": "mercy", "promised": "2026-11-20T14:03:07"}}, "bad data.promised"),
    ],
)
def test_an_event_that_cannot_be_is_refused_by_reason(
    intake: Intake, changed: Mapping[str, object], reason: str
) -> None:
    answer = intake.post(cloud(**changed))
    assert (answer.status_code, reasons(answer)) == (400, [(0, reason)])


def test_a_time_a_day_after_its_recording_and_a_recording_in_the_future_are_refused(intake: Intake) -> None:
    batch = [cloud("a", time=now(hours=25)), cloud("b", recorded=now(minutes=6)), cloud("c", recorded=now(minutes=4))]
    assert reasons(intake.post(batch, BATCH)) == [(0, "time ahead"), (1, "recorded ahead")]


def test_an_event_of_the_year_2150_is_refused_at_the_door(intake: Intake, written: Tail) -> None:
    late = "2150-01-01T00:00:00Z"
    batch = [cloud("a", "/test/2150", time=late), cloud("b", "/test/2150", time=late, recorded=late)]
    answer = intake.post(batch, BATCH)
    assert (answer.status_code, reasons(answer)) == (400, [(0, "time ahead"), (1, "recorded ahead")])
    assert all("check the sender's clock" in item["detail"] for item in answer.json()["items"])
    assert written.events("/test/2150") == []


def test_an_id_that_is_too_long_is_refused_with_its_length_and_the_limit(intake: Intake) -> None:
    [item] = intake.post(cloud("x" * 300)).json()["items"]
    assert item["detail"] == "id: 300 characters; at most 256 are taken"


def test_a_batch_with_one_bad_item_is_refused_whole_and_each_is_named(intake: Intake, written: Tail) -> None:
    batch: list[object] = [cloud("good", "/test/whole"), cloud("bad", "/test/whole", time="never"), 17, cloud(id=...)]
    answer = intake.post(batch, BATCH)
    assert (answer.status_code, reasons(answer)) == (400, [(1, "bad time"), (2, "not an object"), (3, "missing id")])
    assert [item["id"] for item in answer.json()["items"]] == ["bad", None, None]
    assert written.events("/test/whole") == []


def test_the_content_of_a_refused_item_is_not_repeated(intake: Intake) -> None:
    answer = intake.post(cloud(data={"site": "mercy", "actor": "Jane Doe", "Jane": "Doe"}))
    assert "Jane" not in answer.text and "Doe" not in answer.text


@pytest.mark.parametrize("twice", [b'"id":"e2"', b'"data":{"site":"mercy"}'])
def test_a_key_named_twice_is_refused(intake: Intake, twice: bytes) -> None:
    body = json.dumps(cloud()).encode()[:-1] + b"," + twice + b"}"
    assert reasons(intake.post(body)) == [(0, "key twice")]


def test_a_key_named_twice_deep_inside_one_item_names_that_item(intake: Intake) -> None:
    twice = json.dumps(cloud("b")).replace('"site": "mercy"', '"site": "mercy", "links": {"fill": "1", "fill": "2"}')
    body = f"[{json.dumps(cloud('a'))}, {twice}]".encode()
    assert reasons(intake.post(body, BATCH)) == [(1, "key twice")]


def test_an_item_nested_almost_too_deeply_to_read_is_refused_or_dropped(intake: Intake) -> None:
    for depth in (100, 400, 600, 900):
        body = json.dumps(cloud()).encode()[:-1] + b',"x":' + b"[" * depth + b"]" * depth + b"}"
        assert intake.post(body).status_code in (202, 400)
    assert intake.post(body).status_code == 400


def test_strict_sites_refuse_the_unknown(intake: Intake) -> None:
    policy = intake.behind.standing().policy
    assert policy is not None
    with served(replace(intake.behind, standing=stands(intake, policy=replace(policy, strict_sites=True)))) as url:
        answer = replace(intake, url=url).post(cloud(data={"site": "elsewhere"}))
    assert (answer.status_code, reasons(answer)) == (400, [(0, "unknown site")])
