"""How a stack is: every part asked its own question now, and the figures of the store, as one document."""

import asyncio
from collections.abc import Mapping
from typing import Any

from models.errors import CallerFault
from models.settings import Secret, Settings
from models.wire import stamp
from rxpulse import enacted
from rxpulse import home as homes
from rxpulse.home import PartState, StackState
from rxpulse.keys import ensure
from rxpulse.plan import PARTS, PROMETHEUS, Plan, decide, question, url
from rxpulse.running import absence, elsewhere, running_state
from rxpulse.supervisor import NotReady, Phase

Document = dict[str, Any]
STOPPED, KILLED = "stopped", "killed"
"""What is said of a part of a stack that does not run, unless there is more to say."""


def document(settings: Settings, environ: Mapping[str, str]) -> Document:
    """The document of `rxpulse status --json`. Blocks."""
    return asyncio.run(gather(settings, environ))


async def gather(settings: Settings, environ: Mapping[str, str]) -> Document:
    """As `document`, from within a running loop."""
    state = running_state(settings.home)
    if state is None:
        parts = _parts_at_rest(homes.read_state(settings.home))
        return {"healthy": False, "running": False, "why": _why(settings), "parts": parts, **_unknown()}
    plan = decide(settings, ensure(settings.home), state.base, state.cluster, environ)
    parts = await _parts(plan, state)
    counted = await asyncio.to_thread(_counted, plan.settings, parts)
    healthy = bool(parts) and all(part["healthy"] for part in parts)
    return {"healthy": healthy, "running": True, "parts": parts, **counted}


def _why(settings: Settings) -> str:
    """Why there are no figures, and what to do."""
    if elsewhere(settings):
        return f"no stack runs in {settings.home}, for its parts run elsewhere: `rxpulse doctor` looks at their servers"
    return f"{absence(settings.home)}; then the figures are known"


def _counted(settings: Settings, parts: list[Document]) -> Document:
    """The figures of the store, and what it says about the `parts`: that the policy is another than the file beside it, and
    that the database, which answered, lets nobody in. Then the figures are null and the lists empty, for nobody knows
    them."""
    up = {part["name"] for part in parts if part["healthy"]}
    if "postgres" not in up:
        return _unknown()
    # The database's driver is loaded only here: the supervisor lives long and needs none.
    from models.store.connecting import DatabaseAway

    try:
        # Beside the worker, which judges by the policy.
        _note(parts, "worker", enacted.differs(settings))
        return store_figures(settings.required_database_url(), settings if "kafka" in up else None)
    except DatabaseAway as away:
        _note(parts, "postgres", f"lets nobody in: {away.reason}")["healthy"] = False
        return _unknown()


def _note(parts: list[Document], name: str, said: str | None) -> Document:
    """Says something more of a part, which is returned; `said` None: nothing."""
    part = next((one for one in parts if one["name"] == name), {"detail": ""})
    part["detail"] = "; ".join(filter(None, (part["detail"], said)))
    return part


def store_figures(database_url: Secret, kafka: Settings | None = None) -> Document:
    """What the store counts: feeds, lag, cases, signals, escalations, reports, turnaround. All is 0 where the database has no
    tables yet. The lag is null unless `kafka` names the broker that answers. Raises DatabaseAway."""
    from models.store import months
    from models.store.figures import Figures, figures

    found = figures(str(database_url)) or Figures({}, 0, [], {}, 0, 0, 0, 0, 0, 0, [])
    held = months.look(str(database_url))
    return {
        "feed": [
            {"source": f.source, "site": f.site, "last_event": stamp(f.last_event), "silent_s": round(f.silent_s, 1)}
            | {"alarm": f.alarm}
            for f in found.feeds
        ],
        "lag_events": None if kafka is None else _lag(kafka, found.positions),
        "events_total": found.events_total,
        "cases": {kind: {"open": c.open, "late": c.late, "total": c.total} for kind, c in found.cases.items()},
        "signals": {"open": found.signals_open, "raised_total": found.signals_raised},
        "escalations": {
            "open": found.escalations_open,
            "unacknowledged": found.escalations_unacknowledged,
            "delivered_total": found.delivered,
            "failed_total": found.failed,
        },
        "reports": [
            {"kind": one.kind, "site": one.site, "period": one.period, "path": one.path, "revision": one.revision}
            for one in found.reports
        ],
        "turnaround": {
            "kept_since": None if held is None or held.since is None else stamp(held.since),
            "outside_months": 0 if held is None else sum(held.rest.values()),
        },
    }


def _unknown() -> Document:
    return {
        "feed": [],
        "lag_events": None,
        "events_total": None,
        "cases": {},
        "signals": dict.fromkeys(("open", "raised_total")),
        "escalations": dict.fromkeys(("open", "unacknowledged", "delivered_total", "failed_total")),
        "reports": [],
        "turnaround": dict.fromkeys(("kept_since", "outside_months")),
    }


def _lag(settings: Settings, positions: Mapping[int, int]) -> int:
    """Records of the events that are not applied yet."""
    from streams.lag import ends

    return sum(max(end - positions.get(partition, 0), 0) for partition, end in ends(settings).items())


async def _parts(plan: Plan, state: StackState) -> list[Document]:
    known = {part.name: part for part in state.parts}
    outside = {
        "kafka": plan.given.kafka is not None,
        "postgres": plan.given.database_url is not None,
        "prefect": plan.given.prefect_url is not None,
    }
    names = [name for name in PARTS if name in known or outside.get(name)]
    shown = list(await asyncio.gather(*(_part(plan, name, known.get(name)) for name in names)))
    # A step that has to end well before others start (such as the tables') is shown while it has not.
    waiting = [part for part in state.parts if part.name not in (*PARTS, PROMETHEUS) and not part.healthy]
    return shown + [_shown(part.name, False, part.pid, None, part.detail or part.phase) for part in waiting]


async def _part(plan: Plan, name: str, known: PartState | None) -> Document:
    """One part, asked now; `known` is None for a server outside the stack."""
    if known is not None and known.pid is None:
        return _shown(name, False, None, known.url, _standing(known))
    pid, detail = (known.pid, known.detail) if known else (None, "outside this stack")
    try:
        await question(plan, name)()
    except (OSError, NotReady, CallerFault) as error:
        answer = str(error) or detail
        return _shown(name, False, pid, url(plan, name), answer if known is None else _unanswered(known, answer, error))
    return _shown(name, True, pid, url(plan, name), detail)


def _unanswered(known: PartState, answer: str, error: Exception) -> str:
    """Why a part does not answer. Of one that the supervisor is starting its own words say more than that nobody listens
    yet; what the part itself answers is told in any case."""
    if known.healthy:
        return answer
    return _standing(known) if isinstance(error, OSError) else f"{_standing(known)} ({answer})"


def _standing(known: PartState) -> str:
    """What the supervisor says of a part that is not healthy: the last mishap, and what comes of it."""
    returns = known.phase in (Phase.STARTING, Phase.PAUSING)
    coming = "starting" if returns else known.phase
    if not known.detail:
        return coming
    return f"{known.detail}; {coming}" if returns else known.detail


def _parts_at_rest(state: StackState | None) -> list[Document]:
    if state is None:
        return []
    known = {part.name: part for part in state.parts}
    rest = KILLED if state.killed else STOPPED
    return [_shown(name, False, None, known[name].url, known[name].detail or rest) for name in PARTS if name in known]


def _shown(name: str, healthy: bool, pid: int | None, address: str | None, detail: str) -> Document:
    return {"name": name, "healthy": healthy, "pid": pid, "url": address, "detail": detail}
