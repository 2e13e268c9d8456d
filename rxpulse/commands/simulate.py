"""`rxpulse simulate`: an invented pharmacy as a file of events, the same bytes for the same seed."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from models.errors import UsageFault
from models.event import Event
from models.wire import encode
from rxpulse.destination import writable, write
from rxpulse.eventfile import STDIN
from rxpulse.output import json_option, print_json, say
from rxpulse.progress import counted
from streams.simulate import KINDS, PROFILES, Incident, Simulation, SiteSpec
from streams.simulate import simulate as simulation

EXAMPLE = """Example:

\b
    rxpulse simulate --profile retail --days 7 --seed 1 --incident kickback-surge --out week.ndjson.gz
"""
ZONE = "America/New_York"
INCIDENTS = "\n".join(
    f"\b\n{name} ({', '.join(sorted(kind.profiles))}): {kind.detail}; {kind.size:g} {kind.unit}"
    for name, kind in sorted(KINDS.items())
)


@click.command(epilog=f"Incidents:\n\n{INCIDENTS}\n\n{EXAMPLE}")
@click.option("--profile", type=click.Choice(sorted(PROFILES)), required=True, help="The kind of pharmacy.")
@click.option("--days", type=click.IntRange(1, 3660), default=7, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--sites", type=click.IntRange(1, 200), default=1, show_default=True, help="How many of them.")
@click.option("--start", default="2025-01-06", show_default=True, help="The first local day.")
@click.option("--volume", type=click.FloatRange(0, 50, min_open=True), default=1.0, show_default=True)
@click.option(
    "--incident",
    "incidents",
    type=click.Choice(sorted(KINDS)),
    multiple=True,
    help="Goes wrong at the first site, once, in the middle of the time, at its usual hour; may be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NDJSON, gzip for .gz; - prints it.")
@json_option
def simulate(
    profile: str,
    days: int,
    seed: int,
    sites: int,
    start: str,
    volume: float,
    incidents: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Write the events of an invented pharmacy, in the order in which they become known.

    What was simulated, and what went wrong when and how much, is written beside them (OUT.truth.json; nowhere where they are
    printed): an incident changes what people and systems can do, never a time by itself.
    """
    if out == STDIN and as_json:
        raise UsageFault("--out - and --json both print on standard output: give --out the name of a file")
    begin = first_instant(start)
    until = begin + timedelta(days=days)
    pharmacies = specs(profile, sites, volume)
    running = simulation(pharmacies, begin, seed)
    plant(running, incidents, pharmacies[0].site, begin + timedelta(days=days // 2), until)
    counts: Counter[str] = Counter()
    events = tallied(takewhile(lambda event: event.recorded < until, running), counts)
    if out == STDIN:
        pour(events)
        say(f"{counts.total()} events of {days} days")
        return
    write(events, writable(out))
    truth = Path(f"{out}.truth.json")
    truth.write_text(json.dumps(running.truth(), indent=1) + "\n", encoding="utf-8")
    document = {"events": counts.total(), "out": str(out), "truth": str(truth), "types": dict(sorted(counts.items()))}
    if as_json:
        print_json(document)
        return
    say(f"{counts.total()} events of {days} days in {out}; what was simulated stands in {truth}")
    for one in running.planted:
        say(f"  {one.incident.name} at {one.incident.site} from {one.incident.start:%Y-%m-%d %H:%M} UTC")


def pour(events: Iterator[Event]) -> None:
    """NDJSON on standard output."""
    stream = click.get_binary_stream("stdout")
    for event in events:
        stream.write(encode(event) + b"\n")


def specs(profile: str, sites: int, volume: float) -> list[SiteSpec]:
    names = [profile if sites == 1 else f"{profile}-{number}" for number in range(1, sites + 1)]
    return [SiteSpec(site=name, profile=profile, timezone=ZONE, volume=volume) for name in names]


def first_instant(day: str) -> datetime:
    try:
        found = datetime.combine(date.fromisoformat(day), time.min, ZoneInfo(ZONE))
    except ValueError as fault:
        raise UsageFault(f"--start {day}: give a date such as 2025-01-06") from fault
    if not 1901 <= found.year <= 2280:
        raise UsageFault(f"--start {day}: give a year from 1901 to 2280")
    return found


def plant(running: Simulation, names: Sequence[str], site: str, day: datetime, until: datetime) -> None:
    """Plants each at a site on a local day, at its usual hour. Raises UsageFault for one that such a pharmacy cannot
    have, or that would begin after the end."""
    for name in names:
        kind = KINDS[name]
        try:
            planted = running.plant(Incident(name, site, day.replace(hour=kind.hour), kind.size))
        except ValueError as fault:
            raise UsageFault(f"--incident {name}: {fault}") from fault
        if planted.incident.start >= until:
            raise UsageFault(
                f"--incident {name}: it would begin after the last day; give more --days, or another --start"
            )


def tallied(events: Iterator[Event], counts: Counter[str]) -> Iterator[Event]:
    """`events` as they come, counted by type."""
    for event in counted(events, "events"):
        counts[event.type] += 1
        yield event
