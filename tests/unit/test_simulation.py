"""Invented pharmacies: the same seed gives the same bytes, and the heart finds its way in them."""

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest

from metrics.replay import Replay, document
from models.event import Event, kind_of
from models.event_types import CATALOGUE, allowed
from models.policy import Policies
from models.policy_text import load
from models.wire import Decoded, decode, encode
from streams.simulate import PROFILES, SiteSpec, demo_sites, simulate

START = datetime(2025, 1, 6, 5, tzinfo=UTC)


def day(profile: str, seed: int = 7) -> list[Event]:
    site = SiteSpec(site="mercy", profile=profile, timezone="America/New_York", volume=0.3)
    return list(takewhile(lambda event: event.recorded < START + timedelta(days=1), simulate([site], START, seed)))


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_the_same_seed_gives_the_same_bytes(profile: str) -> None:
    assert [*map(encode, day(profile))] == [*map(encode, day(profile))]
    assert day(profile) != day(profile, seed=8)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_event_passes_the_wire_and_belongs_to_its_kind_of_case(profile: str) -> None:
    events = day(profile)
    assert events
    for event in events:
        found = decode(encode(event), None)
        assert isinstance(found, Decoded)
        assert (found.event, found.dropped) == (event, 0)
        assert event.type in CATALOGUE
        assert allowed(event.type, kind_of(event.subject))


def test_events_come_in_the_order_in_which_they_become_known() -> None:
    known = [event.recorded for event in day("inpatient")]
    assert known == sorted(known)


def test_the_heart_reads_turnaround_out_of_three_simulated_days() -> None:
    heart = Replay(Policies.only(load(None)))
    for event in takewhile(lambda event: event.recorded < START + timedelta(days=3), simulate(demo_sites(), START, 7)):
        heart.take(Decoded(event))
    heart.end()
    found = document(heart)
    assert found["rejected_reasons"] == {}
    rows = {row["clock"]: row for row in found["intervals"] if row["site"] == "*"}  # type: ignore[index,attr-defined]
    assert found["conflicts"]["impossible_transition"] < 20  # type: ignore[index]
    assert sum(1 for signal in heart.signals() if signal.name == "dispensed-before-final-check") < 5
    assert 1 < rows["stat-verified"]["p50"] < 15
    assert rows["order-to-verified"]["p90"] > 2 * rows["order-to-verified"]["p50"]
