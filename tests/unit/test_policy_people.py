"""`rxpulse policy on-duty` and `rehearse`: who has it, and who would be told, from a file and without a stack."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rxpulse.cli import main

POLICY = """
extends = "inpatient"
[site.mercy]
name = "Mercy"
setting = "inpatient"
timezone = "America/New_York"
[person.ana]
name = "Ana"
webhook = "https://ana.example.org/hook"
[person.ben]
name = "Ben"
[roster.lead]
rotation = ["ana", "ben"]
timezone = "America/New_York"
from = "2026-11-02"
handover = "mon 07:00"
overrides = [{ from = "2026-12-24T07:00", to = "2026-12-26T07:00", who = "ben" }]
[ladder.urgent]
for = { severity = ["S1", "S2"] }
steps = [
  { after = "0s", to = ["roster:lead"], by = ["inbox"] },
  { after = "5m", to = ["person:ben"], by = ["inbox"] },
]
ack_expires = "16m"
"""
STORY = ["rehearse", "--kind", "clock", "--name", "stat-verified", "--site", "mercy", "--at", "2026-11-03T12:00Z"]


@pytest.fixture
def run(tmp_path: Path) -> Any:
    file = tmp_path / "site.toml"
    file.write_text(POLICY, "utf-8")
    env = {"RXPULSE_POLICY": str(file), "RXPULSE_HOME": str(tmp_path / "home")}

    def ran(*words: str) -> Result:
        return CliRunner(env=env).invoke(main, ["policy", *words])

    return ran


def test_on_duty_names_turn_after_turn_cut_to_the_time_asked_for(run: Any) -> None:
    ran = run("on-duty", "lead", "--at", "2026-11-08T12:00Z", "--until", "2026-11-10T12:00Z", "--json")
    assert ran.exit_code == 0
    assert json.loads(ran.stdout) == {
        "roster": "lead",
        "spans": [
            {"from": "2026-11-08T12:00:00Z", "to": "2026-11-09T12:00:00Z", "person": "ana", "why": "rotation"},
            {"from": "2026-11-09T12:00:00Z", "to": "2026-11-10T12:00:00Z", "person": "ben", "why": "rotation"},
        ],
        "gaps": [],
    }


def test_on_duty_is_a_week_long_unless_told_otherwise(run: Any) -> None:
    found = json.loads(run("on-duty", "lead", "--at", "2026-12-22T12:00Z", "--json").stdout)
    assert [(one["person"], one["why"]) for one in found["spans"]] == [
        ("ben", "rotation"),
        ("ben", "override"),
        ("ben", "rotation"),
        ("ana", "rotation"),
    ]
    assert found["spans"][-1]["to"] == "2026-12-29T12:00:00Z"


def test_a_time_with_nobody_on_duty_is_said_and_exits_with_1(run: Any) -> None:
    ran = run("on-duty", "lead", "--at", "2026-11-01T12:00Z", "--json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["gaps"] == [{"from": "2026-11-01T12:00:00Z", "to": "2026-11-02T12:00:00Z"}]


def test_a_roster_that_is_not_there_is_named_with_the_nearest(run: Any) -> None:
    ran = run("on-duty", "leed")
    assert ran.exit_code == 2 and "did you mean lead?" in ran.output


@pytest.mark.parametrize("at", ["tomorrow", "2026-11-03T12:00"])
def test_a_time_without_offset_is_refused(run: Any, at: str) -> None:
    ran = run("on-duty", "lead", "--at", at)
    assert ran.exit_code == 2 and "offset" in ran.output


def test_a_rehearsal_says_who_would_be_told_what_and_when(run: Any) -> None:
    ran = run(*STORY, "--ack", "2026-11-03T12:02Z:ana", "--resolve", "2026-11-03T12:10:00Z", "--json")
    assert ran.exit_code == 0
    found = json.loads(ran.stdout)
    assert found["ladder"] == "urgent"
    assert found["pages"] == [
        {
            **{"at": "2026-11-03T12:00:00Z", "type": "page", "loop": 1, "step": 1, "person": "ana"},
            **{"channel": "inbox", "why": "opened"},
        },
        {
            **{"at": "2026-11-03T12:10:00Z", "type": "resolved", "loop": 1, "step": 1, "person": "ana"},
            **{"channel": "inbox", "why": None},
        },
    ]
    assert [one["state"] for one in found["states"]] == ["open", "acknowledged", "resolved"]


def test_a_rehearsal_plays_expiry_release_and_rise(run: Any) -> None:
    found = json.loads(
        run(
            *STORY,
            *("--ack", "2026-11-03T07:01:00-05:00:ana"),
            *("--rise", "2026-11-03T12:30:00Z:S1"),
            *("--ack", "2026-11-03T12:31:00Z:ben"),
            *("--release", "2026-11-03T12:33:00Z"),
            "--json",
        ).stdout
    )
    whys = [page["why"] for page in found["pages"] if page["type"] == "page"]
    assert whys[0] == "opened" and {"expired", "worse", "released"} <= set(whys)
    assert [page["at"] for page in found["pages"] if page["type"] == "remind"] == ["2026-11-03T12:13:00Z"]


def test_a_severity_that_no_ladder_names_tells_nobody_and_exits_with_1(run: Any) -> None:
    ran = run(*STORY, "--severity", "S4", "--json")
    assert ran.exit_code == 1 and json.loads(ran.stdout) == {"ladder": None, "pages": [], "states": []}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ack", "2026-11-03T12:02Z:zoe"], "no person zoe"),
        (["--rise", "2026-11-03T12:02Z:S9"], "give one of S1"),
        (["--ack", "ana"], "offset"),
        (["--resolve", "2026-11-03T11:00Z"], "before the signal is raised"),
        (["--until", "2026-11-03T11:00Z"], "give a time from"),
    ],
)
def test_a_story_that_cannot_be_is_refused_with_the_remedy(run: Any, words: list[str], said: str) -> None:
    ran = run(*STORY, *words)
    assert ran.exit_code != 0 and said in ran.output and "Traceback" not in ran.output


def test_an_entry_of_another_kind_is_refused(run: Any) -> None:
    ran = run(*["rule" if word == "clock" else word for word in STORY])
    assert ran.exit_code == 2 and "stat-verified is a clock" in ran.output


def test_for_people_it_is_told_line_by_line(run: Any) -> None:
    assert "page to ana by inbox (loop 1, step 1, opened)" in run(*STORY).stdout
    assert "ana (rotation)" in run("on-duty", "lead", "--at", "2026-11-03T12:00Z").stdout


@pytest.mark.parametrize("given", ["foo", "2026-11-03T12:05Z", ":ana"])
def test_who_takes_it_on_is_given_with_the_time(run: Any, given: str) -> None:
    ran = run(*STORY, "--ack", given)
    assert ran.exit_code == 2 and "give T:PERSON, T with an offset, such as" in ran.output


def test_times_are_said_by_the_clock_on_the_wall(run: Any) -> None:
    said = run("on-duty", "lead", "--at", "2026-11-08T12:00Z", "--until", "2026-11-08T13:00Z").stdout
    assert said == "2026-11-08 07:00:00 EST to 2026-11-08 08:00:00 EST: ana (rotation)\n"
    assert "2026-11-03 07:00:00 EST  page to" in run(*STORY).stdout
