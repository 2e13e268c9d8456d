"""Versions of the policy: what is shown, refused and recorded when one is applied."""

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner, Result

from models import policy_text
from models.policy_text import Parsed
from models.store.auditing import OPERATOR, Wanted, lines
from models.store.connecting import connect
from models.store.policies import Version, begin, enact, recorded, stored
from rxpulse import cli
from tests.conftest import RunningStack
from tests.console import csrf_of, serving
from tests.topics import tail

FIRST = 'extends = "inpatient"\n[site.mercy]\nsetting = "inpatient"\ntimezone = "UTC"\n'
LONGER = FIRST + '[clock.stat-verified]\ntarget = "12m"\n'
WITHOUT = FIRST + "[clock.stat-verified]\nenabled = false\n"


def parsed(text: str) -> Parsed:
    return policy_text.read(text, file="test")


class Desk:
    """`rxpulse policy` over one database."""

    def __init__(self, database_url: str, folder: Path) -> None:
        self.url, self.folder = database_url, folder
        self.env = {"RXPULSE_HOME": str(folder / "home"), "RXPULSE_DATABASE_URL": database_url}

    def run(self, *words: str, answer: str | None = None, **env: str | None) -> Result:
        runner = CliRunner(env={"RXPULSE_POLICY": None, "RXPULSE_KAFKA": None, **self.env, **env})
        return runner.invoke(cli.main, ["policy", *words], input=answer)

    def written(self, text: str) -> str:
        file = self.folder / "site.toml"
        file.write_text(text, "utf-8")
        return str(file)

    def numbers(self) -> list[int]:
        found = recorded(self.url)
        return [one.number for one in found.versions] if found else []


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Desk:
    begin(database_url, parsed(FIRST), "first start")
    return Desk(database_url, tmp_path)


def test_what_changes_is_shown_and_nothing_happens_until_somebody_agrees(desk: Desk) -> None:
    ran = desk.run("apply", desk.written(LONGER), answer="n\n")
    assert ran.exit_code == 1
    assert 'changed clock stat-verified: target "10m" -> "12m"' in ran.stderr
    assert desk.numbers() == [1]


def test_a_version_is_recorded_with_who_made_it_and_judges_from_a_whole_minute_six_minutes_ahead(desk: Desk) -> None:
    before = datetime.now(UTC)
    ran = desk.run("apply", desk.written(LONGER), "--author", "ana", answer="y\n")
    assert ran.exit_code == 0, ran.output
    found = recorded(desk.url)
    assert found is not None
    made = found.latest
    assert (made.number, made.author, found.in_force.number) == (2, "ana", 1)
    assert made.effective is not None and made.effective.second == made.effective.microsecond == 0
    assert timedelta(minutes=6) <= made.effective - before <= timedelta(minutes=7, seconds=10)
    assert f"change at {made.effective:%Y-%m-%dT%H:%MZ}" in ran.stdout
    with connect(desk.url, "test") as connection:
        [line] = lines(connection, Wanted(what="policy version", about="2"), 9)
    assert line.person == (getpass.getuser() or OPERATOR)


@pytest.mark.parametrize(
    ("ahead", "reason"), [(timedelta(minutes=3), "less than 6 minutes ahead"), (timedelta(hours=1), "no whole minute")]
)
def test_an_instant_that_cannot_be_is_refused_with_the_earliest_that_can(
    desk: Desk, ahead: timedelta, reason: str
) -> None:
    wanted = (datetime.now(UTC) + ahead).replace(second=30)
    ran = desk.run("apply", desk.written(LONGER), "--yes", "--effective", wanted.isoformat())
    assert ran.exit_code == 2 and reason in ran.stderr and "; give 2" in ran.stderr
    assert desk.numbers() == [1]


def test_no_version_takes_effect_before_one_that_was_recorded_earlier(desk: Desk) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).replace(second=0, microsecond=0)
    enact(desk.url, parsed(LONGER), tomorrow, "ana")
    early = (tomorrow - timedelta(hours=1)).isoformat()
    ran = desk.run("apply", "--version", "1", "--yes", "--effective", early)
    assert ran.exit_code == 2 and f"give {tomorrow:%Y-%m-%dT%H:%MZ}" in ran.stderr
    assert desk.run("apply", "--version", "1", "--yes").exit_code == 0
    found = recorded(desk.url)
    assert found is not None and found.latest.effective == tomorrow


def test_what_somebody_else_made_while_one_was_asked_is_not_undone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def agrees_later(*_: object, **__: object) -> bool:
        enact(desk.url, parsed(LONGER), None, "ana")
        return True

    monkeypatch.setattr("click.confirm", agrees_later)
    ran = desk.run("apply", desk.written(WITHOUT))
    assert ran.exit_code == 1 and "ana made version 2 of the policy meanwhile: look at it" in ran.stderr
    assert desk.numbers() == [1, 2]


def test_an_earlier_version_comes_back_as_it_was(desk: Desk) -> None:
    enact(desk.url, parsed(LONGER), None, "ana")
    ran = desk.run("apply", "--version", "1", "--yes")
    assert 'target "12m" -> "10m"' in ran.stderr
    assert stored(desk.url, 3).dump == stored(desk.url, 1).dump


def test_the_same_policy_again_is_no_new_version(desk: Desk) -> None:
    ran = desk.run("apply", desk.written("# a remark\n" + FIRST), "--yes")
    assert (ran.exit_code, ran.stderr) == (0, "nothing to do: version 1 is this policy already\n")
    assert desk.numbers() == [1]


def test_a_faulty_policy_is_refused_with_the_line(desk: Desk) -> None:
    ran = desk.run("apply", desk.written(FIRST + '[clock.stat-verified]\ntarget = "soon"\n'), "--yes")
    assert ran.exit_code == 1 and "site.toml:6: clock.stat-verified.target" in ran.stderr
    assert desk.numbers() == [1]


def test_an_entry_that_is_switched_off_is_said_to_end_what_runs(desk: Desk) -> None:
    ran = desk.run("apply", desk.written(WITHOUT), "--yes")
    assert "removed clock stat-verified" in ran.stderr
    assert "clock stat-verified: where it no longer judges, what runs ends then" in ran.stderr


def test_a_site_that_is_declared_is_one_line_and_no_entry_is_said_to_end(desk: Desk) -> None:
    oak = '[site.oak]\nsetting = "inpatient"\ntimezone = "America/New_York"\n'
    ran = desk.run("apply", desk.written(FIRST + oak), "--yes")
    assert 'added site oak: setting "inpatient"; timezone "America/New_York"' in ran.stderr
    assert "site oak: judged as inpatient, until now as each case says" in ran.stderr
    assert "no longer judges" not in ran.stderr and "site mercy" not in ran.stderr


def test_the_history_says_which_version_judges(desk: Desk) -> None:
    enact(desk.url, parsed(LONGER), None, "ana")
    shown = json.loads(desk.run("history", "--json").stdout)
    assert [(one["number"], one["author"], one["state"]) for one in shown] == [
        (1, "first start", "in force"),
        (2, "ana", "to come"),
    ]
    assert desk.run("history").stdout.splitlines()[0].startswith("*    1  from the beginning")


def test_a_change_is_announced_to_other_programs(desk: Desk, stack: RunningStack) -> None:
    from models.settings import Settings
    from streams import topics

    topics.create(Settings(home=stack.home, cache=stack.home, kafka=stack.kafka))
    with tail(stack.kafka, "rx.control") as control:
        ran = desk.run("apply", desk.written(LONGER), "--yes", RXPULSE_KAFKA=stack.kafka)
        assert ran.exit_code == 0, ran.output
        [record] = control.records()
    said = json.loads(record.value() or b"")
    assert said["type"] == "rx.policy.changed" and said["data"]["number"] == 2


@contextmanager
def first_run(desk: Desk, kafka: str) -> Iterator[Callable[[], None]]:
    """A console beside that Kafka; what it yields names the first person on its page and waits until word was sent."""
    from models.settings import Settings
    from rxpulse.commands.console import announcing

    say, said = announcing(Settings(home=desk.folder, cache=desk.folder, kafka=kafka)), Event()

    def announce(made: Version) -> None:
        say(made)
        said.set()

    with serving(desk.url, announce=announce) as served:
        browser = served.signed_in("ana")

        def name_the_first() -> None:
            answer = browser.post("/first-run", data={"csrf": csrf_of(browser), "key": "ana"})
            assert answer.status_code == 303, answer.text
            assert desk.numbers() == [1, 2] and said.wait(30)

        yield name_the_first


def test_a_change_by_the_first_run_page_is_announced_too(desk: Desk, stack: RunningStack) -> None:
    from models.settings import Settings
    from streams import topics

    topics.create(Settings(home=stack.home, cache=stack.home, kafka=stack.kafka))
    with tail(stack.kafka, "rx.control") as control, first_run(desk, stack.kafka) as name_the_first:
        name_the_first()
        [record] = control.records()
    said = json.loads(record.value() or b"")
    assert said["type"] == "rx.policy.changed" and said["data"]["number"] == 2


def test_a_broker_that_is_away_keeps_the_first_run_from_nothing(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    with first_run(desk, "127.0.0.1:9") as name_the_first:
        name_the_first()
    assert "was not announced, and holds all the same" in caplog.text


def test_a_broker_that_is_away_is_only_said(desk: Desk) -> None:
    ran = desk.run("apply", desk.written(LONGER), "--yes", RXPULSE_KAFKA="127.0.0.1:9")
    assert ran.exit_code == 0 and "was not announced, and holds all the same" in ran.stderr
    assert desk.numbers() == [1, 2]
