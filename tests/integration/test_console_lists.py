"""The lists of signals and escalations as programs read them: which are shown unasked, page by page, and what a wrong question is
answered."""

import httpx
import pytest

from tests.console import Served, Story
from tests.paging import paged, states


def test_signals_shown_are_open_and_told_or_new(console: Served, story: Story) -> None:
    week = 7 * 24 * 60
    told, fresh, old = (
        story.signal(name, 2, minutes) for name, minutes in (("a", week + 5), ("b", week - 5), ("c", week + 9))
    )
    gone = story.signal("d", 2, 5, cleared=story.now)
    story.connection.execute("UPDATE signals SET told = CASE id WHEN %s THEN 'yes' ELSE 'old' END", [told])
    api = console.api()
    shown = {
        state: [one["id"] for one in api.get("/api/v1/signals", params={"state": state}).json()["items"]]
        for state in ("current", "untold", "all")
    }
    unasked = api.get("/api/v1/signals").json()
    assert shown == {"current": [fresh, told], "untold": [old], "all": [gone, fresh, told, old]}
    assert [one["id"] for one in unasked["items"]] == shown["current"] and unasked["next"] is None
    fields = {"id", "kind", "name", "severity", "site", "case", "state", "opened", "told", "cleared", "reason"}
    assert fields <= unasked["items"][0].keys()
    assert unasked["items"][0]["severity"] == "S2" and unasked["items"][0]["state"] == "open"


def test_what_a_summary_told_and_what_a_person_ended_stays_on_the_board(console: Served, story: Story) -> None:
    for told in ("summary", "resolved", "held", "nobody", None):
        story.signal(f"told-{told}", 2, 8 * 24 * 60)
        story.connection.execute("UPDATE signals SET told = %s WHERE name = %s", [told, f"told-{told}"])
    api = console.api()
    shown = {
        state: {one["told"] for one in api.get("/api/v1/signals", params={"state": state}).json()["items"]}
        for state in ("current", "untold")
    }
    assert shown == {"current": {"summary", "resolved"}, "untold": {"held", "nobody", None}}
    assert "3 older ones</a> are recorded" in console.signed_in().get("/board").text


def test_pages_of_a_list_show_each_entry_once(console: Served, story: Story) -> None:
    # Some at the same instant: a page may end between them.
    made = {story.signal(f"s{number}", 2, number // 3) for number in range(11)}
    seen: list[str] = []
    after: dict[str, str] = {}
    api = console.api()
    while True:
        found = api.get("/api/v1/signals", params={"limit": "4", **after}).json()
        seen += [one["id"] for one in found["items"]]
        assert len(found["items"]) <= 4
        if found["next"] is None:
            break
        after = {"after": found["next"]}
    assert len(seen) == 11 and set(seen) == made


@pytest.mark.parametrize("asked", [{"after": "yesterday"}, {"limit": "0"}, {"limit": "501"}, {"state": "odd"}])
def test_a_list_asked_wrongly_says_what_is_wrong(console: Served, asked: dict[str, str]) -> None:
    api = console.api()
    answer = api.get("/api/v1/signals", params=asked)
    assert answer.status_code in (400, 422)
    assert isinstance(answer.json()["detail"], str) and next(iter(asked)) in answer.json()["detail"]


def test_what_a_program_asks_wrongly_is_told_in_a_sentence(console: Served) -> None:
    api = console.api()
    odd = api.get("/api/v1/signals", params={"state": "odd"})
    assert odd.status_code == 400
    assert odd.json() == {"detail": "state: give 'current', 'untold' or 'all'."}
    path = "/api/v1/escalations/x/resolve"
    broken = api.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400 and broken.json()["detail"].startswith("The body is no JSON")
    short = api.post(path, json={"person": "manager"})
    assert (short.status_code, short.json()) == (422, {"detail": "code is missing."})


def test_resolved_escalations_are_shown_only_when_asked_for(console: Served, story: Story) -> None:
    escalation = paged(story)
    assert states(console) == ["open"]
    story.connection.execute("UPDATE escalations SET state = 'resolved', resolved = now() WHERE id = %s", [escalation])
    assert states(console) == []
    assert states(console, state="all") == ["resolved"]


def test_the_interface_describes_itself(console: Served) -> None:
    paths = httpx.get(f"{console.url}/api/v1/openapi.json").json()["paths"]
    assert set(paths) == {
        "/api/v1/board",
        "/api/v1/cases/{case}",
        "/api/v1/charts",
        "/api/v1/reports",
        "/api/v1/signals",
        "/api/v1/escalations",
        "/api/v1/escalations/{escalation}/ack",
        "/api/v1/escalations/{escalation}/release",
        "/api/v1/escalations/{escalation}/pass-on",
        "/api/v1/escalations/{escalation}/resolve",
        "/api/v1/signals/{signal}/resolve",
        "/api/v1/signals/resolve",
        "/api/v1/quality",
        "/api/v1/turnaround",
        "/api/v1/feed",
    }
