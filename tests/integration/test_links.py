"""Links in messages, on the real database: they take an escalation on once, for a day, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest

from models.links import LinkFault, sign
from models.store.auditing import Wanted, lines
from models.store.desk import Offer, Over, Spent, Standing, Unknown, acknowledge, acknowledge_by_link, offer, resolve
from models.store.linking import signing_key
from models.store.messages import with_link
from tests.integration.test_desk import Telling, telling

__all__ = ["telling"]


def token(telling: Telling, channel: str = "webhook") -> str:
    """Of the page that ana got."""
    return str(linked(telling, channel)["data"]["link"]).rpartition("/a/")[2]


def linked(telling: Telling, channel: str = "webhook", about: str = "page") -> dict[str, Any]:
    [(message,)] = telling.rows(
        "SELECT message FROM deliveries WHERE channel = %s AND type = %s AND person = 'ana'", channel, about
    )
    return with_link(telling.desk.voice, signing_key(telling.connection), message)


@pytest.fixture
def paged(telling: Telling) -> Telling:
    telling.signal()
    telling.look()
    telling.send()
    return telling


def test_a_page_carries_a_link_that_takes_it_on(paged: Telling) -> None:
    assert linked(paged)["data"]["link"].startswith("https://rx.example.org/a/")
    answer = acknowledge_by_link(paged.connection, token(paged))
    assert isinstance(answer, Standing) and answer.acknowledged_by == "ana"
    [line] = lines(paged.connection, Wanted(about=answer.escalation), 9)
    assert (line.person, line.what) == ("ana", "acknowledge by link")


def test_the_link_is_the_same_on_every_attempt_and_not_in_the_store(paged: Telling) -> None:
    assert token(paged) == token(paged)
    [(kept,)] = paged.rows("SELECT count(*) FROM deliveries WHERE message::text LIKE '%%/a/%%'")
    assert kept == 0


def test_word_of_the_end_asks_nobody_to_take_it_on(paged: Telling) -> None:
    resolve(paged.connection, paged.escalation(), "ben", "seen")
    paged.look()
    assert linked(paged, about="resolved")["data"]["link"].startswith("https://rx.example.org/board#")


def test_looking_at_a_link_changes_nothing(paged: Telling) -> None:
    for _ in range(5):
        found = offer(paged.connection, token(paged))
        assert isinstance(found, Offer)
    assert (found.person, found.state, found.acknowledged_by, found.site) == ("ana", "open", None, "mercy")
    assert found.title == "STAT order verified"
    assert paged.rows("SELECT state FROM escalations") == [("open",)]


def test_a_link_works_once(paged: Telling) -> None:
    acknowledge_by_link(paged.connection, token(paged))
    assert isinstance(acknowledge_by_link(paged.connection, token(paged)), Spent)
    assert isinstance(offer(paged.connection, token(paged)), Spent)
    assert paged.rows("SELECT count(*) FROM escalation_entries WHERE entry->>'entry' = 'acknowledged'") == [(1,)]


def test_two_links_of_one_page_are_two(paged: Telling) -> None:
    acknowledge_by_link(paged.connection, token(paged, "webhook"))
    assert isinstance(acknowledge_by_link(paged.connection, token(paged, "inbox")), Standing)


def test_somebody_elses_acknowledgement_stands(paged: Telling) -> None:
    acknowledge(paged.connection, paged.escalation(), "ben")
    answer = acknowledge_by_link(paged.connection, token(paged))
    assert isinstance(answer, Standing) and answer.acknowledged_by == "ben"


def test_a_link_holds_for_a_day(paged: Telling) -> None:
    paged.clock.forward(hours=23, minutes=59)
    assert isinstance(offer(paged.connection, token(paged)), Offer)
    paged.clock.forward(minutes=1)
    assert acknowledge_by_link(paged.connection, token(paged)) is LinkFault.EXPIRED


def test_a_used_link_is_not_taken_again_after_its_day(paged: Telling) -> None:
    acknowledge_by_link(paged.connection, token(paged, "webhook"))
    paged.clock.forward(hours=25)
    assert acknowledge_by_link(paged.connection, token(paged, "webhook")) is LinkFault.EXPIRED


def test_a_link_that_was_tampered_with_or_comes_from_elsewhere_opens_nothing(paged: Telling) -> None:
    good = token(paged)
    foreign = sign(
        b"another installation's",
        escalation=paged.escalation(),
        person="ana",
        nonce="n",
        expires=paged.now() + timedelta(hours=1),
    )
    for bad in (f"A{good}", good[:-2] + ("AA" if good[-2:] != "AA" else "BB"), foreign):
        assert acknowledge_by_link(paged.connection, bad) is LinkFault.FORGED
    assert acknowledge_by_link(paged.connection, "nonsense") is LinkFault.MALFORMED
    assert paged.rows("SELECT state FROM escalations") == [("open",)]


def test_after_the_end_a_link_takes_nothing_on_and_is_not_used_up(paged: Telling) -> None:
    resolve(paged.connection, paged.escalation(), "ben", "seen")
    assert isinstance(acknowledge_by_link(paged.connection, token(paged)), Over)
    assert paged.rows("SELECT count(*) FROM used_links") == [(0,)]


def test_a_link_to_what_is_not_there_says_so(paged: Telling) -> None:
    own = sign(
        signing_key(paged.connection), escalation="none", person="ana", nonce="n", expires=paged.now() + timedelta(1)
    )
    assert offer(paged.connection, own) == Unknown() and acknowledge_by_link(paged.connection, own) == Unknown()
