"""The console over a real database: its doors, its lists, its live feed."""

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest
from click.testing import CliRunner

from console.feed import Feed
from models.errors import CallerFault
from models.settings import Settings
from models.store import access
from models.store.connecting import connect
from models.store.console import ConsoleStore
from models.store.items import SignalItem
from models.store.live import Happening, Held
from models.store.rights import EVERYTHING
from rxpulse.cli import main
from tests.conftest import require_program
from tests.console import KEY, Served, Story, a_shift, csrf_of, serving

CROSS = {"sec-fetch-site": "cross-site"}


def paged(story: Story) -> str:
    """An escalation that is open and was told; its id."""
    story.read(0, story.now)
    signal = story.signal("stat-verified", 1)
    story.told()
    return story.escalation(signal)


# The way in


def test_looking_at_a_link_does_not_use_it_up(console: Served) -> None:
    link = console.link()
    browser = console.browser()
    for _ in range(3):
        assert "<form" in browser.get(link).text
    token = link.partition("link=")[2]
    assert browser.post("/enter", data={"link": token}).headers["location"] == "/board"
    assert browser.get("/board").status_code == 200


def test_a_link_signs_in_once(console: Served) -> None:
    token = console.link().partition("link=")[2]
    assert console.browser().post("/enter", data={"link": token}).status_code == 303
    second = console.browser()
    assert second.post("/enter", data={"link": token}).status_code == 410
    assert second.get("/board").status_code == 401


def test_a_link_is_over_after_its_time(console: Served, story: Story) -> None:
    link = console.link()
    story.connection.execute("UPDATE links SET expires = now()")
    browser = console.browser()
    assert browser.get(link).status_code == 410
    assert browser.post("/enter", data={"link": link.partition("link=")[2]}).status_code == 410


def test_a_link_holds_for_half_an_hour(console: Served, story: Story) -> None:
    console.link()
    row = story.connection.execute("SELECT expires - now() FROM links").fetchone()
    assert row is not None and timedelta(minutes=29) < row[0] <= timedelta(minutes=30)


def test_neither_links_nor_cookies_stand_in_the_database(console: Served, story: Story) -> None:
    link = console.link()
    browser = console.signed_in()
    secrets = {link.partition("link=")[2], browser.cookies["rxpulse"]}
    kept = str(
        story.connection.execute("SELECT (SELECT json_agg(l) FROM links l), json_agg(s) FROM sessions s").fetchone()
    )
    assert "hash" in kept and not [one for one in secrets if one in kept]


def test_a_cookie_that_was_not_given_out_opens_nothing(console: Served) -> None:
    forged = console.client(cookies={"rxpulse": "A" * 43})
    assert forged.get("/board").status_code == 401
    assert forged.get("/api/v1/board").status_code == 401


def test_a_session_ends_when_it_was_idle_too_long(console: Served, story: Story) -> None:
    browser = console.signed_in()
    story.connection.execute("UPDATE sessions SET seen = now() - %s", [access.IDLE])
    assert browser.get("/board").status_code == 401


def test_a_session_that_is_used_does_not_become_idle(console: Served, story: Story) -> None:
    browser = console.signed_in()
    story.connection.execute("UPDATE sessions SET seen = now() - %s", [access.IDLE - timedelta(minutes=1)])
    assert browser.get("/board").status_code == 200
    row = story.connection.execute("SELECT now() - seen < interval '1 minute' FROM sessions").fetchone()
    assert row == (True,)


def test_a_session_ends_in_any_case(console: Served, story: Story) -> None:
    browser = console.signed_in()
    row = story.connection.execute("SELECT expires - made FROM sessions").fetchone()
    assert row == (access.LONGEST,)
    story.connection.execute("UPDATE sessions SET expires = now()")
    assert browser.get("/board").status_code == 401


def test_who_signed_out_is_out_with_any_copy_of_the_cookie(console: Served) -> None:
    browser = console.signed_in()
    stolen = console.client(cookies=dict(browser.cookies))
    assert stolen.get("/board").status_code == 200
    answer = browser.post("/leave", data={"csrf": csrf_of(browser)})
    assert '"cookies"' in answer.headers["clear-site-data"]
    assert browser.cookies.get("rxpulse") is None
    assert stolen.get("/board").status_code == 401


def test_a_page_without_a_session_says_how_to_get_one(console: Served) -> None:
    answer = httpx.get(f"{console.url}/board")
    assert answer.status_code == 401 and "rxpulse console --link" in answer.text


@pytest.mark.parametrize("path", ["board", "signals", "escalations", "feed"])
@pytest.mark.parametrize("authorization", [None, f"Bearer {KEY}x", f"Basic {KEY}", "Bearer"])
def test_the_json_interface_wants_a_key_or_a_session(console: Served, path: str, authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    answer = httpx.get(f"{console.url}/api/v1/{path}", headers=headers)
    assert answer.status_code == 401 and "bearer" in answer.json()["detail"]


def test_the_cookie_on_this_machine_is_closed_to_scripts_and_other_sites(console: Served) -> None:
    token = console.link().partition("link=")[2]
    cookie = console.browser().post("/enter", data={"link": token}).headers["set-cookie"]
    assert cookie.startswith("rxpulse=") and "HttpOnly" in cookie and "SameSite=lax" in cookie and "Path=/" in cookie


def test_the_cookie_behind_tls_is_bound_to_the_host(story: Story, database_url: str) -> None:
    with serving(database_url, behind_proxy=True) as served:
        token = served.link().partition("link=")[2]
        answer = served.browser().post("/enter", data={"link": token})
    assert answer.headers["set-cookie"].startswith("__Host-rxpulse=") and "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]


# What other sites may not do


def test_a_form_of_another_site_is_refused(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in()
    word = csrf_of(browser)
    answer = browser.post(f"/escalations/{escalation}/ack", data={"csrf": word, "person": "manager"}, headers=CROSS)
    assert answer.status_code == 403
    assert states(console) == ["open"]


def test_a_form_without_the_word_of_its_session_is_refused(console: Served, story: Story) -> None:
    escalation = paged(story)
    other = console.signed_in()
    browser = console.signed_in()
    for word in ("", "x", csrf_of(other)):
        answer = browser.post(f"/escalations/{escalation}/ack", data={"csrf": word, "person": "manager"})
        assert answer.status_code == 403
    assert states(console) == ["open"]


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", None])
def test_a_request_with_a_cookie_that_does_not_come_from_a_page_of_the_console_changes_nothing(
    console: Served, story: Story, site: str | None
) -> None:
    escalation = paged(story)
    browser = console.signed_in()
    del browser.headers["sec-fetch-site"]
    headers = {} if site is None else {"sec-fetch-site": site}
    answer = browser.post(f"/api/v1/escalations/{escalation}/ack", json={}, headers=headers)
    assert answer.status_code == 403
    assert states(console) == ["open"]


def test_signing_in_by_the_form_of_another_site_is_refused(console: Served) -> None:
    token = console.link().partition("link=")[2]
    browser = console.browser()
    assert browser.post("/enter", data={"link": token}, headers=CROSS).status_code == 403
    assert browser.post("/enter", data={"link": token}).status_code == 303


@pytest.mark.parametrize("path", ["/board", "/enter", "/api/v1/board", "/nothing", "/static/board.js", "/healthz"])
def test_every_answer_tells_browsers_to_be_strict(console: Served, path: str) -> None:
    headers = httpx.get(console.url + path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_what_stands_in_the_store_is_never_read_as_html(console: Served, story: Story) -> None:
    story.signal("<script>alert(1)</script>", 2, site='"><img src=x>', case="order/<b>")
    browser = console.signed_in()
    text = browser.get("/board").text
    assert "<script>alert" not in text and "<img" not in text and "<b>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_a_body_that_is_too_large_is_refused(console: Served) -> None:
    assert console.browser().post("/enter", content=b"x" * 70_000).status_code == 413
    chunks = console.browser().post("/enter", content=iter([b"link=x"]))
    assert chunks.status_code == 411


# The lists


def states(console: Served, **asked: str) -> list[str]:
    api = console.api()
    return [one["state"] for one in api.get("/api/v1/escalations", params=asked).json()["items"]]


def test_queues_say_where_open_work_waits(console: Served, story: Story) -> None:
    story.case("order/1", "verify", "stat", 5, "late")
    story.case("order/2", "verify", "stat", 9, "at_risk")
    story.case("order/3", "verify", "waiting", 1, "on_time")
    story.case("order/4", None, "stat", 1, "on_time", finished=story.now)
    story.case("fill/5", "check", "", 2, "on_time", site="elm")
    api = console.api()
    rows = api.get("/api/v1/board").json()["queues"]
    mercy = api.get("/api/v1/board", params={"site": "mercy", "kind": ["order", "dose"]}).json()["queues"]
    keys = ("site", "kind", "waits", "priority", "count", "at_risk", "late")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        ("elm", "fill", "check", "", 1, 0, 0),
        ("mercy", "order", "verify", "stat", 2, 1, 1),
        ("mercy", "order", "verify", "other", 1, 0, 0),
    ]
    assert mercy == rows[1:]
    assert rows[1]["oldest"].startswith((story.now - timedelta(minutes=9)).isoformat()[:19])


@pytest.mark.parametrize(("ages", "old"), [([2], False), ([2, 61], True), ([2, None], True), ([], True)])
def test_the_board_is_red_when_its_figures_are_not_of_now(
    console: Served, story: Story, ages: list[int | None], old: bool
) -> None:
    for partition, age in enumerate(ages):
        story.read(partition, None if age is None else story.now - timedelta(seconds=age))
    browser = console.signed_in()
    assert ('class="age old">' in browser.get("/board").text) is old


def test_signals_shown_are_open_and_told_or_new(console: Served, story: Story) -> None:
    week = 7 * 24 * 60
    told, fresh, old = (
        story.signal(name, 2, minutes) for name, minutes in (("a", week + 5), ("b", week - 5), ("c", week + 9))
    )
    gone = story.signal("d", 2, 5, cleared=story.now)
    story.connection.execute("UPDATE signals SET told = CASE id WHEN %s THEN 'yes' ELSE 'old' END", [told])
    api = console.api()
    shown = {
        state: [one["id"] for one in api.get("/api/v1/signals", params={"state": state}).json()["items"]]
        for state in ("current", "untold", "all")
    }
    unasked = api.get("/api/v1/signals").json()
    assert shown == {"current": [fresh, told], "untold": [old], "all": [gone, fresh, told, old]}
    assert [one["id"] for one in unasked["items"]] == shown["current"] and unasked["next"] is None
    fields = {"id", "kind", "name", "severity", "site", "case", "state", "opened", "told", "cleared", "reason"}
    assert fields <= unasked["items"][0].keys()
    assert unasked["items"][0]["severity"] == "S2" and unasked["items"][0]["state"] == "open"


def test_what_a_summary_told_and_what_a_person_ended_stays_on_the_board(console: Served, story: Story) -> None:
    for told in ("summary", "resolved", "held", "nobody", None):
        story.signal(f"told-{told}", 2, 8 * 24 * 60)
        story.connection.execute("UPDATE signals SET told = %s WHERE name = %s", [told, f"told-{told}"])
    api = console.api()
    shown = {
        state: {one["told"] for one in api.get("/api/v1/signals", params={"state": state}).json()["items"]}
        for state in ("current", "untold")
    }
    assert shown == {"current": {"summary", "resolved"}, "untold": {"held", "nobody", None}}
    assert "3 older ones</a> are recorded" in console.signed_in().get("/board").text


def test_pages_of_a_list_show_each_entry_once(console: Served, story: Story) -> None:
    # Some at the same instant: a page may end between them.
    made = {story.signal(f"s{number}", 2, number // 3) for number in range(11)}
    seen: list[str] = []
    after: dict[str, str] = {}
    api = console.api()
    while True:
        found = api.get("/api/v1/signals", params={"limit": "4", **after}).json()
        seen += [one["id"] for one in found["items"]]
        assert len(found["items"]) <= 4
        if found["next"] is None:
            break
        after = {"after": found["next"]}
    assert len(seen) == 11 and set(seen) == made


@pytest.mark.parametrize("asked", [{"after": "yesterday"}, {"limit": "0"}, {"limit": "501"}, {"state": "odd"}])
def test_a_list_asked_wrongly_says_what_is_wrong(console: Served, asked: dict[str, str]) -> None:
    api = console.api()
    answer = api.get("/api/v1/signals", params=asked)
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str) and next(iter(asked)) in answer.json()["detail"]


def test_what_a_program_asks_wrongly_is_told_in_a_sentence(console: Served) -> None:
    api = console.api()
    odd = api.get("/api/v1/signals", params={"state": "odd"})
    assert odd.status_code == 400
    assert odd.json() == {"detail": "state: give 'current', 'untold' or 'all'."}
    path = "/api/v1/escalations/x/resolve"
    broken = api.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400 and broken.json()["detail"].startswith("The body is no JSON")
    short = api.post(path, json={"person": "manager"})
    assert (short.status_code, short.json()) == (422, {"detail": "code is missing."})


def test_the_board_shows_the_most_urgent_and_counts_all(console: Served, story: Story) -> None:
    for number in range(45):
        story.signal(f"name-{number}", 2, number / 10)
    story.signal("worst", 1)
    story.told()
    story.connection.execute("UPDATE escalations SET opened = opened - interval '1 h' WHERE name = 'name-7'")
    story.connection.execute("UPDATE escalations SET state = 'exhausted' WHERE name = 'name-9'")
    story.connection.execute("UPDATE escalations SET state = 'acknowledged' WHERE name = 'name-3'")
    text = console.signed_in().get("/board").text.partition('id="inbox-title"')[0]
    cards = re.findall(r'class="what"><a href="/escalations/[^"]+">([^<]+)</a>', text)
    assert (len(cards), cards[:3]) == (40, ["name-9", "worst", "name-7"])
    assert "name-3" not in cards and 'Needs somebody <span class="number some">45<' in text
    assert "Only the most urgent are shown here" in text


def test_messages_of_the_inbox_lead_to_what_they_are_about_and_say_which_case(console: Served, story: Story) -> None:
    for stage in ("verify", "check"):
        story.case(f"order/{stage}", stage, "stat", 9, "late")
    told = [story.signal("stat-verified", 1, id=one, case=one) for one in ("order/verify", "order/check")]
    story.told()
    text = console.signed_in().get("/board").text.partition('id="inbox-title"')[2].partition("</section>")[0]
    for about, said in zip(told, ("STAT · waits for verify", "STAT · waits for check"), strict=True):
        line = next(one for one in text.split("<li>") if f'href="/escalations/{story.escalation(about)}"' in one)
        assert said in line and "· began " in line


def test_an_inbox_that_is_full_leaves_the_board_small(console: Served, story: Story) -> None:
    for number in range(60):
        story.case(f"order/{number}", "verify", "stat", 9, "late")
        story.signal(f"stat-{number}", 1, id=f"signal-{number}", case=f"order/{number}")
    story.told()
    text = console.signed_in().get("/board").text
    assert text.partition('id="inbox-title"')[2].count('<a href="/escalations/') == 20 and len(text) < 150_000


def test_resolved_escalations_are_shown_only_when_asked_for(console: Served, story: Story) -> None:
    escalation = paged(story)
    assert states(console) == ["open"]
    story.connection.execute("UPDATE escalations SET state = 'resolved', resolved = now() WHERE id = %s", [escalation])
    assert states(console) == []
    assert states(console, state="all") == ["resolved"]


# Taking on


def test_an_acknowledgement_says_who_has_it_and_until_when(console: Served, story: Story) -> None:
    escalation = paged(story)
    api = console.api()
    answer = api.post(f"/api/v1/escalations/{escalation}/ack", json={"person": "manager", "note": "on my way"})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["id"], said["state"], said["acknowledged_by"]) == (escalation, "acknowledged", "manager")
    listed = api.get("/api/v1/escalations").json()["items"][0]
    assert listed["acknowledged_by"] == "manager" and listed["expires"] == said["expires"] is not None
    row = story.connection.execute("SELECT entry FROM escalation_entries ORDER BY number DESC LIMIT 1").fetchone()
    assert row is not None and (row[0]["person"], row[0]["note"]) == ("manager", "on my way")


def test_who_is_signed_in_takes_it_on_unless_somebody_is_named(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in("manager")
    answer = browser.post(f"/api/v1/escalations/{escalation}/ack", json={})
    assert answer.json()["acknowledged_by"] == "manager"


def test_a_screen_of_several_people_asks_who(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in("")
    refused = browser.post(f"/api/v1/escalations/{escalation}/ack", json={})
    assert refused.status_code == 422 and "manager" in refused.json()["detail"]
    form = {"csrf": csrf_of(browser), "person": "manager"}
    taken = browser.post(f"/escalations/{escalation}/ack", data=form)
    assert taken.headers["location"] == f"/board#escalation-{escalation}"
    assert "Pharmacy manager has it" in browser.get("/board").text


def test_nobody_is_made_up(console: Served, story: Story) -> None:
    escalation = paged(story)
    api = console.api()
    answer = api.post(f"/api/v1/escalations/{escalation}/ack", json={"person": "stranger"})
    assert answer.status_code == 422 and "stranger" in answer.json()["detail"]
    assert states(console) == ["open"]


def test_what_is_over_or_unknown_cannot_be_taken_on(console: Served, story: Story) -> None:
    escalation = paged(story)
    story.connection.execute("UPDATE escalations SET state = 'resolved'")
    api = console.api()
    browser = console.signed_in()
    over = api.post(f"/api/v1/escalations/{escalation}/ack", json={"person": "manager"})
    unknown = api.post("/api/v1/escalations/none/ack", json={"person": "manager"})
    page = browser.post(f"/escalations/{escalation}/ack", data={"csrf": csrf_of(browser), "person": "manager"})
    assert (over.status_code, unknown.status_code, page.status_code) == (409, 404, 409)
    assert "resolved" in over.json()["detail"] and "resolved" in page.text


# The live feed


class Listener:
    """Reads server-sent events one by one."""

    def __init__(self, api: httpx.Client, last: str | None = None) -> None:
        headers = {} if last is None else {"last-event-id": last}
        self.stream = api.stream("GET", "/api/v1/feed", headers=headers, timeout=20)
        self._lines = self.stream.__enter__().iter_lines()

    def block(self) -> dict[str, str]:
        """The fields of the next block."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.strip()
            elif fields:
                return fields
        raise AssertionError("the feed ended")

    def close(self) -> None:
        self.stream.__exit__(None, None, None)


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


# The role


def test_health_is_open_and_the_figures_are_not_for_strangers(story: Story, database_url: str) -> None:
    with serving(database_url) as near, serving(database_url, behind_proxy=True) as far:
        assert httpx.get(f"{near.url}/healthz").text == "alive\n"
        assert httpx.get(f"{near.url}/readyz").text == "ready\n"
        assert httpx.get(f"{near.url}/metrics").status_code == 200
        assert httpx.get(f"{far.url}/metrics").status_code == 401
        assert far.api().get("/metrics").status_code == 200


def test_the_role_starts_by_its_environment_and_stops_though_somebody_listens(
    story: Story, database_url: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    env = {
        "RXPULSE_DATABASE_URL": database_url,
        "RXPULSE_PORT": port,
        "RXPULSE_HOME": str(tmp_path),
        "RXPULSE_API_KEY": KEY,
    }
    role = subprocess.Popen(
        [sys.executable, "-m", "rxpulse", "console"], env=os.environ | env, stderr=subprocess.PIPE, text=True
    )
    assert role.stderr is not None
    try:
        assert any("running on http://127.0.0.1" in line for line in role.stderr), "the console did not start"
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"authorization": f"Bearer {KEY}"}) as api:
            listener = Listener(api)
            listener.block()
            role.send_signal(signal.SIGTERM)
            with pytest.raises(AssertionError, match="ended"):
                listener.block()
            listener.close()
        assert role.wait(10) in (0, -signal.SIGTERM)
    finally:
        role.kill()
        role.wait()
        role.stderr.close()


def test_the_console_speaks_tls_with_the_certificate_given(story: Story, database_url: str, tmp_path: Path) -> None:
    openssl = require_program("openssl", "openssl")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    asked = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([openssl, *asked, *name], check=True, capture_output=True)
    with serving(database_url, tls_cert=cert, tls_key=key) as served:
        token = served.link().partition("link=")[2]
        with httpx.Client(base_url=served.url, verify=ssl.create_default_context(cafile=str(cert))) as browser:
            assert browser.post("/enter", data={"link": token}).status_code == 303
            assert browser.cookies["__Host-rxpulse"]
            assert browser.get("/board").status_code == 200


def test_while_the_database_is_away_the_console_says_so_and_lives() -> None:
    with serving("postgresql://nobody@127.0.0.1:9/none") as served:
        answer = served.api().get("/api/v1/board", timeout=20)
        assert answer.status_code == 503 and "does not answer" in answer.json()["detail"]
        assert httpx.get(f"{served.url}/healthz").status_code == 200


def test_a_fault_of_ours_shows_nothing_of_the_inside(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: ConsoleStore) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(ConsoleStore, "view", broken)
    answer = console.signed_in().get("/board")
    assert answer.status_code == 500 and "the inside" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_database_without_tables_is_said(stack: object, database_url: str) -> None:
    with connect(database_url, "a test", autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    env = {**os.environ, "RXPULSE_DATABASE_URL": database_url, "RXPULSE_PORT": "9", "RXPULSE_HOME": "/nowhere"}
    ended = subprocess.run([sys.executable, "-m", "rxpulse", "console"], env=env, capture_output=True, text=True)
    assert ended.returncode == 1 and "has no tables" in ended.stderr and "Traceback" not in ended.stderr


def test_the_console_does_not_start_in_the_open_without_tls(tmp_path: Path) -> None:
    given = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_BIND": "0.0.0.0"}
    with pytest.raises(CallerFault, match="RXPULSE_TLS_CERT"):
        Settings.from_env(given).check_exposure()
    Settings.from_env({**given, "RXPULSE_BEHIND_PROXY": "1"}).check_exposure()
    Settings.from_env({**given, "RXPULSE_BIND": "127.0.0.1"}).check_exposure()


def test_the_command_prints_a_link_that_signs_in(console: Served, database_url: str, tmp_path: Path) -> None:
    env = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": database_url, "RXPULSE_PUBLIC_URL": console.url}
    link = CliRunner().invoke(main, ["console", "--link"], env=env, catch_exceptions=False).output.strip()
    assert link.startswith(f"{console.url}/enter?link=")
    assert "<form" in httpx.get(link).text


def test_the_interface_describes_itself(console: Served) -> None:
    paths = httpx.get(f"{console.url}/api/v1/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/v1/board",
        "/api/v1/cases/{case}",
        "/api/v1/charts",
        "/api/v1/reports",
        "/api/v1/signals",
        "/api/v1/escalations",
        "/api/v1/escalations/{escalation}/ack",
        "/api/v1/escalations/{escalation}/release",
        "/api/v1/escalations/{escalation}/pass-on",
        "/api/v1/escalations/{escalation}/resolve",
        "/api/v1/signals/{signal}/resolve",
        "/api/v1/signals/resolve",
        "/api/v1/quality",
        "/api/v1/turnaround",
        "/api/v1/feed",
    }


def test_the_board_of_a_shift_names_sites_work_and_people(database_url: str) -> None:
    a_shift(database_url).connection.close()
    with serving(database_url) as served:
        browser = served.signed_in()
        text = browser.get("/board").text
    for said in (
        "Mercy Hospital",
        "Elm Street Pharmacy",
        "Verify",
        "2 late",
        "STAT",
        "Pharmacy manager",
        "Acknowledge",
    ):
        assert said in text, said
