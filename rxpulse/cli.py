"""The command line. Every command stands in one table; its module is read only when it runs, so help comes at once.

A fault of the caller is shown as one message that says what to do, never as a traceback. Exit codes: 0 fine, 1 it
found something (differences, invalid input, an unhealthy part), 2 used wrongly.
"""

import os
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec

import click

from models.errors import CallerFault, OurFault, UsageFault
from models.settings import NotSet, Settings

# name: (module, function, one line of help). A command whose module is not installed does not exist.
COMMANDS: dict[str, tuple[str, str, str]] = {
    "demo": ("rxpulse.commands.demo", "demo", "A pharmacy on this machine: history, then live, until Ctrl-C."),
    "up": ("rxpulse.commands.up", "up", "Start everything on this machine."),
    "down": ("rxpulse.commands.down", "down", "Stop what `up` started."),
    "status": ("rxpulse.commands.status", "status", "Say how every part is, and what is open."),
    "reset": ("rxpulse.commands.reset", "reset", "Delete all data of the stack on this machine."),
    "doctor": ("rxpulse.commands.doctor", "doctor", "Look for what is wrong or will be, and say what to do."),
    "worker": ("rxpulse.commands.worker", "worker", "Run the worker: events in, clocks and signals out."),
    "dispatcher": ("rxpulse.commands.dispatcher", "dispatcher", "Run the dispatcher: tell people."),
    "reports": ("rxpulse.commands.reports", "reports", "Run the reports on their schedule."),
    "console": ("rxpulse.commands.console", "console", "Serve the board and its pages."),
    "intake": ("rxpulse.commands.intake", "intake", "Serve the intake: take events by HTTP."),
    "topics": ("rxpulse.commands.topics", "topics", "Create and tail topics; print event types and schemas."),
    "import": ("rxpulse.commands.imports", "imports", "Turn foreign records into events."),
    "simulate": ("rxpulse.commands.simulate", "simulate", "Write the events of a simulated pharmacy."),
    "replay": ("rxpulse.commands.replay", "replay", "Compute the figures of a file of events, without services."),
    "backtest": ("rxpulse.commands.backtest", "backtest", "Say what another policy would have told."),
    "verify": ("rxpulse.commands.verify", "verify", "Recompute from the topic and compare with the store."),
    "report": ("rxpulse.commands.report", "report", "Write the report of a week."),
    "spc": ("rxpulse.commands.spc", "spc", "Control charts of a file of intervals."),
    "mine": ("rxpulse.commands.mine", "mine", "The paths that cases take, and where they wait."),
    "staffing": ("rxpulse.commands.staffing", "staffing", "How many hands each hour needs."),
    "policy": ("rxpulse.commands.policy", "policy", "Check, explain, rehearse and apply the policy."),
    "export": ("rxpulse.commands.export", "export", "Write facts for a spreadsheet."),
    "ack": ("rxpulse.commands.ack", "ack", "Acknowledge an escalation."),
    "deadletter": ("rxpulse.commands.deadletter", "deadletter", "List, show and replay what could not be read."),
    "user": ("rxpulse.commands.user", "user", "Add, list and disable accounts of the console."),
    "token": ("rxpulse.commands.token", "token", "Add, list and revoke tokens of feeds and scripts."),
    "contact": ("rxpulse.commands.contact", "contact", "Send a person a test message."),
    "pseudonym": ("rxpulse.commands.pseudonym", "pseudonym", "Turn own numbers into pseudonyms."),
    "bench": ("rxpulse.commands.bench", "bench", "Measure speed and size on this machine."),
    "_provision": ("rxpulse.commands.provision", "provision", "Make roles and databases (run by the stack)."),
    "_perform": ("rxpulse.commands.perform", "perform", "Play the demonstration (run by the containers)."),
    "_migrate": ("rxpulse.commands.migrate", "migrate", "Bring the tables up to date (run by the stack)."),
}


def exists(name: str) -> bool:
    """Whether the command `name` is installed."""
    return name in COMMANDS and find_spec(COMMANDS[name][0]) is not None


class ShownFault(click.ClickException):
    """A fault of the caller on its way to the terminal."""

    def __init__(self, fault: CallerFault) -> None:
        super().__init__(str(fault))
        self.exit_code = 2 if isinstance(fault, UsageFault) else 1

    def show(self, file: object = None) -> None:
        click.echo(f"rxpulse: {self.message}", err=True)


def _without_stack(fault: NotSet) -> CallerFault:
    """`fault` beside a running stack; else that none runs comes first, for that is what most have to mend."""
    from rxpulse.running import absence

    try:
        missing = absence(Settings.from_env(os.environ).home)
    except CallerFault as other:
        return other
    return fault if missing is None else CallerFault(f"{missing}. Without one: {fault}")


class Commands(click.Group):
    """The table as a group of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [name for name in COMMANDS if exists(name) and not name.startswith("_")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if not exists(cmd_name):
            return None
        module, function, _ = COMMANDS[cmd_name]
        return getattr(import_module(module), function)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, COMMANDS[name][2]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except NotSet as fault:
            raise ShownFault(_without_stack(fault)) from fault
        except CallerFault as fault:
            raise ShownFault(fault) from fault
        except OurFault as fault:
            # The database's driver is loaded only now: a database that is away is for whoever runs it to mend.
            from models.store.connecting import DatabaseAway

            if not isinstance(fault, DatabaseAway):
                raise
            raise ShownFault(CallerFault(f"{fault}; `rxpulse doctor` says more")) from fault


@click.group(
    cls=Commands,
    epilog="Example: rxpulse demo    (settings: RXPULSE_HOME, RXPULSE_PORTS and others, docs/operations/settings.md)",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(version("rxpulse"), prog_name="rxpulse")
def main() -> None:
    """RxPulse watches the work of a pharmacy as it happens: how long it takes, what goes wrong, who has to know."""
