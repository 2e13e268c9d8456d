"""`rxpulse ack`: take an escalation on from a terminal."""

import click

from models.errors import CallerFault, UsageFault
from models.policy import Policy
from models.wire import stamp
from rxpulse.enacted import asked, database_url, held, login, operator
from rxpulse.output import json_option, print_json

EXAMPLE = """Example:

\b
    rxpulse ack 3f9c0a7e51d24b68a1c2d3e4f5061728 --person ana
"""


@click.command(epilog=EXAMPLE)
@click.argument("escalation", metavar="ID")
@click.option("--person", help="Who takes it on; default: the name you are logged in by, if the policy knows it.")
@click.option("--note", default="", help="A word for whoever reads the story later.")
@json_option
def ack(escalation: str, person: str | None, note: str, as_json: bool) -> None:
    """Take the escalation ID on: nothing more is sent until the acknowledgement expires.

    Where somebody else has it, he keeps it, and this one is recorded. Exits with 1 where it is over.
    """
    from models.store.answering import Over, Standing, Unknown, acknowledge
    from models.store.auditing import record
    from models.store.connecting import connect

    url = database_url()
    with asked(lambda: connect(url, "rxpulse ack", autocommit=True)) as connection:
        who = taker(held(connection), person)
        with connection.transaction():
            answer = acknowledge(connection, escalation, who, note)
            if isinstance(answer, Standing):
                record(connection, operator(), "acknowledge", escalation)
    match answer:
        case Unknown():
            raise UsageFault(f"there is no escalation {escalation}; the board and /api/v1/escalations show their ids")
        case Over(reason):
            raise CallerFault(f"nothing to take on: {reason}")
        case Standing():
            until = None if answer.expires is None else stamp(answer.expires)
            show(answer.escalation, answer.state, answer.acknowledged_by, until, as_json)


def show(escalation: str, state: str, holder: str, expires: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"id": escalation, "state": state, "acknowledged_by": holder, "expires": expires})
    else:
        click.echo(f"{holder} has it {'for good' if expires is None else f'until {expires}'}")


def taker(policy: Policy, named: str | None) -> str:
    """The person who takes it on. Raises UsageFault for one that the policy does not know."""
    who = named or login()
    if who not in policy.people:
        known = ", ".join(sorted(policy.people)) or "nobody"
        raise UsageFault(f"the policy knows no person '{who}': say who takes it on with --person; it knows: {known}")
    return who
