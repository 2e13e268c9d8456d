"""What many open cases cost: events that come to them, a worker that starts over them, and looks that are due at once.

An open case here is an order that was entered and of which nothing more was heard, the cheapest there is; the worker
itself writes all of them. `open-1m` sends to orders drawn from a million open ones: as they are drawn by chance, hardly
one of them is still in the worker's mind, and each is read from the store. `start-1m` is a worker that starts beside a
million open orders, from the process to the first event that it commits. `due-1m` is the worst that can befall it: the
deadlines of a million orders passed while no worker ran, so that silence has something to say of every one; meanwhile
single events are sent, whose latencies say whether those who are there wait for those who were missed.
"""

import json
import random
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from models.errors import CallerFault
from models.policy import Policies
from models.policy_text import load
from models.store.measuring import LATE_SECONDS, Gauge
from models.tracking import Watched, track
from models.wire import Decoded, decode
from rxpulse.bench.files import SEED, START, Record
from rxpulse.bench.rig import Rig
from rxpulse.bench.rows import MIB, Row, latency
from rxpulse.bench.scale import SERVERS, gauging, prepared, watched
from rxpulse.bench.throughput import INPATIENT, feed
from rxpulse.bench.usage import cpu_by_name, resident_bytes, used
from rxpulse.bench.working import Worker, at_work, until_assigned
from rxpulse.output import Say

TOUCHED = 50_000
"""Events sent to open cases, at most one to each."""
_MISSED_WITHIN = timedelta(minutes=1)
"""All deadlines that are missed lie in so short a time."""
_TRIED = 20_000
_PATIENCE, _AT_LEAST = 1.5, 20.0
"""The deadlines wait so many times as long as the filling should take, and so many seconds."""
_ANOTHER = 1 << 40
"""The number of an order beyond all others."""
_SECONDS = 3600.0
_EVERY = 0.02
_BETWEEN_PROBES = 0.5


@dataclass(frozen=True, slots=True)
class Stage:
    """The row `open` is measured at so many open cases, and then the row `start`; None: that one is not."""

    cases: int
    open: str | None = None
    start: str | None = None


STAGES = (
    Stage(10_000, "open-10k"),
    Stage(100_000, "open-100k"),
    Stage(1_000_000, "open-1m", "start-1m"),
    Stage(2_000_000, "open-2m"),
)
DUE, DUE_CASES = "due-1m", 1_000_000
NAMES = (*(name for stage in STAGES for name in (stage.open, stage.start) if name), DUE)


def chosen(names: Collection[str]) -> list[Stage]:
    """The stages with those rows that are wanted; one without any is left out."""
    wanted = [
        replace(
            stage,
            open=stage.open if stage.open in names else None,
            start=stage.start if stage.start in names else None,
        )
        for stage in STAGES
    ]
    return [stage for stage in wanted if stage.open or stage.start]


def measure(stages: Sequence[Stage], environ: Mapping[str, str], say: Say) -> list[Row]:
    """The rows of these stages, on one stack that fills from one to the next."""
    found: list[Row] = []
    with prepared(environ) as rig:
        opened = 0
        for stage in stages:
            say(f"  opening {stage.cases:,} cases")
            with at_work(rig) as worker:
                until_assigned([worker])
                _fill(rig, worker, orders(range(opened, stage.cases), datetime.now(UTC)))
                opened = stage.cases
                if stage.open is not None:
                    found.append(watched(stage.open, rig, [worker], partial(_touch, rig, opened)))
                worker.stop()
            if stage.start is not None:
                found.append(_start(stage.start, rig))
    return found


def due(cases: int, environ: Mapping[str, str], say: Say) -> Row:
    """`due-1m`, with so many cases, on a stack of its own. `events` are the cases whose deadline was missed, `ready_s` the
    start of the worker, `wall_s` from there until all are judged; the latencies are of events sent meanwhile."""
    with prepared(environ) as rig:
        with at_work(rig) as worker:
            until_assigned([worker])
            missed_at = _fill_until(cases, rig, worker, say)
            worker.stop()
        wait = (missed_at - datetime.now(UTC)).total_seconds() + LATE_SECONDS
        say(f"  waiting {max(wait, 0):.0f} s for the deadlines")
        time.sleep(max(wait, 0.0))
        with gauging(rig) as gauge:
            return _judged(rig, gauge)


def _fill_until(cases: int, rig: Rig, worker: Worker, say: Say) -> datetime:
    """Opens orders whose deadlines will be missed, and gives the instant (UTC) at which all of them are: a first few tell
    how long it takes to open the rest."""
    began = time.monotonic()
    _fill(rig, worker, orders(range(_TRIED), datetime.now(UTC)))
    takes = (time.monotonic() - began) * cases / _TRIED
    missed_at = datetime.now(UTC) + timedelta(seconds=_PATIENCE * takes + _AT_LEAST)
    say(f"  opening {cases:,} cases")
    first = missed_at - _MISSED_WITHIN - deadline()
    _fill(rig, worker, orders(range(_TRIED, _TRIED + cases), first, _MISSED_WITHIN / cases))
    return missed_at


def deadline() -> timedelta:
    """How long after its entry silence first says something of such an order."""
    [(_, record)] = orders([0], START)
    found = decode(record, None)
    assert isinstance(found, Decoded)
    case = track(Watched(found.event.subject), found.event, Policies.only(load(INPATIENT)))
    assert case.look is not None
    return case.look - START


def orders(numbers: Iterable[int], first: datetime, apart: timedelta = timedelta()) -> Iterator[Record]:
    """Routine orders, entered from `first` (UTC) on, so far apart."""
    for place, number in enumerate(numbers):
        yield _event("rx.order.entered", number, first + place * apart)


def _event(kind: str, number: int, at: datetime, more: str = "") -> Record:
    """An event of the order of this number; `more` tells it apart from others of its type."""
    subject = f"order/open-{number:x}"
    event = {
        "specversion": "1.0",
        "id": f"{number:x}-{kind}{more}",
        "source": "/crowd/pis",
        "type": kind,
        "time": at.isoformat(),
        "subject": subject,
        "recorded": (at + timedelta(seconds=1)).isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "actor": "a_b28d964c3850",
            "role": "prescriber",
            "priority": "routine",
            "drug": {"code": "99001-0119-01", "system": "ndc", "lasa_group": "levetiracetam-levofloxacin"},
            "qty": 1,
            "unit": "dose",
            "location": "ed",
            "site": "crowd",
            "setting": "inpatient",
        },
    }
    return subject, json.dumps(event, separators=(",", ":")).encode()


def _fill(rig: Rig, worker: Worker, records: Iterable[Record]) -> None:
    with gauging(rig) as gauge:
        before = gauge.applied()
        _until_applied(gauge, worker, before + feed(rig, records))


def _touch(rig: Rig, opened: int) -> int:
    """A pharmacist opens some of the orders, drawn by chance."""
    drawn = random.Random(f"{SEED}/{opened}").sample(range(opened), min(opened, TOUCHED))
    now = datetime.now(UTC)
    return feed(rig, (_event("rx.order.verification.started", number, now, f"-{opened}") for number in drawn))


def _until_applied(gauge: Gauge, worker: Worker, events: int) -> None:
    give_up = time.monotonic() + _SECONDS
    while gauge.applied() < events:
        if time.monotonic() > give_up or worker.process.poll() is not None:
            worker.figures()
            raise CallerFault(f"only {gauge.applied()} of {events} events were applied within {_SECONDS:g} s")
        time.sleep(_EVERY)


def _start(name: str, rig: Rig) -> Row:
    """A worker starts, and one event lies in the topic already."""
    with gauging(rig) as gauge:
        before = gauge.applied()
        feed(rig, [_event("rx.order.entered", _ANOTHER, datetime.now(UTC))])
        cpu = _servers(rig)
        with at_work(rig) as worker:
            until_assigned([worker])
            ready = time.monotonic() - worker.began
            _until_applied(gauge, worker, before + 1)
            first = time.monotonic() - worker.began
            rss = resident_bytes([worker.process.pid])
            spent = cpu_by_name({"worker": worker.process.pid}) | used(cpu, _servers(rig))
            worker.stop()
    return Row(name=name, wall_s=first, ready_s=ready, rss_mib=rss / MIB, cpu_s=spent)


def _judged(rig: Rig, gauge: Gauge) -> Row:
    cases, before = gauge.overdue(), _servers(rig)
    waits: list[float] = []
    with at_work(rig) as worker:
        until_assigned([worker])
        began, rss = time.monotonic(), 0
        while gauge.overdue():
            if time.monotonic() > began + _SECONDS:
                raise CallerFault(f"{DUE}: not everything is judged after {_SECONDS:g} s")
            waits.append(_probe(rig, worker, gauge, len(waits)))
            rss = max(rss, resident_bytes([worker.process.pid]))
            time.sleep(_BETWEEN_PROBES)
        seconds = time.monotonic() - began
        spent = cpu_by_name({"worker": worker.process.pid}) | used(before, _servers(rig))
    slow = latency(DUE, waits) if waits else Row(name=DUE)
    return replace(
        slow,
        events=cases,
        ready_s=began - worker.began,
        wall_s=seconds,
        cpu_s_per_million={name: cpu * 1e6 / max(cases, 1) for name, cpu in spent.items()},
        rss_mib=rss / MIB,
    )


def _servers(rig: Rig) -> dict[str, float]:
    """CPU seconds of Kafka and PostgreSQL so far."""
    parts = rig.parts()
    return cpu_by_name({name: parts[name] for name in SERVERS})


def _probe(rig: Rig, worker: Worker, gauge: Gauge, number: int) -> float:
    """Seconds from an event at its producer to its commit."""
    began, before = time.monotonic(), gauge.applied()
    feed(rig, [_event("rx.order.entered", _ANOTHER + number, datetime.now(UTC))])
    _until_applied(gauge, worker, before + 1)
    return time.monotonic() - began
