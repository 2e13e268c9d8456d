"""The board in a real browser: it fits a wall screen and a telephone, is worked by keyboard alone and without JavaScript,
shows what happens by itself, and says when it is old or has lost its connection."""

import re

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.console import Served, Story
from tests.screens import TELEPHONE, WALL, Open, keep, tab_to, too_small

NEVER_BY_THE_CLOCK = "window.setInterval = () => 0;"
"""Nor does the board look every ten seconds: what it shows, it shows because there was news."""
NEWS_BY_HAND = """
window.EventSource = class extends EventTarget {
  constructor() { super(); window.news = () => this.dispatchEvent(new Event("signal")); }
};
"""
"""The board hears of what happens when the test says so."""


def again_with(page: Page, *scripts: str) -> None:
    """Loads the page once more, with these scripts before its own."""
    for script in scripts:
        page.add_init_script(script)
    page.reload()


@pytest.mark.parametrize(
    ("name", "size"), [("wall", WALL), ("telephone", TELEPHONE), ("narrowest", {"width": 320, "height": 700})]
)
def test_the_board_fits_its_screen(board: Open, name: str, size: dict[str, int]) -> None:
    page = board(size)
    keep(page, f"board-{name}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert too_small(page) == []


def test_an_escalation_is_taken_on_by_keyboard_alone(board: Open) -> None:
    page = board()
    tab_to(page, "SELECT")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_accessible_name(
        "Acknowledge: STAT order verified by a pharmacist: late, Mercy Hospital"
    )
    page.keyboard.press("Enter")
    expect(page.get_by_text("Pharmacy manager has it until")).to_be_visible()
    expect(page.get_by_role("heading", name="Needs somebody 2")).to_be_visible()
    keep(page, "board-taken")


def test_a_telephone_shows_how_urgent_waiting_work_is(board: Open) -> None:
    page = board(TELEPHONE)
    expect(page.get_by_text("STAT 5, Urgent 4, Routine 31")).to_be_visible()
    keep(page, "board-telephone")


def test_the_board_works_without_javascript(board: Open) -> None:
    page = board(TELEPHONE, javascript=False)
    card = page.get_by_role("listitem").filter(has_text="Feed /mercy/pis is silent").first
    card.get_by_role("combobox").select_option("manager")
    card.get_by_role("button").click()
    expect(page.get_by_text("Pharmacy manager has it until")).to_be_visible()
    assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "30; url=/board"
    page.get_by_role("link", name="Stop reloading").click()
    expect(page.get_by_role("link", name="Reload every 30 s")).to_be_visible()
    assert page.locator("meta[http-equiv=refresh]").count() == 0


def test_what_happens_is_shown_without_loading_the_page_again(board: Open, story: Story) -> None:
    page = board()
    again_with(page, NEVER_BY_THE_CLOCK)
    page.evaluate("window.same = true")
    story.signal("stat-prepared", 1, case="order/new", site="oak")
    story.told()
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("4 need somebody")
    expect(page).to_have_title("(4) Board - RxPulse")
    assert page.evaluate("window.same") is True


def test_what_happens_before_the_feed_speaks_is_not_missed(board: Open, story: Story) -> None:
    page = board()

    def late(route: Route) -> None:
        story.signal("stat-prepared", 1, case="order/new", site="oak")
        story.told()
        route.continue_()

    page.route("**/api/v1/feed", late, times=1)
    again_with(page, NEVER_BY_THE_CLOCK)
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible()


def test_what_happens_while_the_board_is_on_its_way_is_not_missed(board: Open, story: Story) -> None:
    page = board()
    again_with(page, NEVER_BY_THE_CLOCK, NEWS_BY_HAND)
    before, on_its_way = page.content(), list[Route]()
    page.route("**/board", lambda route: on_its_way.append(route), times=1)
    with page.expect_request("**/board"):
        page.evaluate("news()")
    story.signal("stat-prepared", 1, case="order/new", site="oak")
    story.told()
    # The board waits as long after the news before it looks: its own turn is over when this one is.
    page.evaluate("news(); new Promise(over => setTimeout(over, 400))")
    on_its_way[0].fulfill(content_type="text/html", body=before)
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible()


def test_who_works_by_keyboard_keeps_his_place_when_the_board_changes(board: Open, story: Story) -> None:
    page = board()
    tab_to(page, "SELECT")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    before = page.evaluate("document.activeElement.id")
    story.signal("stat-prepared", 1, case="order/new", site="oak")
    story.told()
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == before
    assert page.locator(f"#{before.replace('take', 'who')}").input_value() == "manager"


def test_a_narrowed_board_stays_narrowed_while_it_updates_itself(board: Open, console: Served, story: Story) -> None:
    page = board()
    page.get_by_text("Everything is shown: choose").click()
    page.get_by_label("Site").select_option("elm")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"/board\?site=elm&"))
    expect(page.get_by_role("heading", name="Needs somebody 1")).to_be_visible()
    with page.expect_response("**/board?site=elm&**"):
        story.signal("stat-prepared", 1, case="order/new", site="oak")
        story.signal("stat-verified", 1, case="order/newer", site="elm", id="newer")
        story.told()
    expect(page.get_by_role("heading", name="Needs somebody 2")).to_be_visible()
    expect(page.get_by_text("3 more need somebody and are not shown here")).to_be_visible()
    expect(page.get_by_role("rowheader", name="Mercy Hospital")).to_be_hidden()
    keep(page, "board-narrowed")


def test_updates_can_be_paused(board: Open, story: Story) -> None:
    page = board()
    page.get_by_role("button", name="Pause updates").click()
    expect(page.get_by_text("Updates are paused since")).to_be_visible()
    story.signal("stat-prepared", 1, case="order/new", site="oak")
    with page.expect_response("**/board") as after:
        story.told()
        page.get_by_role("button", name="Go on updating").click()
    assert after.value.ok
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible()
    expect(page.get_by_text("Updates are paused since")).to_be_hidden()


def test_a_screen_that_lost_its_connection_says_so(chromium: Browser, console: Served) -> None:
    context = chromium.new_context(viewport=WALL)  # type: ignore[arg-type]
    page = context.new_page()
    page.clock.install()
    page.goto(console.link())
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Pause updates")).to_be_visible()
    lost = page.get_by_text("This screen has lost its connection")
    context.set_offline(True)
    page.clock.run_for(50_000)
    expect(lost).to_be_hidden()
    page.clock.run_for(30_000)
    expect(lost).to_be_visible()
    context.set_offline(False)
    page.clock.run_for(11_000)
    expect(lost).to_be_hidden()
    context.close()


def test_an_old_board_is_red(board: Open, story: Story) -> None:
    story.connection.execute("UPDATE positions SET judged = now() - interval '12 minutes'")
    page, red = board(), "rgb(168, 7, 26)"
    expect(page.get_by_text("Not up to date: lateness is judged up to 12 min ago only")).to_have_css(
        "background-color", red
    )
    keep(page, "board-old")
    story.connection.execute("UPDATE positions SET judged = now() - interval '12 s', beat = now() - interval '12 s'")
    page.reload()
    expect(page.get_by_text("No worker judges since")).to_have_css("background-color", red)
    keep(page, "board-no-worker")
