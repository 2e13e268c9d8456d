"""Telling people, by example: one sentence of the rules of ladders after the other."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from models.errors import CallerFault, OurFault
from models.escalation import (
    Acknowledged,
    Awaited,
    Delivery,
    Done,
    Entry,
    Exhausted,
    Expired,
    Message,
    Notify,
    Outcome,
    PassedOn,
    Released,
    Resolved,
    Rose,
    Settled,
    Status,
    Story,
    Telling,
    Told,
    Wait,
    Why,
    decide,
    escalation_from_row,
    escalation_to_row,
    fold,
    from_row,
    gives_up_after,
    ladder_for,
    moot,
    rehearse,
    targets,
    to_row,
    told_after_stop,
    told_when,
)
from models.event import Site
from models.policy import Channel, ChannelSettings, Kind, Override, Person, Repeat, Severity
from models.signals import Cleared, Signal, SignalId
from tests.heart import at
from tests.telling import (
    EMAIL,
    EXPIRES,
    INBOX,
    PEOPLE,
    THREE,
    WEBHOOK,
    Desk,
    escalation,
    ladder,
    minutes,
    policy,
    roster,
    step,
)


def ack(minute: float, person: str = "ana") -> Acknowledged:
    return Acknowledged(at=at(minute), person=person)


def state_of(desk: Desk):
    return fold(desk.escalation, desk.history)


# Ladders.


def test_the_first_matching_ladder_in_the_files_order_wins():
    night, any_ = ladder(step(0, "ana"), key="night", severities=frozenset({Severity.S1})), ladder(step(0, "ben"))
    found = policy(night, any_)
    asked = {"site": Site("mercy"), "setting": "inpatient", "kind": Kind.CLOCK, "name": "stat-verified"}
    assert ladder_for(found, severity=Severity.S1, **asked) is night
    assert ladder_for(found, severity=Severity.S2, **asked) is any_
    assert ladder_for(policy(any_, night), severity=Severity.S1, **asked) is any_


@pytest.mark.parametrize(
    "narrow",
    [
        {"severities": frozenset({Severity.S2})},
        {"sites": frozenset({Site("grace")})},
        {"settings": frozenset({"retail"})},
        {"kinds": frozenset({Kind.RATE})},
        {"names": frozenset({"order-to-verified"})},
    ],
)
def test_a_ladder_matches_when_everything_it_names_holds_the_signals_own(narrow):
    asked = {"severity": Severity.S1, "site": Site("mercy"), "setting": "inpatient", "kind": Kind.CLOCK, "name": "stat"}
    assert ladder_for(policy(ladder(step(0, "ana"), **narrow)), **asked) is None
    assert ladder_for(policy(ladder(step(0, "ana"))), **asked) is not None


def test_without_a_matching_ladder_it_is_for_the_board_only():
    asked = {"severity": Severity.S1, "site": Site("mercy"), "setting": "inpatient", "kind": Kind.CLOCK, "name": "stat"}
    assert ladder_for(policy(), **asked) is None


def test_a_summary_goes_by_the_first_ladder_that_names_neither_kind_nor_name():
    of_kind = ladder(step(0, "ana"), key="clocks", kinds=frozenset(Kind))
    of_name = ladder(step(0, "ana"), key="stat", names=frozenset({"stat-verified"}))
    plain = ladder(step(0, "ben"), key="plain", severities=frozenset({Severity.S2}))
    asked = {"site": Site("mercy"), "setting": "inpatient", "kind": None, "name": None}
    assert ladder_for(policy(of_kind, of_name, plain), severity=Severity.S2, **asked) is plain
    assert ladder_for(policy(of_kind, of_name, plain), severity=Severity.S3, **asked) is None


def test_a_running_escalation_keeps_its_ladder_and_reads_people_as_they_stand_when_a_step_is_told():
    desk = Desk(under=policy(THREE))
    desk.run(0)
    moved = Person(key="ben", name="Ben", email="ben@example.org")
    desk.policy = policy(ladder(step(0, "dan"), key="other"), people=(*(p for p in PEOPLE if p.key != "ben"), moved))
    assert desk.play(9, begin=5).pages() == [(0, 1, 1, "opened"), (5, 1, 2, "step"), (5, 1, 3, "nobody")]


def test_who_is_on_duty_is_asked_at_the_instant_of_telling():
    desk = roster("ana", overrides=(Override(begins=at(4), finishes=at(6), who="dan"),), begins=at(-60))
    twice = ladder(step(0, "roster:desk"), step(5, "roster:desk"))
    told = Desk(escalation(twice), policy(twice, rosters=(desk,))).play(5).messages(Message.PAGE)
    assert told == [(0, [("ana", "webhook")]), (5, [("dan", "webhook")])]


def test_a_person_who_is_gone_counts_as_refused():
    gone = policy(THREE, people=tuple(one for one in PEOPLE if one.key != "ana"))
    assert Desk(under=gone).play(4).pages() == [(0, 1, 1, "opened"), (0, 1, 2, "nobody")]


# Loops.


def test_after_counts_from_the_loops_start():
    assert Desk(escalation(replace(THREE, repeat=Repeat(times=0)))).play(16).pages() == [
        (0, 1, 1, "opened"), (5, 1, 2, "step"), (12, 1, 3, "step"),
    ]  # fmt: skip


def test_the_first_loops_first_step_waits_for_its_after():
    waits = ladder(step(2, "ana"), step(5, "ben"))
    assert Desk(escalation(waits)).play(9).pages() == [(2, 1, 1, "opened"), (5, 1, 2, "step")]


def test_a_further_loop_starts_at_from_step_repeat_after_past_the_last_step_and_the_others_keep_their_distance():
    again = replace(THREE, repeat=Repeat(from_step=2, times=1, after=minutes(10)))
    assert Desk(escalation(again)).play(30).pages() == [
        (0, 1, 1, "opened"), (5, 1, 2, "step"), (12, 1, 3, "step"), (22, 2, 2, "repeat"), (29, 2, 3, "step"),
    ]  # fmt: skip


def test_from_the_second_loop_on_the_first_step_is_told_at_the_loops_start():
    waits = ladder(step(2, "ana"), step(5, "ben"), times=1)
    assert Desk(escalation(waits)).play(14).pages()[2:] == [(10, 2, 1, "repeat"), (13, 2, 2, "step")]


def test_repeat_after_past_the_last_step_of_the_last_loop_it_is_exhausted():
    desk = Desk()
    assert desk.play(33.9) and state_of(desk).status is Status.OPEN
    desk.run(34)
    assert desk.history[-1] == Exhausted(at=at(34))
    assert state_of(desk).status is Status.EXHAUSTED
    assert [loop for _, loop, _, _ in desk.pages()] == [1, 1, 1, 2, 2, 2]


def test_an_exhausted_escalation_tells_nothing_more_by_itself():
    desk = Desk().play(34)
    before = list(desk.history)
    assert desk.run(34 * 60) == Wait(None, Awaited.PERSON)
    assert desk.history == before


def test_an_exhausted_escalation_may_still_be_acknowledged_and_then_goes_on_as_any_other():
    desk = Desk().play(80, ack(40, "ben"))
    assert desk.messages(Message.ACKNOWLEDGED) == [(40, [("ana", "webhook"), ("cara", "webhook")])]
    assert desk.pages()[6:8] == [(72, 3, 1, "expired"), (77, 3, 2, "step")]


def test_an_exhausted_escalation_is_told_again_when_it_rises():
    desk = Desk().play(50, Rose(at=at(40), severity=Severity.S1, ladder=None))
    assert desk.pages()[6:] == [(40, 3, 1, "worse"), (45, 3, 2, "step")]


def test_an_exhausted_escalation_that_is_passed_on_tells_the_named_person_and_is_exhausted_again():
    desk = Desk().play(60, PassedOn(at=at(40), person="ana", to="dan"))
    assert desk.pages()[6:] == [(40, 3, 1, "passed_on"), (45, 3, 2, "step"), (52, 3, 3, "step")]
    assert desk.history[-1] == Exhausted(at=at(57))


# Acknowledging.


def test_acknowledging_stops_the_steps():
    desk = Desk().play(31, ack(1))
    assert desk.pages() == [(0, 1, 1, "opened")]
    assert (state_of(desk).status, state_of(desk).holder) == (Status.ACKNOWLEDGED, "ana")


@pytest.mark.parametrize("severity", list(Severity))
def test_an_acknowledgement_holds_as_long_as_the_ladder_says_for_the_severity_then(severity):
    desk = Desk(escalation(severity=severity)).play(1, ack(1))
    length = EXPIRES[severity]
    assert state_of(desk).expires == (None if length is None else at(1) + length)


def test_an_acknowledgement_without_end_waits_for_a_person():
    desk = Desk(escalation(severity=Severity.S4)).play(1, ack(1))
    assert desk.run(9999) == Wait(None, Awaited.PERSON)


def test_at_three_quarters_a_reminder_goes_to_who_holds_it():
    desk = Desk().play(28, ack(1))
    assert desk.messages(Message.REMIND) == [(25, [("ana", "webhook")])]


def test_from_the_reminder_on_acknowledging_again_starts_the_time_anew():
    desk = Desk().play(57, ack(1), ack(26))
    assert state_of(desk).expires == at(58)
    assert [minute for minute, _ in desk.messages(Message.REMIND)] == [25, 50]
    assert desk.pages() == [(0, 1, 1, "opened")]


def test_an_acknowledgement_after_its_reminder_was_due_renews_it_though_the_reminder_is_late():
    desk = Desk().play(1, ack(1))
    desk.history.append(ack(26))
    assert desk.run(26) == Wait(at(50), Awaited.REMINDER)


def test_before_the_reminder_acknowledging_again_changes_nothing():
    desk = Desk().play(32, ack(1), ack(24))
    assert state_of(desk).expires == at(33)


def test_a_renewal_is_no_news_to_the_others():
    desk = Desk().play(50, ack(6), ack(31))
    assert desk.messages(Message.ACKNOWLEDGED) == [(6, [("ben", "webhook")])]


def test_an_acknowledgement_by_somebody_else_is_recorded_and_takes_nothing_over():
    desk = Desk().play(32, ack(1), ack(28, "ben"))
    assert (state_of(desk).holder, state_of(desk).expires) == ("ana", at(33))
    assert ack(28, "ben") in desk.history


def test_somebody_else_takes_on_what_ran_out_while_nobody_was_telling():
    desk = Desk()
    desk.run(0)
    desk.history += [ack(1), ack(40, "ben")]
    assert (state_of(desk).holder, state_of(desk).expires) == ("ben", at(72))
    assert isinstance(desk.run(40), Wait)
    assert len(desk.pages()) == 1


# An expiry, a release or a rise.


def test_an_expiry_starts_the_next_loop_at_once_at_step_1():
    desk = Desk().play(40, ack(6))
    assert Expired(at=at(38)) in desk.history
    assert desk.pages()[2:] == [(38, 2, 1, "expired")]
    assert state_of(desk).status is Status.OPEN


def test_after_an_expiry_times_counts_afresh():
    desk = Desk().play(110, ack(18))
    assert [(loop, why) for _, loop, step, why in desk.pages() if step == 1] == [
        (1, "opened"), (2, "repeat"), (3, "expired"), (4, "repeat"),
    ]  # fmt: skip
    assert state_of(desk).status is Status.EXHAUSTED


def test_a_release_is_an_expiry_at_that_moment():
    desk = Desk().play(20, ack(6), Released(at=at(10), person="ana"))
    assert desk.pages()[2:] == [(10, 2, 1, "released"), (15, 2, 2, "step")]


def test_releasing_what_nobody_holds_changes_nothing():
    desk = Desk().play(6, Released(at=at(3), person="ana"))
    assert desk.pages() == [(0, 1, 1, "opened"), (5, 1, 2, "step")]


def test_pass_on_starts_the_next_loop_at_the_step_after_the_last_one_told():
    desk = Desk().play(20, PassedOn(at=at(3), person="ana"))
    assert desk.pages() == [(0, 1, 1, "opened"), (3, 2, 2, "passed_on"), (10, 2, 3, "step"), (15, 3, 1, "repeat"),
                            (20, 3, 2, "step")]  # fmt: skip


def test_pass_on_after_the_last_step_starts_at_step_1():
    desk = Desk().play(14, PassedOn(at=at(13), person="cara"))
    assert desk.pages()[3:] == [(13, 2, 1, "passed_on")]


def test_pass_on_tells_the_named_person_in_place_of_that_steps_targets_only():
    desk = Desk().play(11, PassedOn(at=at(3), person="ana", to="dan"))
    assert desk.messages(Message.PAGE)[1:] == [(3, [("dan", "webhook")]), (10, [("cara", "webhook")])]


def test_pass_on_ends_an_acknowledgement_and_acknowledges_nothing():
    desk = Desk().play(4, ack(1), PassedOn(at=at(3), person="ana", to="dan"))
    assert (state_of(desk).status, state_of(desk).holder) == (Status.OPEN, None)


def test_passing_on_to_who_cannot_be_reached_brings_the_next_step_at_once():
    desk = Desk().play(4, PassedOn(at=at(3), person="ana", to="zoe"))
    assert desk.pages()[1:] == [(3, 2, 2, "passed_on"), (3, 2, 3, "nobody")]


def test_a_rise_is_told_by_the_ladder_that_then_matches():
    worst = ladder(step(3, "dan"), step(4, "cara"), key="worst")
    desk = Desk().play(7, Rose(at=at(6), severity=Severity.S1, ladder=worst))
    assert desk.messages(Message.PAGE)[2:] == [(6, [("dan", "webhook")]), (7, [("cara", "webhook")])]
    assert (state_of(desk).severity, state_of(desk).ladder) == (Severity.S1, worst)


def test_a_rise_for_which_no_ladder_matches_is_told_by_the_one_that_runs():
    desk = Desk().play(3, Rose(at=at(2), severity=Severity.S1, ladder=None))
    assert desk.pages()[1:] == [(2, 2, 1, "worse")]


def test_a_rise_ends_an_acknowledgement():
    desk = Desk().play(3, ack(1), Rose(at=at(2), severity=Severity.S1, ladder=None))
    assert (state_of(desk).status, desk.pages()[1:]) == (Status.OPEN, [(2, 2, 1, "worse")])


def test_after_a_rise_an_acknowledgement_holds_as_long_as_the_higher_severity_says():
    desk = Desk().play(4, Rose(at=at(2), severity=Severity.S1, ladder=None), ack(4))
    assert state_of(desk).expires == at(20)


def test_a_rise_after_the_end_tells_nobody():
    desk = Desk().play(9, Resolved(at=at(2), person="ana"), Rose(at=at(3), severity=Severity.S1, ladder=None))
    assert (desk.pages(), state_of(desk).status) == ([(0, 1, 1, "opened")], Status.RESOLVED)


# Nobody there.


def test_a_step_with_nobody_on_duty_brings_the_next_at_once_and_only_that_one():
    empty = roster("ana", begins=at(9999))
    asks = ladder(step(0, "roster:desk"), step(5, "ben"), step(12, "cara"))
    desk = Desk(escalation(asks), policy(asks, rosters=(empty,))).play(13)
    assert desk.pages() == [(0, 1, 1, "opened"), (0, 1, 2, "nobody"), (12, 1, 3, "step")]


def test_a_step_whose_people_have_no_address_for_it_counts_as_refused():
    no_mail = Person(key="ana", name="Ana", webhook="https://hooks.example.org/ana")
    by_mail = ladder(step(0, "ana", by=(EMAIL,)), step(5, "ben"))
    desk = Desk(escalation(by_mail), policy(by_mail, people=(no_mail, *PEOPLE[1:]))).play(1)
    assert desk.pages() == [(0, 1, 1, "opened"), (0, 1, 2, "nobody")]


def test_a_channel_that_is_not_set_up_reaches_nobody():
    by_mail = step(0, "ana", by=(EMAIL, INBOX))
    assert targets(by_mail, policy(channels=ChannelSettings()), at(0)) == (("ana", INBOX),)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.GAVE_UP])
def test_when_all_deliveries_of_a_step_ended_without_one_accepted_the_next_comes_at_once(outcome):
    both = ladder(step(0, "ana", by=(WEBHOOK, EMAIL)), step(5, "ben"), step(12, "cara"))
    desk = Desk(escalation(both), answer=lambda _person, told: None if told.step == 1 else Outcome.SENT)
    desk.run(0)
    first, second = desk.told[0].deliveries
    desk.settle(1, first.key, outcome)
    assert isinstance(desk.run(1), Wait)
    desk.settle(2, second.key, outcome)
    assert desk.play(12, begin=2).pages()[1:] == [(2, 1, 2, "nobody"), (12, 1, 3, "step")]


def test_one_accepted_delivery_is_enough_for_a_step():
    both = ladder(step(0, "ana", by=(WEBHOOK, EMAIL)), step(5, "ben"))
    answer = iter((Outcome.REFUSED, Outcome.SENT, Outcome.SENT))
    desk = Desk(escalation(both), answer=lambda _person, _told: next(answer))
    assert desk.play(5).pages() == [(0, 1, 1, "opened"), (5, 1, 2, "step")]


def test_after_the_last_step_the_loop_runs_as_usual():
    desk = Desk(escalation(ladder(step(0, "ana"), step(5, "zoe"), times=1))).play(16)
    assert desk.pages() == [(0, 1, 1, "opened"), (5, 1, 2, "step"), (10, 2, 1, "repeat"), (15, 2, 2, "step")]


def test_the_next_loop_counts_from_the_last_step_as_it_was_told():
    desk = Desk(escalation(ladder(step(0, "zoe"), step(20, "ben"), times=1))).play(5)
    assert desk.pages()[:3] == [(0, 1, 1, "opened"), (0, 1, 2, "nobody"), (5, 2, 1, "repeat")]


def test_steps_never_wait_for_retries():
    desk = Desk(answer=lambda _person, _told: None).play(5)
    assert desk.pages() == [(0, 1, 1, "opened"), (5, 1, 2, "step")]


def test_a_failure_of_a_step_after_which_another_was_told_brings_nothing_forward():
    desk = Desk(answer=lambda person, _told: None if person == "ana" else Outcome.SENT).play(5)
    desk.settle(6, desk.told[0].deliveries[0].key, Outcome.GAVE_UP)
    assert desk.run(6) == Wait(at(12), Awaited.STEP)


def test_a_channel_gives_up_after_60_s_for_s1_and_5_min_otherwise():
    assert [gives_up_after(severity) for severity in Severity] == [minutes(1), minutes(5), minutes(5), minutes(5)]


# After an outage.


def test_overdue_steps_never_go_out_together():
    desk = Desk()
    assert desk.run(30) == Wait(at(35), Awaited.STEP)
    assert desk.pages() == [(30, 1, 1, "opened")]


def test_a_step_told_late_moves_those_behind_it_by_as_much():
    desk = Desk().play(2)
    assert desk.play(21, begin=9).pages() == [(0, 1, 1, "opened"), (9, 1, 2, "step"), (16, 1, 3, "step"),
                                               (21, 2, 1, "repeat")]  # fmt: skip


def test_each_late_step_moves_those_behind_it_further():
    desk = Desk()
    assert desk.run(3) == Wait(at(8), Awaited.STEP)
    assert desk.run(10) == Wait(at(17), Awaited.STEP)


def test_what_ran_out_during_an_outage_starts_one_loop_without_a_reminder():
    desk = Desk().play(1, ack(1))
    desk.run(200)
    assert (desk.pages()[1:], desk.messages(Message.REMIND)) == ([(200, 2, 1, "expired")], [])


def test_while_its_partition_is_not_caught_up_a_running_clock_escalation_waits_at_most_60_s():
    desk = Desk().play(1)
    asked = (desk.escalation, desk.history, desk.policy)
    assert decide(*asked, at(5.5), behind_since=at(5)) == Wait(at(6), Awaited.CAUGHT_UP)
    assert isinstance(decide(*asked, at(6), behind_since=at(5)), Notify)
    assert isinstance(decide(*asked, at(5.5)), Notify)


def test_what_is_not_about_a_clock_or_was_opened_since_waits_for_no_partition():
    rule = escalation(kind=Kind.RULE, name="expired-lot")
    assert isinstance(decide(escalation(), (), policy(THREE), at(0.5), behind_since=at(0.1)), Wait)
    assert isinstance(decide(rule, (), policy(THREE), at(0.5), behind_since=at(0.1)), Notify)
    assert isinstance(decide(escalation(), (), policy(THREE), at(0.5), behind_since=at(-0.1)), Notify)


def test_word_of_the_end_waits_for_no_partition():
    desk = Desk().play(1)
    history = (*desk.history, Resolved(at=at(2)))
    assert isinstance(decide(desk.escalation, history, desk.policy, at(2), behind_since=at(1.9)), Notify)


# Told.


def test_acknowledged_goes_once_to_everybody_told_but_not_to_who_acknowledged():
    both = ladder(step(0, "ana", "ben", by=(WEBHOOK, EMAIL)), step(5, "cara"))
    desk = Desk(escalation(both)).play(20, ack(6, "ben"))
    assert desk.messages(Message.ACKNOWLEDGED) == [
        (6, [("ana", "webhook"), ("ana", "email"), ("cara", "webhook")]),
    ]  # fmt: skip


def test_who_is_reached_while_somebody_has_it_hears_of_that_once_renewed_or_not():
    desk = Desk(answer=lambda _person, told: (27, Outcome.SENT) if told.step == 1 and told.why else Outcome.SENT)
    desk.play(30, ack(6, "ben"), ack(31, "ben"))
    assert desk.messages(Message.ACKNOWLEDGED) == [(27, [("ana", "webhook")])]
    late = Desk(answer=lambda _person, told: (35, Outcome.SENT) if told.step == 1 and told.why else Outcome.SENT)
    late.play(45, ack(6, "ben"), ack(31, "ben"))
    assert late.messages(Message.ACKNOWLEDGED) == [(35, [("ana", "webhook")])]


def test_a_second_acknowledgement_after_an_expiry_is_told_again():
    desk = Desk().play(45, ack(1), ack(34, "ben"))
    assert desk.messages(Message.ACKNOWLEDGED) == [(34, [("ana", "webhook")])]
    desk.play(68, ack(67, "cara"), begin=66)
    assert desk.messages(Message.ACKNOWLEDGED)[1:] == [(67, [("ana", "webhook")])]


def test_resolved_goes_once_to_everybody_told_whoever_acknowledged():
    desk = Desk().play(20, ack(6, "ben"), Resolved(at=at(9)))
    assert desk.messages(Message.RESOLVED) == [(9, [("ana", "webhook"), ("ben", "webhook")])]
    assert desk.run(20) == Done()


def test_told_means_accepted():
    desk = Desk(answer=lambda person, _told: Outcome.GAVE_UP if person == "ana" else Outcome.SENT)
    assert desk.play(6, Resolved(at=at(6))).messages(Message.RESOLVED) == [(6, [("ben", "webhook")])]


def test_who_was_told_of_nothing_hears_of_no_end():
    desk = Desk(escalation(ladder(step(2, "ana")))).play(9, Resolved(at=at(1)))
    assert (desk.told, desk.run(9)) == ([], Done())


def test_a_page_accepted_after_the_end_is_followed_by_word_of_the_end():
    desk = Desk(answer=lambda _person, told: None if told.message is Message.PAGE else Outcome.SENT)
    desk.play(1, Resolved(at=at(1)))
    assert desk.run(1) == Wait(None, Awaited.DELIVERIES)
    desk.settle(2, desk.told[0].deliveries[0].key, Outcome.SENT)
    assert desk.run(2) == Done()
    assert desk.messages(Message.RESOLVED) == [(2, [("ana", "webhook")])]


def test_a_reminder_goes_by_the_channels_that_told_its_person():
    by_mail = ladder(step(0, "ana", by=(EMAIL,)))
    desk = Desk(escalation(by_mail)).play(26, ack(1))
    assert desk.messages(Message.REMIND) == [(25, [("ana", "email")])]


def test_a_reminder_to_who_was_not_told_goes_by_all_addresses():
    assert Desk().play(26, ack(1, "dan")).messages(Message.REMIND) == [(25, [("dan", "webhook"), ("dan", "email")])]


def test_a_reminder_to_who_has_no_address_goes_to_the_inbox():
    assert Desk().play(26, ack(1, "zoe")).messages(Message.REMIND) == [(25, [("zoe", "inbox")])]


def test_who_was_reminded_is_told_of_the_end():
    desk = Desk().play(26, ack(1, "zoe"), Resolved(at=at(26)))
    assert desk.messages(Message.RESOLVED) == [(26, [("ana", "webhook"), ("zoe", "inbox")])]


def test_an_expiry_or_release_has_no_message_but_its_pages():
    desk = Desk().play(33, ack(1))
    assert [told.message for told in desk.told] == [Message.PAGE, Message.REMIND, Message.PAGE]


def test_pages_under_way_are_moot_once_somebody_has_it_and_all_but_word_of_the_end_after_it():
    desk = Desk(answer=lambda _person, _told: None)
    desk.run(0)
    assert moot(state_of(desk)) == ()
    desk.history.append(ack(1))
    assert moot(state_of(desk)) == desk.told[0].deliveries
    desk.settle(1, desk.told[0].deliveries[0].key, Outcome.SENT)
    desk.run(25)
    desk.history.append(Resolved(at=at(26)))
    desk.run(26)
    assert moot(state_of(desk)) == desk.told[1].deliveries
    assert [told.message for told in desk.told] == [Message.PAGE, Message.REMIND, Message.RESOLVED]


# Keys.


def test_a_key_is_32_hexadecimal_digits_and_equal_in_every_process():
    told = Desk().play(0).told[0]
    assert told.deliveries[0].key == "4c9db8020f114dc6d5ad7c8b8158efea"


def test_one_person_reached_twice_by_a_step_is_told_once_a_channel_in_order_of_to_and_by():
    desk = roster("ben", begins=at(-60))
    doubled = step(0, "roster:desk", "ana", "ben", by=(EMAIL, WEBHOOK))
    found = targets(doubled, policy(rosters=(desk,)), at(0))
    assert found == (("ben", EMAIL), ("ben", WEBHOOK), ("ana", EMAIL), ("ana", WEBHOOK))


def test_messages_that_are_no_page_carry_the_current_loop_and_the_last_step_told():
    desk = Desk().play(24, ack(23), Resolved(at=at(24)))
    assert [(told.message, told.loop, told.step) for told in desk.told[-2:]] == [
        (Message.ACKNOWLEDGED, 2, 2), (Message.RESOLVED, 2, 2),
    ]  # fmt: skip


def test_each_reminder_and_each_word_of_an_acknowledgement_has_its_own_key():
    desk = Desk(escalation(ladder(step(0, "ana", "ben"))))
    desk.play(90, ack(1), ack(26), ack(51), Released(at=at(60), person="ana"), ack(60, "ana"))
    keys = [one.key for told in desk.told for one in told.deliveries]
    assert len(desk.messages(Message.REMIND)) == 3 and len(desk.messages(Message.ACKNOWLEDGED)) == 2
    assert len(set(keys)) == len(keys)


# At one instant.


def test_an_acknowledgement_at_the_instant_of_a_step_comes_before_it():
    assert Desk().play(6, ack(5)).pages() == [(0, 1, 1, "opened")]


def test_an_acknowledgement_at_the_instant_of_its_reminder_comes_before_it_and_changes_nothing():
    desk = Desk().play(27, ack(1), ack(25))
    assert (state_of(desk).expires, len(desk.messages(Message.REMIND))) == (at(33), 1)


def test_an_acknowledgement_that_answers_its_reminder_at_once_renews_it():
    desk = Desk().play(25, ack(1))
    desk.history.append(ack(25))
    assert state_of(desk).expires == at(57)


def test_an_acknowledgement_by_somebody_else_at_the_instant_of_expiry_takes_nothing_over():
    desk = Desk().play(34, ack(1), ack(33, "ben"))
    assert desk.pages()[1:] == [(33, 2, 1, "expired")]


def test_a_step_that_is_due_as_the_one_before_it_fails_comes_because_it_is_due():
    desk = Desk(answer=lambda person, _told: (5, Outcome.GAVE_UP) if person == "ana" else Outcome.SENT)
    assert desk.play(5).pages()[1:] == [(5, 1, 2, "step")]


def test_an_acknowledgement_by_its_holder_at_the_instant_of_expiry_renews_it():
    assert state_of(Desk().play(40, ack(1), ack(33))).expires == at(65)


def test_steps_with_one_after_go_out_at_one_instant_in_order():
    desk = Desk(escalation(ladder(step(0, "ana"), step(0, "ben"), step(5, "cara")))).play(5)
    assert desk.pages() == [(0, 1, 1, "opened"), (0, 1, 2, "step"), (5, 1, 3, "step")]


# Old news.


def test_a_signal_is_told_only_when_it_is_judged_within_the_time_for_news():
    assert told_when(at(15), at(0), minutes(15)) is Telling.YES
    assert told_when(at(15) + timedelta(microseconds=1), at(0), minutes(15)) is Telling.OLD


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, Telling.YES),
        ({"severity": Severity.S1}, Telling.YES),
        ({"severity": Severity.S3}, Telling.SUMMARY),
        ({"raised": at(-1), "known": at(-1)}, Telling.SUMMARY),
        ({"kind": Kind.RULE}, Telling.SUMMARY),
        ({"cleared": at(5), "reason": Cleared.STOP}, Telling.CLEARED),
    ],
)
def test_after_a_stop_urgent_clocks_of_the_last_4_h_are_told_one_by_one_and_the_rest_as_a_summary(changed, told):
    one = Signal(
        id=SignalId("s"), kind=Kind.CLOCK, name="stat-verified", severity=Severity.S2, site=Site("mercy"), case=None,
        raised=at(0), known=at(0),
    )  # fmt: skip
    assert told_after_stop(structs.replace(one, **changed), at(240)) is told


# Rows.

ENTRIES: tuple[Entry, ...] = (
    Told(at=at(0), message=Message.PAGE, loop=1, step=1, deliveries=(Delivery("k", "ana", EMAIL),), why=Why.OPENED),
    Told(at=at(1), message=Message.REMIND, loop=1, step=1, deliveries=(), number=2),
    Settled(at=at(2), key="k", outcome=Outcome.GAVE_UP),
    ack(3),
    Expired(at=at(4)),
    Released(at=at(5), person="ana"),
    PassedOn(at=at(6), person="ana"),
    PassedOn(at=at(6), person="ana", to="ben"),
    Rose(at=at(7), severity=Severity.S1, ladder=None),
    Rose(at=at(7), severity=Severity.S1, ladder=THREE),
    Exhausted(at=at(8)),
    Resolved(at=at(9) + timedelta(microseconds=1)),
    Resolved(at=at(9), person="ana"),
)
NARROW = ladder(
    step(0, "roster:desk", "ana", by=tuple(Channel)), severities=frozenset({Severity.S1, Severity.S2}),
    sites=frozenset({Site("mercy")}), settings=frozenset({"retail"}), kinds=frozenset(Kind), names=frozenset({"a", "b"}),
    repeat=Repeat(from_step=1, times=3, after=timedelta(microseconds=1)),
)  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry).__name__)
def test_an_entry_comes_back_from_json_as_it_was(entry):
    assert from_row(json.loads(json.dumps(to_row(entry)))) == entry


@pytest.mark.parametrize(
    "one",
    [escalation(), escalation(NARROW, Severity.S4), escalation(signal=None, kind=None, site=None, case=None)],
    ids=["signal", "narrow ladder", "summary"],
)
def test_an_escalation_comes_back_from_json_as_it_was(one):
    assert escalation_from_row(json.loads(json.dumps(escalation_to_row(one)))) == one


@pytest.mark.parametrize("row", [{}, {"entry": "told"}, {"entry": "heard", "at": at(0).isoformat()}])
def test_a_row_that_is_none_is_our_fault_and_says_which(row):
    with pytest.raises(OurFault, match="no entry of an escalation"):
        from_row(row)


def test_a_broken_row_of_an_escalation_is_our_fault():
    with pytest.raises(OurFault, match="no escalation"):
        escalation_from_row({**escalation_to_row(escalation()), "severity": "S9"})


# Rehearsing.


def story(*acts, severity: Severity = Severity.S2) -> Story:
    return Story(
        kind=Kind.CLOCK, name="stat-verified", site=Site("mercy"), setting="inpatient", severity=severity, raised=at(0),
        acts=acts,
    )  # fmt: skip


def test_a_rehearsal_prints_every_message_with_its_reason_and_every_change_of_state():
    found = rehearse(policy(THREE), story(ack(6, "ben"), Resolved(at=at(45))), at(24 * 60))
    assert [(one.at, one.message, one.loop, one.step, one.person, one.channel, one.why) for one in found.pages] == [
        (at(0), "page", 1, 1, "ana", "webhook", "opened"),
        (at(5), "page", 1, 2, "ben", "webhook", "step"),
        (at(6), "acknowledged", 1, 2, "ana", "webhook", None),
        (at(30), "remind", 1, 2, "ben", "webhook", None),
        (at(38), "page", 2, 1, "ana", "webhook", "expired"),
        (at(43), "page", 2, 2, "ben", "webhook", "step"),
        (at(45), "resolved", 2, 2, "ana", "webhook", None),
        (at(45), "resolved", 2, 2, "ben", "webhook", None),
    ]
    assert found.states == (
        (at(0), Status.OPEN), (at(6), Status.ACKNOWLEDGED), (at(38), Status.OPEN), (at(45), Status.RESOLVED),
    )  # fmt: skip
    assert found.ladder == "urgent"


def test_a_rehearsal_names_the_last_ladder_that_ran():
    worst = ladder(step(0, "dan"), key="worst", severities=frozenset({Severity.S1}))
    found = rehearse(policy(worst, THREE), story(Rose(at=at(3), severity=Severity.S1, ladder=None)), at(4))
    assert (found.ladder, [one.person for one in found.pages]) == ("worst", ["ana", "dan"])


def test_a_rehearsal_stops_at_its_end():
    assert [one.at for one in rehearse(policy(THREE), story(), at(5)).pages] == [at(0), at(5)]
    assert [one.at for one in rehearse(policy(THREE), story(ack(9)), at(4)).pages] == [at(0)]
    assert rehearse(policy(THREE), story(ack(5)), at(5)).states[1:] == ((at(5), Status.ACKNOWLEDGED),)


def test_a_rehearsal_without_a_ladder_tells_nobody():
    found = rehearse(policy(), story(ack(1), Rose(at=at(3), severity=Severity.S1, ladder=None)), at(60))
    assert (found.ladder, found.pages, found.states) == (None, (), ())


def test_what_rises_to_a_severity_that_has_a_ladder_is_opened_then():
    worst = ladder(step(0, "dan"), key="worst", severities=frozenset({Severity.S1}))
    rise = Rose(at=at(3), severity=Severity.S1, ladder=None)
    found = rehearse(policy(worst), story(ack(1), rise, ack(4)), at(5))
    assert [(one.at, one.person, one.message, one.why) for one in found.pages] == [
        (at(3), "dan", Message.PAGE, Why.OPENED), (at(4), "dan", Message.ACKNOWLEDGED, None),
    ]  # fmt: skip
    assert found.states == ((at(3), Status.OPEN), (at(4), Status.ACKNOWLEDGED))
    assert rehearse(policy(worst), story(Resolved(at=at(2)), rise), at(5)).pages == ()


def test_acting_before_the_raise_is_refused():
    with pytest.raises(CallerFault, match="before the signal is raised"):
        rehearse(policy(THREE), story(ack(-1)), at(60))


def test_a_rehearsal_reads_the_roster_over_the_change_of_clocks():
    # New York leaves daylight saving on 1 November 2026: 07:00 is 11:00 UTC the day before and 12:00 UTC on that day.
    desk = roster("ana", "ben", begins=datetime(2026, 10, 30, 11, tzinfo=UTC))
    raised = datetime(2026, 11, 1, 11, 30, tzinfo=UTC)
    asks = ladder(step(0, "roster:desk"), step(45, "roster:desk"))
    found = rehearse(policy(asks, rosters=(desk,)), replace(story(), raised=raised), raised + minutes(50))
    assert [one.person for one in found.pages] == ["ben", "ana"]
