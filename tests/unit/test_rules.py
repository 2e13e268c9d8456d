"""What must never be, each rule by its examples."""

from dataclasses import replace

import pytest

from models.event import Event
from models.policy import Applies
from models.signals import Cleared
from models.tracking import tick, track
from tests.heart import at, event, last, policy, since, watch


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


WITHOUT = replace(policy(version="v2"), rules={})


def test_a_rule_that_a_later_policy_drops_clears_its_open_signals_by_policy() -> None:
    policies = since(60, policy(), WITHOUT)
    sold = last(SOLD, policies=policies)
    assert sold.look == at(60)
    assert tick(sold.case, policies, at(60)).signals == ()
    cleared = tick(sold.case, policies, at(61))
    assert [(s.revision, s.cleared, s.reason) for s in cleared.signals] == [(2, at(60), Cleared.POLICY)]
    assert cleared.look is None


def test_a_rule_that_no_longer_applies_to_the_setting_of_the_case_is_dropped_too() -> None:
    for_inpatient = {
        name: replace(rule, applies=Applies(settings=frozenset({"inpatient"}))) for name, rule in policy().rules.items()
    }
    policies = since(60, policy(), replace(policy(version="v2"), rules=for_inpatient))
    assert [s.reason for s in watch(SOLD, policies=policies, now=61).signals.values()] == [Cleared.POLICY]
    given = event("adc.wasted", 1, actor="a_1", witness="a_1")
    assert [s.reason for s in watch(given, policies=policies, now=61).signals.values()] == [None]


def test_a_rule_that_stays_in_the_policy_keeps_its_signals_open() -> None:
    policies = since(60, policy(), policy(version="v2"))
    assert [s.reason for s in watch(SOLD, policies=policies, now=600).signals.values()] == [None]


def test_what_a_policy_cleared_is_disproved_by_evidence_that_comes_late() -> None:
    policies = since(60, policy(), WITHOUT)
    step = track(watch(SOLD, policies=policies, now=61), fill("pv2.verified", 40, recorded=62), policies)
    assert [(s.revision, s.reason) for s in step.signals] == [(3, Cleared.DISPROOF)]
