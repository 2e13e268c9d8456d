"""A feed says every few minutes that it lives, for years: its case keeps the first of these signs and those of two days, in
whatever order they come and however often."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from models.case import Admission
from models.event import CaseId, Event, EventType, Source
from models.policy import Policies
from models.tracking import Watched, amended, conflicts, refold, track, track_all
from tests.heart import ONE, STAT, at, event, policy

CASE = CaseId("feed/pis")
DAY = 24 * 60
WORDS: list[dict[str, str]] = [{}, {"location": "icu"}, {"station": "s1"}]


@st.composite
def signs(draw: st.DrawFn) -> list[Event]:
    minutes = draw(st.lists(st.integers(0, 9 * DAY), min_size=1, max_size=14, unique=True))
    told = [sign(m, ahead=draw(st.sampled_from([0, 0, 0, 9])), **draw(st.sampled_from(WORDS))) for m in minutes]
    others = draw(st.lists(st.integers(0, 9 * DAY), max_size=3, unique=True))
    return [*told, *(event("of.our.own", minute, key=f"o{minute}", case=CASE) for minute in others)]


def sign(minute: int, ahead: int = 0, **data: str) -> Event:
    """A sign of life; `ahead`: by so many minutes its clock was fast."""
    one = event("feed.heartbeat", minute, key=f"h{minute}", case=CASE, **data)
    return structs.replace(one, source=Source(f"/{minute % 2}"), recorded=one.time - timedelta(minutes=ahead))


def arrive(events: Sequence[Event], policies: Policies = ONE) -> Watched:
    case = Watched(CASE)
    for one in events:
        case = track(case, one, policies).case
    return case


@given(signs(), st.randoms(use_true_random=False), st.integers(1, 20))
@settings(max_examples=200, deadline=None)
def test_the_same_ones_stay_in_whatever_order_they_come(told: list[Event], dice, cut: int) -> None:  # type: ignore[no-untyped-def]
    case = arrive(told)
    shuffled = [*told, *told[:3]]
    dice.shuffle(shuffled)
    for other in (
        arrive(shuffled),
        track_all(track_all(Watched(CASE), told[:cut], ONE).case, told[cut:] or told, ONE).case,
    ):
        assert (other.evidence, other.folded) == (case.evidence, case.folded)
    assert refold(case, ONE).case.folded == case.folded
    lives = sorted(one.time for one in told if one.type == EventType("rx.feed.heartbeat"))
    begins = lives[-1].replace(hour=0, minute=0) - timedelta(days=1)
    wanted = {lives[0], *(time for time in lives if time >= begins)}
    kept = {one.time for one in case.evidence.events if one.type == EventType("rx.feed.heartbeat")}
    assert kept == (wanted if len(lives) > 2 else set(lives))
    assert len(case.evidence.events) - len(kept) == sum(one.type == EventType("rx.of.our.own") for one in told)


@given(signs(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_conflicts_that_leave_with_a_sign_are_no_longer_counted(told: list[Event], dice) -> None:  # type: ignore[no-untyped-def]
    dice.shuffle(told)
    case, skewed = Watched(CASE), 0
    for one in told:
        step = track(case, one, ONE)
        skewed += sum(
            doubt.by for doubt in amended(case, step.case, [one], step.admissions) if doubt.kind == "clock_skew"
        )
        case = step.case
    assert skewed == conflicts(case).clock_skew


def test_a_sign_of_long_ago_counts_as_one_that_came_again() -> None:
    told = [sign(hour * 60) for hour in range(0, 9 * 24, 7)]
    case = arrive(told)
    for one in told:
        step = track(case, one, ONE)
        assert step.admissions == (Admission.DUPLICATE,)
        assert step.case is case
    first = track(case, sign(-DAY), ONE)
    assert first.admissions == (Admission.LATE,)
    assert len(first.case.evidence.events) == len(case.evidence.events)


def test_years_of_signs_are_a_handful() -> None:
    case = Watched(CASE)
    for day in range(800):
        case = track_all(case, [sign(day * DAY + minute) for minute in range(0, DAY, 120)], ONE).case
        assert len(case.evidence.events) <= 1 + 2 * 12
    assert case.evidence.events[0].time == at(0)


def test_signs_that_a_policy_asks_about_all_stay() -> None:
    beat = frozenset({EventType("rx.feed.heartbeat")})
    gap = replace(STAT, name="gap", case="feed", starts=beat, stops=beat, ends=frozenset())
    told = [sign(day * DAY) for day in range(6)]
    assert len(arrive(told, Policies.only(policy(gap))).evidence.events) == 6
    assert len(arrive(told).evidence.events) == 3
