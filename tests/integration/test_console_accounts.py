"""Accounts: who comes in by name and password and how long, how passwords are kept, the command that makes and ends accounts, and
what is recorded of it all."""

import json
from hashlib import scrypt
from pathlib import Path

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner, Result

from models.errors import CallerFault
from models.store import access, accounts, passwords
from models.store.rights import Rights, Role
from rxpulse.cli import main
from tests.console import PASSWORD, Served, Story, a_late_order
from tests.rights import act, paged

pytestmark = pytest.mark.usefixtures("cheap_passwords")


@pytest.fixture
def story(story: Story) -> Story:
    """With a worker that has read up to now."""
    story.read(0, story.now)
    return story


def enter(browser: httpx.Client, name: str, password: str) -> httpx.Response:
    return browser.post("/enter", data={"name": name, "password": password})


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
