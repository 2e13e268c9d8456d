"""`rxpulse ack`: take an escalation on from a terminal."""

from typing import TYPE_CHECKING

import click

from models.errors import CallerFault, UsageFault
from models.policy import Policy
from models.wire import stamp
from rxpulse.commands.policy_people import wall
from rxpulse.enacted import asked, database_url, held, login, operator
from rxpulse.output import json_option, print_json

if TYPE_CHECKING:
    from models.store.answering import Standing

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
        policy = held(connection)
        who = taker(policy, person)
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
            if as_json:
                print_json(document(answer))
            else:
                click.echo(for_people(answer, policy))


def document(answer: "Standing") -> dict[str, str | None]:
    expires = None if answer.expires is None else stamp(answer.expires)
    return {
        "id": answer.escalation,
        "state": answer.state,
        "acknowledged_by": answer.acknowledged_by,
        "expires": expires,
    }


def for_people(answer: "Standing", policy: Policy) -> str:
    """Who has it and until when, as the clock on the wall of its site shows it."""
    if answer.expires is None:
        return f"{answer.acknowledged_by} has it for good"
    site = policy.default_site if answer.site is None else policy.site(answer.site)
    return f"{answer.acknowledged_by} has it until {wall(answer.expires, site.working.timezone)}"


def taker(policy: Policy, named: str | None) -> str:
    """The person who takes it on. Raises UsageFault for one that the policy does not know."""
    who = named or login()
    if who not in policy.people:
        known = ", ".join(sorted(policy.people)) or "nobody"
        raise UsageFault(f"the policy knows no person '{who}': say who takes it on with --person; it knows: {known}")
    return who
