"""The intake over real HTTP, with a real Kafka and a real store behind it."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
import uvicorn
from click.testing import CliRunner
from confluent_kafka import KafkaError, KafkaException

from metrics.exporter import PrometheusRecorder
from models import policy_text, store
from models.event import Site, Source
from models.settings import Settings
from models.store import policies, tokens
from models.store.intake import IntakeStore, Standing
from models.wire import MAX_RECORD
from rxpulse import cli
from tests.conftest import RunningStack
from tests.topics import Tail, tail  # before streams, which reads kafka-python

# isort: split
from streams import topics
from streams.admission import dropped_before
from streams.confirming import Confirming
from streams.intake.http import MAX_BATCH, Behind, create_app
from streams.intake.pseudonym import actor, pseudonym
from streams.intake.reception import Cleaned, Unconfirmed

KEY = "an-api-key-of-24-characters-or-more"
PSEUDONYMS = "a key that is long enough to be one"
POLICY = """
extends = "inpatient"
[site.mercy]
name = "Mercy"
setting = "inpatient"
timezone = "America/New_York"
[feed."/raw/pis"]
pseudonymise = true
"""
SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
DOCS = Path(__file__).parents[2] / "docs" / "feeds.md"


@dataclass(frozen=True, slots=True)
class Intake:
    """A running intake. `behind` are its parts, to make others with."""

    url: str
    behind: Behind
    database_url: str
    settings: Settings

    def post(self, body: object, kind: str = SINGLE, key: str = KEY, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {"content-type": kind, "authorization": f"Bearer {key}"} | headers
        return httpx.post(f"{self.url}/api/v1/events", content=content, headers=named, timeout=30)


@pytest.fixture(scope="module")
def database(stack: RunningStack) -> Iterator[str]:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE intake_tests")
        url = stack.url_of("intake_tests")
        store.migrate(url)
        policies.begin(url, policy_text.read(POLICY), "test")
        yield url
        connection.execute("DROP DATABASE intake_tests WITH (FORCE)")


@pytest.fixture(scope="module")
def intake(stack: RunningStack, database: str) -> Iterator[Intake]:
    settings = Settings(home=stack.home, cache=stack.home, kafka=stack.kafka)
    topics.create(settings)
    held, producer = IntakeStore(database), Confirming(settings)
    behind = Behind(
        standing=held.standing,
        deliver=producer.deliver,
        missing=lambda: producer.missing() or held.missing(),
        recorder=PrometheusRecorder("intake"),
        api_key=KEY,
        pseudonym_key=PSEUDONYMS,
        body_seconds=1.0,
    )
    with served(behind) as url:
        yield Intake(url, behind, database, settings)
    producer.close()
    held.close()


@contextmanager
def served(behind: Behind) -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(create_app(behind), ws="none", log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        wait_until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture
def written(intake: Intake) -> Iterator[Tail]:
    with tail(intake.settings.required_kafka()) as found:
        yield found


def wait_until(holds: Callable[[], bool], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up, "it never came"
        time.sleep(0.01)


def now(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def cloud(name: str = "e1", source: str = "/test/intake", **changed: object) -> dict[str, object]:
    made = {
        "specversion": "1.0",
        "id": name,
        "source": source,
        "type": "rx.order.entered",
        "time": now(),
        "subject": "order/7f3a",
        "data": {"site": "mercy", "setting": "inpatient"},
    }
    return {key: value for key, value in (made | changed).items() if value is not ...}


def reasons(answer: httpx.Response) -> list[tuple[int, str]]:
    return [(item["index"], item["reason"]) for item in answer.json()["items"]]


def figure(intake: Intake, name: str, labels: str = "") -> float:
    text = httpx.get(f"{intake.url}/metrics").text
    found = re.search(rf"^{name}{re.escape(labels)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


# What is taken


def test_an_event_is_answered_when_it_lies_in_kafka(intake: Intake, written: Tail) -> None:
    answer = intake.post(cloud(source="/test/one"))
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)
    [event] = written.events("/test/one")
    assert (event.id, event.subject, event.data) == ("e1", "order/7f3a", {"site": "mercy", "setting": "inpatient"})


def test_a_missing_recorded_is_the_receipt_and_stands_in_the_record(intake: Intake, written: Tail) -> None:
    before = datetime.now(UTC)
    intake.post(cloud(source="/test/receipt", time=now(hours=-3)))
    [record] = [json.loads(m.value() or b"") for m in written.records() if b"/test/receipt" in (m.value() or b"")]
    assert before <= datetime.fromisoformat(record["recorded"]) <= datetime.now(UTC)


def test_a_recorded_that_is_said_is_kept(intake: Intake, written: Tail) -> None:
    said = now(minutes=-30)
    intake.post(cloud(source="/test/said", time=now(hours=-3), recorded=said))
    assert written.events("/test/said")[0].recorded == datetime.fromisoformat(said)


def test_a_batch_is_taken_whole_and_keyed_by_its_subjects(intake: Intake, written: Tail) -> None:
    batch = [cloud(f"e{n}", "/test/batch", subject=f"order/{n % 7}") for n in range(500)]
    answer = intake.post(batch, BATCH + "; charset=utf-8")
    assert answer.json() == {"accepted": 500, "dropped_fields": 0, "unknown_sites": 0, "unknown_types": 0}
    records = [m for m in written.records() if b"/test/batch" in (m.value() or b"")]
    assert [json.loads(m.value() or b"")["subject"].encode() == m.key() for m in records] == [True] * 500
    assert len({(m.key(), m.partition()) for m in records}) == 7


def test_an_empty_batch_is_taken(intake: Intake) -> None:
    answer = intake.post([], BATCH)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 0)


def test_an_id_used_twice_with_other_content_is_for_the_worker_to_count(intake: Intake, written: Tail) -> None:
    batch = [cloud("same", "/test/reused"), cloud("same", "/test/reused", data={"site": "mercy", "qty": 2})]
    assert intake.post(batch, BATCH).status_code == 202
    assert len(written.events("/test/reused")) == 2


def test_unknown_sites_and_types_are_taken_and_counted(intake: Intake) -> None:
    before = figure(intake, "rxpulse_intake_unknown_total", '{what="site"}')
    batch = [cloud("a", data={"site": "elsewhere"}), cloud("b", type="rx.order.sung")]
    assert intake.post(batch, BATCH).json() == {
        "accepted": 2, "dropped_fields": 0, "unknown_sites": 1, "unknown_types": 1,
    }  # fmt: skip
    assert figure(intake, "rxpulse_intake_unknown_total", '{what="site"}') == before + 1


def test_what_is_outside_the_closed_list_is_dropped_and_counted_and_never_named(intake: Intake, written: Tail) -> None:
    free = cloud(source="/test/free", patient="Smith", data={"site": "mercy", "note_for_smith": "call her"})
    assert intake.post(free).json()["dropped_fields"] == 2
    [message] = [m for m in written.records() if b"/test/free" in (m.value() or b"")]
    record = message.value() or b""
    assert b"mith" not in record and b"her" not in record
    # The worker counts them for the feed: what it reads is clean.
    assert dropped_before(message.headers() or []) == 2
    assert figure(intake, "rxpulse_intake_dropped_fields_total", '{source="/test/free"}') == 2
    assert "mith" not in httpx.get(f"{intake.url}/metrics").text


def test_a_feed_that_sends_its_own_numbers_gets_pseudonyms_where_the_policy_says_so(
    intake: Intake, written: Tail
) -> None:
    said = {"site": "mercy", "actor": "jdoe", "witness": "asmith", "links": {"fill": "fill/17", "dose": "4711"}}
    intake.post(cloud(source="/raw/pis", subject="order/1234567", data=said))
    [event] = written.events("/raw/pis")
    assert event.subject == f"order/{pseudonym(PSEUDONYMS, 'order', '1234567')}"
    assert event.data["actor"] == actor(PSEUDONYMS, "jdoe") and event.data["witness"] == actor(PSEUDONYMS, "asmith")
    assert event.data["links"] == {
        "fill": f"fill/{pseudonym(PSEUDONYMS, 'fill', '17')}",
        "dose": pseudonym(PSEUDONYMS, "dose", "4711"),
    }


def test_another_feeds_pseudonyms_are_its_own(intake: Intake, written: Tail) -> None:
    intake.post(cloud(source="/test/own", data={"site": "mercy", "actor": "a_91c"}))
    assert written.events("/test/own")[0].data["actor"] == "a_91c"


# What is refused, and how


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
    host, port = intake.url.removeprefix("http://").split(":")
    slow = http.client.HTTPConnection(host, int(port), timeout=20)
    slow.putrequest("POST", "/api/v1/events")
    named = {"Content-Type": SINGLE, "Authorization": f"Bearer {KEY}", "Content-Length": "500"}
    for name, value in named.items():
        slow.putheader(name, value)
    slow.endheaders(b'{"specversion":')
    assert slow.getresponse().status == 408
    slow.close()
    assert intake.post(cloud()).status_code == 202


def test_a_sender_that_goes_away_in_the_middle_leaves_nothing_behind(intake: Intake) -> None:
    host, port = intake.url.removeprefix("http://").split(":")
    before = figure(intake, "rxpulse_intake_requests_total", '{status="400"}')
    head = f"POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Type: {SINGLE}\r\nAuthorization: Bearer {KEY}\r\n"
    with socket.create_connection((host, int(port))) as gone:
        gone.sendall(f"{head}Content-Length: 500\r\n\r\n{{".encode())
    wait_until(lambda: figure(intake, "rxpulse_intake_requests_total", '{status="400"}') == before + 1)


# Who may send


@pytest.fixture(scope="module")
def token(intake: Intake) -> str:
    bound = tokens.Token("mercy-pis", frozenset({Source("/mercy/pis")}), frozenset({Site("mercy"), Site("oak")}))
    text = tokens.add(intake.database_url, bound)
    wait_until(lambda: intake.post([], BATCH, text).status_code == 202, 2)
    return text


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer no-such-token", f"Basic {KEY}", "Bearer \xff"])
def test_without_a_good_token_nothing_is_even_read(intake: Intake, authorization: str) -> None:
    headers = {"content-type": SINGLE, "authorization": authorization.encode("latin-1")}
    answer = httpx.post(f"{intake.url}/api/v1/events", content=b"{", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_token_sends_for_its_source_and_sites(intake: Intake, token: str, written: Tail) -> None:
    batch = [cloud("a", "/mercy/pis"), cloud("b", "/mercy/pis", data={"site": "oak"})]
    assert intake.post(batch, BATCH, token).status_code == 202
    assert len(written.events("/mercy/pis")) == 2


@pytest.mark.parametrize(
    "foreign", [cloud("c", "/mercy/adc"), cloud("c", "/mercy/pis", data={"site": "pine"}), cloud("c", "/mercy/pis/")]
)
def test_one_item_of_another_source_or_site_refuses_the_whole_and_is_named(
    intake: Intake, token: str, foreign: dict[str, object], written: Tail
) -> None:
    answer = intake.post([cloud("a", "/mercy/pis"), foreign], BATCH, token)
    assert (answer.status_code, reasons(answer)) == (403, [(1, "not yours")])
    assert written.records() == []


def test_a_token_that_was_taken_back_is_refused(intake: Intake) -> None:
    bound = tokens.Token("for-a-day", frozenset({Source("/a")}), frozenset({Site("mercy")}))
    text = tokens.add(intake.database_url, bound)
    wait_until(lambda: intake.post(cloud(source="/a"), key=text).status_code == 202)
    assert tokens.revoke(intake.database_url, "for-a-day")
    wait_until(lambda: intake.post(cloud(source="/a"), key=text).status_code == 401, 2)


def test_the_store_keeps_no_token_that_could_be_used(intake: Intake, token: str) -> None:
    with psycopg.connect(intake.database_url) as connection:
        rows = connection.execute("SELECT tokens::text FROM tokens").fetchall()
    assert rows and token not in str(rows) and token.removeprefix(tokens.PREFIX) not in str(rows)


def test_the_command_gives_a_token_once_and_takes_it_back(intake: Intake, tmp_path: Path) -> None:
    environ = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": intake.database_url}

    def run(*words: str) -> tuple[int, str, str]:
        done = CliRunner(env=environ).invoke(cli.main, ["token", *words])
        return done.exit_code, done.stdout, done.stderr

    code, out, _ = run("add", "oak-pms", "--source", "/oak/pms", "--site", "oak", "--json")
    made = json.loads(out)
    assert (code, made["sources"], made["sites"]) == (0, ["/oak/pms"], ["oak"])
    sent = cloud(source="/oak/pms", data={"site": "oak"})
    wait_until(lambda: intake.post(sent, key=made["token"]).status_code == 202, 2)
    assert run("add", "oak-pms", "--site", "oak")[0] == 1
    assert json.loads(run("revoke", "oak-pms", "--json")[1]) == {"name": "oak-pms", "revoked": True}
    assert json.loads(run("revoke", "oak-pms", "--json")[1]) == {"name": "oak-pms", "revoked": False}
    code, _, err = run("revoke", "nobody")
    assert code == 1 and "no token is called nobody" in err
    assert run("add", "a b", "--site", "oak")[0] == 2
    code, reader, err = run("add", "wall-screen", "--site", "oak")
    assert code == 0 and "wall-screen reads the console at oak and sends nothing" in err
    wait_until(lambda: intake.post(sent, key=reader.strip()).status_code == 403, 2)


def test_the_list_of_tokens_says_what_each_may_and_since_when_and_never_its_text(
    database_url: str, tmp_path: Path
) -> None:
    environ = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": database_url}

    def run(*words: str) -> tuple[str, str]:
        done = CliRunner(env=environ).invoke(cli.main, ["token", *words])
        assert done.exit_code == 0, done.output
        return done.stdout, done.stderr

    assert run("list")[0] == "" and "no token was ever given out" in run("list")[1]
    texts = [run("add", "wall", "--site", "oak")[0], run("add", "pis", "--source", "/oak/pms", "--site", "oak")[0]]
    run("revoke", "wall")
    shown, remark = run("list")
    [pis, wall] = shown.splitlines()
    assert re.fullmatch(r"pis   since [-\d]+ [:\d]+Z: reads the console at oak and sends events of /oak/pms .*", pis)
    assert re.fullmatch(r"wall  TAKEN BACK [-\d]+ [:\d]+Z, made [-\d]+ [:\d]+Z: .* and sends nothing", wall)
    assert "RXPULSE_API_KEY" in remark
    listed = run("list", "--json")[0]
    [pis, wall] = json.loads(listed)
    assert (pis["name"], pis["sources"], pis["sites"], pis["revoked"]) == ("pis", ["/oak/pms"], ["oak"], None)
    assert pis["made"] <= wall["revoked"]
    with psycopg.connect(database_url) as connection:
        hashes = [text for (text,) in connection.execute("SELECT hash FROM tokens")]
    assert not any(secret.strip() in shown + listed for secret in (*texts, *hashes))


def test_a_token_for_a_site_that_nobody_declared_is_given_with_a_warning(database_url: str, tmp_path: Path) -> None:
    text = '[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n'
    policies.begin(database_url, policy_text.read(text, file="test"), "a test")
    environ = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": database_url}
    words = ["token", "add", "t2", "--site", "mercy", "--site", "mercu", "--json"]
    done = CliRunner(env=environ).invoke(cli.main, words)
    assert done.exit_code == 0 and json.loads(done.stdout)["sites"] == ["mercu", "mercy"]
    assert [line.partition(",")[0] for line in done.stderr.splitlines()] == ["warning: no site mercu is declared"]


# What stands behind the door


def stands(intake: Intake, **changed: object) -> Callable[[], Standing]:
    return lambda: replace(intake.behind.standing(), **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("behind", "allowed", "status"),
    [(301.0, 300.0, 429), (299.0, 300.0, 202), (None, 300.0, 202), (61.0, 60.0, 429), (9e9, 0.0, 202)],
)
def test_a_worker_that_is_too_far_behind_is_not_given_more(
    intake: Intake, behind: float | None, allowed: float, status: int
) -> None:
    slow = replace(intake.behind, standing=stands(intake, behind=behind), max_lag_seconds=allowed)
    before = figure(intake, "rxpulse_intake_requests_total", '{status="429"}')
    with served(slow) as url:
        answer = replace(intake, url=url).post(cloud())
    assert answer.status_code == status
    assert figure(intake, "rxpulse_intake_worker_behind_seconds") == (behind or 0.0)
    if status == 429:
        assert answer.headers["retry-after"] == "30" and f"{behind:.0f} seconds behind" in answer.json()["error"]
        assert (answer.json()["reason"], answer.json()["behind_seconds"]) == ("worker behind", behind)
        assert figure(intake, "rxpulse_intake_requests_total", '{status="429"}') == before + 1


@pytest.mark.parametrize(
    ("judged", "beat", "ahead", "found"),
    [
        ("10 minutes", "1 second", 29, 600.0),
        ("10 minutes", "2 minutes", 0, None),
        ("1 second", "1 second", 0, 1.0),
        # Nobody listens while clocks differ, though all is read.
        ("10 minutes", "1 second", -31, None),
    ],
)
def test_behind_is_a_worker_that_lives_and_has_long_not_read_to_the_end(
    database_url: str, judged: str, beat: str, ahead: int, found: float | None
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO positions (partition, cluster, judged, beat)"
            " VALUES (0, 'c', now() - %s::interval, now() - %s::interval), (1, 'c', NULL, now())",
            [judged, beat],
        )
        connection.execute("INSERT INTO worker_clocks (worker, ahead) VALUES ('w0', %s)", [ahead * 1_000_000])
    held = IntakeStore(database_url)
    behind = held.standing().behind
    held.close()
    assert behind == (None if found is None else pytest.approx(found, abs=5))


def test_strict_sites_refuse_the_unknown(intake: Intake) -> None:
    policy = intake.behind.standing().policy
    assert policy is not None
    with served(replace(intake.behind, standing=stands(intake, policy=replace(policy, strict_sites=True)))) as url:
        answer = replace(intake, url=url).post(cloud(data={"site": "elsewhere"}))
    assert (answer.status_code, reasons(answer)) == (400, [(0, "unknown site")])


def test_a_kafka_that_is_away_is_said_and_the_sender_keeps_his_events(intake: Intake) -> None:
    def away(records: object) -> None:
        raise Unconfirmed(1, 3, "Kafka does not take them")

    with served(replace(intake.behind, deliver=away)) as url:
        answer = replace(intake, url=url).post([cloud("a"), cloud("b"), cloud("c")], BATCH)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "1 of 3 events are confirmed" in answer.json()["error"]


def test_a_broker_that_nobody_reaches_is_unconfirmed_and_not_ready(intake: Intake) -> None:
    nobody = Confirming(replace(intake.settings, kafka="127.0.0.1:1"))
    with pytest.raises(Unconfirmed):
        nobody.deliver([Cleaned("order/1", b"{}", 0)])
    assert nobody.missing() == "Kafka does not answer"


class Broken:
    """A producer as it is after a fatal error: it says so once, and takes nothing from then on."""

    made = 0

    def __init__(self, _: object) -> None:
        Broken.made += 1
        self.first = True

    def produce(self, *_: object, headers: object, on_delivery: Callable[[KafkaError, None], None]) -> None:
        fatal = KafkaError(KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, "out of order", True)
        if not self.first:
            raise KafkaException(fatal)
        self.first = False
        on_delivery(fatal, None)

    def poll(self, _: float) -> None: ...


@pytest.mark.parametrize("records", [1, 2])
def test_after_a_fatal_error_there_is_a_new_producer(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, records: int
) -> None:
    monkeypatch.setattr("streams.confirming.Producer", Broken)
    broken, made = Confirming(intake.settings), Broken.made
    with pytest.raises(Unconfirmed, match=f"0 of {records} events are confirmed: .*out of order"):
        broken.deliver([Cleaned("order/1", b"{}", 0)] * records)
    assert Broken.made == made + 1


def test_while_the_database_is_away_what_was_known_holds(intake: Intake, database_url: str) -> None:
    policies.begin(database_url, policy_text.read(POLICY), "test")
    held = IntakeStore(database_url)
    known = held.standing()
    with psycopg.connect(intake.database_url, autocommit=True) as connection:
        name = database_url.rpartition("/")[2]
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')  # type: ignore[arg-type]
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        assert held.missing() == "the database does not answer"
        assert held.standing() is known
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')  # type: ignore[arg-type]
    assert held.missing() is None
    held.close()


def test_health_readiness_and_figures_are_on_the_same_port(intake: Intake) -> None:
    assert httpx.get(f"{intake.url}/healthz").text == "alive\n"
    assert httpx.get(f"{intake.url}/readyz").text == "ready\n"
    intake.post(cloud())
    assert figure(intake, "rxpulse_intake_events_total") > 0
    assert figure(intake, "rxpulse_intake_requests_total", '{status="202"}') > 0


def test_figures_are_not_for_whoever_asks_through_a_proxy(intake: Intake) -> None:
    far = {"x-forwarded-for": "203.0.113.9"}
    assert httpx.get(f"{intake.url}/metrics", headers=far).status_code == 401
    assert httpx.get(f"{intake.url}/metrics", headers=far | {"authorization": f"Bearer {KEY}"}).status_code == 200
    assert httpx.get(f"{intake.url}/metrics", headers={"x-forwarded-for": "nowhere"}).status_code == 401


def test_the_contract_names_the_door_its_media_types_and_its_answers(intake: Intake) -> None:
    found = httpx.get(f"{intake.url}/api/v1/openapi.json").json()
    assert list(found["paths"]) == ["/api/v1/events"]
    post = found["paths"]["/api/v1/events"]["post"]
    assert set(post["requestBody"]["content"]) == {SINGLE, BATCH}
    assert set(post["responses"]) >= {"202", "400", "401", "403", "408", "413", "415", "429", "503"}


# The command, and what the page about feeds says


@pytest.fixture
def running(intake: Intake, tmp_path: Path) -> Iterator[str]:
    with started(intake, tmp_path) as url:
        yield url


@contextmanager
def started(intake: Intake, home: Path, **env: str) -> Iterator[str]:
    """The command, beside the parts of `intake`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("RXPULSE_")} | {
        **env,
        "RXPULSE_HOME": str(home),
        "RXPULSE_KAFKA": intake.settings.required_kafka(),
        "RXPULSE_DATABASE_URL": intake.database_url,
        "RXPULSE_PORT": str(port),
        "RXPULSE_API_KEY": KEY,
        "RXPULSE_PSEUDONYM_KEY": PSEUDONYMS,
    }
    process = subprocess.Popen([sys.executable, "-m", "rxpulse", "intake"], env=environ)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is None and ready(url))
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)


def ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_example_of_the_page_about_feeds_works(running: str, written: Tail) -> None:
    [example] = re.findall(r"```sh\n(curl .*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    example = example.replace("http://127.0.0.1:7401", running)
    done = subprocess.run(["bash", "-c", example], env={**os.environ, "TOKEN": KEY}, capture_output=True, check=False)
    assert json.loads(done.stdout)["accepted"] == 1, done.stdout + done.stderr
    assert len(written.events("/mercy/pis")) == 1


def test_how_far_the_worker_may_be_behind_is_a_setting_of_the_command(intake: Intake, tmp_path: Path) -> None:
    with started(intake, tmp_path, RXPULSE_INTAKE_MAX_LAG_SECONDS="60") as url:
        at = replace(intake, url=url)
        with psycopg.connect(intake.database_url, autocommit=True) as store:
            store.execute(
                "INSERT INTO positions (partition, cluster, judged, beat) VALUES (9, 'c', now() - interval '2 min', now())"
            )
            try:
                wait_until(lambda: at.post(cloud()).status_code == 429, 5)
                refused = at.post(cloud()).json()
            finally:
                store.execute("DELETE FROM positions WHERE partition = 9")
        assert 110 < refused["behind_seconds"] < 130 and "60 are allowed" in refused["error"]
        wait_until(lambda: at.post(cloud()).status_code == 202, 5)
