"""The pages beside the board, over a real database: one case, the lists, the story of an escalation."""

from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from models.links import sign
from models.store.auditing import ref_of
from models.store.linking import signing_key
from models.store.rights import Role
from tests.console import MINUTE, Served, Story, a_late_order, csrf_in, csrf_of
from workflows.notify.mail import text as mail_text


@pytest.fixture
def story(database_url: str) -> Iterator[Story]:
    one = Story(database_url)
    one.read(0, one.now)
    yield one
    one.connection.close()


def paged(story: Story, case: str | None = "order/1") -> str:
    """An escalation that is open and was told; its id."""
    signal = story.signal("stat-verified", 1, case=case)
    story.told()
    return story.escalation(signal)


# One case


def test_a_case_tells_its_events_its_clocks_and_where_it_waits(console: Served, story: Story) -> None:
    case = a_late_order(story)
    text = console.signed_in().get(f"/cases/{case}").text
    for said in ("Mercy Hospital", "STAT", "Waits for prepare", "late", "ward-4, ws-12", "known 21 min later", "<svg"):
        assert said in text, said
    assert text.count("Pharmacist opened the order") == 1


def test_the_clocks_of_a_case_leave_out_its_pauses(console: Served, story: Story) -> None:
    case = a_late_order(story)
    clocks = {one["clock"]: one for one in console.api().get(f"/api/v1/cases/{case}").json()["clocks"]}
    verified = clocks["stat-verified"]
    assert (verified["state"], verified["net_seconds"]) == ("missed", (58 - 20 - 9) * 60)
    assert {one["state"] for one in clocks.values() if one["stopped"] is None} == {"late", "running"}


def test_a_case_that_goes_on_for_years_says_what_it_keeps(console: Served, story: Story) -> None:
    days = 1440.0
    warm = story.event("env.excursion.started", 200 * days, "place/fridge-2", measure="door")
    measured = [story.event("env.temp", minutes * 60, "place/fridge-2") for minutes in range(1999, 999, -1)]
    case = story.lived(warm, *measured)
    text = console.signed_in().get(f"/cases/{case}").text
    assert "Of readings of before" in text and "and other events of before" in text
    assert "door" in text and text.count("<tr") < 520


def test_a_clock_that_was_promised_nothing_is_neither_met_nor_missed(console: Served, story: Story) -> None:
    case = a_late_order(story)
    clocks = console.api().get(f"/api/v1/cases/{case}").json()["clocks"]
    unpromised = [one["state"] for one in clocks if one["stopped"] and one["due"] is None]
    assert unpromised == ["measured"] * len(unpromised) and unpromised


def test_a_case_is_the_same_for_programs(console: Served, story: Story) -> None:
    case = a_late_order(story)
    answer = console.api().get(f"/api/v1/cases/{case}").json()
    assert (answer["id"], answer["site"], answer["kind"], answer["priority"]) == (case, "mercy", "order", "stat")
    assert (answer["waits"], answer["finished"], answer["pace"]) == ("prepare", None, "late")
    assert answer["events"][0]["type"] == "rx.order.entered"
    assert all(one["stands"] for one in answer["events"])


def test_an_event_that_was_taken_back_is_shown_as_such(console: Served, story: Story) -> None:
    case = story.lived(
        story.event("order.entered", 9, priority="stat"),
        story.event("order.verified", 8),
        story.event("event.voided", 7, voids=["/mercy/pis", "order.verified@8"]),
    )
    answer = console.api().get(f"/api/v1/cases/{case}").json()
    assert [(one["type"], one["stands"]) for one in answer["events"]][1] == ("rx.order.verified", False)
    assert "taken back" in console.signed_in().get(f"/cases/{case}").text


def test_a_case_shows_what_was_wrong_and_who_was_told(console: Served, story: Story) -> None:
    escalation = paged(story, a_late_order(story))
    text = console.signed_in().get("/cases/order/7f3a1c9e").text
    assert f'href="/escalations/{escalation}"' in text and "STAT order verified" in text


@pytest.mark.parametrize("case", ["order/none", "none", "order/../board", "order/" + "x" * 2000])
def test_a_case_that_is_not_there_is_not_found(console: Served, story: Story, case: str) -> None:
    assert console.signed_in().get(f"/cases/{case}").status_code == 404
    assert console.api().get(f"/api/v1/cases/{case}").status_code == 404


def put_away(story: Story) -> str:
    case = a_late_order(story)
    story.put_away(case, datetime(2025, 8, 21, 9, tzinfo=UTC), datetime(2025, 11, 20, 9, tzinfo=UTC))
    return case


def test_a_case_that_was_put_away_says_when_and_leads_to_what_is_left(console: Served, story: Story) -> None:
    case = put_away(story)
    page = console.signed_in().get(f"/cases/{case}")
    assert page.status_code == 200
    assert "ended on 21 Aug 2025 and was put away on 20 Nov 2025" in page.text
    assert f'href="/signals?state=all&amp;case={case}"' in page.text
    answer = console.api().get(f"/api/v1/cases/{case}")
    assert answer.status_code == 410 and "put away on 20 Nov 2025" in answer.json()["detail"]
    looked = story.connection.execute("SELECT count(*) FROM audit WHERE what = 'case' AND ref = %s", [ref_of(case)])
    assert looked.fetchone() == (1,)


def test_a_case_that_was_put_away_is_none_for_who_does_not_look_after_its_site(console: Served, story: Story) -> None:
    case = put_away(story)
    browser = console.account("ana", Role.ADMIN, "elm")
    assert browser.get(f"/cases/{case}").status_code == 404 == browser.get(f"/api/v1/cases/{case}").status_code


@pytest.mark.parametrize("path", ["/cases/order/%00", "/escalations/a%00", "/signals?name=%00", "/api/v1/cases/%00"])
def test_an_address_that_no_text_can_be_is_refused(console: Served, path: str) -> None:
    assert console.signed_in().get(path).status_code == 400


def test_what_a_case_says_is_never_read_as_html(console: Served, story: Story) -> None:
    case = story.lived(story.event("order.entered", 5, "order/<b>", station="<script>alert(1)</script>"))
    text = console.signed_in().get(f"/cases/{case}").text
    assert "<script>alert" not in text and "<b>" not in text and "&lt;script&gt;" in text


# The lists


def test_the_lists_show_what_is_chosen(console: Served, story: Story) -> None:
    story.signal("stat-verified", 1)
    story.signal("sold-before-final-check", 2, kind="rule", site="elm", case="fill/2")
    story.signal("/mercy/pis", 2, kind="feed", case=None)
    story.told()
    api = console.api()
    chosen = [
        ({}, {"stat-verified", "sold-before-final-check", "/mercy/pis"}),
        ({"site": "elm"}, {"sold-before-final-check"}),
        ({"kind": ["feed", "rule"]}, {"sold-before-final-check", "/mercy/pis"}),
        ({"severity": "S1"}, {"stat-verified"}),
        ({"name": "stat-verified"}, {"stat-verified"}),
        ({"case": "fill/2"}, {"sold-before-final-check"}),
        ({"site": ["", "mercy"], "kind": "", "severity": "S2"}, {"/mercy/pis"}),
    ]
    for asked, names in chosen:
        for path in ("signals", "escalations"):
            found = api.get(f"/api/v1/{path}", params=asked).json()["items"]
            assert {one["name"] for one in found} == names, (path, asked)


AS_OF = {
    "": "judged = now() + interval '5 minutes'",
    'class="age old" role="status">Not up to date: lateness': "judged = now() - interval '12 minutes'",
    'class="age old" role="status">No worker judges since': "beat = now() - interval '12 s'",
    'class="age old" role="status">Still reading what happened before': "judged = NULL, beat = now() + interval '5 minutes'",
}


@pytest.mark.parametrize("path", ["/turnaround", "/charts", "/reports", "/signals", "/quality"])
def test_every_page_of_figures_says_when_they_are_not_of_now(console: Served, story: Story, path: str) -> None:
    browser = console.signed_in()
    for said, state in AS_OF.items():
        story.connection.execute(f"UPDATE positions SET {state}")  # type: ignore[arg-type]
        text = browser.get(path).text
        assert said in text and ('class="age' in text) is bool(said), said


@pytest.mark.parametrize("path", ["/signals", "/escalations"])
def test_a_page_of_a_list_remembers_what_was_chosen(console: Served, story: Story, path: str) -> None:
    story.signal("sold-before-final-check", 2, kind="rule", site="elm", case="fill/2")
    story.told()
    browser = console.signed_in()
    text = browser.get(path, params={"site": "elm", "severity": "S2", "state": "all"}).text
    assert '<option value="elm" selected>' in text and '<option value="S2" selected>' in text
    assert "Elm Street Pharmacy" in text and 'href="/cases/fill/2"' in text
    assert "None." in browser.get(path, params={"site": "oak"}).text


def test_a_long_list_leads_on_to_its_older_entries(console: Served, story: Story) -> None:
    for number in range(70):
        story.signal(f"name-{number}", 3, number)
    browser = console.signed_in()
    first = browser.get("/signals", params={"severity": "S3"}).text
    assert len(first) < 150_000
    further = first.partition('class="further" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = browser.get(further).text
    seen = [name for name in (f"name-{number}<" for number in range(70)) if (name in first) != (name in second)]
    assert len(seen) == 70 and 'class="further"' not in second


def test_a_severity_that_does_not_exist_is_said(console: Served) -> None:
    answer = console.api().get("/api/v1/signals", params={"severity": "S9"})
    assert answer.status_code == 422 and "S1, S2, S3, S4" in answer.json()["detail"]


def test_a_list_of_escalations_says_who_was_told_and_how_it_ended(console: Served, story: Story) -> None:
    escalation = paged(story)
    text = console.signed_in().get("/escalations").text
    assert f'href="/escalations/{escalation}"' in text
    assert "Pharmacy manager by inbox, page: accepted" in " ".join(text.split())


# The story of an escalation


def test_the_story_of_an_escalation_is_told_in_sentences(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in()
    word = csrf_of(browser)
    form = {"csrf": word, "person": "manager", "note": "on my <way>", "back": "story"}
    answer = browser.post(f"/escalations/{escalation}/ack", data=form)
    assert answer.headers["location"] == f"/escalations/{escalation}"
    text = " ".join(browser.get(f"/escalations/{escalation}").text.split())
    for said in ("Told, step 1 (opened)", "Pharmacy manager by inbox: accepted", "Pharmacy manager acknowledged"):
        assert said in text, said
    assert "on my &lt;way&gt;" in text and "<way>" not in text


def test_a_story_that_is_not_there_is_not_found(console: Served) -> None:
    assert console.signed_in().get("/escalations/none").status_code == 404


def test_the_board_leads_to_cases_and_stories(console: Served, story: Story) -> None:
    escalation = paged(story, a_late_order(story))
    text = console.signed_in().get("/board").text
    for path in (f"/escalations/{escalation}", "/cases/order/7f3a1c9e", "/signals", "/escalations"):
        assert f'href="{path}"' in text, path


@pytest.mark.parametrize("path", ["/cases/order/1", "/signals", "/escalations", "/escalations/x"])
def test_no_page_is_shown_to_a_stranger(console: Served, path: str) -> None:
    assert console.browser().get(path).status_code == 401


# By what people tell an order


def test_an_order_is_known_by_its_priority_stage_station_and_start_wherever_it_is_named(
    console: Served, story: Story
) -> None:
    escalation = paged(story, a_late_order(story))
    began = (story.now - 58 * MINUTE).astimezone(ZoneInfo("America/New_York"))
    wanted = f"STAT · waits for prepare · ward-4, ws-12 · began {began.day} {began:%b %H:%M}"
    browser = console.signed_in()
    secret = signing_key(story.connection)
    until = story.now + 60 * MINUTE
    link = "/a/" + sign(secret, escalation=escalation, person="manager", nonce="n", expires=until)
    board, _, signals = browser.get("/board").text.partition('id="signals-title"')
    assert wanted in board and wanted in signals
    for path in ("/signals", "/escalations", f"/escalations/{escalation}", link):
        assert wanted in browser.get(path).text, path
    work = console.api().get("/api/v1/signals").json()["items"][0]["work"]
    assert (work["priority"], work["stage"], work["stations"]) == ("stat", "prepare", ["ward-4", "ws-12"])


def test_what_is_about_no_case_or_one_that_cannot_be_read_is_shown_all_the_same(console: Served, story: Story) -> None:
    story.signal("/mercy/pis", 2, 1, kind="feed", case=None)
    story.signal("sold-before-final-check", 1, kind="rule", case="fill/2")
    story.case("fill/2", "check", "", 5, "late")
    browser = console.signed_in()
    assert "waits for check · began" in browser.get("/signals").text
    items = console.api().get("/api/v1/signals").json()["items"]
    assert [one["work"] and one["work"]["stage"] for one in items] == ["check", None]


@pytest.mark.parametrize(("severity", "said"), [(1, "late"), (2, "late"), (3, "due soon")])
def test_a_title_says_what_happened_and_not_the_opposite(
    console: Served, story: Story, severity: int, said: str
) -> None:
    signal = story.signal("stat-verified", 1, case=a_late_order(story))
    story.told()
    for table in ("signals", "escalations"):
        story.connection.execute(f"UPDATE {table} SET severity = %s", [severity])  # type: ignore[arg-type]
    escalation, browser = story.escalation(signal), console.signed_in()
    secret = signing_key(story.connection)
    until = story.now + 60 * MINUTE
    link = "/a/" + sign(secret, escalation=escalation, person="manager", nonce="n", expires=until)
    for path in ("/board", "/signals", "/escalations", f"/escalations/{escalation}", link):
        text = browser.get(path).text
        assert f"STAT order verified by a pharmacist: {said}<" in text or f"pharmacist: {said}\n" in text, path
        assert "verified by a pharmacist<" not in text, path


def test_a_message_says_by_what_people_tell_the_order(story: Story) -> None:
    paged(story, a_late_order(story))
    rows = story.connection.execute("SELECT message FROM deliveries WHERE type = 'page'").fetchall()
    message = rows[0][0]
    began = (story.now - 58 * MINUTE).astimezone(ZoneInfo("America/New_York"))
    said = {key: message["data"][key] for key in ("stage", "priority", "started")}
    assert said == {"stage": "prepare", "priority": "stat", "started": began.isoformat(timespec="seconds")}
    assert f"The case: priority stat, waits for prepare, began {began.day} {began:%b %H:%M}." in mail_text(message)


def test_a_message_about_no_case_says_nothing_of_one(story: Story) -> None:
    story.signal("/mercy/pis", 2, 1, kind="feed", case=None)
    story.told()
    rows = story.connection.execute("SELECT message FROM deliveries").fetchall()
    assert rows and not {"stage", "priority", "started"} & rows[0][0]["data"].keys()
    assert "The case" not in mail_text(rows[0][0])


# What a board is narrowed to


def busy(story: Story) -> None:
    """Orders and fills that wait at two sites, each with something wrong, and a feed that is silent."""
    for case, waits, priority, site in (
        ("order/1", "verify", "stat", "mercy"),
        ("order/2", "prepare", "routine", "mercy"),
        ("order/3", "verify", "waiting", "mercy"),
        ("fill/4", "verify", "", "elm"),
    ):
        story.case(case, waits, priority, 5, "late", site=site)
        story.signal(f"about-{case[-1]}", 1, 1, case=case, site=site)
    story.signal("/mercy/pis", 2, 1, kind="feed", case=None)
    story.told()


@pytest.mark.parametrize(
    ("asked", "cases", "feed"),
    [
        ({}, "1234", True),
        ({"site": "mercy"}, "123", True),
        ({"site": "elm"}, "4", False),
        ({"kind": "order", "site": ""}, "123", True),
        ({"priority": "stat"}, "1", True),
        ({"priority": ["stat", "routine"]}, "12", True),
        ({"priority": "other"}, "34", True),
        ({"stage": "verify", "kind": ["order", "fill"]}, "134", True),
        ({"stage": "verify", "site": "mercy", "priority": "routine"}, "", True),
    ],
)
def test_the_board_shows_what_its_address_asks_for(
    console: Served, story: Story, asked: dict[str, str | list[str]], cases: str, feed: bool
) -> None:
    busy(story)
    board = console.signed_in().get("/board", params=asked).text.partition('id="board"')[2]
    needs, _, rest = board.partition('id="inbox-title"')
    signals = rest.partition('id="signals-title"')[2]
    for part in (needs, signals):
        assert {one for one in "1234" if f"about-{one}" in part} == set(cases)
        assert ("/mercy/pis" in part) is feed
    queues = console.api().get("/api/v1/board", params=asked).json()["queues"]
    assert sum(one["count"] for one in queues) == len(cases)
    missing = 5 - len(cases) - feed
    assert (f"{missing} more need" in needs) is (missing > 0)
    assert f'<span class="number some">{len(cases) + feed}<' in needs or not cases + "f" * feed


@pytest.mark.parametrize(
    ("asked", "cases"),
    [
        ({"priority": ""}, "1234"),
        ({"priority": "stat"}, "1"),
        ({"priority": ["stat", "other"]}, "134"),
        ({"priority": "stat", "site": "elm"}, ""),
    ],
)
@pytest.mark.parametrize("path", ["/signals", "/escalations"])
def test_a_list_shows_the_priority_that_its_address_asks_for(
    console: Served, story: Story, path: str, asked: dict[str, str | list[str]], cases: str
) -> None:
    busy(story)
    page = console.signed_in().get(path, params=asked).text
    items = console.api().get(f"/api/v1{path}", params=asked).json()["items"]
    # A silent feed may concern any case: it passes every priority.
    wanted = {f"about-{one}" for one in cases} | ({"/mercy/pis"} if "site" not in asked else set[str]())
    assert {one["name"] for one in items} == wanted
    assert {one for one in "1234" if f"about-{one}" in page} == set(cases)
    first = asked["priority"] if isinstance(asked["priority"], str) else asked["priority"][0]
    assert (f'<option value="{first}" selected>' in page) is bool(first)


def test_the_way_to_older_ones_keeps_the_priority(console: Served, story: Story) -> None:
    story.case("order/1", "verify", "stat", 5, "late")
    for number in range(51):
        story.signal(f"about-{number}", 1, 1, case="order/1")
    page = console.signed_in().get("/signals", params={"priority": ["stat", "now"]}).text
    assert "priority=stat&amp;priority=now" in page.partition('class="further" href="')[2].partition('"')[0]


def test_a_narrowed_board_stays_narrowed(console: Served, story: Story) -> None:
    busy(story)
    browser = console.signed_in()
    text = browser.get("/board", params={"site": "mercy", "priority": ["stat", "odd"]}).text
    assert 'content="30; url=/board?site=mercy&amp;priority=stat&amp;priority=odd"' in text
    assert "Shown: Mercy Hospital, STAT, odd" in text and '<option value="stat" selected>' in text
    word = csrf_in(text)
    row = story.connection.execute("SELECT id FROM escalations WHERE case_id = 'order/1'").fetchone()
    assert row is not None
    form = {"csrf": word, "person": "manager", "query": "site=mercy&priority=stat&refresh=off&x=%0d%0aset-cookie:a"}
    answer = browser.post(f"/escalations/{row[0]}/ack", data=form)
    assert answer.headers["location"] == f"/board?site=mercy&priority=stat#escalation-{row[0]}"
