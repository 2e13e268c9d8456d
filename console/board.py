"""The board: where work waits, what nobody has taken on yet, and how old all of that is.

The page works without JavaScript, reloading itself; with it, the parts that changed are put in place as they change.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import HTMLResponse, RedirectResponse

from console.ageing import board_age
from console.auth import Caller, Door
from console.choosing import STAGES, BoardChoice, Chosen, controls, in_words
from console.offering import offered
from console.pages import page
from console.policy_file import PolicyFile
from console.showing import KINDS, PRIORITIES, SEVERITIES, STATES, TOLD, Words, age
from models.policy import Policy
from models.policy_text.cautions import cautions
from models.policy_text.coverage import uncovered
from models.policy_text.first_run import needed
from models.store.board import InboxMessage
from models.store.console import BoardView, ConsoleStore
from models.store.freshness import Freshness
from models.store.queues import Queue
from models.store.rights import Role

_OTHER = "other"
_COLUMNS = ("stat", "now", "urgent", "routine", "prn", _OTHER)


@dataclass(frozen=True, slots=True)
class BoardAnswer:
    """What `GET /board` answers: the queues, and how old they are."""

    freshness: Freshness
    queues: list[Queue]


@dataclass(frozen=True, slots=True)
class Cell:
    """The cases of one priority."""

    count: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """One queue: the cases of a kind that wait at a stage, by priority. `cells` are in the order of the columns;
    `in_short` says the same in words, for screens that are too narrow for them."""

    stage: str
    kind: str
    cells: tuple[Cell, ...]
    in_short: str
    count: int
    oldest: str
    at_risk: int
    late: int


@dataclass(frozen=True, slots=True)
class SiteQueues:
    """The queues of one site."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class QueueTable:
    """All queues; only priorities that occur have a column."""

    columns: tuple[str, ...]
    sites: tuple[SiteQueues, ...]


def router(store: ConsoleStore, door: Door, file: PolicyFile) -> APIRouter:
    """`/`, `/board` and its figures as JSON."""
    routes = APIRouter()

    @routes.get("/", include_in_schema=False)
    def home() -> RedirectResponse:
        return RedirectResponse("/board")

    @routes.get("/board", include_in_schema=False)
    def show(request: Request, chosen: Chosen, refresh: str = "on") -> HTMLResponse:
        who = door.signed_in(request)
        policy = store.policy()
        words = Words(policy)
        shown = controls(chosen, words, who.rights)
        return page(
            "board.html",
            **said(store.view(who.rights, chosen.site, chosen.cases()), policy),
            controls=shown,
            narrowed=in_words(shown),
            query=chosen.query(),
            sites_query=BoardChoice(chosen.site).query(),
            may=offered(who, words),
            differs=file.differs(store),
            first_run=policy is not None and needed(policy),
            may_set_up=who.rights.everywhere(Role.ADMIN),
            session=who.session,
            refresh=refresh != "off",
        )

    @routes.get("/api/v1/board", tags=["board"])
    def figures(
        caller: Annotated[Caller, Depends(door.caller)],
        chosen: Chosen,
    ) -> BoardAnswer:
        """Where open cases wait, by site, kind, stage and priority. Each of these may be given several times; `priority`
        other: those that the list does not know, and none."""
        return BoardAnswer(*store.queues(chosen.site, chosen.cases(), caller.rights))

    return routes


def said(view: BoardView, policy: Policy | None) -> dict[str, object]:
    """What the template of the board shows."""
    words, now = Words(policy), view.freshness.now
    return {
        "age": board_age(view.freshness, words),
        "table": queue_table(view.queues, now, words),
        "escalations": view.escalations.items,
        "waiting": view.escalations.waiting,
        "elsewhere": view.elsewhere,
        "more_escalations": view.escalations.more,
        "signals": view.signals.items,
        "more_signals": view.signals.next is not None,
        "untold": view.untold,
        "inbox": [_message(one) for one in view.inbox],
        "cautions": _cautions(policy, now),
        "words": words,
        "since": lambda instant: age(now - instant),
        "severities": SEVERITIES,
        "kinds": KINDS,
        "states": STATES,
        "told": TOLD,
    }


def queue_table(queues: Sequence[Queue], now: datetime, words: Words) -> QueueTable:
    """The queues as a table. Cases in nobody's turn are shown only where some are late or at risk."""
    shown = [one for one in queues if one.waits is not None or one.late or one.at_risk]
    present = {_column(one) for one in shown}
    columns = tuple(name for name in _COLUMNS if name in present)
    sites = groupby(sorted(shown, key=_place), key=lambda one: one.site)
    return QueueTable(
        tuple(map(_heading, columns)),
        tuple(SiteQueues(words.site(site), _rows(list(inside), columns, now)) for site, inside in sites),
    )


def _rows(queues: list[Queue], columns: tuple[str, ...], now: datetime) -> tuple[Row, ...]:
    rows = groupby(queues, key=lambda one: (one.kind, one.waits))
    return tuple(_row(kind, waits, list(inside), columns, now) for (kind, waits), inside in rows)


def _row(kind: str, waits: str | None, queues: list[Queue], columns: tuple[str, ...], now: datetime) -> Row:
    cells = dict.fromkeys(columns, Cell())
    for one in queues:
        before = cells[_column(one)]
        cells[_column(one)] = Cell(before.count + one.count, before.late + one.late)
    return Row(
        stage="nobody's turn" if waits is None else waits.replace("_", " "),
        kind=kind,
        cells=tuple(cells.values()),
        in_short=", ".join(f"{_heading(name)} {cell.count}" for name, cell in cells.items() if cell.count),
        count=sum(one.count for one in queues),
        oldest=age(now - min(one.oldest for one in queues)),
        at_risk=sum(one.at_risk for one in queues),
        late=sum(one.late for one in queues),
    )


def _column(queue: Queue) -> str:
    return queue.priority if queue.priority in _COLUMNS else _OTHER


def _heading(column: str) -> str:
    return PRIORITIES.get(column, "Other")


def _place(queue: Queue) -> tuple[str, str, int, str]:
    stage = queue.waits or "~"
    return queue.site, queue.kind, STAGES.index(stage) if stage in STAGES else len(STAGES), stage


def _message(one: InboxMessage) -> dict[str, object]:
    """A message of the inbox: its title stands in the data of what a webhook would have got."""
    data = one.message.get("data")
    title = data.get("title") if isinstance(data, dict) else None
    return {
        "at": one.at,
        "person": one.person,
        "title": title or one.type,
        "escalation": one.escalation,
        "site": one.site,
        "work": one.work,
    }


def _cautions(policy: Policy | None, now: datetime) -> list[str]:
    """What the whole policy leaves open: somebody should be told and nobody would be."""
    if policy is None:
        return ["There is no policy yet: nothing is judged and nobody is told."]
    whole = [text for place, text in cautions(policy) if not place]
    return [f"{text[:1].upper()}{text[1:]}." for text in (*whole, *(said for _, said in uncovered(policy, now)))]
