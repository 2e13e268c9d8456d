"""The command line: one table, quick help, faults as messages and exit codes."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from models.errors import CallerFault, UsageFault
from rxpulse import cli

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


def test_a_command_that_is_not_installed_is_neither_listed_nor_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(cli.COMMANDS, "absent", ("rxpulse.commands.absent", "absent", "Is not there."))
    assert "absent" not in CliRunner().invoke(cli.main, ["--help"]).output
    refused = CliRunner().invoke(cli.main, ["absent"])
    assert refused.exit_code == 2 and "No such command 'absent'" in refused.output


def test_the_stacks_own_commands_are_not_shown_to_people() -> None:
    shown = CliRunner().invoke(cli.main, ["--help"]).output
    assert "_provision" not in shown and "status" in shown


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
