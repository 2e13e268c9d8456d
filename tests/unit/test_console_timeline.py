"""A case as a picture: bars on one scale."""

from datetime import timedelta

from console.timeline import SCALE, timeline
from models.policy import Within
from tests.heart import ONE, at, clock, event, policy, since, watch


def bars(*events: object, now: float, policies: object = ONE) -> dict[str, object]:
    case = watch(*events, policies=policies)  # type: ignore[arg-type]
    return {one.name: one for one in timeline(case, policies, at(now)).bars}  # type: ignore[arg-type]


STAT = event("order.entered", 0, priority="stat")


def test_a_clock_that_runs_reaches_to_now() -> None:
    found = bars(STAT, now=20)["stat-verified"]
    assert (found.state, found.stopped, found.net) == ("late", None, timedelta(minutes=20))
    assert (found.line.at, found.line.width, found.due_at) == (0, SCALE, SCALE // 2)


def test_a_due_that_lies_far_ahead_is_said_and_not_drawn() -> None:
    found = bars(STAT, now=20)["order-to-verified"]
    assert (found.state, found.due, found.due_at) == ("running", at(120), None)


def test_pauses_are_drawn_within_their_clock_only() -> None:
    asked, answered = event("order.intervention.opened", 2), event("order.intervention.resolved", 4)
    found = bars(STAT, asked, answered, event("order.verified", 8), now=60)["stat-verified"]
    assert [(one.at, one.width) for one in found.pauses] == [(167, 166)]
    assert (found.state, found.net) == ("met", timedelta(minutes=6))
    later = clock("later", "order.verification.started", "order.verified", pauses=found_pauses())
    told = event("order.verification.started", 5)
    again = bars(
        STAT, asked, answered, told, event("order.verified", 8), now=60, policies=since(-9, policy(), policy(later))
    )
    assert again["later"].pauses == ()


def found_pauses() -> object:
    return next(iter(policy().clocks.values())).pauses


def test_a_clock_that_the_policy_asks_for_no_longer_is_over() -> None:
    gone = since(5, policy(), policy(clock("other", "order.held", "order.resumed", target=Within(timedelta(1)))))
    found = bars(STAT, now=20, policies=gone)["stat-verified"]
    assert (found.state, found.stopped) == ("policy", at(5))
