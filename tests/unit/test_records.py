"""How a case is kept: what was packed once is not packed again, and the bytes are the same."""

from datetime import timedelta
from random import Random

import pytest
from msgspec import structs

from models.case import Evidence, admit
from models.event import Event
from models.store.records import Packed, case_row, evidence_of, packed
from models.tracking import Watched
from tests.heart import event


def story(count: int) -> list[Event]:
    return [event("order.verified" if n else "order.entered", n // 2, key=f"e{n}") for n in range(count)]


@pytest.mark.parametrize("count", [3, 15, 16, 17, 40])
@pytest.mark.parametrize("seed", range(4))
def test_events_packed_as_they_come_are_the_events_packed_at_once(count: int, seed: int) -> None:
    events = story(count)
    rival = structs.replace(
        events[1], time=events[1].time - timedelta(seconds=1), recorded=events[1].recorded - timedelta(1)
    )
    arriving = [*events, events[0], rival]
    if seed:
        Random(seed).shuffle(arriving)
    evidence, known = Evidence(), Packed()
    for one in arriving:
        evidence, _ = admit(evidence, one)
        known = packed(evidence, known)
        assert known == packed(evidence)
    case = Watched(events[0].subject, evidence)
    row = case_row(case, 0, None, known)
    assert row == case_row(case, 0, None)
    assert evidence_of(case.id, row.body).events == evidence.events


def test_what_was_packed_of_other_events_is_not_taken() -> None:
    evidence = Evidence()
    for one in story(4):
        evidence, _ = admit(evidence, one)
    other = packed(Evidence(events=tuple(story(6)[2:])))
    assert packed(evidence, other) == packed(evidence)
