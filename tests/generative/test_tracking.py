"""Whatever the order, repetition and delay in which events arrive, the case says the same."""

from collections import Counter
from dataclasses import asdict, replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from models.case import Admission, Evidence
from models.event import Event, Source
from models.event_types import VOIDED
from models.policy import BEGINNING, Applies, Policies
from models.signals import Cleared
from models.tracking import Step, Watched, amended, conflicts, pace, refold, tick, track, track_all
from models.tracking.folding import fold
from models.tracking.watched import Folded
from models.wire import Decoded
from streams.arrivals import in_order
from tests.heart import ONE, RETURNED, STAT, VERIFIED, at, event, policy

NAMES = (
    "order.entered", "order.verified", "order.modified", "order.discontinued", "order.intervention.opened",
    "order.intervention.resolved", "dose.scheduled", "dose.administered", "dose.not_given", "dose.checked",
    "dose.delivered", "dose.dispatched", "iv.prep.step.mismatch", "iv.prep.step.scanned", "iv.prep.completed", "adc.wasted",
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn, names: st.SearchStrategy[str], minutes: st.SearchStrategy[int]) -> Event:
    minute = draw(minutes)
    data: dict[str, object] = {}
    if draw(st.booleans()):
        data["priority"] = draw(st.sampled_from(["stat", "routine"]))
    if draw(st.booleans()):
        data["links"] = {
            "dose": draw(st.sampled_from(["dose/1", "dose/2"])),
            "intervention": draw(st.sampled_from(["i1", "i2"])),
        }
    if draw(st.integers(0, 4)) == 0:
        data["setting"] = draw(st.sampled_from(["retail", "inpatient"]))
    if draw(st.booleans()):
        data["promised"] = at(draw(st.integers(-20, 90)))
    key = str(draw(st.integers(0, 30)))
    one = event(draw(names), minute, key=key, recorded=minute + draw(st.integers(0, 40)), **data)
    return structs.replace(one, source=Source(draw(st.sampled_from(["/a", "/b"]))))


@st.composite
def tellings(draw: st.DrawFn) -> list[Event]:
    """Few types and few instants in one story, so that what they say of each other comes up."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True))
    minutes = draw(st.lists(st.integers(-10, 60), min_size=1, max_size=6, unique=True))
    start = event("order.entered", draw(st.integers(-10, 20)), key="first", priority="stat")
    told = draw(st.lists(records(st.sampled_from(names), st.sampled_from(minutes)), min_size=1, max_size=12))
    return [start, *told] if draw(st.booleans()) else told


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    told = draw(tellings())
    for victim in draw(st.lists(st.sampled_from(told), max_size=2)):
        told.append(event("event.voided", 70, key=f"void-{victim.id}", voids=[victim.source, victim.id]))
    again = [
        structs.replace(one, recorded=one.recorded + timedelta(minutes=9))
        for one in draw(st.lists(st.sampled_from(told), max_size=4))
    ]
    if draw(st.booleans()):
        return told, draw(st.permutations(told + again))
    # As feeds tell: in order but for a few.
    near = sorted(told + again, key=lambda one: one.recorded if one in again else one.time)
    for late in draw(st.lists(st.sampled_from(near), max_size=2)):
        near.remove(late)
        near.append(late)
    return told, near


# Three versions: the second asks for less, and for some only of a setting that the case's first event may say; the third
# brings back what the first had.
RETAIL = Applies(settings=frozenset({"retail"}))
LESS = replace(
    policy(replace(STAT, applies=RETAIL), VERIFIED, version="v2"),
    rules={},
    rates={"r": replace(RETURNED, applies=RETAIL)},
)
CHANGING = Policies((BEGINNING, at(15), at(40)), (policy(), LESS, policy(version="v3")))
policies = st.sampled_from([ONE, CHANGING])


def arrive(events: list[Event], under: Policies = ONE) -> Watched:
    case = Watched(events[0].subject)
    for one in events:
        case = track(case, one, under).case
    return case


def facts(case: Watched, under: Policies = ONE) -> object:
    case = tick(case, under, at(100)).case
    return live(case), conflicts(case), case.progress, pace(case)


def anchored(case: Watched, under: Policies) -> bool:
    """Whether the anchor is a fold of events before the last instant."""
    standing, anchor = case.evidence.standing, case.anchor
    if anchor.at == 0:
        return anchor.folded == Folded()
    before = standing[anchor.at - 1].time < standing[-1].time
    return before and anchor.folded == fold(case.id, Evidence(standing=standing[: anchor.at]), under)[0]


def live(case: Watched) -> object:
    intervals = {structs.replace(i, revision=1) for i in case.intervals.values() if not i.retracted}
    signals = {structs.replace(s, revision=1) for s in case.signals.values() if s.reason is not Cleared.DISPROOF}
    return intervals, signals


@given(stories(), policies)
@settings(max_examples=300)
def test_order_repetition_and_delay_change_nothing(story: tuple[list[Event], list[Event]], under: Policies) -> None:
    told, shuffled = story
    assert facts(arrive(told, under), under) == facts(arrive(shuffled, under), under)


@given(stories(), policies, st.lists(st.integers(-10, 90), min_size=20, max_size=20))
@settings(max_examples=150)
def test_after_every_event_and_tick_the_case_is_what_a_fold_from_nothing_gives(
    story: tuple[list[Event], list[Event]], under: Policies, instants: list[int]
) -> None:
    case = Watched(story[1][0].subject)
    for one, now in zip(story[1], instants, strict=False):
        for step in (track(case, one, under), tick(track(case, one, under).case, under, at(now))):
            case = step.case
            whole = refold(Watched(case.id, case.evidence, judged=case.judged), under)
            assert (case.folded, case.held) == (whole.case.folded, whole.case.held)
            assert anchored(case, under)
            assert step.look == case.look == whole.look
            assert live(case) == live(whole.case)
            assert refold(case, under).signals == refold(case, under).intervals == ()


@given(stories(), policies)
@settings(max_examples=300)
def test_events_of_one_instant_are_read_in_the_order_in_which_they_stand(
    story: tuple[list[Event], list[Event]], under: Policies
) -> None:
    found = [Decoded(structs.replace(one), place) for place, one in enumerate(story[1])]
    read = in_order(found)
    assert sorted(one.dropped for one in read) == [one.dropped for one in found]
    assert [one.event.time for one in read] == [one.event.time for one in found]
    assert all(found[one.dropped].event is one.event for one in read)
    case = Watched(story[1][0].subject)
    together = track_all(case, [one.event for one in read], under).case
    assert facts(together, under) == facts(arrive(story[1], under), under)
    once = {one.id: structs.replace(one, time=at(0), recorded=at(0)) for one in story[1] if one.type != VOIDED}
    step = track_all(case, [one.event for one in in_order([Decoded(one) for one in once.values()])], under)
    assert set(step.admissions) <= {Admission.NEWEST}


@given(stories(), policies, st.lists(st.tuples(st.integers(1, 6), st.integers(-10, 90)), min_size=20, max_size=20))
@settings(max_examples=300)
def test_events_that_are_taken_together_lead_to_what_they_lead_to_one_by_one(
    story: tuple[list[Event], list[Event]], under: Policies, batches: list[tuple[int, int]]
) -> None:
    """With silence listened to between batches. Only revisions may differ: what came and went within a batch was never
    issued. That includes the instant by which a signal was disproved."""
    told = story[1]
    one_by_one = together = Watched(told[0].subject)
    trials, summed = Counter[object](), Counter[object]()
    for count, now in batches:
        batch, told = told[:count], told[count:]
        steps: list[Step] = []
        for one in batch:
            steps.append(track(one_by_one, one, under))
            one_by_one = steps[-1].case
        step = track_all(together, batch, under) if batch else tick(together, under, at(-100))
        assert step.admissions == tuple(admission for one in steps for admission in one.admissions)
        for one in steps:
            count_trials(trials, one)
        count_trials(summed, step)
        one_by_one, together = tick(one_by_one, under, at(now)).case, tick(step.case, under, at(now)).case
        assert (together.evidence, together.folded) == (one_by_one.evidence, one_by_one.folded)
        assert anchored(together, under)
        assert (together.held, together.look, issued(together)) == (
            one_by_one.held,
            one_by_one.look,
            issued(one_by_one),
        )
        assert +summed == +trials


def count_trials(sums: Counter[object], step: Step) -> None:
    for outcome in step.outcomes:
        sums[structs.replace(outcome, sign=1)] += outcome.sign


def issued(case: Watched) -> object:
    """What was ever issued and still means something."""
    intervals = {structs.replace(one, revision=1) for one in case.intervals.values() if not one.retracted}
    return intervals, {structs.replace(one, revision=1) for one in case.signals.values()}


@given(stories(), st.integers(0, 12), st.integers(-10, 90))
@settings(max_examples=200)
def test_a_policy_learnt_of_between_two_events_says_what_it_would_have_said_from_the_start(
    story: tuple[list[Event], list[Event]], cut: int, now: int
) -> None:
    """As long as it takes effect after all events so far, as every policy does."""
    _, shuffled = story
    later = Policies((BEGINNING, at(100)), (ONE.latest, LESS))
    case = tick(arrive(shuffled[: cut + 1]), ONE, at(now)).case
    for one in shuffled[cut + 1 :]:
        case = track(case, one, later).case
    assert live(tick(case, later, at(200)).case) == live(tick(arrive(shuffled, later), later, at(200)).case)


@given(stories())
@settings(max_examples=200)
def test_a_case_goes_on_alike_whatever_another_made_of_the_same_past(story: tuple[list[Event], list[Event]]) -> None:
    _, shuffled = story
    past = arrive(shuffled[:1])
    for one in reversed(shuffled):
        track(track(past, one, ONE).case, shuffled[0], ONE)
    case = past
    for one in shuffled[1:]:
        case = track(case, one, ONE).case
    assert facts(case) == facts(arrive(shuffled))


@given(tellings())
@settings(max_examples=200)
def test_what_was_carried_on_equals_the_fold_from_nothing(told: list[Event]) -> None:
    case = arrive(sorted(told, key=lambda one: one.time))
    step = refold(case, ONE)
    assert (step.intervals, step.signals) == ((), ())
    assert step.case.progress == case.progress
    assert step.case.runs == case.runs


@given(stories(), policies)
@settings(max_examples=200)
def test_the_trials_add_up_to_those_of_what_stands(story: tuple[list[Event], list[Event]], under: Policies) -> None:
    def total(events: list[Event]) -> dict[object, int]:
        case, sums = Watched(events[0].subject), dict[object, int]()
        for one in events:
            step = track(case, one, under)
            case = step.case
            for outcome in step.outcomes:
                key = structs.replace(outcome, sign=1)
                sums[key] = sums.get(key, 0) + outcome.sign
        return {key: n for key, n in sums.items() if n}

    told, shuffled = story
    assert total(told) == total(shuffled)


@given(stories(), st.integers(0, 12), st.integers(0, 90))
@settings(max_examples=200)
def test_no_signal_stays_open_once_its_case_is_stopped_ended_or_disproved(
    story: tuple[list[Event], list[Event]], cut: int, now: int
) -> None:
    _, shuffled = story
    case = arrive(shuffled[: cut + 1])
    case = tick(case, ONE, at(now)).case
    for one in shuffled[cut + 1 :]:
        case = track(case, one, ONE).case
    running = {run.id for runs in case.runs.values() for run in runs if run.running and not run.void}
    still = [s for s in case.signals.values() if s.kind == "clock" and s.open]
    assert len(still) <= len(running)


@given(stories(), policies, st.lists(st.integers(-10, 90), min_size=20, max_size=20))
@settings(max_examples=300)
def test_what_events_change_about_conflicts_sums_up_to_those_that_stand(
    story: tuple[list[Event], list[Event]], under: Policies, instants: list[int]
) -> None:
    case = Watched(story[1][0].subject)
    summed: Counter[tuple[str, object]] = Counter()
    for one, now in zip(story[1], instants, strict=False):
        one = structs.replace(one, recorded=one.recorded - timedelta(minutes=20))
        step = track(case, one, under)
        for _, kind, hour, by in amended(case, step.case, (one,), step.admissions):
            summed[kind, hour] += by
        case = tick(step.case, under, at(now)).case
    first = case.evidence.events[0].time.replace(minute=0)
    stands = {(kind, first): number for kind, number in asdict(conflicts(case)).items() if number}
    assert {key: number for key, number in summed.items() if number} == stands
