"""A producer that writes once and in order ends for good when the broker has lost a record. The real librdkafka says so, once:
the intake goes on with a new producer, and who feeds events is told how many lie in the topic."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from models.settings import Settings
from streams import confirming, producing
from streams.confirming import Confirming
from streams.intake.reception import Cleaned, Unconfirmed
from streams.producing import Feeding, NotSent
from tests.mockcluster import BROKER, Ending

RECORD = Cleaned("order/1", b"{}", 0)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """With producers that have a broker of their own, and room for one record."""
    real = producing.producer_settings

    def played(settings: Settings) -> dict[str, object]:
        return real(settings) | BROKER | {"queue.buffering.max.messages": 1}

    monkeypatch.setattr(Ending, "at", -1)
    monkeypatch.setattr(Ending, "made", 0)
    for module in (confirming, producing):
        monkeypatch.setattr(module, "producer_settings", played)
        monkeypatch.setattr(module, "Producer", Ending)
    return Settings(home=tmp_path, cache=tmp_path, kafka="127.0.0.1:1")


def test_what_such_a_producer_says(settings: Settings) -> None:
    """Once a reason that is fatal; then a code, with which every record is refused, that is not."""
    producer = Ending(producing.producer_settings(settings))
    producer.end()
    said = [fault(lambda: producer.poll(5)), *(fault(lambda: producer.produce("t", b"")) for _ in range(2))]
    assert [(one.code(), one.fatal()) for one in said] == [
        (KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER, True),
        (KafkaError._FATAL, False),
        (KafkaError._FATAL, False),
    ]


def fault(act: Callable[[], object]) -> KafkaError:
    with pytest.raises(KafkaException) as raised:
        act()
    return raised.value.args[0]


# The second record finds no room until the first is confirmed.
@pytest.mark.parametrize("records", [1, 2])
def test_the_intake_asks_one_sender_to_come_again_and_takes_what_comes_next(settings: Settings, records: int) -> None:
    intake, Ending.at = Confirming(settings), 0
    with pytest.raises(Unconfirmed, match=f"0 of {records} events are confirmed: .*records are missing"):
        intake.deliver([RECORD] * records)
    intake.deliver([RECORD] * records)
    assert Ending.made == 2
    intake.close()


def test_an_intake_whose_producer_ended_while_nobody_sent_goes_on_too(settings: Settings) -> None:
    intake = Confirming(settings)
    intake._producer.end()  # type: ignore[attr-defined]
    with pytest.raises(Unconfirmed, match=r"0 of 1 events are confirmed: .*Fatal error"):
        intake.deliver([RECORD])
    intake.deliver([RECORD])
    intake.close()


def test_of_two_senders_one_hears_the_reason_and_both_come_again(settings: Settings) -> None:
    intake, Ending.at = Confirming(settings), 0
    with ThreadPoolExecutor(2) as senders:
        sent = [senders.submit(intake.deliver, [RECORD]) for _ in range(2)]
    # Whoever came only after the end found the new producer.
    assert any(isinstance(one.exception(), Unconfirmed) for one in sent)
    assert all(isinstance(one.exception(), Unconfirmed | None) for one in sent)
    intake.deliver([RECORD])
    intake.close()


def test_an_intake_whose_producer_ended_can_be_closed(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    intake = Confirming(settings)
    intake._producer.end()  # type: ignore[attr-defined]
    intake.close()
    assert "records are missing" in caplog.text


# The end comes when all is sent, or while the second waits for room.
@pytest.mark.parametrize("events", [1, 2])
def test_who_feeds_is_told_what_lies_in_the_topic_and_why_the_rest_does_not(settings: Settings, events: int) -> None:
    feeding, Ending.at = Feeding(settings), 0

    def feed() -> None:
        for _ in range(events):
            feeding.send_record(*RECORD[:2])
        feeding.finish()

    with pytest.raises(NotSent, match="records are missing") as refused:
        feed()
    assert (refused.value.confirmed, refused.value.missing) == (0, events)
