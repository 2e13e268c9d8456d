"""What the worker has in mind of cases: what is forgotten comes back as it was last known, written or not."""

from models.event import CaseId
from models.store.ledger import Rested
from models.store.memory import Memory, MemoryLedger
from models.store.records import case_row
from models.tracking import Departed
from streams.cases import Cases
from streams.draft import Draft, Held, Partition
from tests.heart import ONE, at, event, watch

ENTERED, VERIFIED = event("order.entered", 0), event("order.verified", 5)
CASE = ENTERED.subject


def stored(*drafts: Draft) -> Cases:
    """The case as it was entered is in the store; nothing is in mind."""
    memory = Memory(ONE)
    memory.cases[CASE] = case_row(watch(ENTERED), 0, None)
    cases = Cases(MemoryLedger(memory), generation=0)
    cases.unwritten = lambda: drafts
    return cases


def brought(cases: Cases) -> Held:
    cases.bring([(CASE, 0), (CaseId("order/none"), 0)], ONE)
    assert cases.get(CaseId("order/none")) is None
    held = cases.get(CASE)
    assert held is not None
    return held


def test_a_case_that_is_not_in_mind_is_read_from_the_store() -> None:
    assert brought(stored(Draft())).case == watch(ENTERED)


def test_what_was_not_asked_for_during_a_whole_generation_is_forgotten() -> None:
    cases = stored()

    def generation(number: int) -> None:
        cases.turn()
        cases.put(CaseId(f"order/{number}"), Held(0, watch(event("order.entered", 0, case=f"order/{number}")), None))

    cases.put(CASE, Held(0, watch(ENTERED, VERIFIED), None))
    generation(2)
    assert cases.get(CASE) is not None, "and is young again"
    generation(3)
    generation(4)
    assert cases.get(CASE) is None


def test_what_is_not_written_yet_is_not_read_from_the_store() -> None:
    """Else its latest events were lost, or taken twice: while a draft was being written, so much came in that they had been
    forgotten."""
    writing, draft = Draft(), Draft()
    writing.cases[CASE] = Held(0, watch(ENTERED, VERIFIED), None)
    assert brought(stored(writing, draft)) is writing.cases[CASE]
    draft.cases[CASE] = Held(0, watch(ENTERED, VERIFIED, event("order.stopped", 9)), None)
    assert brought(stored(writing, draft)) is draft.cases[CASE]


def test_what_has_left_and_is_not_written_yet_has_left() -> None:
    draft = Draft()
    draft.let_go(Partition(0, 1, 7, 0, 7), Rested(CASE, 0, "mercy", "", at(0), at(5)))
    assert isinstance(brought(stored(draft)).case, Departed)
