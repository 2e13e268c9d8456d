"""Accounts: who comes in by name and password, and what each role may do on each route and row."""

import json
from collections.abc import Iterator
from hashlib import scrypt
from pathlib import Path

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result

from console.app import create_app
from metrics.exporter import PrometheusRecorder
from models.errors import CallerFault
from models.event import Site
from models.settings import Secret, Settings
from models.store import access, accounts, passwords, tokens
from models.store.console import ConsoleStore
from models.store.rights import Rights, Role
from rxpulse.cli import main
from tests.console import PASSWORD, Served, Story, a_late_order, csrf_of

ROLES = (Role.VIEWER, Role.RESPONDER, Role.SUPERVISOR, Role.ADMIN)
"""From least to most."""


@pytest.fixture
def story(database_url: str) -> Iterator[Story]:
    one = Story(database_url)
    one.read(0, one.now)
    yield one
    one.connection.close()


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords that cost nothing; one test looks at what they cost in truth."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(1, 8, 1))


def enter(browser: httpx.Client, name: str, password: str) -> httpx.Response:
    return browser.post("/enter", data={"name": name, "password": password})


# The way in


def test_name_and_password_open_a_session_of_ones_own(console: Served) -> None:
    browser = console.account("manager", Role.RESPONDER)
    assert "<span>Pharmacy manager</span>" in browser.get("/board").text


def test_a_wrong_password_a_name_that_is_none_and_a_disabled_account_look_the_same(
    console: Served, database_url: str
) -> None:
    console.account("ana", Role.ADMIN)
    console.account("ben", Role.ADMIN)
    accounts.disable(database_url, "ben")
    said = {
        enter(console.browser(), *given).text for given in (("ana", "x" * 20), ("nobody", PASSWORD), ("ben", PASSWORD))
    }
    assert len(said) == 1 and "name or password" in said.pop()


def test_ten_wrong_passwords_close_the_door_for_a_while(console: Served, story: Story) -> None:
    console.account("ana", Role.VIEWER)
    console.account("ben", Role.VIEWER)
    browser = console.browser()
    answers = [enter(browser, "ana", f"wrong password {n}").status_code for n in range(11)]
    assert answers == [401] * 10 + [429]
    closed = enter(browser, "ana", PASSWORD)
    assert closed.status_code == 429 and 0 < int(closed.headers["retry-after"]) <= 900
    assert enter(console.browser(), "ben", PASSWORD).status_code == 303


def test_the_door_opens_again_after_its_time(console: Served, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    console.account("ana", Role.VIEWER)
    for number in range(10):
        enter(console.browser(), "ana", f"wrong password {number}")
    monkeypatch.setattr(accounts, "WINDOW", story.now - story.now)
    assert enter(console.browser(), "ana", PASSWORD).status_code == 303


def test_a_password_is_kept_as_a_salted_hash_at_a_cost(
    story: Story, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    for name in ("ana", "ben"):
        accounts.add(database_url, name, Rights(Role.VIEWER), PASSWORD)
    assert not isinstance(accounts.sign_in(story.connection, "ana", PASSWORD), accounts.Wrong)
    assert isinstance(accounts.sign_in(story.connection, "ana", PASSWORD + "x"), accounts.Wrong)
    rows = story.connection.execute("SELECT hash, cost FROM accounts").fetchall()
    # The least that the OWASP Password Storage Cheat Sheet asks for.
    assert all(row[0].startswith(b"$argon2id$v=19$m=19456,t=2,p=1$") for row in rows)
    assert len({row[0] for row in rows}) == 2 and PASSWORD.encode() not in b"".join(row[0] for row in rows)


@pytest.mark.parametrize(
    "kept",
    [
        passwords.Kept(b"salt", scrypt(PASSWORD.encode(), salt=b"salt", n=16, r=8, p=1, dklen=32), "16:8:1"),
        passwords.Kept(b"", PasswordHasher(1, 8, 1).hash(PASSWORD).encode(), passwords.ARGON2),
    ],
)
def test_a_password_that_was_kept_more_cheaply_still_opens_and_is_kept_anew(
    story: Story, database_url: str, monkeypatch: pytest.MonkeyPatch, kept: passwords.Kept
) -> None:
    monkeypatch.undo()
    accounts.add(database_url, "ana", Rights(Role.VIEWER), PASSWORD)
    story.connection.execute("UPDATE accounts SET salt = %s, hash = %s, cost = %s", [kept.salt, kept.made, kept.way])
    assert isinstance(accounts.sign_in(story.connection, "ana", "another one altogether"), accounts.Wrong)
    [held] = story.connection.execute("SELECT salt, hash, cost FROM accounts").fetchall()
    assert held == (kept.salt, kept.made, kept.way)
    for _ in range(2):
        assert isinstance(accounts.sign_in(story.connection, "ana", PASSWORD), access.Opened)
        [held] = story.connection.execute("SELECT salt, hash, cost FROM accounts").fetchall()
        assert held[1].startswith(b"$argon2id$v=19$m=19456,t=2,p=1$") and held[2] == passwords.ARGON2


def test_a_disabled_account_is_out_at_once(console: Served, database_url: str) -> None:
    browser = console.account("ana", Role.ADMIN)
    accounts.disable(database_url, "ana")
    assert browser.get("/board").status_code == 401


def test_a_role_that_changes_holds_for_sessions_that_are_open(console: Served, story: Story) -> None:
    browser = console.account("manager", Role.SUPERVISOR)
    story.connection.execute("UPDATE accounts SET role = 'viewer'")
    assert act(browser, paged(story), "ack").status_code == 403


def test_a_name_that_is_none_is_not_kept(console: Served, story: Story) -> None:
    enter(console.browser(), "my password by mistake", "x" * 20)
    assert "mistake" not in str(story.connection.execute("SELECT json_agg(a) FROM audit a").fetchone())


@pytest.mark.parametrize("password", ["short", "x" * 129, "manager-1234"])
def test_a_password_that_will_not_do_is_refused(database_url: str, password: str) -> None:
    with pytest.raises(CallerFault, match="give"):
        accounts.add(database_url, "manager", Rights(Role.VIEWER), password)


# Roles and routes

RESPOND, SUPERVISE, ADMIN = Role.RESPONDER, Role.SUPERVISOR, Role.ADMIN
_SAID = {"person": "manager", "code": "handled", "note": ""}
MATRIX: dict[tuple[str, str], Role | None] = {
    ("GET", "/"): None,
    ("GET", "/enter"): None,
    ("POST", "/enter"): None,
    ("GET", "/a/{token}"): None,
    ("POST", "/a/{token}"): None,
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): None,
    ("GET", "/api/v1/openapi.json"): None,
    ("GET", "/leave"): Role.VIEWER,
    ("POST", "/leave"): Role.VIEWER,
    ("GET", "/board"): Role.VIEWER,
    ("GET", "/signals"): Role.VIEWER,
    ("GET", "/escalations"): Role.VIEWER,
    ("GET", "/escalations/{escalation}"): Role.VIEWER,
    ("GET", "/cases/{case:path}"): Role.VIEWER,
    ("GET", "/quality"): Role.VIEWER,
    ("GET", "/turnaround"): Role.VIEWER,
    ("GET", "/charts"): Role.VIEWER,
    ("GET", "/people"): Role.VIEWER,
    ("GET", "/reports"): Role.VIEWER,
    ("GET", "/reports/{kind}/{site:path}/{period}"): Role.VIEWER,
    ("GET", "/search"): Role.VIEWER,
    ("POST", "/search"): Role.VIEWER,
    ("GET", "/api/v1/board"): Role.VIEWER,
    ("GET", "/api/v1/signals"): Role.VIEWER,
    ("GET", "/api/v1/escalations"): Role.VIEWER,
    ("GET", "/api/v1/cases/{case:path}"): Role.VIEWER,
    ("GET", "/api/v1/quality"): Role.VIEWER,
    ("GET", "/api/v1/charts"): Role.VIEWER,
    ("GET", "/api/v1/reports"): Role.VIEWER,
    ("GET", "/api/v1/turnaround"): Role.VIEWER,
    ("GET", "/api/v1/feed"): Role.VIEWER,
    ("POST", "/escalations/{escalation}/ack"): RESPOND,
    ("POST", "/escalations/{escalation}/release"): RESPOND,
    ("POST", "/escalations/{escalation}/pass-on"): RESPOND,
    ("POST", "/escalations/{escalation}/resolve"): SUPERVISE,
    ("POST", "/signals/resolve"): SUPERVISE,
    ("POST", "/people/{person}/test"): RESPOND,
    ("GET", "/accounts"): ADMIN,
    ("POST", "/accounts"): ADMIN,
    ("POST", "/accounts/{name}/rights"): ADMIN,
    ("POST", "/accounts/{name}/password"): ADMIN,
    ("POST", "/accounts/{name}/disable"): ADMIN,
    ("POST", "/tokens"): ADMIN,
    ("POST", "/tokens/{name}/revoke"): ADMIN,
    ("GET", "/audit"): ADMIN,
    ("GET", "/first-run"): ADMIN,
    ("POST", "/first-run"): ADMIN,
    ("POST", "/api/v1/escalations/{escalation}/ack"): RESPOND,
    ("POST", "/api/v1/escalations/{escalation}/release"): RESPOND,
    ("POST", "/api/v1/escalations/{escalation}/pass-on"): RESPOND,
    ("POST", "/api/v1/escalations/{escalation}/resolve"): SUPERVISE,
    ("POST", "/api/v1/signals/{signal}/resolve"): SUPERVISE,
    ("POST", "/api/v1/signals/resolve"): SUPERVISE,
}
GUARDED = [(method, path, role) for (method, path), role in MATRIX.items() if role is not None and "feed" not in path]


def routes(database_url: str) -> set[tuple[str, str]]:
    """Every route that the console has, whatever part brings it."""
    settings = Settings(home=Path("/nowhere"), cache=Path("/nowhere"), database_url=Secret(database_url))
    store = ConsoleStore(database_url)
    found: set[tuple[str, str]] = set()
    pending = list(create_app(settings, store, PrometheusRecorder("console")).routes)
    while pending:
        one = pending.pop()
        inside = getattr(getattr(one, "original_router", None), "routes", None) or []
        pending.extend(inside)
        if getattr(one, "endpoint", None) is not None:
            found |= {(method, one.path) for method in one.methods - {"HEAD"}}  # type: ignore[attr-defined]
    store.close()
    return found


def test_the_matrix_holds_every_route(database_url: str) -> None:
    prefixed = {(method, path) for method, path in MATRIX}
    assert routes(database_url) == prefixed


def paged(story: Story, site: str = "mercy") -> str:
    """An escalation of a site that was told; its id. A signal of a rule stands beside it."""
    signal = story.signal("stat-verified", 1, id=f"clock-{site}", site=site, case="order/7f3a1c9e")
    story.signal("expired-lot", 1, id=f"rule-{site}", site=site, kind="rule", case="order/7f3a1c9e")
    story.told()
    return story.escalation(signal)


def act(browser: httpx.Client, escalation: str, name: str) -> httpx.Response:
    return browser.post(f"/escalations/{escalation}/{name}", data=_SAID | {"csrf": csrf_of(browser)})


def ask(browser: httpx.Client, method: str, path: str, escalation: str, site: str = "mercy") -> int:
    """What one who is signed in is answered on a route, everything in order but perhaps his role or his sites."""
    where = path.replace("{escalation}", escalation).replace("{signal}", f"rule-{site}")
    where = where.replace("{person}", "manager").replace("{name}", f"of-{site}")
    where = where.replace("{kind}/{site:path}/{period}", f"week/{site}/2026-W46")
    where = where.replace("{case:path}", "order/7f3a1c9e")
    if method == "GET":
        return browser.get(where).status_code
    if path.startswith("/api/"):
        return browser.post(where, json=_SAID | {"signals": [f"rule-{site}"]}).status_code
    return browser.post(where, data=_SAID | {"csrf": csrf_of(browser), "signal": f"rule-{site}"}).status_code


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_what_it_may_on_every_route_and_nothing_else(
    console: Served, story: Story, role: Role
) -> None:
    escalation, case = paged(story), a_late_order(story)
    assert case == "order/7f3a1c9e"
    browser = console.account("manager", role)
    wrong: list[object] = []
    for method, path, needed in GUARDED:
        if path == "/leave":
            continue
        refused = ask(browser, method, path, escalation) == 403
        if refused is (ROLES.index(role) >= ROLES.index(needed)):
            wrong.append((method, path))
    assert wrong == []


@pytest.mark.parametrize(("method", "path", "needed"), GUARDED)
def test_no_route_is_open_to_a_stranger(console: Served, story: Story, method: str, path: str, needed: Role) -> None:
    where = path.replace("{escalation}", "x").replace("{signal}", "x").replace("{case:path}", "order/1")
    given = {"json": _SAID | {"signals": ["x"]}} if "/api/" in path else {"data": _SAID}
    answer = console.browser().request(method, where, **({} if method == "GET" else given))  # type: ignore[arg-type]
    assert answer.status_code == 401


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
    assert browser.post("/api/v1/signals/resolve", json=_SAID | {"signals": ["rule-elm"]}).json()["items"][0]["refused"]
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


def test_a_responder_acts_for_himself_only(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.account("ana", Role.RESPONDER)
    assert act(browser, escalation, "ack").status_code == 403
    mine = browser.post(f"/escalations/{escalation}/ack", data={"csrf": csrf_of(browser)})
    assert mine.status_code == 303
    assert console.api().get("/api/v1/escalations").json()["items"][0]["acknowledged_by"] == "ana"


_FROM_A_PAGE = {"sec-fetch-site": "same-origin"}


def test_a_responder_gives_back_only_what_he_has(console: Served, story: Story) -> None:
    escalation = paged(story, "mercy")
    path = f"/api/v1/escalations/{escalation}"
    assert console.api().post(f"{path}/ack", json={"person": "manager"}).status_code == 200
    ana, chief = console.account("ana", Role.RESPONDER), console.account("chief", Role.SUPERVISOR)
    refused = ana.post(f"{path}/release", json={}, headers=_FROM_A_PAGE)
    assert refused.status_code == 403 and "only who has it gives it back" in refused.json()["detail"]
    assert "<summary>Give back" not in ana.get(f"/escalations/{escalation}").text
    assert "<summary>Give back" in chief.get(f"/escalations/{escalation}").text
    assert chief.post(f"{path}/release", json={}, headers=_FROM_A_PAGE).status_code == 200
    assert ana.post(f"{path}/ack", json={}, headers=_FROM_A_PAGE).json()["acknowledged_by"] == "ana"
    assert ana.post(f"{path}/release", json={}, headers=_FROM_A_PAGE).status_code == 200


def test_a_screen_of_several_people_responds_and_does_not_resolve(console: Served, story: Story) -> None:
    escalation = paged(story)
    browser = console.signed_in("")
    assert act(browser, escalation, "resolve").status_code == 403
    assert act(browser, escalation, "ack").status_code == 303


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


# The audit


def test_what_people_look_at_is_recorded_and_nothing_of_it_can_be_changed(console: Served, story: Story) -> None:
    case = a_late_order(story)
    browser = console.account("ana", Role.VIEWER)
    browser.get(f"/cases/{case}")
    rows = story.connection.execute("SELECT person, what, ref FROM audit ORDER BY number").fetchall()
    assert [(row[0], row[1]) for row in rows] == [("operator", "account added"), ("ana", "sign-in"), ("ana", "case")]
    assert rows[-1][2] is not None and case.partition("/")[2] not in rows[-1][2]
    for change in ("DELETE FROM audit", "UPDATE audit SET person = 'x'", "TRUNCATE audit"):
        with pytest.raises(psycopg.errors.RaiseException, match="only ever added"):
            story.connection.execute(change)


# The command


def run(database_url: str, home: Path, *arguments: str, given: str | None = None) -> Result:
    env = {"RXPULSE_HOME": str(home), "RXPULSE_DATABASE_URL": database_url}
    return CliRunner().invoke(main, ["user", *arguments], env=env, input=given)


def test_the_command_makes_lists_and_ends_accounts(console: Served, database_url: str, tmp_path: Path) -> None:
    made = run(
        *(database_url, tmp_path, "add", "ana", "--role", "supervisor", "--site", "elm", "--site", "oak", "--json"),
        given=f"{PASSWORD}\n{PASSWORD}\n",
    )
    assert made.exit_code == 0, made.output
    browser = console.browser()
    assert enter(browser, "ana", PASSWORD).status_code == 303
    [listed] = json.loads(run(database_url, tmp_path, "list", "--json").stdout)
    assert (listed["name"], listed["role"], listed["sites"]) == ("ana", "supervisor", ["elm", "oak"])
    assert run(database_url, tmp_path, "disable", "ana").exit_code == 0
    assert browser.get("/board").status_code == 401
    again = run(database_url, tmp_path, "password", "ana", "--password-file", "-", given="another long password\n")
    assert again.exit_code == 0 and enter(browser, "ana", "another long password").status_code == 303


def test_the_command_says_what_is_wrong(database_url: str, tmp_path: Path) -> None:
    taken = ("add", "ana", "--role", "viewer", "--password-file", "-")
    assert run(database_url, tmp_path, *taken, given=PASSWORD).exit_code == 0
    for arguments, code, said in (
        (taken, 1, "there is an account ana already"),
        (("disable", "ben"), 1, "there are ana"),
        (("add", "a b", "--role", "viewer"), 2, "letters, digits"),
        (("add", "cyn", "--role", "chief"), 2, "chief"),
        (("password", "ben", "--password-file", "/nowhere/x"), 1, "cannot be read"),
    ):
        ran = run(database_url, tmp_path, *arguments, given=PASSWORD)
        assert ran.exit_code == code and said in ran.output, (arguments, ran.output)


def test_a_site_that_nobody_knows_is_said_and_the_account_made(story: Story, database_url: str, tmp_path: Path) -> None:
    story.feed("/mercy/pis", "mercy")
    for site, said in (("mercyy", True), ("mercy", False)):
        given = f"{PASSWORD}\n{PASSWORD}\n"
        made = run(database_url, tmp_path, "add", f"a-{site}", "--role", "admin", "--site", site, given=given)
        assert made.exit_code == 0 and ('did you mean "mercy"?' in made.output) is said
