"""Every page of the console in a real browser: it fits a wall screen and a telephone, shows there what matters first, and works
without JavaScript and by keyboard."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.console import Served, Story
from tests.screens import OPEN_PAGES, PAGES, TELEPHONE, WALL, Open, address, keep, named, too_small


def newest_in_view(shown: Locator) -> bool:
    """Whether a chart that is wider than the screen is scrolled to its right end."""
    box, chart = shown.bounding_box(), shown.locator("svg").bounding_box()
    assert box is not None and chart is not None and chart["width"] > box["width"]
    return chart["x"] + chart["width"] <= box["x"] + box["width"] + 1


@pytest.mark.parametrize(
    ("name", "size"), [("wall", WALL), ("telephone", TELEPHONE), ("narrowest", {"width": 320, "height": 700})]
)
def test_every_page_fits_its_screen(
    board: Open, console: Served, weeks: Story, name: str, size: dict[str, int]
) -> None:
    page, wrong = board(size, person="manager"), list[object]()
    for path in (*PAGES, *OPEN_PAGES):
        answer = page.goto(console.url + address(weeks, path))
        assert answer is not None and answer.ok, path
        keep(page, f"{named(path)}-{name}")
        if (width := page.evaluate("document.documentElement.scrollWidth")) > size["width"]:
            wrong.append((path, width))
        if small := too_small(page):
            wrong.append((path, small))
    assert wrong == []


def test_a_telephone_shows_what_matters_first(board: Open, console: Served, weeks: Story) -> None:
    """The header leaves the screen to the work, names are whole, and of a chart the newest days are in view."""
    page = board(TELEPHONE, person="manager")
    header = page.locator("header.top").bounding_box()
    assert header is not None and header["height"] < 100
    choice = page.locator("select[name=person]").first
    assert choice.evaluate("one => one.offsetWidth") > 250
    page.get_by_text("Menu", exact=True).click()
    page.get_by_role("link", name="Turnaround").click()
    page.get_by_role("link", name="STAT order verified by a pharmacist").click()
    shown = page.get_by_role("region", name="Chart of Mercy Hospital")
    assert newest_in_view(shown)
    for title in page.locator(".figures .site a").all():
        within = title.bounding_box()
        assert within is not None and within["x"] + within["width"] <= TELEPHONE["width"]
    [(period,)] = weeks.connection.execute("SELECT period FROM reports WHERE site = 'mercy'").fetchall()
    for path in ("/charts?site=mercy", f"/reports/week/mercy/{period}"):
        page.goto(console.url + path)
        assert newest_in_view(page.get_by_role("region", name=re.compile("^Chart of (?!signals)")).first), path
        keep(page, f"{named(path)}-telephone-newest")
    weeks.connection.execute(
        "INSERT INTO silences (signal, source, site, since, raised)"
        " SELECT 's', '/elm/pos', 'elm', now() - interval '573 minutes', now()"
    )
    page.goto(f"{console.url}/quality")
    expect(page.get_by_text("silent for 9 h 33")).to_be_visible()
    lines = page.locator("td.whole", has_text="silent for").evaluate("one => one.clientHeight / 17")
    assert lines < 5
    keep(page, "quality-telephone-silent")


def test_every_page_works_without_javascript(board: Open, console: Served, weeks: Story) -> None:
    page = board(javascript=False, person="manager")
    for path in PAGES:
        page.goto(console.url + address(weeks, path))
        expect(page.get_by_role("navigation", name="Pages").get_by_role("link", name="Board")).to_be_visible()
        assert page.locator("h2").count() > 0, path


def test_who_works_by_keyboard_goes_from_the_board_to_the_case(board: Open) -> None:
    page = board()
    link = page.get_by_role("link", name="order/7f3a1c9e").first
    link.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="order/7f3a1c9e")).to_be_visible()
    expect(page.get_by_role("img", name="STAT order verified by a pharmacist: missed its target")).to_be_visible()
