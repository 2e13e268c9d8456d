"""What the heart says of an order, step by step."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from models.case import Admission
from models.event import Event
from models.policy import BEGINNING, Applies, BusinessDays, Policies, Policy, Severity, Site
from models.signals import Cleared
from models.store.records import case_row, unpack
from models.tracking import Pace, Watched, amended, conflicts, pace, refold, tick, track
from tests.heart import ALWAYS, ONE, RETURNED, STAT, VERIFIED, at, clock, event, last, policy, since, watch

ENTERED = event("order.entered", 0, priority="stat")
VERIFY = event("order.verified", 6)


def clock_signals(case: Watched) -> dict[str, tuple[Severity, str | None]]:
    return {s.name: (s.severity, s.reason) for s in case.signals.values()}


def test_a_verified_order_gives_one_interval_a_clock() -> None:
    step = last(ENTERED, VERIFY)
    assert {(i.clock, i.net, i.in_target, i.priority) for i in step.intervals} == {
        ("stat-verified", timedelta(minutes=6), True, "stat"),
        ("order-to-verified", timedelta(minutes=6), True, "stat"),
    }


def test_the_same_record_again_changes_nothing() -> None:
    case = watch(ENTERED, VERIFY)
    step = track(case, structs.replace(VERIFY, recorded=at(30)), ONE)
    assert step.admissions == (Admission.DUPLICATE,)
    assert step.case is case
    assert step.intervals == step.signals == step.outcomes == ()


def test_a_clock_asks_to_be_looked_at_when_it_becomes_worrying() -> None:
    assert last(ENTERED).look == at(5)


@pytest.mark.parametrize(
    ("now", "severity"), [(5, None), (5.1, Severity.S3), (10, Severity.S3), (10.1, Severity.S2), (20.1, Severity.S1)]
)
def test_silence_raises_a_warning_a_breach_and_worse_strictly_after_their_instants(
    now: float, severity: Severity | None
) -> None:
    found = clock_signals(watch(ENTERED, now=now))
    assert found.get("stat-verified", (None, None))[0] == severity


def test_a_rise_goes_on_under_the_same_id_with_a_higher_revision() -> None:
    warned = tick(watch(ENTERED), ONE, at(6))
    late = tick(warned.case, ONE, at(11))
    assert [(s.revision, s.severity, s.raised) for s in (*warned.signals, *late.signals)] == [
        (1, Severity.S3, at(5)),
        (2, Severity.S2, at(10)),
    ]
    assert warned.signals[0].id == late.signals[0].id


def test_a_late_stop_raises_and_clears_in_one_step() -> None:
    step = last(ENTERED, event("order.verified", 12))
    assert [(s.severity, s.raised, s.cleared, s.reason) for s in step.signals] == [
        (Severity.S2, at(10), at(12), Cleared.STOP)
    ]


def test_evidence_that_comes_late_disproves_a_breach_and_leaves_no_open_signal() -> None:
    case = watch(ENTERED, now=15)
    step = track(case, event("order.verified", 4, recorded=15), ONE)
    assert [(s.revision, s.reason) for s in step.signals] == [(2, Cleared.DISPROOF)]


def test_a_breach_before_the_end_stands_and_is_cleared_by_the_end() -> None:
    case = watch(ENTERED, event("order.discontinued", 11))
    assert clock_signals(case)["stat-verified"] == (Severity.S2, Cleared.END)
    assert "stat-verified" not in {i.clock for i in case.intervals.values()}


def test_a_pause_moves_the_due_and_is_taken_off_the_interval() -> None:
    asked = event("order.intervention.opened", 2, links={"intervention": "i1"})
    answered = event("order.intervention.resolved", 12, links={"intervention": "i1"})
    case = watch(ENTERED, asked, answered)
    assert tick(case, ONE, at(19)).signals[0].severity is Severity.S3
    done = track(case, event("order.verified", 18), ONE)
    [stat] = [i for i in done.intervals if i.clock == "stat-verified"]
    assert (stat.net, stat.in_target) == (timedelta(minutes=8), True)


def test_while_a_pause_is_open_nothing_is_due() -> None:
    case = watch(ENTERED, event("order.intervention.opened", 2))
    assert "stat-verified" not in clock_signals(tick(case, ONE, at(600)).case)


def test_a_verification_before_its_order_is_a_conflict_and_no_interval() -> None:
    case = watch(ENTERED, event("order.verified", -3), now=600)
    assert not case.intervals
    assert not case.signals
    assert conflicts(case).negative_interval == 1
    assert conflicts(case).before_case == 1


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (
            (event("order.verified", 0), event("order.entered", 10), event("order.verified", 20)),
            [
                {"impossible_transition": 1},
                {"negative_interval": 1, "impossible_transition": 1, "before_case": 1},
                {"negative_interval": -1},
            ],
        ),
        (
            # Entered a second time, only now as STAT.
            (
                event("order.entered", 0),
                event("order.verified", 0, key="v"),
                event("order.entered", 1, key="again", priority="stat"),
                event("order.verified", 2, key="w"),
            ),
            [{}, {}, {"negative_interval": 1, "impossible_transition": 1}, {"negative_interval": -1}],
        ),
    ],
)
def test_each_event_says_what_it_changed_about_the_conflicts(
    told: Sequence[Event], wanted: list[dict[str, int]]
) -> None:
    case = Watched(ENTERED.subject)
    said: list[dict[str, int]] = []
    for one in told:
        step = track(case, one, ONE)
        said.append({kind: by for _, kind, _, by in amended(case, step.case, (one,), step.admissions)})
        case = step.case
    assert said == wanted


def test_a_verification_after_the_order_heals_the_conflict() -> None:
    case = watch(ENTERED, event("order.verified", -3), event("order.verified", 5))
    assert conflicts(case).negative_interval == 0
    assert len(case.intervals) == 2


def test_a_voided_event_leaves_the_fold_and_retracts_its_interval() -> None:
    taken_back = event("event.voided", 20, voids=[VERIFY.source, VERIFY.id])
    step = last(ENTERED, VERIFY, taken_back)
    assert {(i.revision, i.retracted) for i in step.intervals} == {(2, True)}


def test_a_void_that_comes_first_takes_out_what_comes_later() -> None:
    taken_back = event("event.voided", 20, voids=[VERIFY.source, VERIFY.id])
    assert not watch(ENTERED, taken_back, VERIFY).intervals


def test_a_void_told_before_takes_out_the_newest_event() -> None:
    taken_back = event("event.voided", 1, voids=[VERIFY.source, VERIFY.id])
    step = last(ENTERED, taken_back, VERIFY)
    assert step.admissions == (Admission.LATE,)
    assert step.intervals == ()
    assert step.look == at(5)


def test_two_contents_of_one_identity_are_settled_by_the_earlier_recording() -> None:
    first, second = event("order.verified", 6, key="x", recorded=7), event("order.verified", 8, key="x", recorded=6)
    for order in ((first, second), (second, first)):
        case = watch(ENTERED, *order)
        assert {i.stopped for i in case.intervals.values()} == {at(8)}
        assert conflicts(case).id_reused == 1


def test_a_field_that_changes_later_does_not_start_the_clock() -> None:
    case = watch(event("order.entered", 0, priority="routine"), event("order.modified", 1, priority="stat"), VERIFY)
    assert {i.clock for i in case.intervals.values()} == {"order-to-verified"}


def test_doses_of_one_order_run_apart() -> None:
    doses = [event("dose.scheduled", n, links={"dose": f"dose/{n}"}, promised=at(n + 5)) for n in (0, 1)]
    given = event("dose.administered", 3, links={"dose": "dose/1"})
    case = watch(*doses, given, now=60)
    assert [i.started for i in case.intervals.values()] == [at(1)]
    assert clock_signals(case)["dose-window"] == (Severity.S2, None)


def test_a_promise_already_past_at_the_start_is_breached_at_the_start() -> None:
    case = watch(event("dose.scheduled", 0, promised=at(-5)), now=0.1)
    [signal] = case.signals.values()
    assert signal.raised == at(0)


DROPPED = since(8, policy(STAT, VERIFIED), policy(VERIFIED, version="v2"))


def test_a_clock_that_a_later_policy_drops_ends_there_without_an_interval() -> None:
    case = watch(ENTERED, event("order.verified", 12), policies=DROPPED)
    assert {i.clock for i in case.intervals.values()} == {"order-to-verified"}


@pytest.mark.parametrize(
    "later",
    [
        policy(VERIFIED, version="v2"),
        policy(replace(STAT, applies=Applies(settings=frozenset({"retail"}))), version="v2"),
        policy(replace(STAT, applies=Applies(sites=frozenset({Site("grace")}))), version="v2"),
    ],
    ids=["gone", "for another setting", "for another site"],
)
def test_a_signal_of_a_clock_that_a_later_policy_no_longer_asks_for_is_cleared_by_policy(later: Policy) -> None:
    policies = since(8, policy(STAT), later)
    warned = tick(watch(ENTERED, policies=policies), policies, at(6))
    assert warned.look == at(8)
    cleared = tick(warned.case, policies, at(9))
    assert [(s.revision, s.raised, s.cleared, s.reason) for s in cleared.signals] == [(2, at(5), at(8), Cleared.POLICY)]
    assert cleared.look is None


def test_the_effective_instant_of_a_policy_that_drops_the_clock_is_looked_at_before_its_due() -> None:
    far = since(90, policy(VERIFIED), policy(STAT, version="v2"))
    assert last(ENTERED, policies=far).look == at(90)


def test_under_the_latest_of_several_versions_a_clock_runs_as_under_the_only_one() -> None:
    policies = since(-60, policy(VERIFIED), policy(STAT, version="v2"))
    assert last(ENTERED, policies=policies).look == at(5)
    assert last(event("adc.vend", 1, expiry="2024-12"), policies=policies).look is None


def test_a_version_that_another_replaces_at_its_own_instant_ends_nothing() -> None:
    policies = Policies((BEGINNING, at(8), at(8)), (policy(STAT), policy(VERIFIED, version="v2"), policy(STAT)))
    assert clock_signals(watch(ENTERED, policies=policies, now=9))["stat-verified"] == (Severity.S3, None)


def test_a_clock_that_a_later_policy_brings_back_stays_ended() -> None:
    policies = Policies((BEGINNING, at(8), at(9)), (policy(STAT), policy(VERIFIED, version="v2"), policy(STAT)))
    case = watch(ENTERED, policies=policies, now=60)
    assert clock_signals(case)["stat-verified"] == (Severity.S3, Cleared.POLICY)


def test_a_stop_from_before_the_policy_dropped_the_clock_is_a_stop_also_when_told_later() -> None:
    case = watch(ENTERED, policies=DROPPED, now=9)
    step = track(case, event("order.verified", 7, recorded=9), DROPPED)
    assert [(i.clock, i.in_target) for i in step.intervals] == [("stat-verified", True), ("order-to-verified", True)]
    assert [(s.cleared, s.reason) for s in step.signals] == [(at(7), Cleared.STOP)]


def test_a_policy_that_is_learnt_of_later_clears_what_it_no_longer_asks_for() -> None:
    case = watch(ENTERED, now=6)
    step = tick(case, since(8, ONE.latest, policy(VERIFIED, version="v2")), at(9))
    assert [(s.name, s.reason) for s in step.signals] == [("stat-verified", Cleared.POLICY)]


def test_what_was_told_before_a_policy_took_effect_is_judged_by_the_one_before_whatever_date_it_bears() -> None:
    """The stop is dated an hour ahead, and the policy that drops the clock was not known when it came: an interval that is out
    holds, and a case that is read back says the same."""
    told = watch(ENTERED, event("order.verified", 60, recorded=1))
    assert {one.clock for one in told.intervals.values()} == {"stat-verified", "order-to-verified"}
    assert refold(told, DROPPED).case.intervals == told.intervals
    back, _ = unpack(told.id, case_row(told, 0, None).body, DROPPED)
    step = track(back, event("order.modified", 70, recorded=12), DROPPED)
    assert step.intervals == () and step.case.intervals == told.intervals


def test_who_begins_a_case_at_its_only_instant_says_by_what_setting_it_is_judged() -> None:
    """The site is not declared. What came first spoke of a hospital, what opens the case of a store, for which the next policy
    has no such clock."""
    wards = {
        name: replace(one, applies=Applies(settings=frozenset({"inpatient"}))) for name, one in policy().clocks.items()
    }
    policies = Policies((BEGINNING, at(30)), (policy(), replace(policy(version="v2"), clocks=wards)))
    dose = event("dose.scheduled", 0, setting="inpatient", promised=at(5), links={"dose": "d"})
    late = tick(watch(dose, policies=policies), policies, at(6)).case
    assert [one.open for one in late.signals.values()] == [True]
    known = track(late, event("order.entered", 0, setting="retail"), policies).case
    assert refold(known, policies).case.held == known.held
    assert {one.reason for one in tick(known, policies, at(100)).case.signals.values()} == {Cleared.POLICY}


def test_trials_are_counted_once_and_taken_back_by_a_void() -> None:
    given = event("dose.not_given", 3)
    step = last(ENTERED, given)
    assert [(o.rate, o.error, o.late, o.sign) for o in step.outcomes] == [("not-given", True, False, 1)]
    back = track(step.case, event("event.voided", 9, voids=[given.source, given.id]), ONE)
    assert [(o.error, o.sign) for o in back.outcomes] == [(True, -1)]


def test_a_late_first_event_that_changes_the_setting_recounts_every_trial() -> None:
    for_retail = replace(RETURNED, name="retail-only", applies=Applies(settings=frozenset({"retail"})))
    policies = Policies.only(replace(policy(), rates={"not-given": RETURNED, "retail-only": for_retail}))
    given = event("dose.not_given", 3, case="order/1")
    known = last(given, policies=policies)
    assert [o.rate for o in known.outcomes] == ["not-given"]
    step = track(known.case, event("order.entered", 0, recorded=9, setting="retail"), policies)
    assert [(o.rate, o.sign) for o in step.outcomes] == [("retail-only", 1)]
    back = track(step.case, event("order.modified", -1, recorded=9, setting="inpatient"), policies)
    assert [(o.rate, o.sign) for o in back.outcomes] == [("retail-only", -1)]


def test_a_clock_of_open_hours_stands_still_at_night() -> None:
    day = ((8 * 60, 13 * 60),)
    open_mornings = replace(ALWAYS, weekly=(day,) * 7)
    one = clock(
        "slow", "order.entered", "order.verified", open_hours=True, target=ONE.latest.clocks["order-to-verified"].target
    )
    site = replace(policy().default_site, working=open_mornings)
    policies = Policies.only(replace(policy(one), default_site=site))
    case = watch(ENTERED, event("order.verified", 24 * 60), policies=policies)
    [interval] = case.intervals.values()
    assert interval.net == timedelta(hours=5)


@pytest.mark.parametrize(
    ("now", "found"), [(5, Pace.ON_TIME), (5.1, Pace.AT_RISK), (10, Pace.AT_RISK), (10.1, Pace.LATE), (20.1, Pace.LATE)]
)
def test_a_case_is_on_time_then_at_risk_from_its_warning_and_late_past_its_due(now: float, found: Pace) -> None:
    assert pace(watch(ENTERED, now=now)) is found


def test_a_late_case_is_on_time_again_once_its_clock_stops_or_ends() -> None:
    for name in ("order.verified", "order.discontinued"):
        assert pace(watch(ENTERED, event(name, 15), now=30)) is Pace.ON_TIME


def test_a_warning_as_severe_as_its_breach_is_at_risk_and_not_late() -> None:
    least = Policies.only(policy(clock("slow", "order.entered", "order.verified", severity=Severity.S4, warn_at=0.5)))
    assert pace(watch(ENTERED, policies=least, now=6)) is Pace.AT_RISK
    assert pace(watch(ENTERED, policies=least, now=11)) is Pace.LATE


def test_a_clock_that_a_later_policy_dropped_makes_no_case_late() -> None:
    policies = since(12, policy(STAT), policy(VERIFIED, version="v2"))
    assert pace(watch(ENTERED, policies=policies, now=11)) is Pace.LATE
    assert pace(watch(ENTERED, policies=policies, now=13)) is Pace.ON_TIME


def test_a_pause_still_open_at_the_stop_is_cut_there_and_leaves_a_verdict() -> None:
    days = clock("days", "order.entered", "order.verified", target=BusinessDays(1), pauses=STAT.pauses)
    asked = event("order.intervention.opened", 2, links={"intervention": "i1"})
    step = last(ENTERED, asked, VERIFY, policies=Policies.only(policy(days)))
    assert [(i.net, i.in_target) for i in step.intervals] == [(timedelta(minutes=2), True)]


def test_an_event_of_an_instant_already_told_stands_where_its_rank_puts_it() -> None:
    paused = event("order.intervention.opened", 0, key="a")
    step = track(watch(paused), ENTERED, ONE)
    assert [one.type for one in step.case.evidence.standing] == [ENTERED.type, paused.type]
    assert step.case.progress == watch(ENTERED, paused).progress


def test_a_pause_that_comes_late_within_the_last_instant_moves_the_due() -> None:
    noted = event("order.modified", 2, key="z", recorded=3)
    asked = event("order.intervention.opened", 2, key="a", recorded=2)
    step = last(ENTERED, noted, asked)
    assert step.admissions == (Admission.LATE,)
    assert step.look == at(120)


def test_after_a_void_the_next_event_is_the_newest_again() -> None:
    taken_back = event("event.voided", 4, voids=["/mercy/pis", "nothing"])
    step = last(ENTERED, taken_back, VERIFY)
    assert step.admissions == (Admission.NEWEST,)
    assert {i.clock for i in step.intervals} == {"stat-verified", "order-to-verified"}
