"""A message through Prefect and without: sent once, by whoever comes first, and kept waiting by nobody."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from threading import Event as Flag

import pytest

from workflows.escalate import AT_ONCE, BEGIN_WITHIN, Orchestration, escalate
from workflows.notify.answer import Answer, Delivered

PATIENCE = 20.0
Send = Callable[[], Awaitable[Answer]]


class Outbox:
    """What was sent, in order."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def sending(self, key: str) -> Send:
        async def send() -> Answer:
            self.sent.append(key)
            return Delivered(f"took {key}")

        return send


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


@pytest.fixture
def released() -> Iterator[Flag]:
    """Until it is set, whoever waits for it stands still; at the end nobody does."""
    flag = Flag()
    yield flag
    flag.set()


def healthy(run: Callable[..., Awaitable[object]]) -> Orchestration:
    orchestration = Orchestration(run, note=run)
    orchestration.healthy.set()
    return orchestration


def test_a_flow_that_begins_sends_the_message_and_it_goes_out_once(outbox: Outbox) -> None:
    orchestration = healthy(escalate.fn)
    answer = asyncio.run(orchestration.send("e", "k", outbox.sending("k")))
    assert answer == Delivered("took k") and outbox.sent == ["k"] and orchestration.missed == []


def test_a_flow_that_stands_still_in_a_plain_call_holds_up_no_message(outbox: Outbox, released: Flag) -> None:
    """As Prefect does where its server hangs after the run was made: it asks for something else without the loop."""

    async def stands_still(*_: object) -> None:
        released.wait(PATIENCE)

    async def all_of_them() -> float:
        began = time.monotonic()
        for number in range(AT_ONCE + 2):
            await orchestration.send("e", f"k{number}", outbox.sending(f"k{number}"))
        orchestration.note()
        return time.monotonic() - began

    orchestration = healthy(stands_still)
    took = asyncio.run(all_of_them())
    assert outbox.sent == [f"k{number}" for number in range(AT_ONCE + 2)]
    assert took < AT_ONCE * BEGIN_WITHIN + 2, "each of the first waits for its moment alone, the others for nothing"


def test_a_flow_that_comes_late_finds_the_message_sent(outbox: Outbox, released: Flag) -> None:
    found, flown = list[str](), Flag()

    async def late(escalation: str, key: str) -> None:
        await asyncio.to_thread(released.wait, PATIENCE)
        found.append(await escalate.fn(escalation, key))
        flown.set()

    async def sent_then_flown() -> None:
        await orchestration.send("e", "k", outbox.sending("k"))
        released.set()
        await asyncio.to_thread(flown.wait, PATIENCE)

    orchestration = healthy(late)
    asyncio.run(sent_then_flown())
    assert found == ["Delivered: took k"]
    assert outbox.sent == ["k"] and orchestration.missed == ["k"]


def test_a_flow_that_breaks_is_no_longer_asked_and_the_message_goes_out(outbox: Outbox) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("no such server")

    orchestration = healthy(breaks)
    assert asyncio.run(orchestration.send("e", "k", outbox.sending("k"))) == Delivered("took k")
    assert outbox.sent == ["k"] and not orchestration.healthy.is_set()
