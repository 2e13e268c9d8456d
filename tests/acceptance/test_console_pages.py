"""The pages of the console in a real browser: at the size of a wall screen and of a telephone, by keyboard alone, with
and without JavaScript."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect, sync_playwright

from models import policy_text
from models.event import Site, Source
from models.links import sign
from models.policy import Channel
from models.store import accounts, contacting, deliveries, policies, tokens
from models.store.answering import resolve_signal
from models.store.gone import gone_answer
from models.store.linking import signing_key
from models.store.messages import Voice
from models.store.rights import Rights, Role
from tests.conftest import require_program
from tests.console import DEMO, PASSWORD, Served, Story, a_shift, serving
from workflows.publish import asked_for

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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    program = require_program("chromium", "chromium")
    with sync_playwright() as playwright:
        # Without its sandbox, which a container's root cannot have; it sees nothing but our own pages.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def story(database_url: str) -> Iterator[Story]:
    one = a_shift(database_url)
    yield one
    one.connection.close()


@pytest.fixture
def weeks(story: Story, database_url: str, tmp_path: Path) -> Story:
    """Eight weeks with a real report, accounts, tokens, a test message and a summary, beside the shift."""
    worked(story)
    for site in ("mercy", "elm"):
        edition = asked_for(database_url, site, None)
        period = edition.report.week.label
        story.report(tmp_path / "reports", site, period, edition.html, revision=2 if site == "mercy" else 1)
    accounts.add(database_url, "ana", Rights(Role.RESPONDER, ("mercy",)), PASSWORD)
    accounts.add(database_url, "chief", Rights(Role.ADMIN), PASSWORD)
    accounts.disable(database_url, "ana")
    tokens.add(database_url, tokens.Token("mercy-pis", frozenset({Source("/mercy/pis")}), frozenset({Site("mercy")})))
    tokens.add(database_url, tokens.Token("wall", frozenset(), frozenset({Site("mercy"), Site("elm")})))
    tokens.revoke(database_url, "wall")
    contacting.send_test(story.connection, Voice(""), story.policy, "manager", [Channel.INBOX])
    gone_for_nora(story, database_url)
    broken = story.signal("waste-witnessed-by-same-person", 3, 5, kind="rule", case="order/7f3a1c9e")
    resolve_signal(story.connection, broken, "manager", "handled", "the witness was named wrongly by the cabinet")
    story.summary(*(story.signal(name, 3, 700, id=name, site=site) for name, site in (("a", "elm"), ("b", "mercy"))))
    return story


@pytest.fixture
def console(story: Story, database_url: str, tmp_path: Path) -> Iterator[Served]:
    with serving(database_url, home=tmp_path) as served:
        yield served


def gone_for_nora(story: Story, database_url: str) -> None:
    """One more in the policy, whose webhook answered that it is gone."""
    address = "https://hooks.example.org/rxpulse"
    nora = f'\n[person.nora]\nname = "Nora Quist"\nwebhook = "{address}"\n'
    added = policies.enact(database_url, policy_text.read(DEMO.read_text("utf-8") + nora), None, "a test")
    told = policies.stored(database_url, added.number).policy
    [key] = contacting.send_test(story.connection, Voice(""), told, "nora", [Channel.WEBHOOK])
    deliveries.refused(story.connection, key, gone_answer(address))
    story.connection.execute("UPDATE deliveries SET last_attempt = now() WHERE key = %s", [key])


def newest_in_view(shown: Locator) -> bool:
    """Whether a chart that is wider than the screen is scrolled to its right end."""
    box, chart = shown.bounding_box(), shown.locator("svg").bounding_box()
    assert box is not None and chart is not None and chart["width"] > box["width"]
    return chart["x"] + chart["width"] <= box["x"] + box["width"] + 1


def too_small(page: Page) -> list[str]:
    """What is hard to hit with a finger, once the page has its styles: a heading is there before them."""
    page.wait_for_load_state("load")
    return page.evaluate(TOO_SMALL, SMALLEST_TARGET)


def worked(story: Story) -> None:
    """Turnaround of eight weeks: of one clock the last days are longer than usual, of another each resembles the next."""
    wobble = Random(7)
    for days in range(64):
        usual = 10 + wobble.uniform(-3, 3)
        story.interval("stat-verified", days + 0.6, usual + (14 if days in (6, 7) else 0))
        story.interval("order-to-verified", days + 0.6, 20 + days)
        for clock in ("stat-prepared", "first-dose-delivered", "checked-to-delivered"):
            story.interval(clock, days + 0.6, usual * 2)


@pytest.fixture
def board(chromium: Browser, console: Served) -> Iterator[Open]:
    """Opens the board, signed in; `javascript` and `size` say in what kind of browser. What a page says is broken fails
    the test."""
    opened: list[Any] = []
    faults: list[str] = []

    def signed_in(size: dict[str, int] = WALL, javascript: bool = True, person: str = "") -> Page:
        opened.append(chromium.new_context(viewport=size, java_script_enabled=javascript))  # type: ignore[arg-type]
        page = opened[-1].new_page()
        page.on("pageerror", lambda fault: faults.append(str(fault)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.goto(console.link())
        page.get_by_label("Who are you?").select_option(person)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Where work waits")).to_be_visible()
        return page

    yield signed_in
    for context in opened:
        context.close()
    assert faults == []


def keep(page: Page, name: str) -> None:
    """A picture for whoever wants to look, in the folder that RXPULSE_TEST_PICTURES names."""
    if folder := os.environ.get("RXPULSE_TEST_PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


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


def tab_to(page: Page, tag: str) -> None:
    """Goes from control to control until one is of this kind."""
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == tag:
            return
    raise AssertionError(f"no {tag} can be reached by keyboard")


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
    page.evaluate("window.same = true")
    story.signal("stat-prepared", 1, case="order/new", site="oak")
    story.told()
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible(timeout=5000)
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
    page.reload()
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible(timeout=5000)


def test_who_works_by_keyboard_keeps_his_place_when_the_board_changes(board: Open, story: Story) -> None:
    page = board()
    tab_to(page, "SELECT")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    before = page.evaluate("document.activeElement.id")
    story.signal("stat-prepared", 1, case="order/new", site="oak")
    story.told()
    expect(page.get_by_role("heading", name="Needs somebody 4")).to_be_visible(timeout=5000)
    assert page.evaluate("document.activeElement.id") == before
    assert page.locator(f"#{before.replace('take', 'who')}").input_value() == "manager"


def test_a_narrowed_board_stays_narrowed_while_it_updates_itself(board: Open, console: Served, story: Story) -> None:
    page = board()
    page.get_by_text("Everything is shown: choose").click()
    page.get_by_label("Site").select_option("elm")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"/board\?site=elm&"))
    expect(page.get_by_role("heading", name="Needs somebody 1")).to_be_visible()
    with page.expect_response("**/board?site=elm&**", timeout=15000):
        story.signal("stat-prepared", 1, case="order/new", site="oak")
        story.signal("stat-verified", 1, case="order/newer", site="elm", id="newer")
        story.told()
    expect(page.get_by_role("heading", name="Needs somebody 2")).to_be_visible(timeout=5000)
    expect(page.get_by_text("3 more need somebody and are not shown here")).to_be_visible()
    expect(page.get_by_role("rowheader", name="Mercy Hospital")).to_be_hidden()
    keep(page, "board-narrowed")


def test_updates_can_be_paused(board: Open, story: Story) -> None:
    page = board()
    page.get_by_role("button", name="Pause updates").click()
    expect(page.get_by_text("Updates are paused since")).to_be_visible()
    story.signal("stat-prepared", 1, case="order/new", site="oak")
    with page.expect_response("**/board", timeout=15000) as after:
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


PAGES = (
    "/board",
    "/cases/order/7f3a1c9e",
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


BROKEN_RULES = "/signals?kind=rule&name=waste-witnessed-by-same-person"


def rules_broken(story: Story) -> list[str]:
    ids = [f"rule-{number}" for number in range(3)]
    for name in ids:
        story.signal("waste-witnessed-by-same-person", 1, kind="rule", id=name, case=f"dose/{name}")
    return ids


def end_ticked(page: Page) -> None:
    page.get_by_label("Why they are over").select_option("known")
    page.get_by_role("button", name="Resolve what is ticked").click()
    page.wait_for_url("**/signals?kind=rule")


def test_all_broken_rules_of_a_page_are_ticked_by_one_key_and_ended_at_once(
    board: Open, console: Served, story: Story
) -> None:
    ids, page = rules_broken(story), board(person="manager")
    page.goto(console.url + BROKEN_RULES)
    every, each = page.get_by_label("Tick all 3 broken rules of this page"), page.locator('input[name="signal"]')
    every.focus()
    page.keyboard.press("Space")
    expect(page.locator('input[name="signal"]:checked')).to_have_count(len(ids))
    each.first.uncheck()
    assert every.evaluate("one => [one.checked, one.indeterminate]") == [False, True]
    each.first.check()
    expect(every).to_be_checked()
    keep(page, "signals-ticked")
    assert too_small(page) == []
    end_ticked(page)
    assert console.api().get("/api/v1" + BROKEN_RULES).json()["items"] == []


def test_without_script_nothing_offers_to_tick_all_and_each_is_ticked_by_itself(
    board: Open, console: Served, story: Story
) -> None:
    ids, page = rules_broken(story), board(javascript=False, person="manager")
    page.goto(console.url + BROKEN_RULES)
    expect(page.get_by_text("Tick all")).to_be_hidden()
    each = page.locator('input[name="signal"]')
    each.first.check()
    end_ticked(page)
    assert len(console.api().get("/api/v1" + BROKEN_RULES).json()["items"]) == len(ids) - 1


def test_a_list_of_broken_rules_to_end_hinders_nobody_with_a_disability(
    board: Open, console: Served, story: Story
) -> None:
    rules_broken(story)
    page = board(person="manager")
    expect(page.get_by_role("heading", name="Where work waits")).to_be_visible()
    assert violations(page, console.url + BROKEN_RULES) == []
    expect(page.get_by_label("Tick all 3 broken rules of this page")).to_be_visible()


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
