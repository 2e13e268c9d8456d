"""The command line: one table, quick help, faults as messages and exit codes."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from models.errors import CallerFault, UsageFault
from models.settings import Settings
from rxpulse import cli
from rxpulse.commands.status import for_people, lasting
from rxpulse.home import PartState, Purpose, StackState, born, open_home, write_state
from rxpulse.plan import check_only
from rxpulse.ports import block
from rxpulse.status import document
from tests.spec.test_docs import parse

INSTALLED = [name for name in cli.COMMANDS if cli.exists(name)]


def commands(name: str, command: click.Command) -> list[tuple[str, click.Command]]:
    """The command and, of a group, all below it."""
    found = [(name, command)]
    if isinstance(command, click.Group):
        for sub, below in command.commands.items():
            found.extend(commands(f"{name} {sub}", below))
    return found


@pytest.mark.parametrize("name", INSTALLED)
def test_every_installed_command_is_found_and_its_help_ends_with_an_example(name: str) -> None:
    group = cli.main.get_command(click.Context(cli.main), name)
    assert isinstance(group, click.Command)
    for path, command in commands(name, group):
        help_text = command.get_help(click.Context(command, info_name=path))
        _, found, example = help_text.partition("Example:")
        assert found and f"rxpulse {path}" in example, path


def leaves() -> list[tuple[str, click.Command]]:
    """Every command that does something, the stack's own excepted."""
    shown = [name for name in INSTALLED if not name.startswith("_")]
    found = [(name, cli.main.get_command(click.Context(cli.main), name)) for name in shown]
    every = [one for name, command in found if command for one in commands(name, command)]
    return [(path, command) for path, command in every if not isinstance(command, click.Group)]


def examples(command: click.Command) -> list[list[str]]:
    """The command lines of its help's examples, up to where the shell goes on with something else."""
    text = command.get_help(click.Context(command)).partition("Example:")[2]
    lines = [line.strip() for part in text.splitlines() for line in re.split(r"&&|;|\s>\s|\s\|\s", part)]
    typed = [shlex.split(re.sub(r"^(RXPULSE_\w+=\S+\s+)*", "", line), comments=True) for line in lines if line]
    return [words[1:] for words in typed if words[:1] == ["rxpulse"]]


@pytest.mark.parametrize(("path", "command"), leaves(), ids=[path for path, _ in leaves()])
def test_the_example_of_a_command_is_one_that_it_takes(path: str, command: click.Command) -> None:
    own = [words for words in examples(command) if words[: len(path.split())] == path.split()]
    assert own, f"{path} has no example of its own"
    for words in own:
        try:
            parse(words)
        except click.BadParameter as fault:
            assert "does not exist" in fault.format_message(), fault.format_message()  # the file is the reader's own


# Roles and what they start, what prints a document of its own, and what only says that it is done.
WITHOUT_FIGURES = {
    *("up", "down", "reset", "worker", "dispatcher", "reports", "console", "intake"),
    *("topics tail", "topics schema", "topics asyncapi", "policy schema", "user password"),
}


def test_every_command_that_prints_figures_prints_them_as_json() -> None:
    without = {path for path, command in leaves() if not any("--json" in one.opts for one in command.params)}
    assert without == WITHOUT_FIGURES


def test_a_command_that_is_not_installed_is_neither_listed_nor_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "absent", ("rxpulse.commands.absent", "absent", "Is not there."))
    assert "absent" not in CliRunner().invoke(cli.main, ["--help"]).output
    refused = CliRunner().invoke(cli.main, ["absent"])
    assert refused.exit_code == 2 and "No such command 'absent'" in refused.output


def test_the_stacks_own_commands_are_not_shown_to_people() -> None:
    shown = CliRunner().invoke(cli.main, ["--help"]).output
    assert "_provision" not in shown and "status" in shown


def test_the_help_promises_only_the_reports_that_there_are() -> None:
    report = cli.main.get_command(click.Context(cli.main), "report")
    assert isinstance(report, click.Group)
    promised = re.findall(r"[a-z]+", cli.COMMANDS["report"][2].partition(" of ")[2])
    assert set(promised) - {"a", "or"} == set(report.commands)


@pytest.mark.parametrize(("fault", "code"), [(CallerFault("mend this"), 1), (UsageFault("not so"), 2)])
def test_a_fault_of_the_caller_is_a_message_and_an_exit_code(
    fault: CallerFault, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise fault

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: click.Command("fail", callback=fail))
    ran = CliRunner().invoke(cli.main, ["fail"])
    assert (ran.exit_code, ran.stdout, ran.stderr) == (code, "", f"rxpulse: {fault}\n")


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(cli.Commands, "get_command", lambda *_: click.Command("fail", callback=fail))
    assert isinstance(CliRunner().invoke(cli.main, ["fail"]).exception, KeyError)


def test_a_wrong_setting_is_told_without_a_traceback() -> None:
    ran = CliRunner(env={"RXPULSE_PORTS": "many"}).invoke(cli.main, ["status"])
    assert ran.exit_code == 1
    assert ran.stderr.startswith("rxpulse: RXPULSE_PORTS is 'many': give")


UNBOUND = {"RXPULSE_DATABASE_URL": "", "RXPULSE_KAFKA": "", "RXPULSE_PREFECT_URL": "", "RXPULSE_PUBLIC_URL": ""}
NOBODY = "postgresql://nobody:secret-word@127.0.0.1:9/none"


def run(tmp_path: Path, *words: str, **environ: str) -> Result:
    return CliRunner(env=UNBOUND | {"RXPULSE_HOME": str(tmp_path / "home")} | environ).invoke(cli.main, words)


@pytest.mark.parametrize(
    ("words", "environ", "needs"),
    [
        (["worker"], {}, "needs kafka and postgres: add --only kafka --only postgres, or set RXPULSE_KAFKA and"),
        (["reports"], {}, "--only reports needs postgres and prefect"),
        (
            ["postgres", "reports"],
            {},
            "--only reports needs prefect: add --only prefect, or set RXPULSE_PREFECT_URL to",
        ),
        (["intake"], {"RXPULSE_DATABASE_URL": NOBODY}, "--only intake needs kafka"),
        (["prefect"], {}, "--only prefect needs postgres"),
    ],
)
@pytest.mark.parametrize("how", [[], ["--detach"]])
def test_a_part_without_its_servers_is_refused_with_their_names(
    tmp_path: Path, words: list[str], environ: dict[str, str], needs: str, how: list[str]
) -> None:
    ran = run(tmp_path, "up", *how, *(word for part in words for word in ("--only", part)), **environ)
    assert ran.exit_code == 2 and needs in ran.stderr
    assert not (tmp_path / "home").exists()


def test_parts_that_need_nothing_more_are_not_refused() -> None:
    check_only(Settings.from_env({}), ("kafka", "postgres", "prefect", "worker", "reports", "console", "intake"))
    check_only(Settings.from_env({}), ())
    check_only(Settings.from_env({"RXPULSE_DATABASE_URL": NOBODY}), ("console", "dispatcher"))


@pytest.mark.parametrize(
    "command",
    [
        *(["_migrate"], ["console", "--link"], ["user", "list"], ["token", "revoke", "x"], ["ack", "x"], ["verify"]),
        *(["export", "signals", "--out", "x.csv"], ["policy", "history"], ["reset", "--facts"]),
    ],
    ids=" ".join,
)
def test_a_database_that_does_not_answer_is_a_message_and_no_traceback(tmp_path: Path, command: list[str]) -> None:
    ran = run(tmp_path, *command, RXPULSE_DATABASE_URL=NOBODY, RXPULSE_PUBLIC_URL="http://127.0.0.1:7400")
    assert ran.exit_code == 1 and ran.stderr.startswith("rxpulse: the database does not answer: ")
    assert "sqlalche" not in ran.stderr and "secret-word" not in ran.stderr


def test_a_link_to_a_console_that_does_not_run_says_what_to_start(tmp_path: Path) -> None:
    ran = run(tmp_path, "console", "--link")
    assert ran.exit_code == 1 and f"no stack runs in {tmp_path / 'home'}: start one with `rxpulse up`" in ran.stderr


@pytest.mark.parametrize(
    "command",
    [
        *(["verify"], ["export", "signals", "--out", "x.csv"], ["token", "add", "x", "--site", "mercy"]),
        *(["policy", "history"], ["reset", "--facts"], ["topics", "tail", "rx.events"]),
    ],
    ids=" ".join,
)
def test_without_a_stack_that_none_runs_is_said_first(tmp_path: Path, command: list[str]) -> None:
    ran = run(tmp_path, *command)
    assert ran.exit_code == 1
    assert ran.stderr.startswith(
        f"rxpulse: no stack runs in {tmp_path / 'home'}: start it by `rxpulse up`. Without one: RXPULSE_"
    )


def test_a_policy_that_is_not_there_is_said_before_a_stack_that_does_not_run(tmp_path: Path) -> None:
    ran = run(tmp_path, "policy", "apply", str(tmp_path / "missing.toml"))
    assert ran.exit_code == 2 and "missing.toml: there is no such file" in ran.stderr


def test_a_home_of_the_demo_is_started_by_the_demo(tmp_path: Path) -> None:
    open_home(tmp_path / "home", Purpose.DEMO)
    assert "start it by `rxpulse demo`" in run(tmp_path, "verify").stderr


def test_a_home_of_work_is_none_of_the_demo(tmp_path: Path) -> None:
    open_home(tmp_path / "home")
    ran = run(tmp_path, "up", "--demo-home")
    assert ran.exit_code == 1 and "leave out --demo-home" in ran.stderr and "history" not in ran.stderr


def test_while_history_loads_status_says_how_much_and_calls_no_feed_silent() -> None:
    feed = {"source": "/s", "site": "mercy", "last_event": "2026-10-12T14:03:00Z", "silent_s": 4e6, "alarm": False}
    figures = {"cases": {}, "signals": dict.fromkeys(("open", "raised_total"), 0), "reports": [], "parts": []}
    told = dict.fromkeys(("open", "unacknowledged", "delivered_total", "failed_total"), 0)
    figures |= {"turnaround": {"kept_since": "2024-11-01T00:00:00Z", "outside_months": 3}}
    document = figures | {"running": True, "feed": [feed], "escalations": told, "events_total": 5, "lag_events": 42_000}
    lines = for_people(document).splitlines()
    assert lines[0] == "history loads: 42000 events to read, read up to 12 Oct 14:03Z"
    assert not any("silent" in line for line in lines)
    assert "last heard of 46 d" in for_people(document | {"lag_events": 3})
    alarm = for_people(document | {"lag_events": 3, "feed": [feed, feed | {"source": "/t", "alarm": True}]})
    assert [line for line in alarm.splitlines() if "ALARM" in line] == [
        "feed /t at mercy: ALARM: silent for 46 d 7 h, longer than it may be"
    ]
    assert "turnaround times are kept from 2024-11-01 on" in lines
    assert any(line.startswith("3 turnaround times lie in no month") for line in lines)


def test_reset_refuses_before_it_asks(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    ran = run(tmp_path, "reset")
    assert ran.exit_code == 1 and "no home of RxPulse" in ran.stderr and "Delete" not in ran.stderr


def test_a_stopped_stack_shows_no_figures(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_home(home)
    parts = (
        PartState(name="kafka", phase="stopped", healthy=False),
        PartState(name="worker", phase="stopped", healthy=False, detail="exited with 1"),
    )
    write_state(home, StackState(pid=2**22 + 1, born="a while ago", base=7400, parts=parts))
    ran = run(tmp_path, "status")
    assert ran.exit_code == 1 and ran.stdout.splitlines() == [
        "kafka      stopped",
        "worker     stopped; before that it exited with 1",
        f"no stack runs in {home}: start it by `rxpulse up`; then the figures are known",
    ]
    said = json.loads(run(tmp_path, "status", "--json").stdout)
    assert (said["running"], said["events_total"], said["lag_events"]) == (False, None, None)
    assert {*said["signals"].values(), *said["escalations"].values()} == {None} and said["cases"] == {}


def test_in_a_container_status_does_not_tell_to_start_a_stack(tmp_path: Path) -> None:
    given = {"RXPULSE_KAFKA": "kafka:9092", "RXPULSE_DATABASE_URL": "postgresql://rxpulse:x@postgres:5432/rxpulse"}
    ran = run(tmp_path, "status", **given)
    assert ran.exit_code == 1 and "`rxpulse up`" not in ran.stdout
    assert ran.stdout.endswith("its parts run elsewhere: `rxpulse doctor` looks at their servers\n")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (12.4, "less than a minute"),
        (60, "1 min"),
        (3599, "59 min"),
        (7260, "2 h 1 min"),
        (266400, "3 d 2 h"),
    ],
)
def test_lengths_are_told_in_words(seconds: float, words: str) -> None:
    assert lasting(seconds) == words


def test_help_reads_no_shell() -> None:
    code = (
        "import sys\n"
        "from rxpulse.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'faust', 'prefect', 'fastapi', 'sqlmodel', 'kafka', 'psycopg', 'asyncpg', 'httpx'} & set(sys.modules)\n"
        "sys.exit(f'read: {heavy}' if heavy else 0)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("words", [["up"], ["up", "--detach"], ["demo"]], ids=" ".join)
def test_a_faulty_policy_is_told_with_all_its_faults_before_anything_starts(tmp_path: Path, words: list[str]) -> None:
    file = tmp_path / "mist.toml"
    file.write_text("".join(f'[clock.c{at}]\nseverity = "S9"\n' for at in range(30)), encoding="utf-8")
    ran = run(tmp_path, *words, RXPULSE_POLICY=str(file))
    assert ran.exit_code == 2 and "RXPULSE_POLICY has" in ran.stderr
    assert all(f"{file}:{2 * at + 2}: clock.c{at}.severity: " in ran.stderr for at in range(30))
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("phase", "pid", "detail", "said"),
    [
        ("starting", 1, "was ended by SIGKILL", "was ended by SIGKILL; starting"),
        ("pausing", None, "was ended by SIGKILL", "was ended by SIGKILL; starting"),
        ("starting", 1, "", "starting"),
        ("waiting", None, "", "waiting"),
        ("stays-down", None, "stopped on purpose (exit 3)", "stopped on purpose (exit 3)"),
    ],
)
def test_of_a_part_that_is_being_started_status_says_why_and_not_that_nobody_listens_yet(
    tmp_path: Path, phase: str, pid: int | None, detail: str, said: str
) -> None:
    with socket.socket() as taken:  # bound and not listening: whoever asks there is refused
        taken.bind(("127.0.0.1", 0))
        found = shown_of(
            tmp_path,
            PartState(name="worker", phase=phase, healthy=False, pid=pid, detail=detail),
            taken.getsockname()[1],
        )
    assert found["detail"] == said and found["healthy"] is False


def test_of_a_part_that_was_healthy_status_says_how_it_does_not_answer(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = shown_of(
            tmp_path, PartState(name="worker", phase="healthy", healthy=True, pid=1), taken.getsockname()[1]
        )
    assert "Connect call failed" in found["detail"] and found["healthy"] is False


def shown_of(folder: Path, part: PartState, port: int) -> dict[str, Any]:
    """What status shows of `part` of a running stack; its own port is `port`."""
    home = folder / "home"
    open_home(home)
    base = port - block(0)["worker"]
    pid = os.getpid()
    write_state(home, StackState(pid=pid, born=born(pid) or "", base=base, parts=(part,)))
    [found] = document(Settings(home=home, cache=folder), {})["parts"]
    return found
