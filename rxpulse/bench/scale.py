"""How the worker grows: several of them over more partitions, and a year of a hospital read again.

`w2-p32` are two workers over 32 partitions: they hold all of them before the first record is produced, and time counts
from there to the last commit. `replay-year` is what `rxpulse reset --facts` costs: everything lies in the topic, the store
is empty, and one worker makes all facts again. What a year takes follows from the events a second, for they do not fall
with what is in the store: the second half of the run stands beside the whole. `replay-stores` is the same for community
pharmacies. How many bytes an event leaves behind in Kafka and in PostgreSQL is measured at the end.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import CallerFault
from models.store.measuring import Gauge
from rxpulse.bench.files import Wish, kept, made, streamed
from rxpulse.bench.rig import Rig, standing
from rxpulse.bench.rows import Row, throughput
from rxpulse.bench.throughput import INPATIENT, feed, hospital_of
from rxpulse.bench.usage import cpu_seconds, resident_bytes, used
from rxpulse.bench.working import Worker, at_work, crew, until_applied, until_assigned
from rxpulse.output import Say

SERVERS = ("kafka", "postgres")
RETAIL = Path(__file__).with_name("retail.toml")
YEAR = 36_000_000
"""Events of a large hospital in a year (100,000 a day)."""
_BLOCK = 512
"""Bytes of which `st_blocks` counts."""


@dataclass(frozen=True, slots=True)
class Shared:
    """So many workers over so many partitions."""

    workers: int
    partitions: int

    @property
    def name(self) -> str:
        """As the row is called."""
        return f"w{self.workers}-p{self.partitions}"


SHARED = tuple(Shared(workers, partitions) for workers in (1, 2, 4) for partitions in (8, 32, 128))


def shared(shape: Shared, events: int, environ: Mapping[str, str], cache: Path, say: Say) -> Row:
    """One row of workers and partitions, on a stack of its own."""
    records = made(hospital_of(events), cache, say)
    with prepared(environ, shape.partitions) as rig, crew(rig, shape.workers) as workers:
        until_assigned(workers, shape.partitions)
        ready = time.monotonic() - workers[0].began
        return replace(watched(shape.name, rig, workers, lambda: feed(rig, records)), ready_s=ready)


@dataclass(frozen=True, slots=True)
class Reading:
    """A store of facts made from nothing: the events of `wish`, judged by a policy."""

    name: str
    meaning: str
    wish: Wish
    policy: Path


def year(events: int) -> Reading:
    """`replay-year`: the first events of a year of a large hospital, seven houses with about 100,000 events a day together."""
    # Named by its length: a short one would take the place of one that took minutes to make.
    wish = Wish(f"year-{events}", "inpatient", sites=7, events=events)
    return Reading("replay-year", "a hospital's year read again: 36 million events in 20 minutes", wish, INPATIENT)


def stores(events: int) -> Reading:
    """`replay-stores`: eight stores, all that they send, under the whole shipped policy."""
    wish = Wish("stores", "retail", sites=8, events=events)
    return Reading("replay-stores", "the whole shipped policy on eight stores", wish, RETAIL)


def read_again(reading: Reading, environ: Mapping[str, str], cache: Path, say: Say) -> Row:
    """All events lie in the topic before the worker starts."""
    file = kept(reading.wish, cache, say)
    with prepared(environ, policy=reading.policy) as rig:
        say("  filling the topic")
        sent = feed(rig, streamed(file))
        with gauging(rig) as gauge:
            log = gauge.log_bytes()
        with at_work(rig) as worker:
            until_assigned([worker])
            row = watched(reading.name, rig, [worker], lambda: sent, first=0)
            return left_behind(row, rig, log)


@contextmanager
def prepared(environ: Mapping[str, str], partitions: int = 8, policy: Path = INPATIENT) -> Iterator[Rig]:
    """Kafka and PostgreSQL with tables and topics, and nothing in them."""
    with standing(environ, policy, SERVERS, server=True) as rig:
        rig.run("_migrate")
        rig.run("topics", "create", RXPULSE_PARTITIONS=str(partitions))
        yield rig


@contextmanager
def gauging(rig: Rig) -> Iterator[Gauge]:
    """A connection to ask the store by."""
    gauge = Gauge(str(rig.settings.database_url))
    try:
        yield gauge
    finally:
        gauge.close()


@dataclass(frozen=True, slots=True)
class _Mark:
    """So far at an instant (monotonic clock), with the CPU seconds used by then."""

    at: float
    applied: int
    cpu: Mapping[str, float]


def watched(name: str, rig: Rig, workers: Sequence[Worker], send: Callable[[], int], first: int | None = None) -> Row:
    """What it takes from the call of `send`, which produces records and says how many, to their last commit; the second
    half also by itself. `first` records were applied and accepted before, None: whatever is by now. Raises CallerFault
    where the workers stand still or not every event was accepted."""
    with gauging(rig) as gauge:
        begin = _mark(rig, workers, gauge)
        accepted = gauge.accepted() if first is None else first
        begin = begin if first is None else replace(begin, applied=first)
        count = send()
        half, rss = begin, 0
        for done in until_applied(name, lambda: gauge.applied() - begin.applied, count, workers):
            rss = max(rss, resident_bytes(worker.process.pid for worker in workers))
            if half is begin and done >= count / 2:
                half = _mark(rig, workers, gauge)
        end = _mark(rig, workers, gauge)
        if gauge.accepted() - accepted != count:
            raise CallerFault(f"{name}: {count} events were sent and {gauge.accepted() - accepted} accepted")
    whole = _between(name, begin, end)
    if end.applied == half.applied:
        return replace(whole, rss_mib=rss / 2**20)
    warm = _between(name, half, end)
    return replace(
        whole,
        rss_mib=rss / 2**20,
        warm_events_per_s=warm.events_per_s,
        warm_cpu_s_per_million=warm.cpu_s_per_million,
    )


def _mark(rig: Rig, workers: Sequence[Worker], gauge: Gauge) -> _Mark:
    parts = rig.parts()
    cpu = {name: cpu_seconds(parts[name]) for name in SERVERS}
    ours = sum(cpu_seconds(worker.process.pid) for worker in workers)
    return _Mark(time.monotonic(), gauge.applied(), {"worker": ours} | cpu)


def _between(name: str, one: _Mark, other: _Mark) -> Row:
    return throughput(name, other.applied - one.applied, other.at - one.at, used(one.cpu, other.cpu))


def left_behind(row: Row, rig: Rig, log: int) -> Row:
    """The row with what its events left on the disk, for each of them, as far as that is a byte or more. PostgreSQL's log
    stood at `log` before."""
    assert row.events is not None
    with gauging(rig) as gauge:
        tables = gauge.tables()
        log = gauge.log_bytes() - log
    topics = {f"kafka/{name}": size for name, size in _topics(rig.plan.home / "kafka").items()}
    size = topics | {f"postgres/{table.name}": table.bytes for table in tables} | {"postgres/log": log}
    return replace(
        row,
        bytes_per_event={name: bytes_ / row.events for name, bytes_ in size.items() if bytes_ > row.events},
        rows_per_event={table.name: table.rows / row.events for table in tables if table.bytes > row.events},
    )


def _topics(folder: Path) -> dict[str, int]:
    """Bytes on the disk of each topic: Kafka keeps each partition in a folder of its own."""
    found: dict[str, int] = {}
    for partition in folder.glob("rx.*-*"):
        topic = partition.name.rpartition("-")[0]
        size = sum(file.stat().st_blocks * _BLOCK for file in partition.iterdir())
        found[topic] = found.get(topic, 0) + size
    return found
