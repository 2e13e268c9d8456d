"""Search: from one's own number to the case, without the number being kept anywhere."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from metrics import logbook
from models.pseudonym import actor, case_of
from models.settings import Secret
from models.store.auditing import ref_of
from models.store.rights import Role
from rxpulse.cli import main
from rxpulse.enacted import operator
from tests.console import Served, Story, csrf_of, serving

KEY, NUMBER = "a key for pseudonyms of its own", "RX-4711-XYZZY"


@pytest.fixture
def console(story: Story, database_url: str) -> Iterator[Served]:
    with serving(database_url, pseudonym_key=Secret(KEY)) as served:
        yield served


def search(browser: httpx.Client, number: str) -> httpx.Response:
    word = csrf_of(browser, "/search")
    return browser.post("/search", data={"csrf": word, "number": number})


def order(story: Story, number: str = NUMBER, kind: str = "order", **said: object) -> str:
    case = case_of(KEY, kind, number)
    return story.lived(story.event("order.entered" if kind == "order" else "received", 5, case, **said))


def test_ones_own_number_opens_its_case(console: Served, story: Story) -> None:
    case = order(story)
    answer = search(console.signed_in(), f"  {NUMBER} ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{case}")


def test_a_number_of_several_cases_offers_them(console: Served, story: Story) -> None:
    cases = {order(story), order(story, kind="fill")}
    text = search(console.signed_in(), NUMBER).text
    assert all(f'href="/cases/{case}"' in text for case in cases)


@pytest.mark.parametrize("number", ["o-1", "order/o-1"])
def test_a_number_that_a_feed_sent_as_it_is_is_found_too(console: Served, story: Story, number: str) -> None:
    story.lived(story.event("order.entered", 5, "order/o-1"))
    assert search(console.signed_in(), number).headers["location"] == "/cases/order/o-1"


@pytest.mark.parametrize(
    ("number", "status"), [("none", 404), ("", 422), ("x" * 10_240, 422), ("<b>", 404), ("\0", 400)]
)
def test_a_search_that_finds_nothing_says_so(console: Served, number: str, status: int) -> None:
    answer = search(console.signed_in(), number)
    assert answer.status_code == status and "<b>" not in answer.text and "xxxx" not in answer.text


def test_a_case_of_another_site_is_not_found(console: Served, story: Story) -> None:
    order(story)
    assert search(console.account("ana", Role.ADMIN, "elm"), NUMBER).status_code == 404


def test_a_case_that_was_put_away_is_found(console: Served, story: Story) -> None:
    case = order(story)
    story.put_away(case, story.now, story.now)
    assert search(console.signed_in(), NUMBER).headers["location"] == f"/cases/{case}"
    assert search(console.account("ana", Role.ADMIN, "elm"), NUMBER).status_code == 404


def test_a_search_wants_the_word_of_its_session(console: Served) -> None:
    assert console.signed_in().post("/search", data={"number": NUMBER}).status_code == 403


def test_the_number_is_kept_nowhere_and_the_search_is_recorded(
    console: Served, story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    case = order(story)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logbook.Lines("console"))
    logging.getLogger().addHandler(handler)
    with caplog.at_level(logging.DEBUG):
        browser = console.signed_in("manager")
        search(browser, NUMBER)
        search(browser, f"{NUMBER}-none")
    logging.getLogger().removeHandler(handler)
    tables = story.connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    held = [str(story.connection.execute(f"SELECT json_agg(t) FROM {name} t").fetchone()) for (name,) in tables]  # type: ignore[arg-type]
    figures = console.api().get("/metrics").text
    assert "XYZZY" not in caplog.text + stream.getvalue() + "".join(held) + figures
    rows = story.connection.execute(
        "SELECT person, what, ref FROM audit WHERE what LIKE 'search%' ORDER BY number"
    ).fetchall()
    in_vain = ref_of(case_of(KEY, "order", f"{NUMBER}-none"))
    assert rows == [("manager", "search", ref_of(case)), ("manager", "search in vain", in_vain)]


def test_what_is_too_long_is_said_on_a_page(console: Served) -> None:
    browser = console.signed_in()
    long = search(browser, "7" * 10_000)
    assert long.status_code == 422 and "10,000 characters" in long.text and 'name="number"' in long.text
    page = browser.post("/search", data={"number": "7" * 300_000}, headers={"accept": "text/html"})
    assert page.status_code == 413 and "<h1>Too long</h1>" in page.text


def test_without_a_key_the_page_says_what_it_cannot_find(story: Story, database_url: str) -> None:
    order(story)
    with serving(database_url) as served:
        browser = served.signed_in()
        assert "RXPULSE_PSEUDONYM_KEY" in browser.get("/search").text
        assert search(browser, NUMBER).status_code == 404


def run(tmp_path: Path, *arguments: str, key: str = KEY, given: str | None = None, **more: str):  # type: ignore[no-untyped-def]
    env = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_PSEUDONYM_KEY": key, "RXPULSE_DATABASE_URL": None, **more}
    return CliRunner().invoke(main, ["pseudonym", *arguments], env=env, input=given)


def test_the_command_makes_the_table_that_search_uses(tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text(f"\ufeff{NUMBER}\r\n\n  77 \n", "utf-8")
    listed = run(tmp_path, "--list", str(tmp_path / "numbers.txt"))
    wanted = [(number, case_of(KEY, "order", number)) for number in (NUMBER, "77")]
    assert listed.stdout == "number,pseudonym\n" + "".join(f"{number},{case}\n" for number, case in wanted)
    people = run(tmp_path, "--list", "-", "--kind", "actor", "--json", given="ana\n")
    assert json.loads(people.stdout) == [{"number": "ana", "pseudonym": actor(KEY, "ana")}]
    assert "recorded in no audit" in people.stderr


def test_whoever_makes_the_table_beside_a_store_stands_in_the_audit(
    tmp_path: Path, story: Story, database_url: str
) -> None:
    given = run(tmp_path, "--list", "-", given="77\n", RXPULSE_DATABASE_URL=database_url)
    assert given.exit_code == 0 and "no audit" not in given.stderr
    rows = story.connection.execute("SELECT person, what, ref FROM audit").fetchall()
    assert rows == [(operator(), "pseudonyms", ref_of("order"))]


@pytest.mark.parametrize(
    ("arguments", "key", "said"), [(("--list", "/none"), KEY, "one number a line"), (("--list", "-"), "", "keys/")]
)
def test_the_command_says_what_is_missing(tmp_path: Path, arguments: tuple[str, ...], key: str, said: str) -> None:
    ran = run(tmp_path, *arguments, key=key, given="1\n")
    assert ran.exit_code == 2 and said in ran.output
