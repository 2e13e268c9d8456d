"""Who may send to the intake: a token is for its sources and sites, is given out once by the command, kept as a hash, and can be
taken back."""

import json
import re
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from models import policy_text
from models.event import Site, Source
from models.store import policies, tokens
from rxpulse import cli
from tests.intake import BATCH, KEY, SINGLE, Intake, cloud, reasons, wait_until
from tests.topics import Tail

SOON = 10.0
"""Seconds. One is promised; a machine may stand still, and a reading that fails is tried again after two."""


@pytest.fixture(scope="module")
def token(intake: Intake) -> str:
    bound = tokens.Token("mercy-pis", frozenset({Source("/mercy/pis")}), frozenset({Site("mercy"), Site("oak")}))
    text = tokens.add(intake.database_url, bound)
    wait_until(lambda: intake.post([], BATCH, text).status_code == 202, SOON)
    return text


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer no-such-token", f"Basic {KEY}", "Bearer \xff"])
def test_without_a_good_token_nothing_is_even_read(intake: Intake, authorization: str) -> None:
    headers = {"content-type": SINGLE, "authorization": authorization.encode("latin-1")}
    answer = httpx.post(f"{intake.url}/api/v1/events", content=b"{", headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_token_sends_for_its_source_and_sites(intake: Intake, token: str, written: Tail) -> None:
    batch = [cloud("a", "/mercy/pis"), cloud("b", "/mercy/pis", data={"site": "oak"})]
    assert intake.post(batch, BATCH, token).status_code == 202
    assert len(written.events("/mercy/pis")) == 2


@pytest.mark.parametrize(
    "foreign", [cloud("c", "/mercy/adc"), cloud("c", "/mercy/pis", data={"site": "pine"}), cloud("c", "/mercy/pis/")]
)
def test_one_item_of_another_source_or_site_refuses_the_whole_and_is_named(
    intake: Intake, token: str, foreign: dict[str, object], written: Tail
) -> None:
    answer = intake.post([cloud("a", "/mercy/pis"), foreign], BATCH, token)
    assert (answer.status_code, reasons(answer)) == (403, [(1, "not yours")])
    assert written.records() == []


def test_a_token_that_was_taken_back_is_refused(intake: Intake) -> None:
    bound = tokens.Token("for-a-day", frozenset({Source("/a")}), frozenset({Site("mercy")}))
    text = tokens.add(intake.database_url, bound)
    wait_until(lambda: intake.post(cloud(source="/a"), key=text).status_code == 202, SOON)
    assert tokens.revoke(intake.database_url, "for-a-day")
    wait_until(lambda: intake.post(cloud(source="/a"), key=text).status_code == 401, SOON)


def test_the_store_keeps_no_token_that_could_be_used(intake: Intake, token: str) -> None:
    with psycopg.connect(intake.database_url) as connection:
        rows = connection.execute("SELECT tokens::text FROM tokens").fetchall()
    assert rows and token not in str(rows) and token.removeprefix(tokens.PREFIX) not in str(rows)


def test_the_command_gives_a_token_once_and_takes_it_back(intake: Intake, tmp_path: Path) -> None:
    environ = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": intake.database_url}

    def run(*words: str) -> tuple[int, str, str]:
        done = CliRunner(env=environ).invoke(cli.main, ["token", *words])
        return done.exit_code, done.stdout, done.stderr

    code, out, _ = run("add", "oak-pms", "--source", "/oak/pms", "--site", "oak", "--json")
    made = json.loads(out)
    assert (code, made["sources"], made["sites"]) == (0, ["/oak/pms"], ["oak"])
    sent = cloud(source="/oak/pms", data={"site": "oak"})
    wait_until(lambda: intake.post(sent, key=made["token"]).status_code == 202, SOON)
    assert run("add", "oak-pms", "--site", "oak")[0] == 1
    assert json.loads(run("revoke", "oak-pms", "--json")[1]) == {"name": "oak-pms", "revoked": True}
    assert json.loads(run("revoke", "oak-pms", "--json")[1]) == {"name": "oak-pms", "revoked": False}
    code, _, err = run("revoke", "nobody")
    assert code == 1 and "no token is called nobody" in err
    assert run("add", "a b", "--site", "oak")[0] == 2
    code, reader, err = run("add", "wall-screen", "--site", "oak")
    assert code == 0 and "wall-screen reads the console at oak and sends nothing" in err
    wait_until(lambda: intake.post(sent, key=reader.strip()).status_code == 403, SOON)


def test_the_list_of_tokens_says_what_each_may_and_since_when_and_never_its_text(
    database_url: str, tmp_path: Path
) -> None:
    environ = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": database_url}

    def run(*words: str) -> tuple[str, str]:
        done = CliRunner(env=environ).invoke(cli.main, ["token", *words])
        assert done.exit_code == 0, done.output
        return done.stdout, done.stderr

    assert run("list")[0] == "" and "no token was ever given out" in run("list")[1]
    texts = [run("add", "wall", "--site", "oak")[0], run("add", "pis", "--source", "/oak/pms", "--site", "oak")[0]]
    run("revoke", "wall")
    shown, remark = run("list")
    [pis, wall] = shown.splitlines()
    assert re.fullmatch(r"pis   since [-\d]+ [:\d]+Z: reads the console at oak and sends events of /oak/pms .*", pis)
    assert re.fullmatch(r"wall  TAKEN BACK [-\d]+ [:\d]+Z, made [-\d]+ [:\d]+Z: .* and sends nothing", wall)
    assert "RXPULSE_API_KEY" in remark
    listed = run("list", "--json")[0]
    [pis, wall] = json.loads(listed)
    assert (pis["name"], pis["sources"], pis["sites"], pis["revoked"]) == ("pis", ["/oak/pms"], ["oak"], None)
    assert pis["made"] <= wall["revoked"]
    with psycopg.connect(database_url) as connection:
        hashes = [text for (text,) in connection.execute("SELECT hash FROM tokens")]
    assert not any(secret.strip() in shown + listed for secret in (*texts, *hashes))


def test_a_token_for_a_site_that_nobody_declared_is_given_with_a_warning(database_url: str, tmp_path: Path) -> None:
    text = '[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n'
    policies.begin(database_url, policy_text.read(text, file="test"), "a test")
    environ = {"RXPULSE_HOME": str(tmp_path), "RXPULSE_DATABASE_URL": database_url}
    words = ["token", "add", "t2", "--site", "mercy", "--site", "mercu", "--json"]
    done = CliRunner(env=environ).invoke(cli.main, words)
    assert done.exit_code == 0 and json.loads(done.stdout)["sites"] == ["mercu", "mercy"]
    assert [line.partition(",")[0] for line in done.stderr.splitlines()] == ["warning: no site mercu is declared"]
