"""The console's door to the store: a few connections that its pages share, and the questions that they ask.

Each question borrows a connection and gives it back. While the database is away every question says so at once, and the
next one tries again.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, OperationalError
from psycopg.errors import UndefinedTable

from models.errors import CallerFault
from models.links import LinkFault
from models.policy import Channel, Policies, Policy
from models.policy_text import Parsed
from models.store import (
    access,
    accounts,
    answering,
    auditing,
    board,
    casebook,
    contacting,
    desk,
    freshness,
    gone,
    items,
    linking,
    lists,
    live,
    quality,
    queues,
    reporting,
    stories,
    tokens,
    turnarounds,
)
from models.store.connecting import DatabaseAway
from models.store.messages import Voice
from models.store.policies import Version, enact, latest, read_policies, stored
from models.store.pool import Pool
from models.store.quality import Quality
from models.store.queues import EVERY_CASE, Cases, Queue
from models.store.rights import EVERYTHING, Rights
from models.store.turnarounds import Day, Turnaround

CONNECTIONS = 6
SIGNALS = 24
"""On the board at most; the list has all."""


@dataclass(frozen=True, slots=True)
class BoardView:
    """All that a page of the board shows, as of one instant. `elsewhere` counts what needs somebody and was not chosen."""

    freshness: freshness.Freshness
    queues: list[Queue]
    escalations: board.Urgent
    elsewhere: int
    signals: lists.Page[items.SignalItem]
    untold: int
    inbox: list[board.InboxMessage]


class ConsoleStore:
    """The store as the console sees it. Every method raises DatabaseAway while the database does not answer; all may be
    called from several threads at once."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._pool = Pool(database_url, "rxpulse console", CONNECTIONS)
        self._policies: Policies | None = None

    def close(self) -> None:
        """Gives all connections back to the database."""
        self._pool.close()

    def missing(self) -> str | None:
        """What is missing for the console to work, in words; None where nothing is."""
        try:
            with self._connection() as connection:
                connection.execute("SELECT 1 FROM sessions, announcements LIMIT 0")
        except UndefinedTable:
            return (
                "the database has no tables of RxPulse yet: run `rxpulse up`, or `rxpulse _migrate` for this database"
            )
        except DatabaseAway as away:
            return str(away)
        return None

    def policies(self) -> Policies | None:
        """Every version of the policy; None before the first one is in the store."""
        with self._connection() as connection:
            found = read_policies(connection, self._policies)
        if found is not None:
            self._policies = found
        return self._policies

    def policy(self) -> Policy | None:
        """The latest policy; None before the first one is in the store."""
        found = self.policies()
        return None if found is None else found.latest

    def last_version(self) -> Version | None:
        """The version of the policy that was recorded last."""
        with self._connection() as connection:
            return latest(connection)

    def last_policy(self) -> tuple[int, Parsed]:
        """Its number and content. Raises CallerFault where there is none."""
        found = self.last_version()
        if found is None:
            raise CallerFault("there is no policy in the store yet")
        return found.number, stored(self._database_url, found.number)

    def enact(self, version: Parsed, after: int, author: str) -> Version:
        """As `policies.enact`, as soon as can be, after the version of number `after`."""
        return enact(self._database_url, version, None, author, after=after)

    def now(self) -> datetime:
        """The database's clock, UTC."""
        with self._connection() as connection:
            return desk.now(connection)

    def view(self, rights: Rights = EVERYTHING, sites: tuple[str, ...] = (), of: Cases = EVERY_CASE) -> BoardView:
        """The board as it stands, for these sites (empty: all) and cases. The inbox holds everything."""
        asked = lists.Asked(sites=sites, rights=rights, of=of)
        with self._snapshot() as connection:
            urgent = board.urgent(connection, asked)
            return BoardView(
                freshness.freshness(connection),
                queues.queues(connection, sites, of.kinds, rights, of.priorities, of.stages),
                urgent,
                board.waiting(connection, rights) - urgent.waiting,
                lists.signals(connection, asked, SIGNALS),
                lists.untold(connection, asked),
                board.inbox(connection, rights=rights),
            )

    def queues(
        self, sites: Sequence[str], of: Cases, rights: Rights = EVERYTHING
    ) -> tuple[freshness.Freshness, list[Queue]]:
        """Where open cases wait, and how old that is."""
        with self._connection() as connection:
            found = queues.queues(connection, sites, of.kinds, rights, of.priorities, of.stages)
            return freshness.freshness(connection), found

    def signals(self, asked: lists.Asked, limit: int, after: str | None) -> lists.Page[items.SignalItem]:
        """As `lists.signals`."""
        with self._connection() as connection:
            return lists.signals(connection, asked, limit, after)

    def escalations(self, asked: lists.Asked, limit: int, after: str | None) -> lists.Page[items.EscalationItem]:
        """As `lists.escalations`."""
        with self._connection() as connection:
            return lists.escalations(connection, asked, limit, after)

    def messages(self, escalations: Sequence[str]) -> list[stories.Message]:
        """As `stories.messages`."""
        with self._connection() as connection:
            return stories.messages(connection, escalations)

    def story(self, escalation: str, rights: Rights) -> stories.Story | None:
        """As `stories.story`."""
        with self._snapshot() as connection:
            return stories.story(connection, escalation, rights)

    def casefile(self, case: str, rights: Rights) -> casebook.Casefile | None:
        """As `casebook.casefile`; None also before there is a policy to read it by."""
        policies = self.policies()
        if policies is None:
            return None
        with self._snapshot() as connection:
            return casebook.casefile(connection, case, policies, rights)

    def send_test(self, voice: Voice, person: str, channel: Channel) -> str:
        """As `contacting.send_test`, to a person of the latest policy; the key of the delivery."""
        policy = self.policy()
        if policy is None:
            raise CallerFault("there is no policy in the store yet")
        with self._connection() as connection:
            return contacting.send_test(connection, voice, policy, person, [channel])[0]

    def tried(self, key: str) -> contacting.Tried:
        """How the test message with this key stands."""
        with self._connection() as connection:
            return contacting.tried(connection, [key])[0]

    def tests(self) -> list[contacting.Test]:
        """As `contacting.tests`."""
        with self._connection() as connection:
            return contacting.tests(connection)

    def gone(self) -> dict[str, gone.Gone]:
        """The people of the latest policy whose webhook is gone, by their keys."""
        policy = self.policy()
        with self._connection() as connection:
            found = gone.all_gone(connection, policy.people.values() if policy else ())
        return {one.person: one for one in found}

    def known(self, cases: Sequence[str], rights: Rights) -> list[str]:
        """As `casebook.known`."""
        with self._connection() as connection:
            return casebook.known(connection, list(cases), rights)

    def quality(self, rights: Rights) -> Quality:
        """As `quality.quality`."""
        with self._snapshot() as connection:
            return quality.quality(connection, rights)

    def published(self, rights: Rights) -> list[reporting.Published]:
        """As `reporting.published`."""
        with self._connection() as connection:
            return reporting.published(connection, rights)

    def sites_seen(self, rights: Rights) -> list[str]:
        """The sites of `rights` that the store has heard of."""
        with self._connection() as connection:
            return [site for site in reporting.Reporting(connection).sites() if rights.at(site)]

    def lengths(self, windows: Sequence[reporting.Window], clock: str) -> list[tuple[reporting.Turnaround, ...]]:
        """As `reporting.turnaround`, of each of these windows."""
        with self._snapshot() as connection:
            return [reporting.turnaround(connection, window, clock) for window in windows]

    def turnarounds(self, rights: Rights) -> tuple[datetime, tuple[Turnaround, ...]]:
        """As `turnarounds.turnarounds`."""
        with self._connection() as connection:
            return turnarounds.turnarounds(connection, rights)

    def days(self, clock: str, zones: Mapping[str, str], rights: Rights) -> dict[str, list[Day]]:
        """As `turnarounds.days`."""
        with self._connection() as connection:
            return turnarounds.days(connection, clock, zones, rights)

    def escalation(self, escalation: str, rights: Rights) -> items.EscalationItem | None:
        """This escalation; None where there is none at any site of `rights`."""
        with self._connection() as connection:
            found = items.escalations_of(connection, [escalation])
        return found[0] if found and rights.at(found[0].site) else None

    def signals_among(self, signals: Sequence[str], rights: Rights) -> list[str]:
        """Those of these signals that are there, at the sites of `rights`."""
        with self._connection() as connection:
            return [one.id for one in items.signals_of(connection, signals) if rights.at(one.site)]

    def acknowledge(
        self, escalation: str, person: str, note: str
    ) -> answering.Standing | answering.Over | answering.Unknown:
        """As `answering.acknowledge`."""
        with self._connection() as connection:
            return answering.acknowledge(connection, escalation, person, note)

    def release(
        self, escalation: str, person: str, note: str
    ) -> answering.Moved | answering.Free | answering.Over | answering.Unknown:
        """As `answering.release`."""
        with self._connection() as connection:
            return answering.release(connection, escalation, person, note)

    def pass_on(
        self, escalation: str, person: str, to: str | None, note: str
    ) -> answering.Moved | answering.Stranger | answering.Over | answering.Unknown:
        """As `answering.pass_on`, to people of the latest policy."""
        policy = self.policy()
        people = policy.people if policy else ()
        with self._connection() as connection:
            return answering.pass_on(connection, escalation, person, to, people, note)

    def resolve(
        self, escalation: str, person: str, code: str, note: str
    ) -> answering.Ended | answering.Over | answering.Unknown:
        """As `answering.resolve`."""
        with self._connection() as connection:
            return answering.resolve(connection, escalation, person, code, note)

    def resolve_signal(
        self, signal: str, person: str, code: str, note: str
    ) -> answering.Ended | answering.NotByHand | answering.Over | answering.Unknown:
        """As `answering.resolve_signal`."""
        with self._connection() as connection:
            return answering.resolve_signal(connection, signal, person, code, note)

    def resolve_many(
        self, signals: Sequence[str], person: str, code: str, note: str
    ) -> dict[str, answering.Ended | answering.NotByHand | answering.Over | answering.Unknown]:
        """As `answering.resolve_many`."""
        with self._connection() as connection:
            return answering.resolve_many(connection, signals, person, code, note)

    def offer(self, token: str) -> linking.Offer | LinkFault | linking.Spent | answering.Unknown:
        """As `linking.offer`."""
        with self._connection() as connection:
            return linking.offer(connection, token)

    def acknowledge_by_link(
        self, token: str, note: str
    ) -> answering.Standing | answering.Over | answering.Unknown | LinkFault | linking.Spent:
        """As `linking.acknowledge_by_link`."""
        with self._connection() as connection:
            return linking.acknowledge_by_link(connection, token, note)

    def held(self) -> live.Held:
        """The numbers that the live feed holds."""
        with self._connection() as connection:
            return live.held(connection)

    def since(self, number: int, limit: int = 500) -> list[live.Happening]:
        """As `live.since`."""
        with self._connection() as connection:
            return live.since(connection, number, limit)

    def link_holds(self, token: str) -> bool:
        """As `access.link_holds`."""
        with self._connection() as connection:
            return access.link_holds(connection, token)

    def enter(self, token: str, person: str) -> access.Opened | None:
        """As `access.enter`."""
        with self._connection() as connection, connection.transaction():
            return access.enter(connection, token, person)

    def sign_in(self, name: str, password: str) -> access.Opened | accounts.Wrong | accounts.Closed:
        """As `accounts.sign_in`."""
        with self._connection() as connection:
            return accounts.sign_in(connection, name, password)

    def record(self, person: str, what: str, ref: str | None = None) -> None:
        """As `auditing.record`."""
        with self._connection() as connection:
            auditing.record(connection, person, what, ref)

    def accounts_of(self, rights: Rights) -> list[accounts.Account]:
        """The accounts of nobody but the sites of `rights`."""
        with self._connection() as connection:
            return [one for one in accounts.listed(connection) if rights.over(one.rights.sites)]

    def add_account(self, name: str, rights: Rights, password: str, by: str) -> None:
        """As `accounts.add`."""
        accounts.add(self._database_url, name, rights, password, by)

    def change_account(self, name: str, rights: Rights, by: str) -> None:
        """As `accounts.change_rights`."""
        accounts.change_rights(self._database_url, name, rights, by)

    def change_password(self, name: str, password: str, by: str) -> None:
        """As `accounts.change_password`."""
        accounts.change_password(self._database_url, name, password, by)

    def disable_account(self, name: str, by: str) -> None:
        """As `accounts.disable`."""
        accounts.disable(self._database_url, name, by)

    def tokens_of(self, rights: Rights) -> list[tokens.Kept]:
        """The tokens of nothing but the sites of `rights`."""
        with self._connection() as connection:
            return [one for one in tokens.listed(connection) if rights.over(tuple(one.token.sites))]

    def add_token(self, token: tokens.Token, by: str) -> str:
        """As `tokens.add`."""
        return tokens.add(self._database_url, token, by)

    def revoke_token(self, name: str, by: str) -> None:
        """As `tokens.revoke`."""
        tokens.revoke(self._database_url, name, by)

    def audit(self, wanted: auditing.Wanted, limit: int) -> tuple[list[auditing.Line], list[str]]:
        """The lines asked for, newest first, and everything that was ever done."""
        with self._connection() as connection:
            return auditing.lines(connection, wanted, limit), auditing.kinds(connection)

    def token(self, text: str) -> tokens.Token | None:
        """The token of this text; None where it is none of ours, or taken back."""
        with self._connection() as connection:
            return tokens.standing(connection).get(tokens.hashed(text))

    def session(self, cookie: str, *, touch: bool = True) -> access.Session | None:
        """As `access.session`."""
        with self._connection() as connection:
            return access.session(connection, cookie, touch=touch)

    def leave(self, cookie: str) -> None:
        """As `access.leave`."""
        with self._connection() as connection:
            access.leave(connection, cookie)

    @contextmanager
    def _snapshot(self) -> "Generator[Connection[Any]]":
        """A connection that sees the store as of one instant."""
        with self._connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield connection

    @contextmanager
    def _connection(self) -> "Generator[Connection[Any]]":
        """A connection in autocommit."""
        try:
            with self._pool.connection() as connection:
                yield connection
        except OperationalError as fault:
            raise DatabaseAway(f"the database does not answer: {fault}") from fault
