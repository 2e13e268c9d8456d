"""Fifty invented orders with every quirk of the published tables: each row becomes an event or is counted by its reason."""

from collections import Counter
from pathlib import Path

import pytest

from metrics.replay import Replay, document
from models.event import Event
from models.policy import Policies
from models.policy_text import shipped_default
from models.wire import Decoded, decode, encode
from streams.intake.mimic import Import

TABLES = Path(__file__).parents[1] / "data" / "mimic-quirks"


@pytest.fixture(scope="module")
def told() -> tuple[Import, list[Event]]:
    reading = Import("a key that is long enough to be one")
    return reading, list(reading.rows(TABLES, None))


def test_fifty_orders_are_fifty_cases_and_every_row_is_accounted_for(told: tuple[Import, list[Event]]) -> None:
    reading, events = told
    orders = {event.subject for event in events if event.subject.startswith("order/")}
    assert len(orders) == 50
    assert reading.tally.read == 3 * 50 + 16 == reading.tally.events + sum(reading.tally.skipped.values())
    assert reading.tally.skipped == {
        "no order time": 3, "no time": 1 + 3, "no dose event": 4, "charted more than a day ahead": 1,
    }  # fmt: skip


def test_every_event_passes_the_same_check_as_a_feed(told: tuple[Import, list[Event]]) -> None:
    for event in told[1]:
        found = decode(encode(event), None)
        assert isinstance(found, Decoded) and found.event == event


def test_only_new_orders_with_a_verification_after_them_are_measured(told: tuple[Import, list[Event]]) -> None:
    heart = Replay(Policies.only(shipped_default().policy))
    for event in told[1]:
        heart.take(decode(encode(event), None))
    heart.end()
    found = document(heart)
    figures = next(row for row in found["intervals"] if (row["clock"], row["site"]) == ("order-to-verified", "*"))
    assert found["conflicts"]["negative_interval"] == 5
    assert (figures["n"], figures["min"], figures["max"], figures["zero"]) == (50 - 5 - 4 - 3, 0, 300, 1)


def test_doses_are_what_the_text_says_and_nothing_else(told: tuple[Import, list[Event]]) -> None:
    doses = Counter((event.type, event.data.get("reason")) for event in told[1] if event.type.startswith("rx.dose."))
    assert doses == {
        ("rx.dose.administered", None): 7,
        ("rx.dose.not_given", "hold_dose"): 2,
        ("rx.dose.not_given", "per_sliding_scale"): 1,
        ("rx.dose.not_given", "not_applied"): 1,
    }
    assert len({event.subject for event in told[1] if event.subject.startswith("dose/")}) == 3


def test_no_name_number_or_free_text_of_the_tables_passes(told: tuple[Import, list[Event]]) -> None:
    wire = b"".join(encode(event) for event in told[1])
    for planted in ("Heparin", "Potassium", "___", "P00AAA", "P11BBB", "OmniCell", "2101", "101-", "5001"):
        assert planted.encode() not in wire
