"""What must never be, each rule by its examples."""

import pytest

from models.event import Event
from tests.heart import event, watch


def broken(*events: Event) -> set[str]:
    return {signal.name for signal in watch(*events).signals.values() if signal.kind == "rule"}


def fill(name: str, minutes: float, **data: object) -> Event:
    return event(name, minutes, case="fill/1", **data)


SOLD = fill("sold", 50)
PASSED, FAILED = fill("pv2.verified", 40), fill("pv2.failed", 45)


@pytest.mark.parametrize(
    ("events", "found"),
    [
        ((SOLD,), True),
        ((PASSED, SOLD), False),
        ((FAILED, SOLD), True),
        ((PASSED, FAILED, SOLD), True),
        ((PASSED, SOLD, fill("delivered", 60)), False),
    ],
)
def test_sold_before_the_final_check(events: tuple[Event, ...], found: bool) -> None:
    assert ("sold-before-final-check" in broken(*events)) is found


def test_a_check_that_arrives_late_disproves_the_sale() -> None:
    case = watch(SOLD, PASSED)
    assert [signal.reason for signal in case.signals.values()] == ["disproof"]


def test_a_dose_sent_unchecked_is_told_once_for_the_dose() -> None:
    sent = [event(name, n) for n, name in enumerate(("dose.dispatched", "dose.delivered"))]
    case = watch(*sent)
    assert [s.name for s in case.signals.values()] == ["dispensed-before-final-check"]
    assert broken(event("dose.checked", -1), *sent) == set()


def test_a_mismatch_is_bypassed_unless_the_right_product_was_scanned_since() -> None:
    wrong, right = fill("fill.scan.mismatch", 1, expected="a"), fill("fill.scan.ok", 2, expected="a")
    assert broken(wrong, PASSED) == {"scan-mismatch-bypassed"}
    assert broken(wrong, right, PASSED) == set()
    assert broken(wrong, fill("fill.scan.ok", 2, expected="b"), PASSED) == {"scan-mismatch-bypassed"}
    assert broken(wrong, fill("fill.checked_by_hand", 2), PASSED) == set()


def test_at_the_bedside_only_the_reason_bypassed_breaks_the_rule() -> None:
    assert broken(event("dose.scan_failed", 1, reason="bypassed")) == {"scan-mismatch-bypassed"}
    assert broken(event("dose.scan_failed", 1, reason="unreadable")) == set()


def test_a_high_alert_drug_needs_a_second_person() -> None:
    made = event("iv.prep.completed", 1, actor="a_1", drug={"high_alert": "opioid"})
    assert broken(made, event("dose.checked", 2, actor="a_1")) == {"high-alert-without-second-actor"}
    assert broken(made, event("dose.checked", 2, actor="a_2")) == set()
    assert broken(made, event("dose.checked", 2, actor="a_1", witness="a_3")) == set()
    assert broken(made, event("dose.checked", 2)) == set()


def test_waste_needs_another_witness() -> None:
    assert broken(event("adc.wasted", 1, actor="a_1", witness="a_1")) == {"waste-witnessed-by-same-person"}
    assert broken(event("adc.wasted", 1, actor="a_1", witness="a_2")) == set()
    assert broken(event("adc.wasted", 1, actor="a_1")) == set()


@pytest.mark.parametrize(
    ("expiry", "found"),
    [("2024-12", True), ("2025-01", False), ("2025-01-05", True), ("2025-01-06", False), ("soon", False)],
)
def test_an_expired_lot(expiry: str, found: bool) -> None:
    assert (broken(event("adc.vend", 1, expiry=expiry)) == {"expired-lot"}) is found
