"""`rxpulse policy`: what it prints, with which exit code, and that the documented commands do what is said of them."""

import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner, Result

from models.policy import Severity
from models.policy_text import json_schema, load, read, shipped_default
from rxpulse.cli import main

DOCS = (Path(__file__).parents[2] / "docs" / "policy.md").read_text("utf-8")
BAD = '[clock.stat-verified]\nwarn_at = 2.0\ntarget = "soon"\n'
RETAIL = 'extends = "retail"\n[site.elm]\nsetting = "retail"\ntimezone = "UTC"\n'


def run(*words: str, policy: Path | None = None) -> Result:
    return CliRunner(env={"RXPULSE_POLICY": str(policy) if policy else None}).invoke(main, ["policy", *words])


def written(folder: Path, text: str) -> Path:
    file = folder / "site.toml"
    file.write_text(text, "utf-8")
    return file


def block(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


def test_the_shipped_default_has_no_fault_and_says_that_nobody_would_be_told() -> None:
    ran = run("check", "--json")
    found = json.loads(ran.stdout)
    assert (ran.exit_code, found["faults"], found["version"]) == (0, [], shipped_default().policy.version)
    assert [warning["message"].split(":")[0] for warning in found["warnings"]] == [
        "no ladder takes S1 signals",
        "no ladder takes S2 signals",
    ]
    assert {one["setting"] for one in found["expected_false_alarms"]} == {"inpatient", "retail", "specialty"}


def test_each_fault_has_file_line_entry_and_message_and_the_exit_code_is_1(tmp_path: Path) -> None:
    file = written(tmp_path, BAD)
    ran = run("check", str(file), "--json")
    found = json.loads(ran.stdout)
    assert (ran.exit_code, found["version"], found["warnings"]) == (1, None, [])
    assert [(fault["file"], fault["line"], fault["entry"]) for fault in found["faults"]] == [
        (str(file), 2, "clock.stat-verified.warn_at"),
        (str(file), 3, "clock.stat-verified.target"),
    ]
    assert "write for instance" in found["faults"][1]["message"]


@pytest.mark.parametrize(
    ("text", "said"),
    [('extends = "none"\n', "nothing is judged"), ("# nothing yet\n\n", "the file is empty")],
)
def test_a_policy_that_judges_or_says_nothing_is_worth_a_warning(tmp_path: Path, text: str, said: str) -> None:
    ran = run("check", str(written(tmp_path, text)), "--json")
    assert ran.exit_code == 0
    assert sum(said in warning["message"] for warning in json.loads(ran.stdout)["warnings"]) == 1
    assert "nothing is judged" not in run("check", str(written(tmp_path, RETAIL))).stdout


def test_people_read_each_fault_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = written(tmp_path, BAD)
    ran = run("check", str(file))
    assert ran.exit_code == 1
    assert [line.split(": ")[0] for line in ran.stdout.splitlines()] == [f"{file}:2", f"{file}:3"]
    assert ran.stderr == "2 faults: this policy cannot be used\n"


def test_the_false_alarms_of_a_declared_site_are_told(tmp_path: Path) -> None:
    ran = run("check", str(written(tmp_path, RETAIL)))
    assert ran.exit_code == 0
    assert "elm: 1.5 false alarms a month" in ran.stdout


def test_without_a_file_the_one_of_the_environment_is_checked(tmp_path: Path) -> None:
    assert run("check", policy=written(tmp_path, BAD)).exit_code == 1


def test_a_file_that_is_named_stands_before_the_one_of_the_environment(tmp_path: Path) -> None:
    good = tmp_path / "good.toml"
    good.write_text(RETAIL, "utf-8")
    assert run("check", str(good), policy=written(tmp_path, BAD)).exit_code == 0


@pytest.mark.parametrize("words", [("check", "absent.toml"), ("explain", "stat-verified", "--policy", "absent.toml")])
def test_a_file_that_is_not_there_is_a_wrong_use(words: tuple[str, ...]) -> None:
    ran = run(*words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert "absent.toml: there is no such file; give a policy in TOML" in ran.stderr


def test_a_faulty_policy_explains_nothing(tmp_path: Path) -> None:
    ran = run("explain", "stat-verified", policy=written(tmp_path, BAD))
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "site.toml:3: clock.stat-verified.target" in ran.stderr


def test_every_entry_of_the_shipped_default_can_be_explained_with_its_source() -> None:
    policy = load(None)
    for entry in (*policy.clocks.values(), *policy.rules.values(), *policy.rates.values()):
        found = json.loads(run("explain", str(entry.name), "--json").stdout)
        assert found["text"].startswith(entry.title)
        assert entry.source in found["text"] and found["source"] == entry.source


def test_a_rate_is_explained_with_the_figures_of_its_test() -> None:
    found = json.loads(run("explain", "claim-rejects", "--json").stdout)
    assert found["kind"] == "rate"
    assert found["p"] == pytest.approx(0.167 / 1.167)
    assert (found["errors_in_a_row"] - 1) * found["error_weight"] < found["threshold"]
    assert found["errors_in_a_row"] * found["error_weight"] >= found["threshold"]
    assert found["false_alarms_per_month"] <= 0.5


def test_an_unknown_name_is_a_wrong_use_and_the_nearest_one_is_offered() -> None:
    ran = run("explain", "stat-verifed")
    assert ran.exit_code == 2
    assert "did you mean stat-verified?" in ran.stderr
    assert "did you mean stat-administered or stat-dispensed or stat-verified?" in run("explain", "STAT").stderr
    assert run("explain", "clock.stat-verified").stdout == run("explain", "stat-verified").stdout
    assert "`rxpulse policy explain` lists all" in run("explain", "zzzzzzzzz").stderr
    assert "did you mean error-" in run("explain", "california").stderr


def test_without_a_name_every_entry_is_listed_under_what_it_is() -> None:
    found, policy = json.loads(run("explain", "--json").stdout), load(None)
    for group, held in (("clocks", policy.clocks), ("rules", policy.rules), ("rates", policy.rates)):
        assert [(one["name"], one["title"]) for one in found[group]] == [(str(k), one.title) for k, one in held.items()]
    assert {"error-reported-california", "error-investigated-california"} <= {
        one["name"] for one in found["switched_off"]
    }
    lines = run("explain").stdout.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["Clocks:", "Rules:", "Rates:", "Switched off:"]
    assert any(re.fullmatch(r"  stat-verified +STAT order verified by a pharmacist", line) for line in lines)


def test_an_entry_that_ships_switched_off_is_explained_with_how_to_switch_it_on(tmp_path: Path) -> None:
    said = "Switched off; enabled = true switches it on, in [clock.error-reported-california]."
    ran = run("explain", "error-reported-california")
    assert ran.exit_code == 0 and "14 days" in ran.stdout and said in ran.stdout
    assert json.loads(run("explain", "error-reported-california", "--json").stdout)["enabled"] is False
    on = written(tmp_path, "[clock.error-reported-california]\nenabled = true\n")
    assert "Switched off" not in run("explain", "error-reported-california", "--policy", str(on)).stdout
    own = written(tmp_path, "[clock.stat-verified]\nenabled = false\n")
    assert "in [clock.stat-verified]." in run("explain", "stat-verified", "--policy", str(own)).stdout


def test_what_a_policy_does_not_extend_is_not_called_switched_off(tmp_path: Path) -> None:
    ran = run("explain", "stat-verified", "--policy", str(written(tmp_path, 'extends = "retail"\n')))
    assert ran.exit_code == 2 and "no clock, rule or rate called stat-verified" in ran.stderr


@pytest.mark.parametrize("words", [["check"], ["explain", "stat-verified", "--policy"]])
def test_a_folder_is_no_policy_and_the_files_in_it_are_named(tmp_path: Path, words: list[str]) -> None:
    empty = run(*words, str(tmp_path))
    assert empty.exit_code == 2 and f"{tmp_path} is a folder; name the policy file in it, in TOML" in empty.stderr
    written(tmp_path, "")
    assert f"in it: {tmp_path / 'site.toml'}" in run(*words, str(tmp_path)).stderr
    missing = run(*words, str(tmp_path / "none.toml"))
    assert missing.exit_code == 2 and "there is no such file" in missing.stderr


def test_the_schema_is_valid_names_itself_and_takes_what_ships() -> None:
    schema = json.loads(run("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == "RxPulse policy"
    jsonschema.validate({"clock": {"stat-verified": {"target": "12m"}}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"clock": {"stat-verified": {"target": "soon"}}}, schema)


def test_the_documented_commands_run_on_the_documented_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, mail, *_ = block("toml")
    written(tmp_path, f"{text}\n{mail}")
    monkeypatch.chdir(tmp_path)
    commands = [line for lines in block("sh") for line in lines.splitlines()]
    assert len(commands) == 5
    for command in commands:
        program, group, *words = shlex.split(command)
        assert (program, group) == ("rxpulse", "policy")
        assert run(*words).exit_code == 0, command


def test_the_documented_policy_does_what_is_said_of_it() -> None:
    text, mail, *_ = block("toml")
    parsed = read(f"{text}\n{mail}", file="site.toml")
    assert parsed.cautions == ()
    assert parsed.policy.channels.smtp_password_file == "smtp.password"
    assert parsed.policy.clocks["stat-verified"].source == "Pharmacy committee, March"


def test_every_part_that_is_documented_is_understood_and_says_what_is_said_of_it(tmp_path: Path) -> None:
    first, _, people, ladder, watch, clock, rate, rule, tell, feed = block("toml")
    site = first.partition("[person.ana]")[0]
    file = written(tmp_path, "\n".join((site, people, watch, ladder, clock, rate, rule, tell, feed)))
    ran = run("check", str(file), "--json")
    assert ran.exit_code == 0 and json.loads(ran.stdout)["faults"] == []
    found = read(file).policy
    assert not found.rules.keys() & {"waste-witnessed-by-same-person"}
    assert found.tell_within == timedelta(minutes=15)
    made = found.clocks["chemo-checked"]
    assert (made.per, made.warn_at, len(made.pauses), made.worsens[0].severity) == ("links.dose", 0.5, 1, Severity.S1)
    assert found.rates["labels-reprinted"].late_after == timedelta(minutes=10)


def test_the_documented_roster_and_ladder_are_tried_as_documented(tmp_path: Path) -> None:
    first, _, people, ladder, watch, *_ = block("toml")
    file = written(tmp_path, "\n".join((first.partition("[person.ana]")[0], people, watch, ladder)))
    typed = [line for line in DOCS.splitlines() if line.startswith("RXPULSE_POLICY=site.toml rxpulse policy")]
    duty, story, still = (json.loads(run(*shlex.split(line)[3:], "--json", policy=file).stdout) for line in typed)
    assert [duty["spans"][0][key] for key in ("person", "why")] == ["ben", "override"]
    pages = [(page["loop"], page["step"], page["person"]) for page in story["pages"]]
    assert pages[0] == (1, 1, "ana") and (1, 2, "ben") in pages
    assert max(loop for loop, _, _ in pages) == 4
    assert story["ladder"] == "urgent" and story["states"][-1]["state"] == "exhausted"
    assert still["ladder"] == "watch" and still["pages"][0]["person"] == "ben"


def test_a_rehearsal_at_a_site_that_nobody_declared_goes_on_with_a_warning(tmp_path: Path) -> None:
    first, _, people, ladder, *_ = block("toml")
    text = "\n".join((first.partition("[person.ana]")[0], people, ladder))
    words = [
        "rehearse",
        "--kind",
        "feed",
        "--name",
        "/a",
        "--severity",
        "S1",
        "--at",
        "2026-12-01T03:00-05:00",
        "--site",
    ]
    typo = run(*words, "mercu", policy=written(tmp_path, text))
    assert typo.stderr == (
        'warning: no site mercu is declared, so it is judged by [site.default]; did you mean "mercy"?\n'
    )
    assert typo.exit_code == 0 and typo.stdout.startswith("ladder urgent\n")
    assert "warning" not in run(*words, "mercy", policy=written(tmp_path, text)).stderr
    strict = run(*words, "mercu", policy=written(tmp_path, f"strict_sites = true\n{text}"))
    assert "its events are refused (strict_sites)" in strict.stderr
    assert "warning" not in run(*words, "mercu", policy=written(tmp_path, people + ladder)).stderr


def test_every_definition_of_the_schema_is_described() -> None:
    lacking = [name for name, one in json_schema()["$defs"].items() if len(one.get("description", "")) < 10]
    assert lacking == []


def test_the_documented_duties_are_those_that_ship() -> None:
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| `([a-z0-9-]+)` ", DOCS, re.MULTILINE)
    off = "".join(
        f"[clock.{name}]\nenabled = true\n" for name in ("error-investigated-california", "error-reported-california")
    )
    clocks = read(off, file="site.toml").policy.clocks.values()
    assert sorted(rows) == sorted(
        (str(value), clock.name)
        for clock in clocks
        if clock.case == "duty"
        for name, values in clock.when
        if name == "reason"
        for value in values
    )


def beside_servers_that_are_away(home: Path, *words: str) -> Result:
    env = {"RXPULSE_HOME": str(home), "RXPULSE_KAFKA": "127.0.0.1:9", "RXPULSE_POLICY": None}
    away = "postgresql://rxpulse:a-password@127.0.0.1:9/rxpulse"
    return CliRunner(env={**env, "RXPULSE_DATABASE_URL": away}).invoke(main, ["policy", *words])


def test_a_file_is_checked_although_the_database_of_this_place_is_away(tmp_path: Path) -> None:
    file = written(tmp_path, RETAIL)
    ran = beside_servers_that_are_away(tmp_path / "home", "check", str(file), "--json")
    found = json.loads(ran.stdout)
    assert (ran.exit_code, found["faults"], found["version"]) == (0, [], read(file).policy.version)
    [store] = [one for one in found["warnings"] if one["file"] == "store"]
    assert "not held against what the sites send" in store["message"] and "a-password" not in ran.output
    assert beside_servers_that_are_away(tmp_path / "home", "explain", "--policy", str(file)).exit_code == 0


@pytest.mark.parametrize("words", [["check"], ["explain", "stat-verified"], ["on-duty", "nights"]], ids=" ".join)
def test_without_the_database_of_this_place_nobody_says_which_policy_judges(tmp_path: Path, words: list[str]) -> None:
    ran = beside_servers_that_are_away(tmp_path / "home", *words)
    assert ran.exit_code == 1 and ran.stdout == ""
    assert "the database does not answer" in ran.stderr and "unset RXPULSE_DATABASE_URL" in ran.stderr
    assert "a-password" not in ran.stderr
