"""Accounts, tokens and the audit as an admin sees them on the console."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest
from argon2 import PasswordHasher

from models import policy_text
from models.event import Site
from models.store import accounts, passwords, policies, tokens
from models.store.auditing import record
from models.store.rights import Rights, Role
from tests.console import DEMO, PASSWORD, Served, Story, a_late_order, csrf_of


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost nothing."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(1, 8, 1))


def send(browser: httpx.Client, path: str, **fields: "str | list[str]") -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def secret(answer: httpx.Response) -> str:
    """What is shown once."""
    assert answer.status_code == 200, answer.text
    found = re.search(r"<code>([^<]+)</code>", answer.text)
    assert found is not None and "Shown once" in answer.text
    return found[1]


def enter(console: Served, name: str, password: str) -> httpx.Client | int:
    browser = console.browser()
    status = browser.post("/enter", data={"name": name, "password": password}).status_code
    return browser if status == 303 else status


def signed_in(console: Served, name: str, password: str) -> httpx.Client:
    found = enter(console, name, password)
    assert isinstance(found, httpx.Client), found
    return found


def known(story: Story, name: str) -> "tuple[str, list[str] | None]":
    rows = story.connection.execute("SELECT role, sites FROM accounts WHERE name = %s", [name]).fetchall()
    return rows[0]


# Accounts


def test_an_account_is_made_with_a_password_that_is_shown_once(console: Served, story: Story) -> None:
    admin = console.account("root", Role.ADMIN)
    password = secret(send(admin, "/accounts", name="ana", role="responder", site=["elm", "mercy"]))
    assert len(password) >= accounts.SHORTEST and known(story, "ana") == ("responder", ["elm", "mercy"])
    text = admin.get("/accounts").text
    assert password not in text and "Elm Street Pharmacy, Mercy Hospital" in text
    assert signed_in(console, "ana", password).get("/accounts").status_code == 403
    assert password not in str(story.connection.execute("SELECT json_agg(a) FROM accounts a").fetchall())


def test_role_and_sites_of_an_account_change_and_it_ends(console: Served, story: Story) -> None:
    admin = console.account("root", Role.ADMIN)
    ana = console.account("ana", Role.VIEWER, "elm")
    assert send(admin, "/accounts/ana/rights", role="supervisor").status_code == 303
    assert known(story, "ana") == ("supervisor", None)
    assert send(admin, "/accounts/ana/disable").status_code == 303
    assert ana.get("/board").status_code == 401 == enter(console, "ana", PASSWORD)
    assert "disabled" in admin.get("/accounts").text
    password = secret(send(admin, "/accounts/ana/password"))
    assert signed_in(console, "ana", password).get("/board").status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({"name": "a b", "role": "viewer"}, 422, "cannot be"),
        ({"name": "", "role": "viewer"}, 422, "cannot be"),
        ({"name": "ben", "role": "chief"}, 422, "give a role"),
        ({"name": "ben", "role": "viewer", "site": "a b"}, 422, "cannot be"),
        ({"name": "root", "role": "viewer"}, 422, "there is an account root already"),
    ],
)
def test_an_account_that_cannot_be_is_said(console: Served, fields: "dict[str, str]", status: int, said: str) -> None:
    answer = send(console.account("root", Role.ADMIN), "/accounts", **fields)
    assert answer.status_code == status and said in answer.text


def test_nobody_takes_the_last_key_from_himself(console: Served, story: Story) -> None:
    admin = console.account("root", Role.ADMIN)
    for act in ("disable", "rights"):
        answer = send(admin, f"/accounts/root/{act}", role="viewer")
        assert answer.status_code == 409 and "your own account" in answer.text
    assert known(story, "root") == ("admin", None)


def test_an_admin_of_some_sites_looks_after_these_alone(console: Served, story: Story, database_url: str) -> None:
    for name, sites in (("all", None), ("elm", ("elm",)), ("both", ("elm", "mercy"))):
        accounts.add(database_url, name, Rights(Role.ADMIN, sites), PASSWORD)
        tokens.add(database_url, tokens.Token(f"t-{name}", frozenset(), frozenset(map(Site, sites or ("oak",)))))
    chief = console.account("chief", Role.ADMIN, "mercy")
    text = chief.get("/accounts").text
    assert "chief" in text and not any(one in text for one in ("both", "t-all", "t-elm", "Elm Street"))
    for name in ("all", "elm", "both"):
        for act in ("rights", "password", "disable"):
            answer = send(chief, f"/accounts/{name}/{act}", role="viewer", site="mercy")
            assert answer.status_code == 404, (name, act)
        assert send(chief, f"/tokens/t-{name}/revoke").status_code == 404
    for sites in ([], ["elm"], ["elm", "mercy"]):
        assert send(chief, "/accounts", name="new", role="viewer", site=sites).status_code == 403
    assert send(chief, "/tokens", name="new", site=["elm"]).status_code == 403
    secret(send(chief, "/accounts", name="new", role="viewer", site=["mercy"]))
    assert known(story, "new") == ("viewer", ["mercy"])
    assert chief.get("/audit").status_code == 403


def test_a_form_without_the_word_of_its_session_changes_nothing(console: Served, story: Story) -> None:
    admin = console.account("root", Role.ADMIN)
    fields = {"name": "ana", "role": "admin", "site": "elm"}
    for path in ("/accounts", "/accounts/root/password", "/tokens"):
        assert admin.post(path, data=fields).status_code == 403
    assert story.connection.execute("SELECT count(*) FROM accounts").fetchone() == (1,)
    assert story.connection.execute("SELECT count(*) FROM tokens").fetchone() == (0,)


# Tokens


def test_a_token_is_shown_once_reads_and_is_taken_back(console: Served, story: Story) -> None:
    admin = console.account("root", Role.ADMIN)
    text = secret(send(admin, "/tokens", name="wall", site=["elm"]))
    program = console.client(headers={"authorization": f"Bearer {text}"})
    assert program.get("/api/v1/signals").status_code == 200
    assert text not in admin.get("/accounts").text
    assert send(admin, "/tokens/wall/revoke").headers["location"] == "/accounts#tokens"
    assert program.get("/api/v1/signals").status_code == 401
    assert "taken back" in admin.get("/accounts").text


def test_a_token_sends_the_sources_that_were_named(console: Served, story: Story) -> None:
    secret(
        send(console.account("root", Role.ADMIN), "/tokens", name="pis", site=["elm"], sources=" /elm/pis  /elm/pos ")
    )
    [found] = tokens.listed(story.connection)
    assert (set(found.token.sources), set(found.token.sites)) == ({"/elm/pis", "/elm/pos"}, {"elm"})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "t"}, "tick at least one"),
        ({"name": "t t", "site": "elm"}, "cannot be"),
        ({"name": "old", "site": "elm"}, "before"),
    ],
)
def test_a_token_that_cannot_be_is_said(
    console: Served, database_url: str, fields: "dict[str, str]", said: str
) -> None:
    tokens.add(database_url, tokens.Token("old", frozenset(), frozenset({Site("elm")})))
    answer = send(console.account("root", Role.ADMIN), "/tokens", **fields)
    assert answer.status_code == 422 and said in answer.text


# The audit


def test_the_audit_says_who_did_what(console: Served, story: Story) -> None:
    case = a_late_order(story)
    signal = story.signal("stat-verified", 1, case=case)
    story.told()
    escalation = story.escalation(signal)
    ben = console.account("manager", Role.SUPERVISOR)
    ben.get(f"/cases/{case}")
    send(ben, f"/escalations/{escalation}/ack")
    send(ben, f"/escalations/{escalation}/resolve", code="handled")
    admin = console.account("root", Role.ADMIN)
    secret(send(admin, "/accounts", name="ana", role="viewer"))
    for asked, said in (
        ({}, ("Pharmacy manager", "looked at a case", "acknowledged", "resolved", "made an account", "signed in")),
        ({"about": case}, ("looked at a case",)),
        ({"about": escalation}, ("acknowledged", "resolved")),
        ({"about": "ana"}, ("made an account",)),
        ({"person": "root", "what": "account added"}, ("made an account",)),
    ):
        text = admin.get("/audit", params=asked).text
        table = text.partition("<tbody>")[2]
        assert all(one in table for one in said), asked
        assert case.partition("/")[2] not in table and escalation not in table
    assert admin.get("/audit", params={"about": escalation}).text.count("<tr>") == 3
    assert "Nothing was recorded" in admin.get("/audit", params={"person": "nobody"}).text


def test_the_audit_is_read_page_by_page_and_day_by_day(console: Served, story: Story) -> None:
    for number in range(150):
        record(story.connection, f"p{number}", "case", "order/1")
    browser = console.account("root", Role.ADMIN)
    first = browser.get("/audit", params={"what": "case"}).text
    further = first.partition('class="further" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = browser.get(further).text
    seen = [number for number in range(150) if (f"<td>p{number}<" in first) != (f"<td>p{number}<" in second)]
    assert len(seen) == 150 and 'class="further"' not in second
    # The day on which it was recorded: by the database's clock, which goes on while the story's stands.
    [(last,)] = story.connection.execute("SELECT at FROM audit WHERE person = 'p149'").fetchall()
    today, week = last.astimezone(ZoneInfo("America/New_York")).date(), timedelta(days=7)
    for since, until, shown in ((today, today, True), (today - week, today - timedelta(days=1), False)):
        text = browser.get("/audit", params={"what": "case", "since": str(since), "until": str(until)}).text
        assert ("<td>p149<" in text) is shown
    assert browser.get("/audit", params={"since": "soon"}).status_code == 422


def test_the_audit_is_in_the_time_of_the_sites(console: Served, story: Story) -> None:
    at = datetime(2026, 7, 3, 2, 30, 5, tzinfo=UTC)
    story.connection.execute("INSERT INTO audit (at, person, what) VALUES (%s, 'night', 'case')", [at])
    browser = console.account("root", Role.ADMIN)
    for day, shown in (("2026-07-02", True), ("2026-07-03", False)):
        text = browser.get("/audit", params={"since": day, "until": day}).text
        line = '<time datetime="2026-07-03T02:30:05+00:00">2 Jul 2026 22:30:05 EDT</time>'
        assert (line in text) is shown, day
    text = DEMO.read_text("utf-8").replace("America/New_York", "America/Chicago", 1)
    policies.enact(console.database_url, policy_text.read(text), None, "a test")
    text = browser.get("/audit", params={"since": "2026-07-03", "until": "2026-07-03"}).text
    assert ">3 Jul 2026 02:30:05 UTC</time>" in text


def test_what_was_typed_is_never_read_as_html(console: Served, story: Story) -> None:
    record(story.connection, "<b>x</b>", "<i>y</i>", "z")
    text = console.account("root", Role.ADMIN).get("/audit", params={"about": "<u>"}).text
    assert "<u>" not in text and "<i>" not in text and "<b>" not in console.signed_in().get("/audit").text
