"""What `doctor` says of the connections to PostgreSQL: who has how many of them, and who holds them all where nobody more is
let in.

PostgreSQL keeps the last three for its administrator. So where the store's own role is refused and the administrator's
password is at hand, doctor looks with his eyes: at the connections, and at all else that it would have looked at.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from models.settings import Secret, Settings
from models.store.connecting import DatabaseAway, says_full
from models.store.crowd import Crowd, crowd
from rxpulse import postgres
from rxpulse.findings import Finding, Level, Log

FULL = 0.8
"""Share of a budget, such as that of the connections or of the disk, from which it is said."""
_WHERE = "pg_stat_activity"
_ASK = (
    "connect as its administrator and ask pg_stat_activity who holds them: SELECT usename, application_name, count(*) FROM"
    " pg_stat_activity GROUP BY 1, 2; then end those that are too many"
)


@dataclass(frozen=True, slots=True)
class Door:
    """`settings` with a database URL that lets in, and who was seen behind it. `refused`: why only the administrator was
    let in; None where the store's own role was."""

    settings: Settings
    crowd: Crowd
    refused: DatabaseAway | None


def enter(settings: Settings, admin: Secret | None) -> Door:
    """The way into the database: as its administrator (the URL `admin`, None: not known) where the store's own role is not
    let in. Raises DatabaseAway with what that role was told, where nobody is."""
    url = settings.required_database_url()
    try:
        return Door(settings, crowd(url), None)
    except DatabaseAway as refused:
        if admin is None:
            raise
        same = Secret(urlsplit(admin)._replace(path=urlsplit(url).path).geturl())
        try:
            return Door(replace(settings, database_url=same), crowd(same), refused)
        except DatabaseAway:
            raise refused from None


def connections(door: Door, workers: int, start: str | None) -> Iterator[Finding]:
    """Connections to PostgreSQL against the budget of each role, for so many `workers`, and against what the server takes.
    `start` is the command that starts the stack whose server it is; None for a server of its own."""
    held: Counter[str] = Counter()
    for one in door.crowd.connected:
        held[postgres.role_of(one.user, one.name)] += one.count
    used = f"{held.total()} of {door.crowd.most} connections"
    if door.refused:
        yield _crowded(door.refused, f"{used} are in use: {_holders(held, door.crowd)}", start)
    yield from _above_budget(held, workers)
    if door.refused:
        return
    if held.total() > FULL * door.crowd.most:
        remedy = "end commands that still run, or raise max_connections"
        yield Finding(Level.WARNING, f"{used} are in use", remedy, _WHERE)
    else:
        yield Finding(Level.GOOD, f"{used} to the database are in use")


def shut(refused: DatabaseAway) -> Finding:
    """That nobody is let in, where doctor is no administrator, or not even he is."""
    if says_full(refused.reason):
        return Finding(Level.FAULT, f"the database has no connection left: {refused.reason}", _ASK)
    what = f"the database lets nobody in: {refused.reason}"
    return Finding(Level.FAULT, what, "bring it back; events wait in Kafka meanwhile", Log("postgres"))


def _crowded(refused: DatabaseAway, used: str, start: str | None) -> Finding:
    what = f"the database lets in its administrator alone: {refused.reason}; {used}"
    remedy = "end the programs that hold too many (commands are those in other terminals)"
    if start:
        remedy += f", or all at once by `rxpulse down` and `{start}`"
    return Finding(Level.FAULT, what, remedy, _WHERE)


def _holders(held: Counter[str], crowd: Crowd) -> str:
    """How many each role has, and which program has the most."""
    roles = ", ".join(f"{role} {count}" for role, count in held.most_common())
    first = max(crowd.connected, key=lambda one: one.count)
    return f"{roles}; {first.count} are of {first.name or 'a program without a name'}"


def _above_budget(held: Mapping[str, int], workers: int) -> Iterator[Finding]:
    for role, count in sorted(held.items()):
        budget = postgres.CONNECTION_BUDGET.get(role, count) * (workers if role == "worker" else 1)
        if count > budget:
            what = f"{role} holds {count} connections, and {budget} are meant for it"
            yield Finding(Level.WARNING, what, "see which program makes more of them", _WHERE)
