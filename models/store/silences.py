"""The judge of feeds in the database: which feed has gone silent, which speaks again, and whose clock is astray.

A feed is judged over all partitions at once, and only while every one of them has been read up to now: what a worker has
not read yet is no silence. What is found is remembered until the feed speaks, for that is what people are told about what
was due under it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs
from psycopg import Connection, Cursor

from models.event import Site, Source
from models.feeds import LEAST, REMEMBERED, astray, learned, silence, silent_since, spoken
from models.policy import Policies, Policy
from models.signals import Cleared, Signal
from models.store.rows import signal_of

CAUGHT_UP = timedelta(seconds=10)
"""A partition whose silence was last judged longer ago than this is not caught up."""
APART = timedelta(seconds=30)
"""Clocks of host and database that differ by more than this are a signal (`semantics.md` 18)."""
_GONE = timedelta(minutes=10)
"""A worker that has not measured its clock for so long is no more."""
_TIDY_EVERY = timedelta(hours=1)
_HOUR = timedelta(hours=1)
_MICROSECOND = timedelta(microseconds=1)
_Feed = tuple[Source, Site]


@dataclass(slots=True)
class Memory:
    """What a judge need not find out again: for each feed how long it may be silent after it was last heard of, and when
    the store was last rid of what nobody asks for any more."""

    allowed: dict[_Feed, tuple[datetime, timedelta | None]] = field(
        default_factory=dict[_Feed, tuple[datetime, timedelta | None]]
    )
    tidied: datetime | None = None


def judge_feeds(cursor: "Cursor[Any]", policies: Policies, memory: Memory) -> list[Signal]:
    """What is new about feeds and clocks, in the transaction of `cursor`."""
    cursor.execute("SELECT now(), min(judged), coalesce(bool_and(judged IS NOT NULL), false) FROM positions")
    row = cursor.fetchone()
    assert row is not None
    now, judged, everywhere = row
    policy = policies.at(now)
    cursor.execute("SELECT source, site, max(last_recorded) FROM feeds GROUP BY 1, 2")
    heard: dict[_Feed, datetime] = {(source, site): last for source, site, last in cursor}
    standing = _standing(cursor)
    found = [*_spoke(cursor, standing, heard), *_astray(cursor, policy, standing, now)]
    if everywhere and now - judged <= CAUGHT_UP:
        silent = {(one.signal.name, one.signal.site) for one in standing if one.worker is None and one.open}
        waiting = {feed: last for feed, last in heard.items() if feed not in silent}
        found += _fell_silent(cursor, policy, waiting, judged, memory)
    _tidy(cursor, memory, now)
    return found


def silent_feeds(connection: "Connection[Any]") -> dict[tuple[Source, Site], datetime]:
    """The feeds that are silent now, each with the instant (UTC) at which it was last heard of."""
    rows = connection.execute("SELECT source, site, since FROM silences WHERE cleared IS NULL AND worker IS NULL")
    return {(Source(source), Site(site)): since for source, site, since in rows}


def measure(connection: "Connection[Any]", worker: str, ahead: timedelta) -> None:
    """Keeps how far a worker's host is ahead of the database, by the database's clock now."""
    connection.execute(
        "INSERT INTO worker_clocks (worker, ahead) VALUES (%s, %s)"
        " ON CONFLICT (worker) DO UPDATE SET ahead = excluded.ahead, measured = now()",
        [worker, ahead // _MICROSECOND],
    )


@dataclass(slots=True)
class _Standing:
    """A signal that is open when a round begins. `since`: the feed was last heard of then."""

    signal: Signal
    worker: str | None
    since: datetime
    open: bool = True


def _standing(cursor: "Cursor[Any]") -> list[_Standing]:
    cursor.execute(
        "SELECT g.id, g.kind, g.name, g.severity, g.site, g.case_id, g.raised, g.known, g.cleared, g.reason, g.revision,"
        " s.worker, s.since FROM silences s JOIN signals g ON g.id = s.signal WHERE s.cleared IS NULL ORDER BY s.signal"
    )
    return [_Standing(signal_of(about), worker, since) for *about, worker, since in cursor]


def _spoke(cursor: "Cursor[Any]", standing: list[_Standing], heard: dict[_Feed, datetime]) -> Iterator[Signal]:
    for one in standing:
        last = heard.get((Source(one.signal.name), one.signal.site)) if one.worker is None else None
        if last is not None and last > one.since:
            yield _clear(cursor, one, last)


def _clear(cursor: "Cursor[Any]", one: _Standing, at: datetime) -> Signal:
    one.open = False
    signal = one.signal
    cleared = max(at, signal.raised)
    cursor.execute("UPDATE silences SET cleared = %s WHERE signal = %s", [cleared, signal.id])
    return structs.replace(signal, cleared=cleared, reason=Cleared.SPOKE, revision=signal.revision + 1)


def _raise(cursor: "Cursor[Any]", signal: Signal, worker: str | None, since: datetime) -> Signal:
    cursor.execute(
        "INSERT INTO silences (signal, source, site, worker, since, raised) VALUES (%s, %s, %s, %s, %s, %s)",
        [signal.id, signal.name, signal.site, worker, since, signal.raised],
    )
    return signal


def _fell_silent(
    cursor: "Cursor[Any]", policy: Policy, heard: dict[_Feed, datetime], until: datetime, memory: Memory
) -> Iterator[Signal]:
    for (source, site), last in heard.items():
        working = policy.site(site).working
        allowed = _allowed(cursor, policy, (source, site), last, until, memory)
        raised = None if allowed is None else silent_since(last, allowed, working)
        if raised is not None and raised <= until:
            yield _raise(cursor, silence(source, site, last, raised, policy), None, last)


def _allowed(
    cursor: "Cursor[Any]", policy: Policy, feed: _Feed, last: datetime, until: datetime, memory: Memory
) -> timedelta | None:
    """How long a feed may be silent after it was last heard of; None where it is too soon to say."""
    settings = policy.feeds.get(feed[0])
    if settings is not None and settings.silent_after is not None:
        return settings.silent_after
    if until - last <= LEAST:
        return None
    known = memory.allowed.get(feed)
    if known is None or known[0] != last:
        known = memory.allowed[feed] = last, _learned(cursor, policy, feed, last)
    return known[1]


def _learned(cursor: "Cursor[Any]", policy: Policy, feed: _Feed, last: datetime) -> timedelta | None:
    cursor.execute(
        "SELECT hour, bit_or(minutes) FROM feed_hours WHERE source = %s AND site = %s AND hour >= %s GROUP BY 1 ORDER BY 1",
        [*feed, last - REMEMBERED - _HOUR],
    )
    return learned(spoken(cursor), last, policy.site(feed[1]).working)


def _astray(cursor: "Cursor[Any]", policy: Policy, standing: list[_Standing], now: datetime) -> Iterator[Signal]:
    """One signal a worker and site: nobody at any of the sites is paged for what that worker would have to notice."""
    cursor.execute("SELECT worker, ahead, measured FROM worker_clocks ORDER BY worker")
    clocks = {worker: (timedelta(microseconds=ahead), measured) for worker, ahead, measured in cursor}
    told = {one.worker for one in standing if one.worker is not None}
    for worker, (ahead, measured) in clocks.items():
        if abs(ahead) > APART and worker not in told and now - measured <= _GONE:
            for site in policy.sites or (policy.default_site.site,):
                yield _raise(cursor, astray(worker, site, measured), worker, measured)
    for one in standing:
        if one.worker is not None:
            ahead, measured = clocks.get(one.worker, (timedelta(), now))
            if abs(ahead) <= APART or now - measured > _GONE:
                yield _clear(cursor, one, measured)


def _tidy(cursor: "Cursor[Any]", memory: Memory, now: datetime) -> None:
    """Takes away what no feed is learned from any more."""
    if memory.tidied is None or now - memory.tidied > _TIDY_EVERY:
        memory.tidied = now
        cursor.execute(
            "DELETE FROM feed_hours h USING (SELECT source, site, max(last_recorded) AS last FROM feeds GROUP BY 1, 2) f"
            " WHERE (h.source, h.site) = (f.source, f.site) AND h.hour < f.last - %s",
            [REMEMBERED + timedelta(days=7)],
        )
