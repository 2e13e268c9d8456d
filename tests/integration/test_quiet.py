"""A silent feed hides no late order: urgent ones are told with the remark, the rest waits until it speaks (semantics 19)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models import policy_text
from models.clocks import instance_id
from models.event import CaseId, Event, EventType, Source
from models.policy import Kind, Policies, Severity
from models.signals import Cleared, Signal, signal_id
from models.store import quiet
from models.store.ledger import Advance, Batch
from models.store.records import case_row
from models.store.spoken import look_again
from models.tracking import Watched, track
from tests.integration.test_desk import LATE, POLICY, Telling, telling

__all__ = ["telling"]
WITH_SUMMARY = POLICY.replace('timezone = "UTC"', 'timezone = "America/New_York"') + (
    '[ladder.rest]\nfor = { severity = ["S3", "S4"] }\n'
    'steps = [{ after = "0s", to = ["person:ben"], by = ["inbox"] }]\n'
)


@pytest.fixture
def pharmacy(telling: Telling) -> Iterator[Telling]:
    telling.desk = replace(telling.desk, policy=policy_text.parse(WITH_SUMMARY, file="test"))
    yield telling


def order(pharmacy: Telling, number: int, severity: Severity, source: str = "/mercy/pis") -> Signal:
    """An order that this feed entered ten minutes ago, and the signal that it is late."""
    now = pharmacy.now()
    case, at = CaseId(f"order/{number}"), now - timedelta(minutes=10)
    entered = Event(f"e{number}", Source(source), EventType("rx.order.entered"), at, at, case, {"site": LATE.site})
    watched = track(Watched(case), entered, Policies.only(pharmacy.desk.policy)).case
    pharmacy.ledger.commit(Batch([Advance(0, 1, 0, 0, pharmacy.written, 0)], cases=[case_row(watched, 0, None)]))
    name = signal_id(Kind.CLOCK, instance_id("stat-verified", entered))
    return pharmacy.signal(id=name, case=case, severity=severity)


def falls_silent(pharmacy: Telling, source: str = "/mercy/pis") -> datetime:
    since = pharmacy.now() - timedelta(minutes=40)
    pharmacy.connection.execute(
        "INSERT INTO silences (signal, source, site, since, raised) VALUES (%s, %s, 'mercy', %s, %s)",
        [f"silence of {source}", source, since, since + timedelta(minutes=30)],
    )
    return since


def speaks(pharmacy: Telling) -> None:
    pharmacy.connection.execute("UPDATE silences SET cleared = now()")


def round_(pharmacy: Telling) -> None:
    pharmacy.look()
    look_again(pharmacy.connection, pharmacy.desk)
    pharmacy.look()


def verdict(pharmacy: Telling, signal: Signal) -> Any:
    [(told,)] = pharmacy.rows("SELECT told FROM signals WHERE id = %s", signal.id)
    return told


def titles(pharmacy: Telling) -> list[str]:
    return [title for (title,) in pharmacy.rows("SELECT message->'data'->>'title' FROM deliveries ORDER BY made, 1")]


def test_an_urgent_order_is_told_with_the_remark_that_its_feed_is_silent(pharmacy: Telling) -> None:
    since = falls_silent(pharmacy)
    urgent = order(pharmacy, 1, Severity.S2)
    round_(pharmacy)
    assert verdict(pharmacy, urgent) == "yes"
    local = since.astimezone(ZoneInfo("America/New_York"))
    assert set(titles(pharmacy)) == {f"S2 Mercy: STAT order verified: late (feed silent since {local:%H:%M})"}


def test_the_rest_waits_until_the_feed_speaks_and_is_one_page(pharmacy: Telling) -> None:
    falls_silent(pharmacy)
    waiting = [order(pharmacy, number, Severity.S3) for number in (1, 2)]
    round_(pharmacy)
    assert [verdict(pharmacy, one) for one in waiting] == ["held", "held"] and pharmacy.told() == []
    pharmacy.clock.forward(minutes=30)
    round_(pharmacy)
    assert pharmacy.told() == []
    speaks(pharmacy)
    round_(pharmacy)
    assert [verdict(pharmacy, one) for one in waiting] == ["summary", "summary"]
    assert pharmacy.told() == [("page", "ben", "inbox")]
    assert titles(pharmacy) == ["S3 Mercy: 2 still open of what was kept back while its feed was silent"]
    round_(pharmacy)
    assert len(pharmacy.told()) == 1


def test_what_was_done_in_time_after_all_is_never_told(pharmacy: Telling) -> None:
    falls_silent(pharmacy)
    waiting = order(pharmacy, 1, Severity.S3)
    round_(pharmacy)
    now = pharmacy.now()
    pharmacy.signal(
        id=waiting.id, case=waiting.case, severity=Severity.S3, cleared=now, reason=Cleared.DISPROOF, revision=2
    )
    speaks(pharmacy)
    round_(pharmacy)
    assert verdict(pharmacy, waiting) == "held" and pharmacy.told() == []


def test_an_order_of_a_feed_that_speaks_is_told_as_ever(pharmacy: Telling) -> None:
    falls_silent(pharmacy, "/mercy/adc")
    waiting = order(pharmacy, 1, Severity.S3)
    round_(pharmacy)
    assert verdict(pharmacy, waiting) == "yes" and "silent" not in titles(pharmacy)[0]


def test_one_that_gets_urgent_meanwhile_is_told_at_once(pharmacy: Telling) -> None:
    falls_silent(pharmacy)
    waiting = order(pharmacy, 1, Severity.S3)
    round_(pharmacy)
    now = pharmacy.now()
    pharmacy.signal(id=waiting.id, case=waiting.case, severity=Severity.S2, raised=now, known=now, revision=2)
    round_(pharmacy)
    assert verdict(pharmacy, waiting) == "yes" and len(pharmacy.told()) == 2


def test_while_a_feed_is_silent_no_case_is_read_again_round_by_round(
    pharmacy: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    falls_silent(pharmacy)
    order(pharmacy, 1, Severity.S3)
    pharmacy.look()

    def read(*_: object) -> None:
        raise AssertionError("a case was read")

    with monkeypatch.context() as watched:
        watched.setattr(quiet, "evidence_of", read)
        assert look_again(pharmacy.connection, pharmacy.desk) == 0
        speaks(pharmacy)
        assert look_again(pharmacy.connection, pharmacy.desk) == 1
    assert pharmacy.rows("SELECT feed FROM signals") == [("/mercy/pis",)]


def test_one_kept_back_without_a_word_whose_silence_it_was_is_looked_up_once(pharmacy: Telling) -> None:
    falls_silent(pharmacy)
    waiting = order(pharmacy, 1, Severity.S3)
    pharmacy.look()
    pharmacy.connection.execute("UPDATE signals SET feed = NULL")
    assert look_again(pharmacy.connection, pharmacy.desk) == 0
    assert pharmacy.rows("SELECT feed, told FROM signals") == [("/mercy/pis", "held")]
    speaks(pharmacy)
    round_(pharmacy)
    assert verdict(pharmacy, waiting) == "summary"
