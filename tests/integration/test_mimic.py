"""Real orders of one hospital through the heart: the figures that the data set is known for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metrics.replay import Replay, document
from models.policy import Policies
from models.policy_text import load
from models.wire import Decoded
from streams.intake.mimic import Import, kind_of_dose

KEY = "a key that is long enough to be one"


def test_order_to_verified_agrees_with_the_published_figures(test_data: Path) -> None:
    heart = Replay(Policies.only(load(None)))
    for event in Import(KEY).rows(test_data / "mimic-iv-demo", None):
        heart.take(Decoded(event))
    found = document(heart)
    [row] = [r for r in found["intervals"] if (r["clock"], r["site"]) == ("order-to-verified", "*")]  # type: ignore[attr-defined]
    assert row["n"] == 6498
    assert row["p50"] == pytest.approx(6.667, abs=0.001)
    assert row["p90"] == pytest.approx(77.217, abs=0.001)
    assert found["conflicts"]["negative_interval"] == 1501  # type: ignore[index]


def test_rebasing_moves_each_patient_by_whole_weeks_into_the_week_before(test_data: Path) -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    folder = test_data / "mimic-iv-demo"
    plain, moved = Import(KEY).rows(folder, None), Import(KEY).rows(folder, day)
    shifts = {b.time - a.time for a, b in zip(plain, moved, strict=True)}
    assert all(shift % timedelta(weeks=1) == timedelta() for shift in shifts)
    latest = max(max(event.time, event.recorded) for event in Import(KEY).rows(folder, day))
    assert day - timedelta(days=7) <= latest < day


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Administered", "rx.dose.administered"),
        ("Partial Administered", "rx.dose.administered"),
        ("Removed Existing / Applied New", "rx.dose.administered"),
        ("Not Given per Sliding Scale", "rx.dose.not_given"),
        ("Hold Dose", "rx.dose.not_given"),
        ("Flushed", None),
        ("Confirmed", None),
        ("", None),
    ],
)
def test_the_text_of_the_bedside_record_decides(text: str, kind: str | None) -> None:
    assert kind_of_dose(text) == kind
