"""The way into the console by a link: used once and not by looking at it, over after its time; a session that ends, and a cookie
that nobody else can use."""

from datetime import timedelta

import httpx
import pytest

from models.store import access
from tests.console import KEY, Served, Story, csrf_of, serving


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
