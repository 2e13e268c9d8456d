"""One case: what happened, how its clocks ran, what was wrong with it and who was told, and where it waits now."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from console.auth import Caller, Door, Refused, SignedIn
from console.listing import labels
from console.pages import notice, page
from console.showing import PRIORITIES, Words, age
from console.timeline import SCALE, Bar, timeline
from models.event import Event
from models.event_types import CATALOGUE
from models.policy import Policies
from models.store.casebook import Casefile, PutAway
from models.store.console import ConsoleStore
from models.store.items import EscalationItem, SignalItem
from models.tracking import RESTS

NOT_THERE = "There is no such case, or none at the sites that you look after."
_MISSING: dict[int | str, dict[str, object]] = {
    404: {"description": "There is no such case."},
    410: {"description": "The case ended long ago and was put away; the answer says when."},
}
_KNOWN_LATER = timedelta(minutes=1)
_PLAIN = (
    "stage",
    "station",
    "role",
    "actor",
    "witness",
    "reason",
    "transaction",
    "channel",
    "location",
    "carrier",
    "lot",
)
BARS = {
    "met": "in target",
    "missed": "missed its target",
    "measured": "measured, no target",
    "running": "running",
    "late": "late, still running",
    "over": "no longer needed",
    "policy": "no longer asked for by the policy",
    "void": "not counted: stopped before it started",
}


@dataclass(frozen=True, slots=True)
class EventAnswer:
    """One event as it was sent. `stands`: it was not taken back."""

    id: str
    source: str
    type: str
    time: datetime
    recorded: datetime
    stands: bool
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ClockAnswer:
    """One clock of the case. `state` is met, missed, measured, running, late, over, policy or void; `net_seconds` leaves
    out pauses and closed hours."""

    clock: str
    title: str
    key: str
    state: str
    started: datetime
    stopped: datetime | None
    due: datetime | None
    net_seconds: float


@dataclass(frozen=True, slots=True)
class CaseAnswer:
    """A case whole. `waits` None: nobody's turn; `judged` is the instant up to which silence was listened to."""

    id: str
    site: str
    kind: str
    priority: str
    waits: str | None
    since: datetime
    opened: datetime
    finished: datetime | None
    pace: str
    judged: datetime | None
    events: list[EventAnswer]
    clocks: list[ClockAnswer]
    signals: tuple[SignalItem, ...]
    escalations: tuple[EscalationItem, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One event in words. `after` is how long after the one before, `late` how much later it became known; both empty
    where there is nothing to say."""

    at: datetime
    text: str
    type: str
    said: tuple[tuple[str, str], ...]
    source: str
    stands: bool
    after: str
    late: str


def router(store: ConsoleStore, door: Door) -> APIRouter:
    """`/cases/{kind}/{key}` and the same as JSON."""
    routes = APIRouter()

    @routes.get("/cases/{case:path}", include_in_schema=False)
    def show(case: str, request: Request) -> Response:
        who = door.signed_in(request)
        found, policies = store.casefile(case, who.rights), store.policies()
        if found is None or policies is None:
            return _missing(store, case, who)
        store.record(who.name, "case", case)
        return page("case.html", **said(found, policies), session=who.session)

    @routes.get("/api/v1/cases/{case:path}", tags=["cases"], responses=_MISSING)
    def read(case: str, caller: Annotated[Caller, Depends(door.caller)]) -> CaseAnswer:
        """One case: its events, its clocks, its signals and escalations. The id has the kind before a slash."""
        found, policies = store.casefile(case, caller.rights), store.policies()
        if found is None or policies is None:
            gone = store.put_away(case, caller.rights)
            if gone is not None:
                raise Refused(HTTPStatus.GONE, _put_away(gone, Words(store.policy())))
            raise Refused(HTTPStatus.NOT_FOUND, NOT_THERE)
        store.record(caller.name, "case", case)
        return _answer(found, policies)

    return routes


def _missing(store: ConsoleStore, case: str, who: SignedIn) -> Response:
    """Of a case that was put away a page that says so."""
    gone = store.put_away(case, who.rights)
    if gone is None:
        return notice(HTTPStatus.NOT_FOUND, "Not found", NOT_THERE)
    store.record(who.name, "case", case)
    words = Words(store.policy())
    return page("put_away.html", case=case, text=_put_away(gone, words), words=words, session=who.session)


def _put_away(gone: PutAway, words: Words) -> str:
    ended, left = words.day(gone.finished, gone.site), words.day(gone.departed, gone.site)
    return (
        f"This case ended on {ended} and was put away on {left}, when nothing had come of it for {RESTS.days} days. Its"
        " turnaround times and signals stay in the lists and reports; what comes of it now is counted and changes nothing."
    )


def said(found: Casefile, policies: Policies) -> dict[str, object]:
    """What the template of a case shows."""
    words = Words(policies.latest)
    whole = timeline(found.case, policies, found.now) if found.case.evidence.standing else None
    return {
        "file": found,
        "words": words,
        "priority": PRIORITIES.get(found.priority, found.priority),
        "stations": _stations(found),
        "timeline": whole,
        "bars": () if whole is None else [(bar, _in_words(bar, words, found)) for bar in whole.bars],
        "scale": SCALE,
        "states": BARS,
        "events": lines(found),
        "rivals": len(found.case.evidence.rivals),
        "left": _left(found, words),
        "since": lambda instant: age(found.now - instant),
        "labels": labels(),
    }


def lines(found: Casefile) -> tuple[Line, ...]:
    """All events in the order in which the pharmacy lived them, those that were taken back among them."""
    standing = {(one.source, one.id) for one in found.case.evidence.standing}
    told: list[Line] = []
    before: datetime | None = None
    for event in found.case.evidence.events:
        meaning = CATALOGUE.get(event.type)
        gap = timedelta() if before is None else event.time - before
        told.append(
            Line(
                at=event.time,
                text=meaning.text if meaning else "a type that this release does not know",
                type=event.type,
                said=_fields(event),
                source=event.source,
                stands=(event.source, event.id) in standing,
                after=age(gap) if gap else "",
                late=age(event.recorded - event.time) if event.recorded - event.time > _KNOWN_LATER else "",
            )
        )
        before = event.time
    return tuple(told)


def _fields(event: Event) -> tuple[tuple[str, str], ...]:
    """What the event says beyond its type, in codes; the drug by its code alone."""
    data: dict[str, Any] = dict(event.data)
    found = [(name, str(data[name])) for name in _PLAIN if data.get(name)]
    code = (data.get("drug") or {}).get("code")
    found += [("drug", code)] if code else []
    found += [("codes", ", ".join(data["codes"]))] if data.get("codes") else []
    return tuple(found)


def _stations(found: Casefile) -> str:
    """The stations that had it in hand, by which people tell it from its neighbours."""
    named = (event.data.get("station") for event in found.case.evidence.standing)
    return ", ".join(dict.fromkeys(name for name in named if name))


def _left(found: Casefile, words: Words) -> str:
    """What a case that goes on for years keeps no longer; empty where it keeps everything."""
    trimmed = found.case.evidence.trimmed
    if trimmed is None:
        return ""
    of = (("readings", trimmed.readings), ("other events", trimmed.until))
    parts = [f"{what} of before {words.moment(since, found.site)}" for what, since in of if since > found.opened]
    return " and ".join(parts)


def _in_words(bar: Bar, words: Words, found: Casefile) -> str:
    """The picture of a clock for whoever does not see it."""
    parts = [f"from {words.moment(bar.started, found.site)}"]
    parts.append(f"to {words.moment(bar.stopped, found.site)}" if bar.stopped else "still running")
    parts += [f"due {words.moment(bar.due, found.site)}"] if bar.due else []
    parts += [f"with {len(bar.pauses)} pause{'s' if len(bar.pauses) > 1 else ''}"] if bar.pauses else []
    return ", ".join(parts)


def _answer(found: Casefile, policies: Policies) -> CaseAnswer:
    evidence = found.case.evidence
    standing = {(one.source, one.id) for one in evidence.standing}
    bars = timeline(found.case, policies, found.now).bars if evidence.standing else ()
    return CaseAnswer(
        id=found.case.id,
        site=found.site,
        kind=found.kind,
        priority=found.priority,
        waits=found.waits,
        since=found.since,
        opened=found.opened,
        finished=found.finished,
        pace=found.pace,
        judged=found.judged,
        events=[
            EventAnswer(
                *(one.id, one.source, one.type, one.time, one.recorded, (one.source, one.id) in standing),
                dict(one.data),
            )
            for one in evidence.events
        ],
        clocks=[
            ClockAnswer(
                *(bar.name, bar.title, bar.key, bar.state, bar.started, bar.stopped, bar.due),
                bar.net / timedelta(seconds=1),
            )
            for bar in bars
        ],
        signals=found.signals,
        escalations=found.escalations,
    )
