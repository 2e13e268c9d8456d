"""A feed as bad as feeds get, made from a simulation and a seed: repeated, shuffled, delayed by up to a day, with poison.

The same seed gives the same records. Everything happened long ago, so every deadline has passed whenever it is judged.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from random import Random

from msgspec import structs

from models.event import Event
from models.wire import encode
from streams.simulate import SiteSpec, simulate

START = datetime(2025, 1, 6, 5, tzinfo=UTC)
_DAY = timedelta(days=1)
_JITTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Sent:
    """A record on its way. `event` None: poison, which can be none. `key` and `partition` as for a producer."""

    key: bytes | None
    value: bytes
    event: Event | None
    partition: int | None = None


@lru_cache(maxsize=4)
def feed(seed: int, events: int) -> tuple[Sent, ...]:
    """So many simulated events in the order in which they arrive, and with them: 5 % again, some stamped anew, 0.5 % with
    other content under their identity, 0.5 % in a wrong place, 0.5 % poison."""
    chance = Random(f"feed/{seed}")
    sites = [SiteSpec("mercy", "inpatient", volume=0.1), SiteSpec("elm", "retail", volume=0.2)]
    arrivals: list[tuple[datetime, int, Sent]] = []
    for number, event in enumerate(islice(simulate(sites, START, seed), events)):
        for place, record in enumerate(_records(event, chance)):
            arrivals.append((event.recorded + _delay(chance), 9 * number + place, record))
    return tuple(record for _, _, record in sorted(arrivals, key=lambda one: one[:2]))


def _delay(chance: Random) -> timedelta:
    longest = _DAY if chance.random() < 0.1 else _JITTER
    return chance.random() * longest


def _records(event: Event, chance: Random) -> Iterator[Sent]:
    yield _sent(event)
    if chance.random() < 0.05:
        again = timedelta(minutes=5) if chance.random() < 0.5 else timedelta()
        yield _sent(structs.replace(event, recorded=event.recorded + again))
    if chance.random() < 0.005:
        yield _sent(structs.replace(event, time=event.time - timedelta(seconds=30), recorded=event.recorded + _JITTER))
    if chance.random() < 0.005:
        yield replace(_sent(event), key=b"wrong", partition=chance.randrange(4))
    if chance.random() < 0.005:
        yield Sent(None, b"poison %d" % chance.getrandbits(32), None)


def _sent(event: Event) -> Sent:
    return Sent(event.subject.encode(), encode(event), event)
