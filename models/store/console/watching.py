"""What pages and lists show: the board, lists, stories, cases, figures, and the live feed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.store import (
    board,
    casebook,
    freshness,
    items,
    lists,
    live,
    quality,
    queues,
    reporting,
    stories,
    turnarounds,
)
from models.store.console.policy import PolicyStore
from models.store.quality import Quality
from models.store.queues import EVERY_CASE, Cases, Queue
from models.store.rights import EVERYTHING, Rights
from models.store.turnarounds import Day, Turnaround

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


class Watching(PolicyStore):
    """The questions of who looks at something."""

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
        with self._pool.connection() as connection:
            found = queues.queues(connection, sites, of.kinds, rights, of.priorities, of.stages)
            return freshness.freshness(connection), found

    def freshness(self) -> freshness.Freshness:
        """As `freshness.freshness`."""
        with self._pool.connection() as connection:
            return freshness.freshness(connection)

    def signals(self, asked: lists.Asked, limit: int, after: str | None) -> lists.Page[items.SignalItem]:
        """As `lists.signals`."""
        with self._pool.connection() as connection:
            return lists.signals(connection, asked, limit, after)

    def escalations(self, asked: lists.Asked, limit: int, after: str | None) -> lists.Page[items.EscalationItem]:
        """As `lists.escalations`."""
        with self._pool.connection() as connection:
            return lists.escalations(connection, asked, limit, after)

    def escalation(self, escalation: str, rights: Rights) -> items.EscalationItem | None:
        """This escalation; None where there is none at any site of `rights`."""
        with self._pool.connection() as connection:
            found = items.escalations_of(connection, [escalation])
        return found[0] if found and rights.at(found[0].site) else None

    def signals_among(self, signals: Sequence[str], rights: Rights) -> list[str]:
        """Those of these signals that are there, at the sites of `rights`."""
        with self._pool.connection() as connection:
            return [one.id for one in items.signals_of(connection, signals) if rights.at(one.site)]

    def messages(self, escalations: Sequence[str]) -> list[stories.Message]:
        """As `stories.messages`."""
        with self._pool.connection() as connection:
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

    def put_away(self, case: str, rights: Rights) -> casebook.PutAway | None:
        """As `casebook.put_away`."""
        with self._pool.connection() as connection:
            return casebook.put_away(connection, case, rights)

    def known(self, cases: Sequence[str], rights: Rights) -> list[str]:
        """As `casebook.known`."""
        with self._pool.connection() as connection:
            return casebook.known(connection, list(cases), rights)

    def quality(self, rights: Rights) -> Quality:
        """As `quality.quality`."""
        with self._snapshot() as connection:
            return quality.quality(connection, rights)

    def published(self, rights: Rights) -> list[reporting.Published]:
        """As `reporting.published`."""
        with self._pool.connection() as connection:
            return reporting.published(connection, rights)

    def sites_seen(self, rights: Rights) -> list[str]:
        """The sites of `rights` that the store has heard of."""
        with self._pool.connection() as connection:
            return [site for site in reporting.Reporting(connection).sites() if rights.at(site)]

    def lengths(self, windows: Sequence[reporting.Window], clock: str) -> list[tuple[reporting.Turnaround, ...]]:
        """As `reporting.turnaround`, of each of these windows."""
        with self._snapshot() as connection:
            return [reporting.turnaround(connection, window, clock) for window in windows]

    def turnarounds(self, rights: Rights) -> tuple[datetime, tuple[Turnaround, ...]]:
        """As `turnarounds.turnarounds`."""
        with self._pool.connection() as connection:
            return turnarounds.turnarounds(connection, rights)

    def days(self, clock: str, zones: Mapping[str, str], rights: Rights) -> dict[str, list[Day]]:
        """As `turnarounds.days`."""
        with self._pool.connection() as connection:
            return turnarounds.days(connection, clock, zones, rights)

    def held(self) -> live.Held:
        """The numbers that the live feed holds."""
        with self._pool.connection() as connection:
            return live.held(connection)

    def since(self, number: int, limit: int = 500) -> list[live.Happening]:
        """As `live.since`."""
        with self._pool.connection() as connection:
            return live.since(connection, number, limit)
