"""Finished cases that leave the worker's ledger: one suite for the store in PostgreSQL and the one in memory."""

from collections.abc import Callable
from datetime import datetime, timedelta

import psycopg
import pytest

from models.event import CaseId
from models.policy import Kind, Severity, Site
from models.signals import Cleared, Signal, SignalId
from models.store import departing
from models.store.ledger import Batch, Departure, Fenced, Ledger, Rested, SignalFact
from models.store.memory import Memory, MemoryLedger
from models.store.records import CaseRow, case_row
from models.tracking import RESTS, Departed, Watched, track_all
from tests.heart import event
from tests.ledgers import CLUSTER, NOON, POLICIES, Open, advance, looking


@pytest.fixture
def put_back(ledgers: Open, request: pytest.FixtureRequest, memory: Memory) -> Callable[[timedelta], None]:
    """Nothing was applied to any case for so long."""
    if isinstance(ledgers("nobody"), MemoryLedger):

        def remembered(by: timedelta) -> None:
            memory.applied = {case: applied - by for case, applied in memory.applied.items()}

        return remembered

    def stored(by: timedelta) -> None:
        with psycopg.connect(request.getfixturevalue("database_url")) as connection:
            connection.execute("UPDATE cases SET applied = applied - %s", [by])

    return stored


def over(number: int, partition: int = 0, look: datetime | None = None) -> CaseRow:
    """An order that is finished."""
    case = CaseId(f"order/{number}")
    told = track_all(
        Watched(case), [event("order.entered", 0, case=case), event("order.discontinued", 9, case=case)], POLICIES
    )
    assert told.case.progress is not None and told.case.progress.finished is not None
    return case_row(told.case, partition, look)


def rested(row: CaseRow) -> Rested:
    assert row.finished is not None
    return Rested(row.id, row.partition, row.site, row.priority, row.opened, row.finished)


def resting(ledger: Ledger, *partitions: int) -> dict[CaseId, Rested]:
    """What is found on a whole walk."""
    found, place = dict[CaseId, Rested](), 0
    while place is not None:
        stretch, place = ledger.departing(partitions, place)
        assert not {one.id for one in stretch} & found.keys()
        found |= {one.id: one for one in stretch}
    return found


def test_a_finished_case_may_leave_when_nothing_was_applied_to_it_for_90_days(
    ledgers: Open, put_back: Callable[[timedelta], None]
) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0, 1], "w0")
    ledger.commit(Batch([advance()], cases=[over(1), over(2, 1), over(3, look=NOON), looking(4, None)]))
    put_back(RESTS - timedelta(hours=1))
    assert resting(ledger, 0, 1) == {}
    put_back(timedelta(hours=2))
    ledger.commit(Batch([advance(was=1, position=2)], cases=[over(5)]))
    assert resting(ledger, 0).keys() == {"order/1"}
    found = resting(ledger, 0, 1)
    assert found == {row.id: rested(row) for row in (over(1), over(2, 1))}


def test_a_case_with_an_open_signal_stays(ledgers: Open, put_back: Callable[[timedelta], None]) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    cases = [over(1), over(2)]
    signals = [
        SignalFact(0, 0, 1, None, broken(cases[0].id, None)),
        SignalFact(0, 1, 1, None, broken(cases[1].id, NOON)),
    ]
    ledger.commit(Batch([advance(sequence=2)], cases=cases, signals=signals))
    put_back(RESTS + timedelta(hours=1))
    assert resting(ledger, 0).keys() == {"order/2"}


def broken(case: CaseId, cleared: datetime | None) -> Signal:
    reason = None if cleared is None else Cleared.DISPROOF
    name = "waste-witnessed-by-same-person"
    return Signal(
        id=SignalId(f"broken {case}"),
        kind=Kind.RULE,
        name=name,
        severity=Severity.S2,
        site=Site("mercy"),
        case=case,
        raised=NOON,
        known=NOON,
        cleared=cleared,
        reason=reason,
    )


def test_a_walk_over_many_cases_is_made_in_stretches(
    ledgers: Open, put_back: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departing, "STRETCH", 1)
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    rows = [over(number) for number in range(60)]
    ledger.commit(Batch([advance()], cases=rows))
    put_back(RESTS + timedelta(hours=1))
    assert resting(ledger, 0).keys() == {row.id for row in rows}


def test_what_left_is_told_apart_from_what_never_was(ledgers: Open) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    gone, stays = over(1), over(2)
    ledger.commit(Batch([advance()], cases=[gone, stays]))
    ledger.commit(Batch([advance(was=1, position=2)], departures=[Departure(2, rested(gone))]))
    found = ledger.load([gone.id, stays.id, CaseId("order/none")], POLICIES)
    assert found.keys() == {gone.id, stays.id}
    assert found[gone.id] == (Departed(gone.id), None)
    assert not isinstance(found[stays.id][0], Departed)


def test_who_lost_his_partition_lets_no_case_go(ledgers: Open) -> None:
    loser, winner = ledgers("w0"), ledgers("w1")
    loser.claim(CLUSTER, [0], "w0")
    row = over(1)
    loser.commit(Batch([advance()], cases=[row]))
    winner.claim(CLUSTER, [0], "w1")
    with pytest.raises((Fenced, psycopg.OperationalError)):
        loser.commit(Batch([advance(was=1, position=2)], departures=[Departure(2, rested(row))]))
    assert not isinstance(winner.load([row.id], POLICIES)[row.id][0], Departed)


def test_what_left_is_there_again_when_facts_are_made_anew(ledgers: Open, forget: Callable[[], None]) -> None:
    ledger = ledgers("w0")
    ledger.claim(CLUSTER, [0], "w0")
    row = over(1)
    ledger.commit(Batch([advance()], cases=[row]))
    ledger.commit(Batch([advance(was=1, position=2)], departures=[Departure(2, rested(row))]))
    forget()
    assert ledgers("w1").load([row.id], POLICIES) == {}
