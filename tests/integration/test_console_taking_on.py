"""Taking on an escalation: who has it and until when, who is asked on a screen of several people, and what cannot be taken on."""

from tests.console import Served, Story, csrf_of
from tests.paging import paged, states


def test_an_acknowledgement_says_who_has_it_and_until_when(console: Served, story: Story) -> None:
    escalation = paged(story)
    api = console.api()
    answer = api.post(f"/api/v1/escalations/{escalation}/ack", json={"person": "manager", "note": "on my way"})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["id"], said["state"], said["acknowledged_by"]) == (escalation, "acknowledged", "manager")
    listed = api.get("/api/v1/escalations").json()["items"][0]
    assert listed["acknowledged_by"] == "manager" and listed["expires"] == said["expires"] is not None
    row = story.connection.execute("SELECT entry FROM escalation_entries ORDER BY number DESC LIMIT 1").fetchone()
    assert row is not None and (row[0]["person"], row[0]["note"]) == ("manager", "on my way")


def test_who_is_signed_in_takes_it_on_unless_somebody_is_named(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in("manager")
    answer = browser.post(f"/api/v1/escalations/{escalation}/ack", json={})
    assert answer.json()["acknowledged_by"] == "manager"


def test_a_screen_of_several_people_asks_who(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in("")
    refused = browser.post(f"/api/v1/escalations/{escalation}/ack", json={})
    assert refused.status_code == 422 and "manager" in refused.json()["detail"]
    form = {"csrf": csrf_of(browser), "person": "manager"}
    taken = browser.post(f"/escalations/{escalation}/ack", data=form)
    assert taken.headers["location"] == f"/board#escalation-{escalation}"
    assert "Pharmacy manager has it" in browser.get("/board").text


def test_nobody_is_made_up(console: Served, story: Story) -> None:
    escalation = paged(story)
    api = console.api()
    answer = api.post(f"/api/v1/escalations/{escalation}/ack", json={"person": "stranger"})
    assert answer.status_code == 422 and "stranger" in answer.json()["detail"]
    assert states(console) == ["open"]


def test_what_is_over_or_unknown_cannot_be_taken_on(console: Served, story: Story) -> None:
    escalation = paged(story)
    story.connection.execute("UPDATE escalations SET state = 'resolved'")
    api = console.api()
    browser = console.signed_in()
    over = api.post(f"/api/v1/escalations/{escalation}/ack", json={"person": "manager"})
    unknown = api.post("/api/v1/escalations/none/ack", json={"person": "manager"})
    page = browser.post(f"/escalations/{escalation}/ack", data={"csrf": csrf_of(browser), "person": "manager"})
    assert (over.status_code, unknown.status_code, page.status_code) == (409, 404, 409)
    assert "resolved" in over.json()["detail"] and "resolved" in page.text
