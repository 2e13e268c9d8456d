"""`rxpulse bench`: how fast, how soon and how large RxPulse is on this machine, beside the figures wanted."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from models.settings import Settings
from rxpulse.output import json_option, print_json, say

EXAMPLE = """Example:

\b
    rxpulse bench durable page-latency
"""
_QUIET = 0.05
"""Share of the processors that others may have without a word about it."""


@click.command(epilog=EXAMPLE)
@click.argument("names", nargs=-1)
@click.option("--rounds", type=click.IntRange(1, 20), default=1, show_default=True, help="The middle one is shown.")
@click.option("--long", "thorough", is_flag=True, help="A million events and 300 pages of each sort.")
@click.option("--events", type=click.IntRange(1000), help="Events of durable, durable-full, no-store and --scale.")
@click.option("--scale", is_flag=True, help="More workers, partitions, open cases, and a year: about 50 minutes.")
@click.option("--peers", is_flag=True, help="Other ways to do the job of durable too; from a checkout only.")
@click.option("--samples", type=click.IntRange(1), help="Samples of each latency.")
@json_option
def bench(
    names: tuple[str, ...],
    rounds: int,
    thorough: bool,
    events: int | None,
    scale: bool,
    peers: bool,
    samples: int | None,
    as_json: bool,
) -> None:
    """Measure speed and size on this machine: all rows, or those named. Each runs on a stack of its own.

    A running stack is left alone, but what else this machine does is in the figures. Rows: durable, durable-full,
    no-store, history-load, signal-latency, page-latency, deadline-page, stack-start, stack-memory, help, and
    replay-mimic where RXPULSE_TEST_DATA names the folder with the real data. With --peers the rows durable,
    durable-full and no-store, or those named, and beside them faust-idiomatic, faust-agent, quixstreams, bytewax,
    kafka-streams-eos and loop; some of these can be named instead. With --scale how it grows: w1-p8 to w4-p128
    (workers and partitions), open-10k, open-100k, open-1m and open-2m (open cases), start-1m, due-1m,
    replay-stores and replay-year.
    """
    from rxpulse.bench.measurements import LIVE_SECONDS, LONG, Effort, chosen, report

    effort = LONG if thorough else Effort()
    effort = replace(effort, rounds=rounds, events=events or effort.events, samples=samples or effort.samples)
    if events:
        effort = replace(effort, replayed=events)
    if peers:
        effort = replace(effort, live_seconds=LIVE_SECONDS)
    # Whoever stops a measurement stops its stack with it.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    wanted = chosen(names, os.environ, peers, scale)
    document = report(wanted, os.environ, Settings.from_env(os.environ).cache, effort, say)
    if as_json:
        print_json(document)
    else:
        click.echo(table(document))


def table(document: Mapping[str, Any]) -> str:
    """The rows for people: what was found beside what is wanted."""
    from rxpulse.bench.measurements import EVERY

    machine = document["machine"]
    size = f"{machine['cores']} cores, {machine['memory_gib']:g} GiB, load before it began {machine['load_before']:g}"
    out = [size, f"{'':<18}{'found':>12}  wanted"]
    for row in document["rows"]:
        about = EVERY[row["name"]]
        if row["reason"] is not None:
            out.append(f"{row['name']:<18}cannot run: {row['reason']}")
            continue
        verdict = {True: "reached", False: "MISSED", None: ""}[row["met"]]
        out.append(
            f"{row['name']:<18}{row[about.figure]:>12,.4g}  {row['wanted'] or about.figure:<22}{verdict:<9}"
            f"{about.meaning}"
        )
        out += [f"{'':<18}{line}" for line in _more(row)]
    out += [f"{name}: {ratio:.2f}" for name, ratio in document["ratios"].items() if ratio is not None]
    out += [
        f"{name}, its warm half: {ratio:.2f}" for name, ratio in document["warm_ratios"].items() if ratio is not None
    ]
    for name, cpu in document["cpu_ratios"].items():
        out += [f"{name}, CPU seconds, {half}: {ratio:.2f}" for half, ratio in cpu.items() if ratio is not None]
    for name, latencies in document["latency_ratios"].items():
        out += [f"{name}, {figure}: {ratio:.2f}" for figure, ratio in latencies.items() if ratio is not None]
    return "\n".join(out)


def _more(row: Mapping[str, Any]) -> list[str]:
    lines = []
    if row["cpu_s_per_million"]:
        used = ", ".join(f"{process} {seconds:.1f}" for process, seconds in row["cpu_s_per_million"].items())
        lines.append(f"{row['events']:,} events; CPU s per million: {used}")
    if row["ready_s"] is not None:
        lines.append(f"ready after {row['ready_s']:.2f} s; resident {row['rss_mib']:.0f} MiB")
    if row["cpu_s"]:
        lines.append("CPU s: " + ", ".join(f"{process} {seconds:.1f}" for process, seconds in row["cpu_s"].items()))
    if row["bytes_per_event"]:
        found = row["bytes_per_event"].items()
        lines.append("bytes an event: " + ", ".join(f"{name} {size:.0f}" for name, size in found if size >= 1))
    if row["events_per_s"] is not None:
        for rate, at in (("500", "_at_500"), ("5,000", "")):
            if row["p50_ms" + at] is not None:
                p50, p99 = row["p50_ms" + at], row["p99_ms" + at]
                lines.append(f"at {rate} events/s from an event to its signal: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        if row["backlog_s"] is not None:
            lines.append(f"a backlog of ten minutes at 500 events/s would take {row['backlog_s']:.1f} s")
    elif row["p50_ms"] is not None:
        lines.append(
            f"{row['events']} samples: p50 {row['p50_ms']:.0f} ms, p99 {row['p99_ms']:.0f} ms, max {row['max_ms']:.0f} ms"
        )
    if row["elsewhere"] is not None and row["elsewhere"] > _QUIET:
        lines.append(f"other processes had {row['elsewhere']:.0%} of the processors meanwhile")
    return lines
