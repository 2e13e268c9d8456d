"""Events on their way into a real Kafka: all of them confirmed, or an error that says how many are not."""

import gzip
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from models.errors import CallerFault
from models.event import Event, Source
from models.settings import Settings
from models.wire import MAX_RECORD, encode
from rxpulse import cli
from tests.conftest import RunningStack
from tests.heart import event
from tests.topics import Tail, tail  # before streams, which reads kafka-python

# isort: split
from streams import producing, topics
from streams.producing import Feeding, NotSent


@pytest.fixture
def settings(stack: RunningStack) -> Settings:
    found = Settings(home=stack.home, cache=stack.home, kafka=stack.kafka)
    topics.create(found)
    return found


@pytest.fixture
def written(settings: Settings) -> Iterator[Tail]:
    with tail(settings.required_kafka()) as found:
        yield found


def told(source: str, count: int) -> list[Event]:
    made = [event("order.entered", number, case=f"order/{number % 50}", key=f"e{number}") for number in range(count)]
    return [Event(e.id, Source(source), e.type, e.time, e.recorded, e.subject, e.data) for e in made]


def test_what_was_sent_lies_in_the_topic_once_and_each_subject_in_order(settings: Settings, written: Tail) -> None:
    feed = Feeding(settings)
    sent = told("/test/feeding", 10_000)
    for one in sent:
        feed.send(one)
    assert feed.finish() == 10_000 == feed.confirmed
    found = written.events("/test/feeding")
    assert len(found) == 10_000
    by_subject = {subject: [e for e in found if e.subject == subject] for subject in {e.subject for e in sent}}
    assert all(by_subject[subject] == [e for e in sent if e.subject == subject] for subject in by_subject)


def test_a_record_lies_where_its_subject_belongs(settings: Settings, written: Tail) -> None:
    """Other tests make the topic anew with fewer partitions: those that are there count."""
    feed = Feeding(settings)
    for one in told("/test/places", 200):
        feed.send(one)
    feed.finish()
    records = written.records()
    assert {(m.key(), m.partition()) for m in records} == {
        (m.key(), murmur2(m.key() or b"") % len(written.places)) for m in records
    }


def murmur2(key: bytes) -> int:
    """Another implementation of the partitioner than the producer's."""
    from kafka.partitioner.default import murmur2 as reference

    return reference(key) & 0x7FFFFFFF


def test_a_record_that_the_broker_refuses_is_an_error_with_both_counts(settings: Settings, written: Tail) -> None:
    feed = Feeding(settings)
    for one in told("/test/refused", 20):
        feed.send(one)
    feed.send_record("order/1", os.urandom(MAX_RECORD + MAX_RECORD // 2))
    with pytest.raises(NotSent, match=r"20 events lie in rx\.events, 1 do not: .*too large") as refused:
        feed.finish()
    assert (refused.value.confirmed, refused.value.missing) == (20, 1)
    assert len(written.events("/test/refused")) == 20


def test_a_record_that_is_too_large_even_to_send_is_an_error_too(settings: Settings) -> None:
    feed = Feeding(settings)
    feed.send_record("order/1", bytes(3 * MAX_RECORD))
    with pytest.raises(NotSent, match=r"0 events lie in rx\.events, 1 do not"):
        feed.finish()


def test_a_broker_that_is_away_is_said_before_anything_is_sent(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producing, "_ANSWER_SECONDS", 1.0)
    away = Settings(home=settings.home, cache=settings.cache, kafka="127.0.0.1:1")
    with pytest.raises(CallerFault, match=r"Kafka at 127\.0\.0\.1:1 does not answer .*is it up\?"):
        Feeding(away)


def bring(settings: Settings, *words: object) -> Result:
    environ = {
        "RXPULSE_HOME": str(settings.home / "none"),
        "RXPULSE_KAFKA": settings.required_kafka(),
        "RXPULSE_PSEUDONYM_KEY": "a key that is long enough to be one",
    }
    return CliRunner(env=environ).invoke(cli.main, ["import", *map(str, words)])


def test_a_file_of_events_goes_to_kafka_and_what_is_none_is_counted(
    settings: Settings, written: Tail, tmp_path: Path
) -> None:
    sent = told("/test/ndjson", 300)
    file = tmp_path / "feed.ndjson.gz"
    file.write_bytes(gzip.compress(b"no event\n" + b"".join(encode(one) + b"\n" for one in sent)))
    done = bring(settings, "ndjson", file, "--to-kafka", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["records"] == {"read": 301, "events": 300, "skipped": 1}
    assert "300 events lie in Kafka, each confirmed" in done.stderr
    assert {one.id for one in written.events("/test/ndjson")} == {one.id for one in sent}


def test_an_export_goes_to_kafka_the_same_as_to_a_file(settings: Settings, written: Tail, tmp_path: Path) -> None:
    mapping = tmp_path / "map.toml"
    mapping.write_text(
        'source = "/test/csv"\ncase = "order"\ncolumns = { subject = "NO" }\nconstants = { "data.site" = "mercy" }\n'
        'time = { timezone = "UTC" }\n[[event]]\ntype = "rx.order.entered"\ntime = "AT"\n'
    )
    (tmp_path / "export.csv").write_text("NO,AT\n1,2026-11-20T10:00\n2,2026-11-20T11:00\n")
    words = ("csv", tmp_path / "export.csv", "--map", mapping)
    assert bring(settings, *words, "--to-kafka").exit_code == 0
    assert bring(settings, *words, "--out", tmp_path / "out.ndjson").exit_code == 0
    found = written.events("/test/csv")
    assert sorted(map(encode, found)) == sorted((tmp_path / "out.ndjson").read_bytes().splitlines())
    assert len(found) == 2


def test_a_file_that_ends_too_early_says_what_lies_in_kafka_already(
    settings: Settings, written: Tail, tmp_path: Path
) -> None:
    packed = gzip.compress(b"".join(encode(one) + b"\n" for one in told("/test/cut", 5000)))
    (tmp_path / "cut.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    done = bring(settings, "ndjson", tmp_path / "cut.ndjson.gz", "--to-kafka")
    assert done.exit_code == 1 and "cannot be unpacked to its end" in done.stderr
    found = written.events("/test/cut")
    assert 0 < len(found) < 5000
    assert f"{len(found)} events lie in Kafka already, and sending them again does no harm" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to-kafka", "--out", "x.ndjson"), "--out and --to-kafka: say one place where the events go"),
        (("--to-kafka", "--out", "x.ndjson", "--dry-run"), "say one place where the events go"),
        ((), "say where the events go: --out FILE.ndjson"),
    ],
)
def test_events_go_to_one_place(settings: Settings, words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "feed.ndjson").touch()
    done = bring(settings, "ndjson", tmp_path / "feed.ndjson", *words)
    assert done.exit_code == 2 and said in done.stderr


def test_a_dry_run_before_kafka_judges_as_kafka_does_and_sends_nothing(
    settings: Settings, written: Tail, tmp_path: Path
) -> None:
    file = tmp_path / "feed.ndjson"
    file.write_bytes(b"".join(encode(one) + b"\n" for one in (*told("/test/dry", 3), tomorrow("/test/dry"))))
    done = bring(settings, "ndjson", file, "--to-kafka", "--dry-run", "--json")
    assert done.exit_code == 0, done.output
    assert "dry run: nothing was sent to Kafka; leave out --dry-run to send them" in done.stderr
    assert json.loads(done.stdout)["records"] == {"read": 4, "events": 3, "skipped": 1}
    [refused] = json.loads(done.stdout)["refused"]
    assert (refused["row"], refused["reason"]) == (4, "recorded ahead")
    assert written.events("/test/dry") == []


def tomorrow(source: str) -> Event:
    """An event from the future, by a wrong clock of its sender."""
    at = datetime.now(UTC) + timedelta(days=1)
    one = told(source, 1)[0]
    return Event("tomorrow", one.source, one.type, at, at, one.subject, one.data)


def test_an_event_from_the_future_is_left_out_with_line_and_remedy_and_the_others_go(
    settings: Settings, written: Tail, tmp_path: Path
) -> None:
    file = tmp_path / "feed.ndjson"
    before, after = told("/test/early", 2)
    file.write_bytes(b"\n".join(map(encode, (before, tomorrow("/test/early"), after))))
    done = bring(settings, "ndjson", file, "--to-kafka")
    assert done.exit_code == 0, done.output
    line = "line 2: recorded ahead: recorded is more than 5 minutes after receipt: check the sender's clock, then the receiver's"
    assert line in done.stderr.splitlines()
    assert {one.id for one in written.events("/test/early")} == {before.id, after.id}
    assert bring(settings, "ndjson", file, "--out", tmp_path / "kept.ndjson").exit_code == 0
    assert len((tmp_path / "kept.ndjson").read_bytes().splitlines()) == 3


@pytest.mark.parametrize(
    ("words", "said"), [((), "give --rebase"), (("--rebase", "2199-01-01"), "today or an earlier")]
)
def test_tables_whose_dates_lie_in_the_future_are_refused_before_anything_is_sent(
    settings: Settings, words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = bring(settings, "mimic", tmp_path, "--to-kafka", *words)
    assert done.exit_code == 2 and said in done.stderr
