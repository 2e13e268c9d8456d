"""A case that never ends forgets most of what it was told, and says what it would say if it had forgotten nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from models.case import Admission
from models.event import CaseId, Event
from models.event_types import VOIDED
from models.policy import BEGINNING, Pause, Policies
from models.signals import Cleared, Signal
from models.store.records import case_row, unpack
from models.tracking import Held, Step, Watched, tick, track
from models.tracking.trimming import BOUNDS, Bounds, Settled, receive
from tests.heart import at, clock, event, policy, types

CASE = CaseId("item/heparin")
DAY = 24 * 60
EMPTY = clock(
    "empty",
    "adc.stockout",
    "adc.load",
    case="item",
    ends=types("adc.unload"),
    when=(("measure", frozenset({"", "temperature"})),),
    pauses=(Pause(*sorted(types("inventory.quarantined", "inventory.received"))),),
)
LOW = clock("low", "adc.below_par", "adc.load", case="item", per="lot", target=None)
LOADED = clock("loaded", "adc.load", "adc.stockout", case="item")
COUNTED = clock("counted", "inventory.counted", "adc.load", case="item")
POLICY = Policies.only(policy(EMPTY, LOW, LOADED))
LATER = Policies((BEGINNING, at(5 * DAY + 10)), (policy(EMPTY, LOW, LOADED), policy(EMPTY, LOADED, COUNTED)))
"""From the sixth day on a clock more is asked about and one less."""
MOVING = (
    "adc.stockout", "adc.load", "adc.unload", "adc.below_par", "inventory.quarantined", "inventory.received",
)  # fmt: skip
READINGS = ("env.temp", "inventory.counted", "of.our.own", "feed.heartbeat")
SMALL = Bounds(long=6, again=2, readings=3, days=timedelta(days=2))


@dataclass
class Bounded:
    """A case that is trimmed, and what was settled by that."""

    case: Watched = field(default_factory=lambda: Watched(CASE))
    settled: list[Settled] = field(default_factory=list[Settled])
    bounds: Bounds = SMALL
    policies: Policies = POLICY

    def take(self, one: Event) -> Step:
        received = receive(self.case, one, self.policies, self.bounds)
        self.case = received.case
        self.settled.append(received.settled)
        return received.step

    @property
    def intervals(self) -> set[object]:
        gone = [one for each in self.settled for one in each.intervals]
        return _plain([*gone, *self.case.intervals.values()])

    @property
    def signals(self) -> set[object]:
        gone = [one for each in self.settled for one in each.signals]
        return _stood([*gone, *self.case.signals.values()])


def _plain(intervals: Sequence[object]) -> set[object]:
    return {repr(structs.replace(one, revision=0)) for one in intervals if not one.retracted}  # type: ignore[attr-defined,type-var]


def _stood(signals: Sequence[Signal]) -> set[object]:
    return {repr(structs.replace(one, revision=0)) for one in signals if one.reason is not Cleared.DISPROOF}


@st.composite
def stories(draw: st.DrawFn) -> list[Event | int]:
    """Weeks of one item, in the order in which they are read: readings in order, other events up to a day late, taken back
    within a day, and now and then silence (a minute up to which it was listened to)."""
    told: list[Event | int] = []
    minute = 0
    for number in range(draw(st.integers(5, 40))):
        minute += draw(st.sampled_from([0, 1, 30, 300, DAY, 3 * DAY]))
        told.append(_one(draw, number, minute))
        if draw(st.integers(0, 5)) == 0:
            told.append(minute + 1)
        recent = [one for one in told if isinstance(one, Event) and at(minute) - one.time < timedelta(days=1)]
        if recent and draw(st.integers(0, 9)) == 0:
            taken_back = draw(st.sampled_from(recent))
            voids = [taken_back.source, taken_back.id]
            told.append(event("event.voided", minute, key=f"v{number}", case=CASE, voids=voids))
        if recent and draw(st.integers(0, 9)) == 0:
            told.append(draw(st.sampled_from(recent)))
    return told


def _one(draw: st.DrawFn, number: int, minute: int) -> Event:
    data: Mapping[str, str] = draw(
        st.sampled_from([{}, {"priority": "stat"}, {"priority": "routine"}, {"lot": "a"}, {"measure": "temperature"}])
    )
    if draw(st.booleans()):
        return event(draw(st.sampled_from(READINGS)), minute, key=f"r{number}", case=CASE, **data)
    late = draw(st.sampled_from([0, 0, 0, 20, DAY - 1]))
    return event(draw(st.sampled_from(MOVING)), minute - late, recorded=minute, key=f"m{number}", case=CASE, **data)


@given(stories(), st.sampled_from([POLICY, LATER]))
@settings(max_examples=150)
def test_what_is_forgotten_changes_nothing_that_is_said(story: list[Event | int], under: Policies) -> None:
    whole, bounded = Watched(CASE), Bounded(policies=under)
    for one in story:
        match one:
            case int():
                whole, bounded.case = (tick(case, under, at(one)).case for case in (whole, bounded.case))
            case Event():
                whole = track(whole, one, under).case
                bounded.take(one)
        assert bounded.intervals == _plain([*whole.intervals.values()])
        assert bounded.signals == _stood([*whole.signals.values()])
        assert bounded.case.look == whole.look
        assert _said(bounded.case) == _said(whole)
        if whole.progress is not None and bounded.case.progress is not None:
            assert bounded.case.progress.fields == whole.progress.fields
        _is_read_back(bounded.case, under)


def _said(case: Watched) -> dict[str, Held]:
    """What clocks and rules say. An instance that a version dropped says nothing, and only a stop from before may change that."""
    return {name: one for name, one in case.held.items() if one != Held(open=True)}


def _is_read_back(case: Watched, under: Policies) -> None:
    if case.evidence.events:
        back, look = unpack(CASE, case_row(case, 0, case.look).body, under)
        assert (back, look) == (case, case.look)


def test_a_year_of_readings_is_a_handful() -> None:
    bounded = Bounded(bounds=BOUNDS)
    sizes: list[int] = []
    for hour in range(0, 366 * 24 * 60, 60):
        bounded.take(event("env.temp", hour, key=f"r{hour}", case=CASE, measure="temperature"))
        if hour % (30 * DAY) == 0:
            bounded.take(event("adc.stockout", hour, key=f"s{hour}", case=CASE))
            bounded.take(event("adc.load", hour + 7, key=f"l{hour}", case=CASE))
        sizes.append(len(bounded.case.evidence.events))
    assert max(sizes) <= BOUNDS.long + 3
    assert len(bounded.intervals) == 13 + 12
    stockouts = [one for one in bounded.case.evidence.events if one.type == "rx.adc.stockout"]
    assert 3 <= len(stockouts) <= 5


def test_what_runs_for_years_is_stopped_by_its_stop() -> None:
    bounded = Bounded()
    bounded.take(event("adc.stockout", 0, key="s", case=CASE, priority="stat"))
    for day in range(1, 800):
        bounded.take(event("env.temp", day * DAY, key=f"r{day}", case=CASE, priority="routine"))
        bounded.take(event("adc.stockout", day * DAY + 1, key=f"again{day}", case=CASE))
    assert len(bounded.case.evidence.events) < 20
    step = bounded.take(event("adc.load", 800 * DAY, key="l", case=CASE))
    [interval] = step.intervals
    assert (interval.started, interval.priority) == (at(0), "stat")


def test_the_start_of_what_runs_is_taken_back_however_old_it_is() -> None:
    bounded = Bounded()
    first = event("adc.stockout", 0, key="s", case=CASE)
    bounded.take(first)
    for day in range(1, 20):
        bounded.take(event("env.temp", day * DAY, key=f"r{day}", case=CASE))
    bounded.case = tick(bounded.case, POLICY, at(20 * DAY)).case
    assert bounded.case.signals
    step = bounded.take(event("event.voided", 20 * DAY, key="v", case=CASE, voids=[first.source, first.id]))
    assert [one.reason for one in step.signals] == [Cleared.DISPROOF]
    assert bounded.case.held == {}


def test_a_late_event_at_the_place_of_trimming_asks_what_the_others_ask() -> None:
    bounded = Bounded(policies=LATER)
    bounded.take(event("inventory.counted", 5 * DAY + 20, key="c", case=CASE))
    for minute in range(4):
        bounded.take(event("env.temp", 5 * DAY + 30 + minute, key=f"r{minute}", case=CASE))
    bounded.take(event("adc.unload", 5 * DAY - 30, key="u", case=CASE))
    assert [run.start.id for run in bounded.case.folded.running.values()] == ["c"]


def test_pauses_that_are_over_are_forgotten_and_an_open_one_stays() -> None:
    bounded = Bounded()
    for day in range(200):
        for name, minutes in (("inventory.quarantined", 0), ("inventory.received", 60)):
            bounded.take(event(name, day * DAY + minutes, key=f"{name}{day}", case=CASE))
    bounded.take(event("inventory.quarantined", 200 * DAY, key="open", case=CASE))
    for day in range(201, 230):
        bounded.take(event("env.temp", day * DAY, key=f"r{day}", case=CASE))
    assert len(bounded.case.evidence.events) < 12
    bounded.take(event("adc.stockout", 230 * DAY, key="s", case=CASE))
    assert tick(bounded.case, POLICY, at(240 * DAY)).signals == ()
    bounded.take(event("inventory.received", 241 * DAY, key="over", case=CASE))
    assert tick(bounded.case, POLICY, at(242 * DAY)).signals


def test_what_is_older_than_what_left_is_counted_and_changes_nothing() -> None:
    bounded = Bounded()
    told = [event("adc.below_par", day * DAY, key=f"b{day}", case=CASE, lot=f"{day}") for day in range(9)]
    told += [event("env.temp", 9 * DAY + minute, key=f"r{minute}", case=CASE) for minute in range(11)]
    for one in told:
        bounded.take(one)
    kept = {one.id for one in bounded.case.evidence.events}
    for one in [*told, event("adc.load", 3 * DAY, key="late", case=CASE, lot="3")]:
        before = bounded.case
        step = bounded.take(one)
        assert step.admissions == (Admission.DUPLICATE if one.id in kept else Admission.AFTER_CLOSE,)
        assert bounded.case is before
    step = bounded.take(event("adc.load", 8 * DAY + 5, key="in time", case=CASE, lot="8"))
    assert step.admissions == (Admission.LATE,)
    assert len(step.intervals) == 1


def test_a_reading_that_a_later_policy_asks_about_stays_from_then_on() -> None:
    bounded, knowing = Bounded(), Bounded(policies=LATER)
    for day in range(12):
        one = event("inventory.counted", day * DAY + 20, key=f"c{day}", case=CASE)
        knowing.take(one)
        if day < 5:
            bounded.take(one)
            assert bounded.case.evidence == knowing.case.evidence
    assert [run.start.id for run in knowing.case.folded.running.values()] == ["c5"]
    assert VOIDED not in {one.type for one in knowing.case.evidence.events}
