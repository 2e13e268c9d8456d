"""The live feed of the console: what changes is sent as the lists show it, who was away gets what he missed, and a feed ends
with its session."""

import asyncio
import json
from datetime import UTC, datetime
from typing import cast

import pytest

from console.feed import Feed
from models.store.console import ConsoleStore
from models.store.items import SignalItem
from models.store.live import Happening, Held
from models.store.rights import EVERYTHING
from tests.console import Served, Story
from tests.listening import Listener
from tests.paging import paged


def test_the_feed_sends_what_changes_as_the_lists_show_it(console: Served, story: Story) -> None:
    story.read(0, story.now)
    api = console.api()
    listener = Listener(api)
    assert listener.block() == {"retry": "3000", "id": "0"}
    signal = story.signal("stat-verified", 1)
    story.told()
    first, second = listener.block(), listener.block()
    listener.close()
    listed = api.get("/api/v1/signals").json()["items"][0]
    assert (first["event"], second["event"]) == ("signal", "escalation")
    assert (first["id"], second["id"]) == ("1", "2")
    assert json.loads(first["data"]) == listed and listed["id"] == signal


def test_who_was_away_gets_what_he_missed(console: Served, story: Story) -> None:
    paged(story)
    api = console.api()
    listener = Listener(api, "1")
    listener.block()
    missed = listener.block()
    listener.close()
    assert (missed["event"], missed["id"]) == ("escalation", "2")


@pytest.mark.parametrize("last", ["99", "not-a-number", "0"])
def test_who_saw_what_is_no_longer_held_is_given_the_present(console: Served, story: Story, last: str) -> None:
    escalation = paged(story)
    story.connection.execute("DELETE FROM announcements WHERE number = 1")
    api = console.api()
    listener = Listener(api, last)
    blocks = [listener.block() for _ in range(3)]
    listener.close()
    assert [one["event"] for one in blocks] == ["reset", "signal", "escalation"]
    assert {one["id"] for one in blocks} == {"2"}
    assert json.loads(blocks[2]["data"])["id"] == escalation


def test_a_quiet_feed_sends_comments_without_a_number(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.feed.KEEP_ALIVE_SECONDS", 0.0)
    api = console.api()
    listener = Listener(api)
    listener.block()
    assert listener.block().keys() == {""}
    listener.close()


def test_the_feed_ends_with_its_session(console: Served, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.feed.KEEP_ALIVE_SECONDS", 0.0)
    browser = console.signed_in()
    listener = Listener(browser)
    listener.block()
    story.connection.execute("DELETE FROM sessions")
    with pytest.raises(AssertionError, match="ended"):
        while True:
            listener.block()
    listener.close()


class Announcing:
    """A store in which many changes were announced at once."""

    def __init__(self) -> None:
        self.announced = 0

    def held(self) -> Held:
        return Held(1 if self.announced else 0, self.announced)

    def since(self, number: int) -> list[Happening]:
        return [Happening(n, "signal", ITEM) for n in range(number + 1, self.announced + 1)]


AT = datetime(2026, 11, 1, tzinfo=UTC)
ITEM = SignalItem("s", "clock", "stat-verified", "S2", "mercy", "order/1", "open", AT, "yes", None, None)


@pytest.mark.anyio
async def test_what_happened_at_once_is_sent_in_one_piece_so_that_a_cut_line_is_noticed() -> None:
    store = Announcing()
    feed = Feed(cast("ConsoleStore", store))
    running = asyncio.create_task(feed.run())
    pieces = feed.listen(None, store.held(), EVERYTHING, lambda: True)
    assert (await anext(pieces)).endswith(b"id: 0\n\n")
    waiting = asyncio.ensure_future(anext(pieces))
    await asyncio.sleep(0)
    store.announced = 60
    async with asyncio.timeout(10):
        assert (await waiting).count(b"event: signal") == 60
    feed.end()
    assert [one async for one in pieces] == []
    await running


def test_no_more_listen_than_the_console_can_bear(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.feed.LISTENERS", 1)
    api = console.api()
    listener = Listener(api)
    listener.block()
    assert api.get("/api/v1/feed").status_code == 503
    listener.close()
