"""What the intake takes: an event is in Kafka when it is answered, as it was sent, without what is outside the closed list, and
under pseudonyms where the policy says so."""

import json
from datetime import UTC, datetime

import httpx

from streams.admission import dropped_before
from streams.intake.pseudonym import actor, pseudonym
from tests.intake import BATCH, PSEUDONYMS, Intake, cloud, figure, now
from tests.topics import Tail


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
