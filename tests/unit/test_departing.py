"""Finished cases leave: what that means for a case, when the worker lets one go, and how it is told again."""

from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from metrics.recorder import NullRecorder
from models.case import Admission
from models.event import CaseId, Event
from models.store.ledger import AFTER_CLOSE, DoubtKey, Tally
from models.store.memory import Memory, MemoryLedger
from models.store.records import case_row
from models.tracking import RESTS, Departed, Watched, departed, tick, track_all
from models.wire import Decoded, encode
from streams import departing
from streams.admission import Record, home
from streams.batch import Loop
from streams.cases import Cases
from streams.departing import Departing
from streams.draft import Draft, Held, Partition
from streams.recomputing import Recomputed
from streams.watching import Watch
from tests.heart import ONE, at, event, watch

ENTERED = event("order.entered", 0, priority="stat")
VERIFIED = event("order.verified", 20)
STOPPED = event("order.stopped", 30)
LATER = event("order.verified", 5)
VOID = event("event.voided", 40, voids=[VERIFIED.source, VERIFIED.id])
NOT_RESTING = RESTS - timedelta(minutes=1)


# The case


def test_whatever_is_said_of_a_case_that_left_is_counted_and_changes_nothing() -> None:
    gone = departed(watch(ENTERED, VERIFIED, STOPPED))
    said = (ENTERED, LATER, VOID, event("order.entered", 0, recorded=1, priority="now"), event("unheard.of", 99))
    step = track_all(gone, said, ONE)
    assert step.case is gone
    assert step.admissions == (Admission.AFTER_CLOSE,) * len(said)
    assert (step.intervals, step.signals, step.outcomes, step.look) == ((), (), (), None)


def test_silence_says_nothing_of_a_case_that_left() -> None:
    late = watch(ENTERED, now=15)
    assert tick(late, ONE, at(500)).signals, "it would be later still"
    gone = departed(late)
    step = tick(gone, ONE, at(500))
    assert step.case is gone and not (step.signals or step.intervals or step.admissions)


def test_what_was_issued_about_a_case_that_left_stays_known() -> None:
    case = watch(ENTERED, VERIFIED, STOPPED)
    gone = departed(case)
    assert gone.intervals == case.intervals and case.intervals
    assert gone.evidence.events == ()


def test_a_case_that_left_is_none_of_which_nothing_is_known_yet() -> None:
    name = CaseId("order/1")
    assert Departed(name) == Departed(name)
    assert Departed(name) != Watched(name) and Watched(name) != Departed(name)


# The worker


class Store:
    """A store with orders that are over, for each its partition; nothing was applied to them for so long."""

    def __init__(self, *partitions: int, since: timedelta = RESTS + timedelta(minutes=1)) -> None:
        self.memory = Memory(ONE)
        self.ledger = MemoryLedger(self.memory)
        self.cases = Cases(self.ledger)
        self.seconds = 0.0
        self.departing = Departing(self.ledger, self.cases, lambda: self.seconds)
        for number, partition in enumerate(partitions):
            self.over(number, partition, since)

    def over(self, number: int, partition: int, since: timedelta) -> CaseId:
        name = CaseId(f"order/{number}")
        told = watch(event("order.entered", 0, case=name), event("order.stopped", 5, case=name))
        self.memory.cases[name] = case_row(told, partition, None)
        self.memory.applied[name] = self.ledger.now() - since
        return name

    def go_on(self, *drafts: Draft, end: int = 7) -> Draft:
        """One more stretch, into a new draft after those."""
        draft = Draft()
        places = {number: Partition(number, 1, 7, 0, 7, end) for number in (0, 1)}
        self.departing.go_on(places, [*drafts, draft], draft)
        return draft


def names(*numbers: int) -> set[str]:
    return {f"order/{number}" for number in numbers}


def test_a_case_leaves_with_the_position_of_its_partition_and_is_known_to_have_left() -> None:
    store = Store(0, 1, 2)
    draft = store.go_on()
    assert draft.departures.keys() == names(0, 1)
    assert {(one.case.id, one.case.partition, one.position) for one in draft.departures.values()} == {
        ("order/0", 0, 7),
        ("order/1", 1, 7),
    }
    store.cases.unwritten = lambda: [draft]
    assert store.cases.get(CaseId("order/0")) is None
    store.cases.load({CaseId("order/0"): 0}, ONE)
    held = store.cases.get(CaseId("order/0"))
    assert held is not None and isinstance(held.case, Departed)
    batch = draft.batch(lambda _: 0, timedelta())
    assert {advance.partition for advance in batch.advances} == {0, 1}
    assert list(batch.departures) == list(draft.departures.values())


def test_what_comes_of_a_case_that_left_is_counted_at_its_site_in_the_hour_in_which_it_was_recorded() -> None:
    gone, draft, place = departed(watch(ENTERED, STOPPED)), Draft(), Partition(3, 1, 7, 0, 7, 7)
    found = [Decoded(one) for one in (ENTERED, event("order.verified", 5, recorded=70))]
    draft.track(place, gone, found, track_all(gone, [one.event for one in found], ONE))
    batch = draft.batch(lambda _: 0, timedelta())
    assert batch.doubts == {DoubtKey("mercy", AFTER_CLOSE, "order", at(60 * hour), 3): 1 for hour in (0, 1)}
    assert [advance.tally for advance in batch.advances] == [Tally(after_close=2)]
    assert not batch.cases and not batch.intervals and not batch.signals


def test_a_case_that_the_worker_has_in_mind_is_known_to_have_left() -> None:
    store, case = Store(0), CaseId("order/0")
    store.cases.bring([(case, 0)], ONE)
    assert store.cases.get(case) is not None
    draft = store.go_on()
    store.cases.unwritten = lambda: [draft]
    store.cases.bring([(case, 0)], ONE)
    held = store.cases.get(case)
    assert held is not None and isinstance(held.case, Departed)


def test_nobody_leaves_before_what_waited_at_the_start_is_read() -> None:
    store = Store(0)
    assert not store.go_on(end=0).departures
    assert store.go_on().departures.keys() == names(0)


def test_a_case_of_which_something_is_not_written_yet_stays() -> None:
    store = Store(0, 0, 0)
    told = Draft()
    case = watch(event("order.entered", 0, case="order/1"))
    told.cases[case.id] = Held(0, case, None)
    assert store.go_on(told).departures.keys() == names(0, 2)


def test_a_case_leaves_once() -> None:
    store = Store(0)
    first = store.go_on()
    store.seconds += departing.EVERY
    assert not store.go_on(first).departures, "that it left is not written yet"


def test_the_walk_is_made_at_the_start_and_once_a_day() -> None:
    store = Store()
    store.go_on()
    store.over(5, 0, RESTS)
    store.seconds += departing.EVERY - 1
    assert not store.go_on().departures
    store.seconds += 1
    assert store.go_on().departures.keys() == names(5)


def test_a_case_to_which_something_was_applied_lately_stays() -> None:
    assert not Store(0, since=NOT_RESTING).go_on().departures


def test_while_many_wait_to_have_left_no_more_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.departing.AT_ONCE", 1)
    store = Store(0)
    full = store.go_on()
    store.over(9, 0, RESTS)
    store.seconds += departing.EVERY
    store.departing.go_on({0: Partition(0, 1, 7, 0, 7, 7)}, [full], full)
    assert full.departures.keys() == names(0)


class Quiet:
    """A loop over a store to which nothing comes; the database's clock may be wrong."""

    def __init__(self, store: Store, clocks_agree: bool, *messages: object) -> None:
        partition = Partition(0, 1, 7, 0, 7, 7)
        held = {0: partition}
        ownership: Any = SimpleNamespace(changed=0, count=1, partitions=held, proven=list, proven_partitions=held)
        ticker: Any = SimpleNamespace(clocks_agree=clocks_agree, wait=0.0, judge=lambda *_: None)
        at_work: Any = SimpleNamespace(writing=None, idle=SimpleNamespace(is_set=lambda: False))
        consumer: Any = SimpleNamespace(consume=lambda *_: list(messages), poll=lambda _: None)
        nobody: Any = None
        self.loop = Loop(consumer, store.ledger, ownership, store.cases, ticker, at_work, nobody, Watch(NullRecorder()))

    def leave(self) -> set[str]:
        """Who leaves in one turn."""
        self.loop._turn()
        return set(self.loop._draft.departures)


def test_cases_leave_while_nothing_waits_to_be_read_and_the_clocks_agree() -> None:
    assert Quiet(Store(0), True).leave() == names(0)
    assert Quiet(Store(0), False).leave() == set()


def test_no_case_leaves_while_something_waits_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loop, "_apply", lambda *_: None)
    assert Quiet(Store(0), True, "a record").leave() == set()


# The recomputation


def records(*events: Event) -> list[Record]:
    return [
        Record(home(one.subject, 1), offset, one.subject.encode(), encode(one), at(60))
        for offset, one in enumerate(events)
    ]


def retold(events: Sequence[Event], *departures: tuple[int, CaseId]) -> Recomputed:
    told = Recomputed(0, 1, ONE, [], departures)
    for record in records(*events):
        told.take(record)
    told.listen(len(events))
    return told


def test_a_case_is_let_go_where_it_left() -> None:
    told = retold([ENTERED, VERIFIED, STOPPED, LATER, ENTERED], (3, ENTERED.subject))
    assert told.tally == Tally(accepted=3, after_close=2)
    [case] = told.cases.values()
    assert isinstance(case, Departed) and case.intervals == watch(ENTERED, VERIFIED, STOPPED).intervals


def test_a_case_is_let_go_before_the_record_at_its_position_and_after_the_one_before() -> None:
    assert retold([ENTERED, STOPPED, LATER], (2, ENTERED.subject)).tally == Tally(accepted=2, after_close=1)
    assert retold([ENTERED, STOPPED, LATER], (3, ENTERED.subject)).tally == Tally(accepted=3)


def test_a_case_that_is_not_over_is_not_let_go() -> None:
    told = retold([ENTERED, VERIFIED], (1, ENTERED.subject), (1, CaseId("order/nobody")))
    assert told.tally == Tally(accepted=2)
    assert not isinstance(told.cases[ENTERED.subject], Departed)
