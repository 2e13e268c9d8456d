"""Words for tests of the console in a real browser: the sizes of a wall screen and of a telephone, every page by its path,
what is hard to hit, and what axe-core finds in the way of people with disabilities."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page

from models.links import sign
from models.store.linking import signing_key
from tests.console import Story

WALL = {"width": 1280, "height": 900}
TELEPHONE = {"width": 375, "height": 812}
SMALLEST_TARGET = 24
"""CSS pixels (WCAG 2.2, 2.5.8)."""
TOO_SMALL = """
smallest => [...document.querySelectorAll("button, select, input, a")].filter(one => one.checkVisibility())
    .map(one => [one.textContent.trim(), one.getBoundingClientRect()])
    .filter(([_, box]) => box.width < smallest || box.height < smallest).map(([name]) => name)
"""
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
Open = Callable[..., Page]


def too_small(page: Page) -> list[str]:
    """What is hard to hit with a finger, once the page has its styles: a heading is there before them."""
    page.wait_for_load_state("load")
    return page.evaluate(TOO_SMALL, SMALLEST_TARGET)


def keep(page: Page, name: str) -> None:
    """A picture for whoever wants to look, in the folder that RXPULSE_TEST_PICTURES names."""
    if folder := os.environ.get("RXPULSE_TEST_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def tab_to(page: Page, tag: str) -> None:
    """Goes from control to control until one is of this kind."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == tag:
            return
    raise AssertionError(f"no {tag} can be reached by keyboard")


PAGES = (
    "/board",
    "/cases/order/7f3a1c9e",
    "/cases/order/put-away",
    "/signals?state=all",
    "/escalations?state=all",
    "/escalations/{escalation}",
    "/quality",
    "/search",
    "/turnaround",
    "/turnaround?clock=stat-verified",
    "/charts?site=mercy",
    "/charts?clock=order-to-verified",
    "/reports",
    "/people",
    "/accounts",
    "/audit",
    "/escalations/{summary}",
)
OPEN_PAGES = ("/a/{link}",)


def address(story: Story, path: str) -> str:
    """The path of a page, with what only the store knows put in."""
    escalation = story.escalation("signal-stat-verified")
    until = story.now + timedelta(hours=1)
    secret = signing_key(story.connection)
    link = sign(secret, escalation=escalation, person="manager", nonce="n", expires=until)
    rows = story.connection.execute("SELECT id FROM escalations WHERE kind = 'summary'").fetchall()
    return path.format(escalation=escalation, link=link, summary=rows[0][0])


def named(path: str) -> str:
    """What a picture of a page is called."""
    return re.sub("[^a-z]+", "-", path).strip("-")


def violations(page: Page, url: str) -> list[tuple[str, str]]:
    """What axe-core finds on a page: rule and the first element that breaks it."""
    named = os.environ.get("RXPULSE_TEST_AXE")
    if not named:
        pytest.skip("RXPULSE_TEST_AXE is not set: it names axe.min.js of the npm package axe-core")
    page.goto(url)
    # Evaluated by the debugger, which the page's own policy for scripts does not bind.
    page.evaluate(Path(named).read_text())
    found = page.evaluate("tags => axe.run(document, {runOnly: tags})", TAGS)
    assert len(found["passes"]) > 5, url
    return [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
