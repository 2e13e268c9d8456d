"""Who looks after some sites sees, hears and changes nothing of the others: on the pages, in the lists, in the live feed, and
by a token."""

import json

import pytest

from models.event import Site
from models.store import tokens
from models.store.rights import Role
from tests.console import Served, Story, a_late_order
from tests.rights import GUARDED, SAID, ask, paged

pytestmark = pytest.mark.usefixtures("cheap_passwords")


@pytest.fixture
def story(story: Story) -> Story:
    """With a worker that has read up to now."""
    story.read(0, story.now)
    return story


def test_who_is_bound_to_a_site_sees_and_changes_nothing_of_another(console: Served, story: Story) -> None:
    escalation = paged(story, "elm")
    story.case("fill/77", "fill", "", 5, "late", site="elm")
    story.feed("/elm/pos", "elm")
    story.interval("stat-verified", 1, 5, site="elm")
    browser = console.account("manager", Role.ADMIN, "mercy")
    for path in ("/board", "/signals?state=all", "/escalations?state=all&site=elm", "/quality", "/turnaround"):
        text = browser.get(path).text
        for foreign in ("clock-elm", "rule-elm", escalation, "/elm/pos", 'scope="rowgroup">Elm', "fill/77"):
            assert foreign not in text, (path, foreign)
    for path in ("signals", "escalations"):
        assert browser.get(f"/api/v1/{path}", params={"state": "all"}).json()["items"] == []
    assert browser.get("/api/v1/board").json()["queues"] == []
    assert browser.get("/api/v1/turnaround").json() == []
    assert browser.get("/api/v1/quality").json()["feeds"] == []
    for method, path, _ in GUARDED:
        # A person of the policy belongs to no site.
        if "{" in path and "case" not in path and "{person}" not in path:
            assert ask(browser, method, path, escalation, "elm") == 404, path
    assert browser.post("/api/v1/signals/resolve", json=SAID | {"signals": ["rule-elm"]}).json()["items"][0]["refused"]
    assert console.api().get("/api/v1/escalations", params={"site": "elm"}).json()["items"][0]["state"] == "open"


def test_a_summary_of_several_sites_is_shown_to_each_of_them_with_its_own_part(console: Served, story: Story) -> None:
    mine = story.signal("stat-verified", 2, 600, id="mine", site="mercy", case="order/mine")
    other = story.signal("sold-before-final-check", 2, 600, kind="rule", id="other", site="elm", case="fill/foreign")
    summary = story.summary(mine, other)
    browser = console.account("ana", Role.VIEWER, "mercy")
    for path in ("/board", "/escalations", "/escalations?site=mercy", f"/escalations/{summary}"):
        text = browser.get(path).text
        assert "Still open after a stop" in text and "Several sites" in text, path
        assert "fill/foreign" not in text and 'scope="rowgroup">Elm' not in text, path
    text = browser.get(f"/escalations/{summary}").text
    assert "order/mine" in text and "1 more at sites that you do not look after" in text
    [item] = browser.get("/api/v1/escalations", params={"kind": "summary"}).json()["items"]
    assert (item["id"], item["site"], item["kind"], item["case"]) == (summary, "*", "summary", None)
    assert browser.get("/api/v1/escalations", params={"site": "elm"}).json()["items"] == []
    with browser.stream("GET", "/api/v1/feed", headers={"last-event-id": "0"}, timeout=20) as stream:
        told = next(line for line in stream.iter_lines() if line.startswith("data:"))
    assert json.loads(told[5:])["id"] == summary
    assert "2 still open after a stop" in browser.get("/board").text.partition('id="inbox-title"')[2]


def test_a_summary_is_in_the_list_of_the_sites_that_it_is_about(console: Served, story: Story) -> None:
    summary = story.summary(*(story.signal("x", 2, 600, id=site, site=site) for site in ("mercy", "elm")))
    api = console.api()
    found = {site: api.get("/api/v1/escalations", params={"site": site}).json()["items"] for site in ("elm", "oak")}
    assert [one["id"] for one in found["elm"]] == [summary] and found["oak"] == []


def test_a_case_of_another_site_is_not_there(console: Served, story: Story) -> None:
    case = a_late_order(story)
    browser = console.account("ana", Role.ADMIN, "elm")
    assert browser.get(f"/cases/{case}").status_code == 404 == browser.get(f"/api/v1/cases/{case}").status_code
    assert console.account("ben", Role.VIEWER, "elm", "mercy").get(f"/cases/{case}").status_code == 200


def test_the_feed_tells_of_ones_own_sites_only(console: Served, story: Story) -> None:
    browser = console.account("ana", Role.VIEWER, "mercy")
    paged(story, "elm")
    paged(story, "mercy")
    with browser.stream("GET", "/api/v1/feed", headers={"last-event-id": "0"}, timeout=20) as stream:
        told: list[dict[str, str]] = []
        for line in stream.iter_lines():
            if line.startswith("data:") and "site" in line:
                told.append(json.loads(line[5:]))
            if len(told) == 4:
                break
    assert {one["site"] for one in told} == {"mercy"}


def test_a_token_reads_at_its_sites_and_changes_nothing(console: Served, story: Story, database_url: str) -> None:
    escalation = paged(story, "elm")
    mercy = paged(story, "mercy")
    text = tokens.add(database_url, tokens.Token("report", frozenset(), frozenset({Site("elm")})))
    program = console.client(headers={"authorization": f"Bearer {text}"})
    found = program.get("/api/v1/escalations").json()["items"]
    assert escalation in [one["id"] for one in found] and mercy not in str(found)
    assert {one["site"] for one in found} == {"elm"}
    assert program.post(f"/api/v1/escalations/{escalation}/ack", json={"person": "manager"}).status_code == 403
    assert program.get("/board").status_code == 401
    tokens.revoke(database_url, "report")
    assert program.get("/api/v1/escalations").status_code == 401
