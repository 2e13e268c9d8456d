"""Whatever people do and however deliveries end, nobody is told twice, out of turn, or in vain."""

import json
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from models.escalation import (
    Acknowledged,
    Done,
    Entry,
    Message,
    Outcome,
    PassedOn,
    Released,
    Resolved,
    Rose,
    Status,
    Told,
    after,
    delivery_key,
    fold,
    from_row,
    to_row,
)
from models.policy import Channel, Ladder, Policy, Repeat, Severity
from tests.heart import at
from tests.telling import PEOPLE, Answer, Desk, escalation, ladder, minutes, policy, roster, step

PERSONS = st.sampled_from(["ana", "ben", "cara", "zoe"])
TARGETS = st.sampled_from(["ana", "ben", "cara", "zoe", "roster:desk", "roster:empty"])
SEVERITIES = st.sampled_from(list(Severity))
UNTIL = 240


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    afters = sorted(draw(st.lists(st.integers(0, 20), min_size=1, max_size=4)))
    to = st.lists(TARGETS, min_size=1, max_size=3)
    by = st.lists(st.sampled_from(list(Channel)), min_size=1, max_size=3, unique=True)
    steps = [step(minute, *draw(to), by=tuple(draw(by))) for minute in afters]
    repeat = Repeat(
        from_step=draw(st.integers(1, len(steps))),
        times=draw(st.integers(0, 3)),
        after=minutes(draw(st.integers(0, 10))),
    )
    length = st.one_of(st.none(), st.integers(1, 10).map(lambda quarter: minutes(4 * quarter)))
    return ladder(*steps, repeat=repeat, ack_expires={severity: draw(length) for severity in Severity})


@st.composite
def acts(draw: st.DrawFn) -> list[Entry]:
    instant = st.integers(0, UNTIL).map(at)
    act = st.one_of(
        st.builds(Acknowledged, at=instant, person=PERSONS),
        st.builds(Released, at=instant, person=PERSONS),
        st.builds(PassedOn, at=instant, person=PERSONS, to=st.one_of(st.none(), PERSONS)),
        st.builds(Rose, at=instant, severity=SEVERITIES, ladder=st.one_of(st.none(), ladders())),
    )
    end = st.builds(Resolved, at=instant, person=st.one_of(st.none(), PERSONS))
    return draw(st.lists(act, max_size=8)) + draw(st.lists(end, max_size=1))


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """The same delivery always ends in the same way, whoever asks."""
    late = st.tuples(st.integers(1, 6), st.sampled_from([Outcome.SENT, Outcome.GAVE_UP]))
    ends = st.one_of(st.none(), st.sampled_from([Outcome.SENT, Outcome.SENT, Outcome.REFUSED]), late)
    drawn = draw(st.lists(ends, min_size=7, max_size=7))
    return lambda person, told: drawn[(len(person) + ord(person[0]) + told.loop * 3 + told.step) % 7]


@st.composite
def desks(draw: st.DrawFn) -> tuple[Desk, list[Entry]]:
    desk = Desk(escalation(draw(ladders()), draw(SEVERITIES)), _people(), draw(answers()))
    return desk, draw(acts())


def _people() -> Policy:
    return policy(
        people=PEOPLE, rosters=(roster("ana", "ben", begins=at(-60)), roster("ana", key="empty", begins=at(9999)))
    )


def again(desk: Desk) -> Desk:
    return Desk(desk.escalation, desk.policy, desk.answer)


@given(desks(), st.sampled_from([1, 0.5, 0.25]))
def test_waking_when_it_said_it_would_comes_to_the_same_as_asking_all_the_time(drawn, every):
    desk, acts = drawn
    assert desk.play(UNTIL, *acts).history == again(desk).play(UNTIL, *acts, every=every).history


@given(desks(), st.lists(st.integers(0, UNTIL), max_size=6))
def test_no_two_deliveries_have_one_key_even_over_outages(drawn, wakings):
    desk, acts = drawn
    for history in (again(desk).play(UNTIL, *acts).history, asleep(desk, acts, wakings).history):
        keys = [one.key for told in history if isinstance(told, Told) for one in told.deliveries]
        assert len(keys) == len(set(keys))


@given(desks())
def test_steps_never_go_back_within_a_loop_and_loops_never_start_again(drawn):
    desk, acts = drawn
    pages = [(loop, step) for _, loop, step, _ in desk.play(UNTIL, *acts).pages()]
    assert all(before < behind for before, behind in pairwise(pages))


@given(desks(), st.lists(st.integers(0, UNTIL), max_size=6))
def test_what_somebody_holds_tells_no_page_before_it_expires(drawn, wakings):
    desk, acts = drawn
    for history in (again(desk).play(UNTIL, *acts).history, asleep(desk, acts, wakings).history):
        state = fold(desk.escalation, ())
        for entry in history:
            if isinstance(entry, Told) and entry.message is Message.PAGE:
                assert state.status is Status.OPEN
            state = after(state, entry)


@given(desks(), st.lists(st.integers(0, UNTIL), max_size=6))
def test_after_an_outage_a_step_that_may_have_reached_somebody_keeps_its_distance_to_the_next(drawn, wakings):
    desk, acts = drawn
    history = asleep(desk, acts, wakings).history
    state = fold(desk.escalation, ())
    for entry in history:
        last = state.loop.last
        if isinstance(entry, Told) and last and entry.loop == last.loop and entry.message is Message.PAGE:
            steps = state.ladder.steps
            distance = steps[entry.step - 1].after - steps[last.step - 1].after
            assert state.refused(last) is not None or entry.at - last.at >= distance
        state = after(state, entry)


@given(desks())
def test_everybody_told_hears_of_the_end_once_and_nobody_else(drawn):
    desk, acts = drawn
    desk.play(UNTIL, *acts, Resolved(at=at(UNTIL)))
    told = Counter(one for _, to in desk.messages(Message.RESOLVED) for one in to)
    reached = fold(desk.escalation, desk.history).reached
    assert told == Counter((person, str(channel)) for person, channel in reached)


@given(desks())
def test_an_end_comes_to_an_end(drawn):
    desk, acts = drawn
    desk.answer = lambda _person, _told: Outcome.SENT
    assert desk.play(UNTIL, *acts, Resolved(at=at(UNTIL))).run(UNTIL) == Done()


@given(desks())
def test_every_history_comes_back_from_json_as_it_was(drawn):
    desk, acts = drawn
    history = desk.play(UNTIL, *acts).history
    assert [from_row(json.loads(json.dumps(to_row(entry)))) for entry in history] == history


@given(st.lists(st.text(min_size=1), min_size=2, max_size=2, unique=True), st.integers(1, 9), st.integers(1, 9))
def test_keys_tell_persons_loops_and_steps_apart(persons, loop, step):
    one = escalation().id
    keys = {
        delivery_key(one, Message.PAGE, a, b, person, Channel.EMAIL)
        for a, b in ((loop, step), (loop + 10, step), (loop, step + 10))
        for person in persons
    }
    assert len(keys) == 6


def asleep(desk: Desk, acts: list[Entry], wakings: list[int]) -> Desk:
    """The same story told by a dispatcher that is up at a few minutes only; what people do reaches the history then."""
    slow = again(desk)
    for minute in sorted(wakings):
        slow.play(minute, *(act for act in acts if act.at <= at(minute) and act not in slow.history), begin=minute)
    return slow
