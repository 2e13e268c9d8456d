"""The whole stack, as it runs on one machine: how long it takes to start, to load a history, and how much memory it takes."""

import tempfile
import time
from collections.abc import Collection, Mapping
from pathlib import Path

from models.errors import CallerFault
from rxpulse.bench import telling
from rxpulse.bench.files import Wish, made
from rxpulse.bench.rig import Rig, standing
from rxpulse.bench.rows import MIB, Row, throughput
from rxpulse.bench.throughput import feed
from rxpulse.bench.usage import Watcher, cpu_by_name, used
from rxpulse.bench.working import until_applied
from rxpulse.output import Say

HISTORY = Wish("demo-history", "demo", days=63)
"""What the demonstration loads: nine weeks of one hospital and three stores."""
LATENCIES = ("signal-latency", "page-latency", "deadline-page")
TOGETHER = ("history-load", *LATENCIES, "stack-memory")


def start(environ: Mapping[str, str]) -> Row:
    """`stack-start`: from the command `rxpulse demo`, everything fetched before, to all parts healthy."""
    with standing(environ, command="demo") as rig:
        return Row(name="stack-start", wall_s=rig.up_s)


def measure(wanted: Collection[str], environ: Mapping[str, str], cache: Path, samples: int, say: Say) -> dict[str, Row]:
    """The rows among `wanted` that are about one whole stack, measured on the same one in this order: the history is
    loaded, people are told (`samples` of each latency), and its memory is the most it took meanwhile."""
    history = made(HISTORY, cache, say) if {"history-load", "stack-memory"} & set(wanted) else []
    heard, found = telling.Heard(), dict[str, Row]()
    with telling.webhook(heard) as address, tempfile.TemporaryDirectory(prefix="rxpulse-bench-") as folder:
        Path(folder).chmod(0o755)
        with standing(environ, telling.policy(address, Path(folder))) as rig, Watcher(rig.pid) as memory:
            if history:
                found["history-load"] = _load(rig, history)
            if {*LATENCIES, "stack-memory"} & set(wanted):
                found |= {row.name: row for row in telling.measure(rig, heard, samples)}
    pss = memory.pss / MIB if memory.pss else None
    found["stack-memory"] = Row(name="stack-memory", rss_mib=memory.rss / MIB, pss_mib=pss)
    return {name: row for name, row in found.items() if name in wanted}


def _load(rig: Rig, history: list[tuple[str, bytes]]) -> Row:
    """From the first record produced to the last commit in PostgreSQL, while every other part runs too."""
    from models.store.measuring import Gauge

    gauge, parts = Gauge(str(rig.settings.database_url)), rig.parts()
    before, was, began = cpu_by_name(parts), gauge.applied(), time.monotonic()
    feed(rig, history)
    try:
        for _ in until_applied("history-load", lambda: gauge.applied() - was, len(history)):
            pass
        seconds = time.monotonic() - began
        if gauge.accepted() != len(history):
            raise CallerFault(f"history-load: {len(history)} events were sent and {gauge.accepted()} accepted")
    finally:
        gauge.close()
    return throughput("history-load", len(history), seconds, used(before, cpu_by_name(parts)))
