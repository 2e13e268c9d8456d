"""From a policy that tells nobody to somebody who was reached: the first-run page, test messages, and the policy's file."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from argon2 import PasswordHasher

from console import people
from models import policy_text
from models.policy import Channel
from models.settings import Secret, Settings
from models.store import contacting, deliveries, passwords, policies
from models.store.gone import gone_answer
from models.store.messages import Voice
from models.store.rights import Role
from rxpulse.running_examination import addresses, gone_at
from tests.console import DEMO, Served, Story, csrf_of, serving

EMAIL = '[channel.email]\nsmtp = "smtp://mail.example.org:25"\nfrom = "rx@example.org"\n'


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords and waiting that cost nothing."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(1, 8, 1))
    monkeypatch.setattr(people, "PATIENCE_SECONDS", 0.0)


def started(database_url: str, text: str = "") -> None:
    """A store whose policy is this text, as a stack of a new user has it."""
    policies.begin(database_url, policy_text.read(text), "a test")


@pytest.fixture
def empty(database_url: str) -> Iterator[Served]:
    started(database_url)
    with serving(database_url) as served:
        yield served


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    return browser.post(path, data={"csrf": csrf_of(browser), **fields})


def asked(database_url: str, query: str) -> "list[tuple[object, ...]]":
    with psycopg.connect(database_url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


# The first run


def test_before_anybody_is_named_the_link_makes_the_first_admin(empty: Served) -> None:
    browser = empty.signed_in("ana")
    assert '<a href="/first-run">name the first person' in browser.get("/board").text
    assert 'name="key" value="ana"' in browser.get("/first-run").text


@pytest.mark.parametrize("name", ["a b", "<b>", "x" * 65])
def test_a_name_that_is_none_makes_no_admin(empty: Served, name: str) -> None:
    browser, token = empty.browser(), empty.link().partition("link=")[2]
    answer = browser.post("/enter", data={"link": token, "person": name})
    assert answer.status_code == 422 and "no short name" in answer.text
    assert browser.get("/board").status_code == 401


def test_once_somebody_is_named_the_link_makes_nobody_else_an_admin(console: Served) -> None:
    token = console.link().partition("link=")[2]
    assert console.browser().post("/enter", data={"link": token, "person": "ana"}).status_code == 422


@pytest.mark.parametrize(
    ("text", "email", "by"),
    [("", "ana@example.org", ["inbox"]), (EMAIL, "", ["inbox"]), (EMAIL, "a@b", ["inbox", "email"])],
)
def test_the_first_person_is_told_by_what_is_set_up(database_url: str, text: str, email: str, by: "list[str]") -> None:
    started(database_url, text)
    with serving(database_url) as served:
        browser = served.signed_in("ana")
        answer = send(browser, "/first-run", key="ana", name="Ana <b>", email=email)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/people"), answer.text
        recorded = policies.recorded(database_url)
        assert recorded is not None and [one.author for one in recorded.versions] == ["a test", "ana"]
        made = policies.stored(database_url, recorded.latest.number).policy
        [ladder] = made.ladders
        assert (made.people["ana"].name, made.people["ana"].email) == ("Ana <b>", email or None)
        assert {one.name for one in ladder.severities} == {"S1", "S2"}
        assert [[way.value for way in step.by] for step in ladder.steps] == [by, by]
        assert "/first-run" not in browser.get("/board").text
        assert "Ana &lt;b&gt;" in browser.get("/people").text
        assert browser.get("/first-run").status_code == 409
    assert asked(database_url, "SELECT person FROM audit WHERE what = 'policy version'") == [("ana",)]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"key": "", "name": "Ana"}, "Give a short name"),
        ({"key": "a b", "name": "Ana"}, "not a name that can be used"),
        ({"key": "ana", "email": "nowhere"}, "is not an e-mail address"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(empty: Served, fields: "dict[str, str]", said: str) -> None:
    answer = send(empty.signed_in("ana"), "/first-run", **fields)
    assert answer.status_code == 422 and said in answer.text and f'value="{fields["key"]}"' in answer.text
    recorded = policies.recorded(empty.database_url)
    assert recorded is not None and len(recorded.versions) == 1


def test_the_first_run_wants_an_admin_of_all_sites_and_the_word_of_his_session(empty: Served) -> None:
    for browser in (empty.account("ben", Role.SUPERVISOR), empty.account("cyn", Role.ADMIN, "mercy")):
        assert browser.get("/first-run").status_code == 403 == send(browser, "/first-run", key="ben").status_code
        assert "an admin names the first person" in browser.get("/board").text
    assert empty.signed_in("ana").post("/first-run", data={"key": "ana"}).status_code == 403


def test_of_two_who_write_a_version_at_once_the_second_is_told(database_url: str) -> None:
    started(database_url)
    for text in ('[person.ana]\nname = "Ana"', '[person.ben]\nname = "Ben"'):
        if "ben" in text:
            with pytest.raises(policies.CallerFault, match="ana made version 2"):
                policies.enact(database_url, policy_text.read(text), None, "ben", after=1)
        else:
            policies.enact(database_url, policy_text.read(text), None, "ana", after=1)


# Test messages


def test_a_test_message_goes_the_way_of_a_page_and_its_outcome_is_shown(console: Served, story: Story) -> None:
    browser = console.signed_in("manager")
    assert send(browser, "/people/manager/test", channel="inbox").headers["location"] == "/people#tests"
    assert "Not answered yet" in browser.get("/people").text
    [taken] = deliveries.take(story.connection)
    assert (taken.channel, taken.person, taken.message["type"]) == ("inbox", "manager", "rx.contact.test")
    deliveries.accepted(story.connection, taken.key, "in the inbox")
    text = " ".join(browser.get("/people").text.split())
    assert "Pharmacy manager by inbox: accepted (in the inbox)" in text and "Not answered yet" not in text
    assert "TEST: RxPulse reaches Pharmacy manager" in browser.get("/board").text
    rows = story.connection.execute("SELECT person FROM audit WHERE what = 'test message'").fetchall()
    assert rows == [("manager",)]


@pytest.mark.parametrize(
    ("person", "channel", "status", "said"),
    [
        ("nobody", "inbox", 404, "no person"),
        ("manager", "email", 422, "the policy knows inbox"),
        ("manager", "", 422, "the policy knows inbox"),
    ],
)
def test_who_cannot_be_reached_is_said(console: Served, person: str, channel: str, status: int, said: str) -> None:
    answer = send(console.signed_in("manager"), f"/people/{person}/test", channel=channel)
    assert answer.status_code == status and said in answer.text


def test_a_responder_tests_himself_only(console: Served, story: Story) -> None:
    browser = console.account("ana", Role.RESPONDER)
    assert send(browser, "/people/manager/test", channel="inbox").status_code == 403
    assert "TEST by" not in browser.get("/people").text
    own = console.account("manager", Role.RESPONDER)
    assert send(own, "/people/manager/test", channel="inbox").status_code == 303
    assert "TEST by inbox" in own.get("/people").text


# Addresses that are gone

ANA = '[person.ana]\nname = "Ana"\nwebhook = "https://hooks.example.org/{}"\n'


def answered(served: Served, answer: str | None) -> None:
    """Ana's webhook is sent a TEST and answers so; None: it takes it."""
    with psycopg.connect(served.database_url, autocommit=True) as connection:
        policy = policies.read_policies(connection, None)
        assert policy is not None
        contacting.send_test(connection, Voice("http://127.0.0.1"), policy.latest, "ana", [Channel.WEBHOOK])
        [taken] = deliveries.take(connection)
        if answer is None:
            deliveries.accepted(connection, taken.key, "HTTP 200")
        else:
            deliveries.refused(connection, taken.key, answer)


def said_gone(served: Served, browser: httpx.Client) -> bool:
    """Whether the page and `doctor` name the address, which they do alike."""
    text = " ".join(browser.get("/people").text.split())
    policy = policies.stored(served.database_url, len(asked(served.database_url, "SELECT 1 FROM policies"))).policy
    settings = Settings(home=Path("/nowhere"), cache=Path("/nowhere"), database_url=Secret(served.database_url))
    found = list(addresses(policy, gone_at(settings, policy)))
    for one in found:
        assert "the webhook of Ana at hooks.example.org said that it is gone (HTTP 410)" in one.what
        assert one.where == "policy person.ana" and "policy apply" in one.remedy
    shown = "The webhook at hooks.example.org said that it is gone (410)" in text
    assert shown is bool(found) and "/secret" not in text
    return shown


def test_an_address_that_is_gone_is_named_until_a_test_reaches_it(database_url: str) -> None:
    started(database_url, ANA.format("secret"))
    with serving(database_url) as served:
        browser = served.signed_in("ana")
        answered(served, "HTTP 404")
        assert not said_gone(served, browser)
        answered(served, gone_answer("https://hooks.example.org/secret"))
        assert said_gone(served, browser)
        answered(served, None)
        assert not said_gone(served, browser)


def test_an_address_that_is_gone_is_named_until_the_policy_gives_another(database_url: str) -> None:
    started(database_url, ANA.format("secret"))
    with serving(database_url) as served:
        browser = served.signed_in("ana")
        answered(served, gone_answer("https://hooks.example.org/secret"))
        assert said_gone(served, browser)
        policies.enact(database_url, policy_text.read(ANA.format("secret/new")), None, "ana")
        assert not said_gone(served, browser)


# The policy's file


def test_a_file_that_differs_from_what_holds_is_said_with_the_remedy(
    story: Story, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "site.toml"
    file.write_text(DEMO.read_text("utf-8"), "utf-8")
    with serving(database_url, policy=file) as served:
        browser = served.signed_in()
        assert str(file) not in browser.get("/board").text
        file.write_text(DEMO.read_text("utf-8") + '\n[person.ben]\nname = "Ben"\n', "utf-8")
        text = browser.get("/board").text
        assert "differs from version 1 of the policy" in text and f"rxpulse policy apply {file}" in text
        file.write_text("[person", "utf-8")
        assert "cannot be used (1 faults)" in browser.get("/board").text
        policies.enact(database_url, policy_text.read(DEMO), None, "a test")
        file.write_text(DEMO.read_text("utf-8"), "utf-8")
        assert str(file) not in browser.get("/board").text
        file.unlink()
        assert "cannot be read" in browser.get("/board").text
