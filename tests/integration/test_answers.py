"""What a person does about an escalation, on the real database: give back, pass on, end, one or many at once."""

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest

from models.errors import UsageFault
from models.policy import Kind, Severity
from models.signals import Cleared, Signal, signal_id
from models.store.desk import (
    Ended,
    Free,
    Moved,
    NotByHand,
    Over,
    Standing,
    Stranger,
    Unknown,
    acknowledge,
    pass_on,
    release,
    resolve,
    resolve_many,
    resolve_signal,
)
from models.store.rebuilding import forget_facts
from models.store.sql import SqlLedger
from tests.integration.test_desk import Telling, telling

__all__ = ["telling"]
RULE = {"kind": Kind.RULE, "name": "waste-witnessed-by-same-person"}


def paged(telling: Telling, **about: object) -> Signal:
    """A signal of which the first step has been told."""
    raised = telling.signal(**about)
    telling.look()
    telling.send()
    return raised


def pages(telling: Telling) -> list[tuple[int, int, str]]:
    return telling.rows(
        "SELECT loop, step, person FROM deliveries WHERE type = 'page' ORDER BY loop, step, person, key"
    )


def told(telling: Telling) -> str | None:
    [(verdict,)] = telling.rows("SELECT told FROM signals")
    return verdict


def test_given_back_it_begins_again_at_once(telling: Telling) -> None:
    paged(telling)
    acknowledge(telling.connection, telling.escalation(), "ana")
    telling.look()
    assert release(telling.connection, telling.escalation(), "ana") == Moved(telling.escalation(), "open")
    telling.look()
    assert (2, 1, "ana") in pages(telling)


def test_what_nobody_has_cannot_be_given_back(telling: Telling) -> None:
    paged(telling)
    assert release(telling.connection, telling.escalation(), "ana") == Free()
    assert telling.rows("SELECT count(*) FROM escalation_entries WHERE entry->>'entry' = 'released'") == [(0,)]


def test_passed_on_it_goes_to_the_next_step(telling: Telling) -> None:
    paged(telling)
    acknowledge(telling.connection, telling.escalation(), "ana")
    answer = pass_on(telling.connection, telling.escalation(), "ana", None, telling.desk.policy.people)
    assert answer == Moved(telling.escalation(), "open")
    telling.look()
    assert (2, 2, "ben") in pages(telling)


def test_passed_on_to_somebody_it_goes_to_that_person(telling: Telling) -> None:
    paged(telling)
    pass_on(telling.connection, telling.escalation(), "ben", "ana", telling.desk.policy.people)
    telling.look()
    assert pages(telling)[-1] == (2, 2, "ana")


def test_passing_on_to_a_stranger_changes_nothing(telling: Telling) -> None:
    paged(telling)
    answer = pass_on(telling.connection, telling.escalation(), "ana", "zoe", telling.desk.policy.people)
    assert answer == Stranger("zoe")
    telling.look()
    assert {loop for loop, _, _ in pages(telling)} == {1}


def test_resolving_a_rules_escalation_clears_its_signal_and_tells_who_was_told(telling: Telling) -> None:
    raised = paged(telling, **RULE)
    answer = resolve(telling.connection, telling.escalation(), "ana", "seen", "spoke to both")
    assert answer == Ended(telling.escalation(), raised.id, cleared=True)
    telling.look()
    assert telling.rows("SELECT cleared IS NOT NULL, reason, cleared_by, code, told FROM signals") == [
        (True, "person", "ana", "seen", "yes")
    ]
    assert ("resolved", "ana", "webhook") in telling.told()
    [(entry,)] = telling.rows("SELECT entry FROM escalation_entries WHERE entry->>'entry' = 'resolved'")
    assert (entry["person"], entry["code"], entry["note"]) == ("ana", "seen", "spoke to both")


def test_resolving_a_clocks_escalation_ends_the_telling_only(telling: Telling) -> None:
    raised = paged(telling)
    assert resolve(telling.connection, telling.escalation(), "ana", "seen") == Ended(
        telling.escalation(), raised.id, cleared=False
    )
    telling.look()
    assert telling.rows("SELECT cleared, told FROM signals") == [(None, "yes")]
    assert ("resolved", "ana", "webhook") in telling.told()


def test_a_rise_after_the_telling_was_ended_is_recorded_and_not_told(telling: Telling) -> None:
    raised = paged(telling)
    resolve(telling.connection, telling.escalation(), "ana", "seen")
    telling.look()
    telling.signal(severity=Severity.S1, raised=raised.raised + timedelta(seconds=1), revision=2)
    telling.look()
    assert told(telling) == "resolved"
    assert telling.rows("SELECT count(*) FROM escalations") == [(1,)]


def test_raised_again_after_its_end_it_is_told_again(telling: Telling) -> None:
    raised = paged(telling)
    resolve(telling.connection, telling.escalation(), "ana", "seen")
    telling.signal(raised=raised.raised, cleared=telling.now(), reason=Cleared.STOP, revision=2)
    telling.look()
    telling.signal(raised=raised.raised, revision=3)
    telling.look()
    assert telling.rows("SELECT state FROM escalations ORDER BY opened") == [("resolved",), ("open",)]


def test_an_ended_telling_stays_ended_when_facts_are_made_again(telling: Telling, database_url: str) -> None:
    raised = paged(telling)
    resolve(telling.connection, telling.escalation(), "ana", "seen")
    telling.look()
    forget_facts(database_url)
    [(quiet,)] = telling.rows("SELECT quiet FROM remembered WHERE signal = %s", raised.id)
    assert quiet


def test_what_a_person_cleared_stays_so_with_his_word_when_facts_are_made_again(
    telling: Telling, database_url: str
) -> None:
    raised = telling.signal(**RULE, severity=Severity.S4)
    telling.look()
    resolve_signal(telling.connection, raised.id, "ana", "seen", "a drill")
    forget_facts(database_url)
    with closing(SqlLedger(database_url, "w0")) as again:
        again.claim("a-cluster", [0], "w0")
        telling.ledger, telling.written = again, 0
        telling.signal(**RULE, severity=Severity.S4, raised=raised.raised, known=raised.known)
    assert telling.rows("SELECT reason, cleared_by, code, note FROM signals") == [("person", "ana", "seen", "a drill")]


@pytest.mark.parametrize("reason", [Cleared.POLICY, Cleared.DISPROOF])
def test_a_persons_clearing_holds_against_a_later_end(telling: Telling, reason: Cleared) -> None:
    raised = paged(telling, **RULE)
    resolve(telling.connection, telling.escalation(), "ana", "seen", "a drill")
    telling.look()
    telling.clock.forward(minutes=1)
    telling.signal(**RULE, raised=raised.raised, known=raised.known, cleared=telling.now(), reason=reason, revision=2)
    telling.look()
    [row] = telling.rows("SELECT reason, cleared_by, code, note, now() - cleared > interval '30 s' FROM signals")
    assert row == ("person", "ana", "seen", "a drill", True)


def test_what_was_known_when_it_was_cleared_does_not_open_it_again(telling: Telling) -> None:
    raised = paged(telling, **RULE)
    resolve(telling.connection, telling.escalation(), "ana", "seen")
    telling.signal(**RULE, raised=raised.raised, known=raised.known, revision=2)
    telling.look()
    assert telling.rows("SELECT reason FROM signals") == [("person",)]
    assert telling.rows("SELECT count(*) FROM escalations") == [(1,)]


def test_newer_evidence_opens_what_a_person_cleared(telling: Telling) -> None:
    paged(telling, **RULE)
    resolve(telling.connection, telling.escalation(), "ana", "seen", "a drill")
    telling.clock.forward(minutes=1)
    telling.signal(**RULE, revision=2)
    telling.look()
    assert telling.rows("SELECT cleared, cleared_by, code, note FROM signals") == [(None, None, None, None)]
    assert telling.rows("SELECT state FROM escalations ORDER BY opened") == [("resolved",), ("open",)]


def test_after_the_end_nothing_can_be_done_any_more(telling: Telling) -> None:
    paged(telling)
    name, people = telling.escalation(), telling.desk.policy.people
    resolve(telling.connection, name, "ana", "seen")
    for answer in (
        release(telling.connection, name, "ana"),
        pass_on(telling.connection, name, "ana", None, people),
        resolve(telling.connection, name, "ana", "seen"),
        acknowledge(telling.connection, name, "ana"),
    ):
        assert isinstance(answer, Over)


def test_there_is_no_such_thing(telling: Telling) -> None:
    for answer in (
        release(telling.connection, "none", "ana"),
        pass_on(telling.connection, "none", "ana", None, ()),
        resolve(telling.connection, "none", "ana", "seen"),
        resolve_signal(telling.connection, "none", "ana", "seen"),
    ):
        assert answer == Unknown()


@pytest.mark.parametrize("code", ["", "two words", "x" * 65, "name=Ana"])
def test_a_reason_code_is_no_free_text(telling: Telling, code: str) -> None:
    paged(telling)
    with pytest.raises(UsageFault, match="reason code"):
        resolve(telling.connection, telling.escalation(), "ana", code)


def test_many_signals_of_rules_are_cleared_at_once_each_by_itself(telling: Telling) -> None:
    paged(telling)
    one = telling.signal(**RULE, id=signal_id(Kind.RULE, "one"))
    two = telling.signal(**RULE, id=signal_id(Kind.RULE, "two"), severity=Severity.S4)
    telling.look()
    [(clock,)] = telling.rows("SELECT id FROM signals WHERE kind = 'clock'")
    answers = resolve_many(telling.connection, [one.id, clock, "none", two.id, one.id], "ana", "seen")
    assert isinstance(answers[clock], NotByHand) and answers["none"] == Unknown()
    assert answers[two.id] == Ended(None, two.id, cleared=True)
    ended = answers[one.id]
    assert isinstance(ended, Ended) and ended.cleared and ended.escalation is not None
    assert telling.rows("SELECT count(*) FROM signals WHERE reason = 'person'") == [(2,)]


def test_a_clocks_signal_that_nobody_is_told_of_clears_by_itself_alone(telling: Telling) -> None:
    raised = telling.signal(severity=Severity.S4)
    telling.look()
    assert isinstance(resolve_signal(telling.connection, raised.id, "ana", "seen"), NotByHand)


def test_an_acknowledgement_after_a_pass_on_takes_it_on(telling: Telling) -> None:
    paged(telling)
    pass_on(telling.connection, telling.escalation(), "ana", "ben", telling.desk.policy.people)
    telling.look()
    telling.send()
    answer = acknowledge(telling.connection, telling.escalation(), "ben")
    assert isinstance(answer, Standing) and answer.acknowledged_by == "ben"


def test_a_person_who_left_the_policy_is_passed_over_as_refused(telling: Telling) -> None:
    paged(telling)
    pass_on(telling.connection, telling.escalation(), "ana", "ben", telling.desk.policy.people)
    people = {name: one for name, one in telling.desk.policy.people.items() if name != "ben"}
    telling.desk = replace(telling.desk, policy=replace(telling.desk.policy, people=people))
    telling.look()
    [(nobody,)] = telling.rows("SELECT entry->'deliveries' FROM escalation_entries WHERE entry->>'why' = 'passed_on'")
    assert nobody == []
