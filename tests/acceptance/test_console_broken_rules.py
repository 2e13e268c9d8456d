"""Broken rules ended on their page in a real browser: all ticked by one key, or each by itself without JavaScript."""

from playwright.sync_api import Page, expect

from tests.console import Served, Story
from tests.screens import Open, keep, too_small, violations

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
