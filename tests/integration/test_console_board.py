"""The board over a real database: where open work waits, how old its figures are, the most urgent of what needs somebody, and the
messages of the inbox."""

import re
from datetime import timedelta

import pytest

from tests.console import Served, Story, a_shift, serving


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
