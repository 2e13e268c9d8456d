"""How many events a second one worker applies: they lie in the topic before it starts, and it reads as fast as it can.

`durable` keeps one clock on simulated retail fills; every closed interval and every breach goes to PostgreSQL and to its
public topic. `durable-full` judges a simulated hospital by the whole shipped inpatient policy. `no-store` is `durable`
with a memory in the place of PostgreSQL, which shows what the database costs. Time counts from the moment the worker holds
its partitions to the last commit, so that the start of the process is in none of them.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.errors import CallerFault
from rxpulse.bench.files import Record, Wish, made
from rxpulse.bench.live import FILLS, ORDERS, Story, with_latencies
from rxpulse.bench.rig import Rig, standing
from rxpulse.bench.rows import Row, throughput
from rxpulse.bench.usage import cpu_by_name, resident_bytes, used
from rxpulse.bench.working import NO_STORE, STORE, Worker, applied, at_work, until_applied, until_assigned
from rxpulse.output import Say

ONE_CLOCK = Path(__file__).with_name("one_clock.toml")
INPATIENT = Path(__file__).with_name("inpatient.toml")


@dataclass(frozen=True, slots=True)
class Job:
    """What a row measures: these events, this policy, with PostgreSQL or without; `live` is what happens while its latencies
    are measured, None where none are."""

    name: str
    wish: Wish
    policy: Path
    store: bool
    live: Story | None = None


def fills_of(events: int) -> Wish:
    """The fills that `durable`, `no-store` and every peer read."""
    return Wish("retail-fills", "retail", sites=8, kind="fill", events=events)


def hospital_of(events: int) -> Wish:
    """The hospital that `durable-full` reads."""
    return Wish("hospital", "inpatient", sites=4, events=events)


def jobs(events: int) -> tuple[Job, ...]:
    """The three rows, each over so many events."""
    fills = fills_of(events)
    return (
        Job("durable", fills, ONE_CLOCK, True, FILLS),
        Job("durable-full", hospital_of(events), INPATIENT, True, ORDERS),
        Job("no-store", fills, ONE_CLOCK, False),
    )


def measure(job: Job, environ: Mapping[str, str], cache: Path, say: Say, live_seconds: float = 0.0) -> Row:
    """One round of a row on a stack of its own; then, while events flow, its latencies for so many seconds."""
    records = made(job.wish, cache, say)
    only = ("kafka", "postgres") if job.store else ("kafka",)
    with standing(environ, job.policy, only, server=True) as rig:
        if job.store:
            rig.run("_migrate")
        rig.run("topics", "create")
        feed(rig, records)
        with at_work(rig, STORE if job.store else NO_STORE) as worker:
            row = _watched(job, rig, worker, len(records))
            return row if job.live is None else with_latencies(row, rig, job.live, live_seconds, say)


def feed(rig: Rig, records: Iterable[Record]) -> int:
    """Puts all records into the topic of events, waits until the broker has confirmed them, and says how many they are."""
    from streams.producing import Feeding

    feeding = Feeding(rig.settings)
    for subject, record in records:
        feeding.send_record(subject, record)
    return feeding.finish()


def _watched(job: Job, rig: Rig, worker: Worker, events: int) -> Row:
    pids = {"worker": worker.process.pid} | {name: pid for name, pid in rig.parts().items() if name in _COUNTED}
    until_assigned([worker])
    began, before = time.monotonic(), cpu_by_name(pids)
    rss = 0
    for _ in until_applied(job.name, lambda: applied(worker.figures() or {}), events):
        rss = max(rss, resident_bytes([worker.process.pid]))
    seconds = time.monotonic() - began
    _hold(job, rig, worker, events)
    return throughput(job.name, events, seconds, used(before, cpu_by_name(pids)), rss)


_COUNTED = ("kafka", "postgres")


def _hold(job: Job, rig: Rig, worker: Worker, events: int) -> None:
    """A fast worker that lost something would be no figure. Raises CallerFault where not every event was accepted, and,
    with a store, is in it."""
    found = (worker.figures() or {}).get('rxpulse_worker_events_total{outcome="accepted"}', 0)
    if job.store:
        from models.store.measuring import Gauge

        gauge = Gauge(str(rig.settings.database_url))
        found = min(found, gauge.accepted())
        gauge.close()
    if found != events:
        raise CallerFault(f"{job.name}: {events} events were sent and {found:g} accepted")
