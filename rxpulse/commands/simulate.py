"""`rxpulse simulate`: an invented pharmacy as a file of events, the same bytes for the same seed."""

import json
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from models.errors import UsageFault
from models.wire import encode
from rxpulse.eventfile import writing
from rxpulse.output import json_option, print_json, say
from streams.simulate import PROFILES, Simulation, SiteSpec
from streams.simulate import simulate as simulation

EXAMPLE = """Example:

    rxpulse simulate --profile retail --days 7 --seed 1 --out week.ndjson.gz
"""
ZONE = "America/New_York"


@click.command(epilog=EXAMPLE)
@click.option("--profile", type=click.Choice(sorted(PROFILES)), required=True, help="The kind of pharmacy.")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--sites", type=click.IntRange(1, 200), default=1, show_default=True, help="How many of them.")
@click.option("--start", default="2025-01-06", show_default=True, help="The first local day.")
@click.option("--volume", type=click.FloatRange(min=0, min_open=True), default=1.0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NDJSON, gzip where the name ends in .gz.")
@json_option
def simulate(
    profile: str, days: int, seed: int, sites: int, start: str, volume: float, out: Path, as_json: bool
) -> None:
    """Write the events of an invented pharmacy, in the order in which they become known."""
    begin = first_instant(start)
    running = simulation(specs(profile, sites, volume), begin, seed)
    counts = write(running, begin + timedelta(days=days), out)
    truth = Path(f"{out}.truth.json")
    truth.write_text(json.dumps(running.truth(), indent=1) + "\n")
    document = {"events": counts.total(), "out": str(out), "truth": str(truth), "types": dict(sorted(counts.items()))}
    if as_json:
        print_json(document)
    else:
        say(f"{counts.total()} events of {days} days in {out}; what was simulated stands in {truth}")


def specs(profile: str, sites: int, volume: float) -> list[SiteSpec]:
    names = [profile if sites == 1 else f"{profile}-{number}" for number in range(1, sites + 1)]
    return [SiteSpec(site=name, profile=profile, timezone=ZONE, volume=volume) for name in names]


def first_instant(day: str) -> datetime:
    try:
        return datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(ZONE))
    except ValueError as fault:
        raise UsageFault(f"--start {day}: give a date such as 2025-01-06") from fault


def write(running: Simulation, until: datetime, out: Path) -> Counter[str]:
    """Writes what becomes known before `until` and counts it by type."""
    counts: Counter[str] = Counter()
    with writing(out) as stream:
        for event in running:
            if event.recorded >= until:
                return counts
            stream.write(encode(event) + b"\n")
            counts[event.type] += 1
    return counts
