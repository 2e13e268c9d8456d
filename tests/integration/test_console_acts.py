"""What people do at the console: take on, give back, pass on, end; by its pages, by its interface, by the link in a message."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from models.links import sign
from models.store.auditing import ref_of
from models.store.linking import signing_key
from models.store.rights import Role
from tests.console import Served, Story, a_late_order, csrf_of


@pytest.fixture
def story(database_url: str) -> Iterator[Story]:
    one = Story(database_url)
    one.read(0, one.now)
    yield one
    one.connection.close()


@pytest.fixture
def escalation(story: Story) -> str:
    signal = story.signal("stat-verified", 1)
    story.told()
    return story.escalation(signal)


def state(console: Served) -> str:
    return console.api().get("/api/v1/escalations", params={"state": "all"}).json()["items"][0]["state"]


def broken_rules(story: Story) -> list[str]:
    found = [
        story.signal("sold-before-final-check", 1, kind="rule", id=f"rule-{n}", case=f"fill/{n}") for n in range(3)
    ]
    story.told()
    return found


def test_what_was_taken_on_is_given_back(console: Served, escalation: str) -> None:
    api = console.api()
    path = f"/api/v1/escalations/{escalation}"
    assert api.post(f"{path}/release", json={"person": "manager"}).status_code == 409
    assert api.post(f"{path}/ack", json={"person": "manager"}).status_code == 200
    released = api.post(f"{path}/release", json={"person": "manager", "note": "called away"})
    assert (released.status_code, released.json()) == (200, {"id": escalation, "state": "open"})


def test_it_is_passed_on_to_a_person(console: Served, escalation: str) -> None:
    path = f"/api/v1/escalations/{escalation}/pass-on"
    api = console.api()
    assert api.post(path, json={"person": "manager", "to": "stranger"}).status_code == 422
    assert api.post(path, json={"person": "manager", "to": "manager"}).status_code == 200
    assert "passed it on to Pharmacy manager" in console.signed_in().get(f"/escalations/{escalation}").text


def test_it_is_not_passed_on_to_who_has_it(console: Served, escalation: str) -> None:
    api, browser, path = console.api(), console.signed_in(), f"/api/v1/escalations/{escalation}"
    to_him = '<option value="manager">to '
    assert to_him in browser.get(f"/escalations/{escalation}").text
    api.post(f"{path}/ack", json={"person": "manager"})
    assert to_him not in browser.get(f"/escalations/{escalation}").text
    answer = api.post(f"{path}/pass-on", json={"person": "manager", "to": "manager"})
    assert answer.status_code == 409 and answer.json()["detail"].startswith("manager has it already")
    form = {"csrf": csrf_of(browser), "person": "manager", "to": "manager"}
    assert browser.post(f"/escalations/{escalation}/pass-on", data=form).status_code == 409
    assert state(console) == "acknowledged"
    assert api.post(f"{path}/pass-on", json={"person": "manager"}).json()["state"] == "open"


def test_ending_it_wants_a_reason_and_leaves_a_clock_on_the_board(console: Served, escalation: str) -> None:
    api = console.api()
    path = f"/api/v1/escalations/{escalation}/resolve"
    assert api.post(path, json={"person": "manager"}).status_code == 422
    assert api.post(path, json={"person": "manager", "code": "two words"}).status_code == 422
    assert api.post(path, json={"person": "manager", "code": "handled"}).json()["state"] == "resolved"
    assert api.post(path, json={"person": "manager", "code": "handled"}).status_code == 409
    assert [one["state"] for one in api.get("/api/v1/signals").json()["items"]] == ["open"]


@pytest.mark.parametrize("code", ["bogus", "", "Handled"])
def test_a_reason_that_is_none_ends_nothing_and_says_which_there_are(
    console: Served, story: Story, escalation: str, code: str
) -> None:
    [rule, *_] = broken_rules(story)
    said, api, browser = {"person": "manager", "code": code}, console.api(), console.signed_in()
    for path in (f"escalations/{escalation}/resolve", f"signals/{rule}/resolve", "signals/resolve"):
        answer = api.post(f"/api/v1/{path}", json=said | {"signals": [rule]})
        assert answer.status_code == 422, path
        assert answer.json()["detail"].startswith("code: give handled, false_alarm, known, duplicate, test"), path
    form = said | {"csrf": csrf_of(browser), "signal": rule}
    for path in (f"/escalations/{escalation}/resolve", "/signals/resolve"):
        assert browser.post(path, data=form).status_code == 422
    assert state(console) == "open"
    assert {one["state"] for one in api.get("/api/v1/signals").json()["items"]} == {"open"}


def test_many_signals_of_rules_are_ended_at_once(console: Served, story: Story) -> None:
    rules = broken_rules(story)
    clock = story.signal("stat-verified", 2)
    asked = {"person": "manager", "code": "known", "signals": [*rules, clock, "none"]}
    items = console.api().post("/api/v1/signals/resolve", json=asked).json()["items"]
    assert [(one["id"], one["cleared"]) for one in items] == [
        *((one, True) for one in rules),
        (clock, False),
        ("none", False),
    ]
    assert all(one["refused"] for one in items[3:])


def test_one_signal_of_a_rule_is_ended_by_itself(console: Served, story: Story) -> None:
    [rule, *_] = broken_rules(story)
    answer = console.api().post(f"/api/v1/signals/{rule}/resolve", json={"person": "manager", "code": "handled"})
    assert answer.json() == {"id": rule, "cleared": True, "refused": None}
    assert console.api().post("/api/v1/signals/no/resolve", json={"person": "manager", "code": "a"}).status_code == 404


def test_the_page_of_signals_ends_what_is_ticked(console: Served, story: Story) -> None:
    rules = broken_rules(story)
    browser = console.signed_in()
    assert browser.get("/signals").text.count('type="checkbox" name="signal"') == 3
    form = {"csrf": csrf_of(browser), "person": "manager", "code": "known", "signal": rules[:2]}
    assert browser.post("/signals/resolve", data=form).status_code == 303
    assert [one["id"] for one in console.api().get("/api/v1/signals").json()["items"]] == rules[2:]
    assert browser.post("/signals/resolve", data=form | {"signal": []}).status_code == 422


def test_what_a_person_writes_at_ending_a_broken_rule_is_kept_and_shown(console: Served, story: Story) -> None:
    case = a_late_order(story)
    told = story.signal("waste-witnessed-by-same-person", 3, kind="rule", case=case)
    story.connection.execute("UPDATE signals SET told = 'nobody', attention = false")
    form = {"person": "manager", "code": "handled", "note": "the witness was <named> wrongly"}
    assert console.api().post(f"/api/v1/signals/{told}/resolve", json=form).json()["cleared"] is True
    browser, said = console.signed_in(), "ended by Pharmacy manager: dealt with “the witness was &lt;named&gt; wrongly”"
    for path in ("/signals?state=all", f"/cases/{case}"):
        assert said in browser.get(path).text, path
    [item] = console.api().get("/api/v1/signals", params={"state": "all"}).json()["items"]
    assert (item["ended_by"], item["code"], item["note"]) == ("manager", "handled", form["note"])
    [rows] = story.connection.execute("SELECT what, ref FROM audit WHERE what = 'resolve'").fetchall()
    assert rows == ("resolve", ref_of(told))


def test_the_form_of_many_asks_for_a_note_and_each_keeps_it(console: Served, story: Story) -> None:
    rules, browser = broken_rules(story), console.signed_in()
    assert 'name="note"' in browser.get("/signals").text
    form = {"csrf": csrf_of(browser), "person": "manager", "code": "known", "signal": rules[:2], "note": "a drill"}
    assert browser.post("/signals/resolve", data=form).status_code == 303
    items = console.api().get("/api/v1/signals", params={"state": "all"}).json()["items"]
    assert {one["id"]: one["note"] for one in items} == {rules[0]: "a drill", rules[1]: "a drill", rules[2]: None}


@pytest.mark.parametrize("act", ["ack", "release", "pass-on", "resolve"])
def test_every_act_of_a_page_wants_the_word_of_its_session(console: Served, escalation: str, act: str) -> None:
    browser = console.signed_in()
    form = {"person": "manager", "code": "handled"}
    assert browser.post(f"/escalations/{escalation}/{act}", data=form).status_code == 403
    cross = browser.post(
        f"/escalations/{escalation}/{act}",
        data=form | {"csrf": csrf_of(browser)},
        headers={"sec-fetch-site": "cross-site"},
    )
    assert cross.status_code == 403 and state(console) == "open"


def test_the_page_of_an_escalation_ends_it(console: Served, escalation: str) -> None:
    browser = console.signed_in()
    form = {"csrf": csrf_of(browser), "person": "manager", "code": "handled", "note": "given", "back": "story"}
    assert browser.post(f"/escalations/{escalation}/resolve", data=form).headers["location"].endswith(escalation)
    text = browser.get(f"/escalations/{escalation}").text
    assert "Ended by Pharmacy manager: dealt with “given”" in text and "<button>Resolve" not in text
    listed = browser.get("/signals?state=all").text
    assert "ended by Pharmacy manager: dealt with “given”" in listed
    [item] = console.api().get("/api/v1/signals", params={"state": "all"}).json()["items"]
    assert (item["ended_by"], item["code"], item["note"]) == ("manager", "handled", "given")


def test_what_was_sent_to_the_same_person_is_said_without_steps(console: Served, story: Story, escalation: str) -> None:
    told = {
        "entry": "told",
        "at": story.now.isoformat(),
        "message": "resolved",
        "step": 2,
        "loop": 3,
        "why": None,
        "number": 0,
    }
    told["deliveries"] = [{"key": "k", "person": "manager", "channel": "inbox"}]
    story.connection.execute(
        "INSERT INTO escalation_entries (escalation, number, at, entry) VALUES (%s, 90, now(), %s)",
        [escalation, json.dumps(told)],
    )
    text = console.signed_in().get(f"/escalations/{escalation}").text
    assert "Told that it is over</span>" in text


def test_a_list_that_is_asked_for_wrongly_says_what_there_is(console: Served) -> None:
    answer = console.signed_in().get("/signals?state=nonsense")
    assert answer.status_code == 422 and "state: give" in answer.text and "untold" in answer.text


# The link in a message


def link(story: Story, escalation: str, hours: float = 1, nonce: str = "n1") -> str:
    secret = signing_key(story.connection)
    return "/a/" + sign(
        secret, escalation=escalation, person="manager", nonce=nonce, expires=story.now + timedelta(hours=hours)
    )


def test_a_link_takes_on_without_signing_in_once_its_button_is_pressed(
    console: Served, story: Story, escalation: str
) -> None:
    path, browser = link(story, escalation), console.browser()
    for _ in range(2):
        assert "Acknowledge as Pharmacy manager" in browser.get(path).text
    assert state(console) == "open"
    assert "Pharmacy manager has it until" in browser.post(path, data={"note": "coming"}).text
    assert state(console) == "acknowledged"
    for again in (browser.get(path), browser.post(path, data={"note": ""})):
        assert again.status_code == 410
        assert re.search(r"This link was used at \d\d:\d\d E[SD]T; it works once", again.text)


def test_a_link_of_yesterday_opens_nothing(console: Served, story: Story, escalation: str) -> None:
    path = link(story, escalation, hours=-0.1)
    assert [console.browser().get(path).status_code, console.browser().post(path, data={"note": ""}).status_code] == [
        410,
        410,
    ]
    assert state(console) == "open"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path[:-2] + ("AA" if path[-2:] != "AA" else "BB"),
        lambda path: path.replace(".", ""),
        lambda _: "/a/x.y",
    ],
)
def test_a_link_that_was_changed_opens_nothing(console: Served, story: Story, escalation: str, change: object) -> None:
    path = change(link(story, escalation))  # type: ignore[operator]
    assert [console.browser().get(path).status_code, console.browser().post(path, data={"note": ""}).status_code] == [
        410,
        410,
    ]
    assert state(console) == "open"


def test_a_link_to_what_is_over_or_gone_says_so(console: Served, story: Story, escalation: str) -> None:
    gone = link(story, "none")
    assert (
        console.browser().get(gone).status_code == 404
        and console.browser().post(gone, data={"note": ""}).status_code == 404
    )
    console.api().post(f"/api/v1/escalations/{escalation}/resolve", json={"person": "manager", "code": "handled"})
    path = link(story, escalation)
    assert (
        console.browser().get(path).status_code == 409
        and console.browser().post(path, data={"note": ""}).status_code == 409
    )


def test_another_site_cannot_press_the_button_of_a_link(console: Served, story: Story, escalation: str) -> None:
    path = link(story, escalation)
    answer = console.browser().post(path, data={}, headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 403 and state(console) == "open"


# In whose name


def chosen(page: str) -> tuple[list[str], list[str]]:
    """Of the first choice of a person on a page: what it offers, and what of it is chosen beforehand."""
    choice = page.partition('name="person" required>')[2].partition("</select>")[0]
    return re.findall(r'value="([^"]*)"', choice), re.findall(r'value="([^"]*)" selected', choice)


@pytest.mark.parametrize("path", ["/board", "/escalations/{}"])
def test_nobody_is_chosen_for_somebody_else(console: Served, escalation: str, path: str) -> None:
    at = path.format(escalation)
    for name, role, offers in (
        ("chief", Role.SUPERVISOR, ["chief", "manager"]),
        ("nurse", Role.RESPONDER, ["nurse"]),
        ("manager", Role.RESPONDER, ["manager"]),
    ):
        assert chosen(console.account(name, role).get(at).text) == (offers, [name]), name
    assert chosen(console.signed_in("").get(at).text) == (["", "manager"], [])


def test_an_account_that_is_no_person_of_the_policy_takes_on_in_its_own_name(console: Served, escalation: str) -> None:
    browser = console.account("nurse", Role.RESPONDER)
    [offered], _ = chosen(browser.get("/board").text)
    form = {"csrf": csrf_of(browser), "person": offered}
    assert browser.post(f"/escalations/{escalation}/ack", data=form).status_code == 303
    assert console.api().get("/api/v1/escalations").json()["items"][0]["acknowledged_by"] == "nurse"


def test_many_signals_are_ended_in_ones_own_name(console: Served, story: Story) -> None:
    broken_rules(story)
    assert chosen(console.account("chief", Role.SUPERVISOR).get("/signals").text) == (["chief", "manager"], ["chief"])


def test_who_only_reads_is_offered_nothing_to_press(console: Served, escalation: str) -> None:
    browser = console.account("guest", Role.VIEWER)
    for path in ("/board", f"/escalations/{escalation}", "/signals"):
        text = browser.get(path).text
        assert "stat-verified" in text or "STAT order verified" in text
        assert "Acknowledge" not in text and 'name="person"' not in text, path


def test_whoever_acknowledges_what_another_has_is_told_so(console: Served, story: Story, escalation: str) -> None:
    console.api().post(f"/api/v1/escalations/{escalation}/ack", json={"person": "manager"})
    browser = console.account("nurse", Role.RESPONDER)
    for path in ("/board", f"/escalations/{escalation}"):
        text = browser.get(path).text
        assert "Pharmacy manager has it already and keeps it" in text and "Acknowledge too" in text, path
    form = {"csrf": csrf_of(browser), "person": "nurse"}
    answer = browser.post(f"/escalations/{escalation}/ack", data=form)
    assert answer.status_code == 200 and "<h1>Pharmacy manager has it already</h1>" in answer.text
    assert "Acknowledge again" in console.signed_in("manager").get("/board").text


def test_a_link_used_while_another_has_it_says_who_has_it(console: Served, story: Story, escalation: str) -> None:
    nurse = console.account("nurse", Role.RESPONDER)
    taken = nurse.post(f"/escalations/{escalation}/ack", data={"csrf": csrf_of(nurse), "person": "nurse"})
    assert taken.status_code == 303
    path, browser = link(story, escalation), console.browser()
    assert "nurse has it already and keeps it" in browser.get(path).text
    text = browser.post(path, data={"note": ""}).text
    assert "<h1>nurse has it already</h1>" in text and "Taken on" not in text
