"""What can be measured, the figures wanted, and one round of it."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from models.errors import UsageFault
from rxpulse.bench import crowd, offline, peer_programs, peers, scale, throughput, whole
from rxpulse.bench.comparing import cpu_ratios, latency_ratios, ratios, warm_ratios
from rxpulse.bench.rows import Row, Sense, Wanted, middle, shown
from rxpulse.bench.usage import Elsewhere
from rxpulse.output import Say


@dataclass(frozen=True, slots=True)
class Measurement:
    """`figure` is the field of the row that people are shown first."""

    meaning: str
    figure: str
    wanted: Wanted | None = None


def _at_most(meaning: str, figure: str, limit: float) -> Measurement:
    return Measurement(meaning, figure, Wanted(figure, Sense.AT_MOST, limit))


MEASUREMENTS: Mapping[str, Measurement] = {
    "durable": Measurement("one clock on retail fills, to SQL and topics", "events_per_s"),
    "durable-full": Measurement("the shipped inpatient policy on a hospital", "events_per_s"),
    "no-store": Measurement("as durable, without SQL", "events_per_s"),
    "history-load": Measurement(
        "nine weeks into a whole stack, first record to last commit",
        "events_per_s",
        Wanted("events_per_s", Sense.AT_LEAST, 20_000),
    ),
    "signal-latency": _at_most("event that breaks a rule to its signal's row", "p99_ms", 1000),
    "page-latency": _at_most("event that breaks a rule to its page accepted", "p99_ms", 2000),
    "deadline-page": _at_most("missed deadline, due instant to page accepted", "max_ms", 2500),
    "stack-start": _at_most("rxpulse demo, everything fetched, to all parts healthy", "wall_s", 30),
    "stack-memory": _at_most("the whole stack, resident", "rss_mib", 2560),
    "replay-mimic": _at_most("rxpulse replay of the real data set", "wall_s", 5),
    "help": _at_most("rxpulse --help", "wall_s", 0.3),
}
"""The rows of RxPulse itself, in the order in which they are shown."""
SCALE: Mapping[str, Measurement] = {
    **{
        shape.name: Measurement(f"workers: {shape.workers}, partitions: {shape.partitions}", "events_per_s")
        for shape in scale.SHARED
    },
    **{
        stage.open: Measurement(f"events to {stage.cases:,} open cases", "events_per_s")
        for stage in crowd.STAGES
        if stage.open
    },
    **{
        stage.start: Measurement(f"a worker's start to its first commit, {stage.cases:,} open cases", "wall_s")
        for stage in crowd.STAGES
        if stage.start
    },
    crowd.DUE: Measurement(f"{crowd.DUE_CASES:,} deadlines missed at once, until all are judged", "wall_s"),
    "replay-stores": Measurement(scale.stores(0).meaning, "events_per_s"),
    "replay-year": Measurement(
        scale.year(0).meaning, "events_per_s", Wanted("events_per_s", Sense.AT_LEAST, scale.YEAR / 1200)
    ),
}
"""How it grows: asked for by name or all together, for they take long."""
EVERY: Mapping[str, Measurement] = (
    MEASUREMENTS | SCALE | {peer.name: Measurement(peer.meaning, "events_per_s") for peer in peers.PEERS}
)
"""And after them those of its peers."""
BESIDE_PEERS = ("durable", "durable-full", "no-store")
"""What peers are measured beside where no row is named."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much: `events` of each throughput row, `samples` of each latency, how many `rounds`; `live_seconds`
    of events at each rate for the latencies of `durable`, `durable-full` and the peer, 0 for none; `replayed` events of
    `replay-year`."""

    events: int = 200_000
    replayed: int = 5_000_000
    samples: int = 60
    rounds: int = 1
    live_seconds: float = 0.0


LONG = Effort(events=1_000_000, samples=300)
LIVE_SECONDS = 15.0
"""How long `durable`, `durable-full` and the peer that commits as they do are asked for their latencies, at each rate."""


def chosen(
    names: Sequence[str], environ: Mapping[str, str], with_peers: bool = False, with_scale: bool = False
) -> list[str]:
    """The rows to measure, in order; none named: all of RxPulse itself that can be, those of SCALE left out. `with_peers`:
    all peers too, and with them, where none is named, only what they are compared with. `with_scale`: those of SCALE too,
    where none is named only they. Raises UsageFault for an unknown row, and for one that
    needs data or sources which are not there."""
    unknown = [name for name in names if name not in EVERY]
    if unknown:
        raise UsageFault(f"nothing is called {unknown[0]}: there are {', '.join(EVERY)}")
    if with_peers:
        names = [*(names or BESIDE_PEERS), *peers.NAMES]
    if with_scale:
        names = [*names, *SCALE]
    if set(peers.NAMES) & set(names):
        peer_programs.source()
    data = offline.real_data(environ)
    if "replay-mimic" in names and data is None:
        raise UsageFault(f"replay-mimic needs {offline.TEST_DATA}: the folder that holds mimic-iv-demo/")
    if names:
        return [name for name in EVERY if name in names]
    return [name for name in MEASUREMENTS if name != "replay-mimic" or data]


def report(names: Collection[str], environ: Mapping[str, str], cache: Path, effort: Effort, say: Say) -> dict[str, Any]:
    """Measures the rows and gives the whole document of `rxpulse bench --json`."""
    found_on = machine()
    rounds: dict[str, list[Row]] = {name: [] for name in names}
    for number in range(effort.rounds):
        for row in _round(names, environ, cache, effort, _numbered(say, number, effort.rounds)):
            rounds[row.name].append(row)
    rows = {name: middle(found) for name, found in rounds.items()}
    found = list(rows.values())
    return {
        "machine": found_on,
        "rows": [shown(row, rounds[name], EVERY[name].figure, EVERY[name].wanted) for name, row in rows.items()],
        "ratios": ratios(found, ("no-store", "durable-full", *peers.NAMES)),
        "warm_ratios": warm_ratios(found, peers.NAMES),
        "cpu_ratios": cpu_ratios(found, peers.NAMES),
        "latency_ratios": latency_ratios(found, peers.NAMES),
    }


def machine() -> dict[str, float]:
    """Processors that this process may use, the memory of the machine, and how many processes wanted a processor in the
    last minute: where that is near the number of processors before the measurement begins, others take from it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = psutil.virtual_memory().total / 2**30
    return {"cores": cores, "memory_gib": round(memory, 1), "load_before": round(os.getloadavg()[0], 2)}


def _numbered(say: Say, number: int, rounds: int) -> Say:
    return say if rounds == 1 else lambda line: say(f"  round {number + 1} of {rounds}: {line.strip()}")


def _round(names: Collection[str], environ: Mapping[str, str], cache: Path, effort: Effort, say: Say) -> Iterator[Row]:
    """One round of every row, one after the other: two at once would disturb each other."""
    for job in throughput.jobs(effort.events):
        if job.name in names:
            live = effort.live_seconds
            yield from _said(
                say, [job.name], lambda job=job, live=live: [throughput.measure(job, environ, cache, say, live)]
            )
    setting = peers.Setting(throughput.fills_of(effort.events), environ, cache, effort.live_seconds)
    for peer in peers.PEERS:
        if peer.name in names:
            yield from _said(say, [peer.name], lambda peer=peer: [peers.measure(peer, setting, say)])
    yield from _scale(names, environ, cache, effort, say)
    if "stack-start" in names:
        yield from _said(say, ["stack-start"], lambda: [whole.start(environ)])
    together = [name for name in names if name in whole.TOGETHER]
    if together:
        yield from _said(
            say, together, lambda: list(whole.measure(together, environ, cache, effort.samples, say).values())
        )
    data = offline.real_data(environ)
    if "replay-mimic" in names and data is not None:
        yield from _said(say, ["replay-mimic"], lambda: [offline.replay_mimic(environ, data)])
    if "help" in names:
        yield from _said(say, ["help"], lambda: [offline.help_row(environ)])


def _scale(names: Collection[str], environ: Mapping[str, str], cache: Path, effort: Effort, say: Say) -> Iterator[Row]:
    for shape in scale.SHARED:
        if shape.name in names:
            yield from _said(
                say, [shape.name], lambda shape=shape: [scale.shared(shape, effort.events, environ, cache, say)]
            )
    stages = crowd.chosen(names)
    if stages:
        about = [name for name in crowd.NAMES if name in names and name != crowd.DUE]
        yield from _said(say, about, lambda: crowd.measure(stages, environ, say))
    if crowd.DUE in names:
        yield from _said(say, [crowd.DUE], lambda: [crowd.due(crowd.DUE_CASES, environ, say)])
    for reading in (scale.stores(effort.events), scale.year(effort.replayed)):
        if reading.name in names:
            yield from _said(
                say, [reading.name], lambda reading=reading: [scale.read_again(reading, environ, cache, say)]
            )


def _said(say: Say, names: Sequence[str], measure: Callable[[], list[Row]]) -> list[Row]:
    say(f"  measuring {', '.join(names)}")
    elsewhere = Elsewhere()
    rows = measure()
    return [replace(row, elsewhere=elsewhere.share()) for row in rows]
