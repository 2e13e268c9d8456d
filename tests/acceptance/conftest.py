"""What tests of the console in a real browser share: Chromium, a store in the middle of a shift or after eight weeks, the console
served over it, and the board opened in it."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from models import policy_text
from models.event import Site, Source
from models.policy import Channel
from models.store import accounts, contacting, deliveries, policies, tokens
from models.store.answering import resolve_signal
from models.store.gone import gone_answer
from models.store.messages import Voice
from models.store.rights import Rights, Role
from tests.conftest import require_program
from tests.console import DEMO, PASSWORD, Served, Story, a_shift, serving
from tests.screens import WALL, Open
from workflows.publish import asked_for

# A slow machine may take its time; what has to come sooner says so itself.
expect.set_options(timeout=20_000)


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
    story.case("order/put-away", None, "stat", 5, "on_time")
    story.put_away("order/put-away", story.now, story.now)
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
        # A heading is there before the page has its styles.
        page.wait_for_load_state("load")
        return page

    yield signed_in
    for context in opened:
        context.close()
    assert faults == []
