"""What other web sites and odd requests can do to the console: nothing. Their forms are refused, browsers are told to be
strict, and what stands in the store is never read as HTML."""

import httpx
import pytest

from models.store.console import ConsoleStore
from tests.console import Served, Story, csrf_of
from tests.paging import paged, states

CROSS = {"sec-fetch-site": "cross-site"}


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


def test_a_fault_of_ours_shows_nothing_of_the_inside(console: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: ConsoleStore) -> None:
        raise RuntimeError("the inside")

    monkeypatch.setattr(ConsoleStore, "view", broken)
    answer = console.signed_in().get("/board")
    assert answer.status_code == 500 and "the inside" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
