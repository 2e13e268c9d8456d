"""The console for people with disabilities, in a real browser: axe-core finds nothing in their way on any page, and the way
from the first link to a test message is gone by keyboard alone."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from models import policy_text
from models.store import policies
from tests.console import Served, Story, serving
from tests.screens import OPEN_PAGES, PAGES, TELEPHONE, WALL, Open, address, keep, too_small, violations


def test_nothing_in_the_way_of_people_with_disabilities_is_found(
    board: Open, console: Served, weeks: Story, tmp_path: Path
) -> None:
    page = board(person="manager")
    pages = [address(weeks, path) for path in (*PAGES, *OPEN_PAGES)]
    found = [
        (path, one)
        for path in ("/board?refresh=off", "/leave", "/enter", console.link(), *pages)
        for one in violations(page, path if path.startswith("http") else console.url + path)
    ]
    # What is served of a report runs no script, so none of axe-core either: the same file is looked at.
    [file] = (tmp_path / "reports" / "mercy").iterdir()
    assert found + violations(page, file.as_uri()) == []


def test_from_the_first_link_to_a_test_message_by_keyboard_alone(chromium: Browser, database_url: str) -> None:
    policies.begin(database_url, policy_text.read(""), "a test")
    with serving(database_url) as served:
        context = chromium.new_context(viewport=TELEPHONE)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(served.link())
        keep(page, "enter-first")
        page.keyboard.press("Tab")
        page.keyboard.type("ana")
        page.keyboard.press("Enter")
        link = page.get_by_role("link", name="name the first person who is told")
        keep(page, "board-first")
        link.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Who is told first?")).to_be_visible()
        keep(page, "first-run-telephone")
        assert too_small(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE["width"]
        page.get_by_label("Short name").focus()
        page.keyboard.press("Enter")
        button = page.get_by_role("button", name="Send ana a TEST by inbox")
        expect(button).to_be_visible()
        button.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("ana by inbox: waits to be sent")).to_be_visible(timeout=15_000)
        context.close()


def test_the_first_run_is_open_to_everybody(chromium: Browser, database_url: str) -> None:
    policies.begin(database_url, policy_text.read(""), "a test")
    with serving(database_url) as served:
        context = chromium.new_context(viewport=WALL)  # type: ignore[arg-type]
        page = context.new_page()
        assert violations(page, served.link()) == []
        page.get_by_label("Who are you?").fill("ana")
        page.get_by_role("button", name="Sign in").click()
        for path in ("/board", "/first-run", "/people", "/reports", "/charts", "/accounts"):
            assert violations(page, served.url + path) == [], path
            keep(page, f"{path.strip('/')}-empty")
        context.close()
