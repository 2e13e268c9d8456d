"""The same job by other means: what a serious team would take instead, on the same events, each on a broker of its own.

A peer keeps the clock of `durable` and puts each closed interval and each breach on a topic. What it made is held against
what the pure heart makes of the same events: a peer that is fast and wrong has no figure, and neither has one that cannot
run here; its row then says why. Time counts from its first event to its last commit.
"""

import queue
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache as once
from pathlib import Path
from threading import Thread
from typing import IO

from metrics.replay import Replay
from models.policy import Policies
from models.policy_text import load
from models.settings import Settings
from models.wire import decode
from rxpulse.bench.files import Record, Wish, made
from rxpulse.bench.live import FILLS, with_latencies
from rxpulse.bench.peer_programs import CannotRun, InJava, InPython, Program, command
from rxpulse.bench.rig import Rig, own_environment, standing
from rxpulse.bench.rows import Row, throughput
from rxpulse.bench.throughput import ONE_CLOCK, feed
from rxpulse.bench.usage import Watcher, cpu_by_name, used
from rxpulse.output import Say
from rxpulse.process import last_lines, tether

SLOW_EVENTS = 60_000
"""Events of a peer that does less than 10,000 a second."""
_START_SECONDS = 120.0
_SLOWEST = 400.0
"""Events a second, below which a peer counts as standing still."""
_WORDS = ("begin", "half", "end")


@dataclass(frozen=True, slots=True)
class Peer:
    """`meaning` for people; a `slow` one runs SLOW_EVENTS at most; a `live` one goes on after the last event and is asked for
    its latencies."""

    name: str
    meaning: str
    program: Program
    slow: bool = False
    live: bool = False


PEERS: tuple[Peer, ...] = (
    Peer("faust-idiomatic", "Faust: Record, Table, send", InPython("faust_idiomatic.py", "faust.lock"), slow=True),
    Peer("faust-agent", "Faust's plain agent at its best", InPython("faust_agent.py", "faust.lock")),
    Peer("quixstreams", "Quix Streams, state in RocksDB", InPython("quixstreams_app.py", "quixstreams.lock")),
    Peer("bytewax", "Bytewax stateful_map", InPython("bytewax_flow.py", "bytewax.lock")),
    Peer("kafka-streams-eos", "Kafka Streams exactly_once_v2", InJava("streams", "ClockPeer"), live=True),
    Peer("loop", "a bare loop, state in a dict", InPython("bare_loop.py", "loop.lock")),
)
NAMES = tuple(peer.name for peer in PEERS)


@dataclass(frozen=True, slots=True)
class Facts:
    """The cases with an interval, and those with a breach: an interval that ended after its target."""

    intervals: frozenset[str]
    breaches: frozenset[str]


@dataclass(frozen=True, slots=True)
class Setting:
    """What all peers share: the events, the caller's environment, the cache, and the seconds at each rate for latencies (0:
    none)."""

    wish: Wish
    environ: Mapping[str, str]
    cache: Path
    live_seconds: float = 0.0


def measure(peer: Peer, setting: Setting, say: Say) -> Row:
    """One round of a peer on a broker of its own; a row without figures and with the reason where it has none."""
    environ, cache = setting.environ, setting.cache
    try:
        words = command(peer.program, cache, Settings.from_env(environ).maven, say)
        records = events_of(peer, made(setting.wish, cache, say))
        wanted = expected(setting.wish, cache, len(records))
        with standing(environ, ONE_CLOCK, ("kafka",), server=True) as rig:
            rig.run("topics", "create")
            feed(rig, records)
            with _running(words, environ, rig, len(records)) as client:
                row = _timed(peer, client, rig, len(records))
                hold(Facts(cases(rig, "rx.intervals"), cases(rig, "rx.signals")), wanted)
                return with_latencies(row, rig, FILLS, setting.live_seconds if peer.live else 0.0, say)
    except CannotRun as fault:
        return Row(name=peer.name, reason=str(fault))


def events_of(peer: Peer, records: Sequence[Record]) -> Sequence[Record]:
    """The events that a peer runs: those of our own rows, or the first of them."""
    return records[:SLOW_EVENTS] if peer.slow else records


@once
def expected(wish: Wish, cache: Path, count: int) -> Facts:
    """What the heart makes of the first `count` events of a wish."""
    return facts(record for _, record in made(wish, cache, lambda _: None)[:count])


def facts(records: Iterable[bytes]) -> Facts:
    """What the heart makes of events."""
    heart = Replay(Policies.only(load(ONE_CLOCK)))
    for record in records:
        heart.take(decode(record, None))
    heart.end()
    found = list(heart.intervals())
    late = frozenset(str(one.case) for one in found if one.in_target is False)
    return Facts(frozenset(str(one.case) for one in found), late)


def hold(found: Facts, wanted: Facts) -> None:
    """Raises CannotRun where a peer made something else than the heart."""
    for kind, these, those in (
        ("intervals", found.intervals, wanted.intervals),
        ("breaches", found.breaches, wanted.breaches),
    ):
        if these != those:
            raise CannotRun(
                f"it made {len(these)} {kind} where there are {len(those)}: {len(those - these)} are missing and"
                f" {len(these - those)} are none"
            )


def cases(rig: Rig, topic: str) -> frozenset[str]:
    """The keys of what lies in a topic; of transactions only what was committed."""
    from streams.feed import Whence, reader, tail

    with reader(rig.settings) as consumer:
        keys = (message.key() for message in tail(consumer, topic, Whence.BEGINNING, follow=False))
        return frozenset(key.decode() if isinstance(key, bytes) else str(key) for key in keys)


def _timed(peer: Peer, client: "_Client", rig: Rig, events: int) -> Row:
    with Watcher(client.process.pid) as memory:
        pids = {"client": client.process.pid, "kafka": rig.parts()["kafka"]}
        marks = [_mark(client, word, events, pids) for word in _WORDS]
    (began, first), (middle, half), (ended, last) = marks
    cold = throughput(peer.name, events, ended - began, used(first, last), memory.rss)
    warm = throughput(peer.name, events - events // 2, ended - middle, used(half, last))
    return replace(cold, warm_events_per_s=warm.events_per_s, warm_cpu_s_per_million=warm.cpu_s_per_million)


@dataclass(frozen=True, slots=True)
class _Client:
    """A peer that runs. `said` gets each of its words with the instant at which it came, and None at its end."""

    process: "subprocess.Popen[str]"
    said: "queue.Queue[tuple[str, float] | None]"
    log: Path


@contextmanager
def _running(words: Sequence[str], environ: Mapping[str, str], rig: Rig, events: int) -> Iterator[_Client]:
    folder = rig.plan.home / "peer"
    folder.mkdir()
    log = rig.plan.home / "logs" / "peer.log"
    told = {
        "PEER_KAFKA": rig.settings.required_kafka(),
        "PEER_EVENTS": str(events),
        "PEER_FOLDER": str(folder),
        "PEER_PARTITIONS": str(rig.settings.partitions),
    }
    env = own_environment(environ, folder, None) | told
    # Its own packages and no others.
    env.pop("PYTHONPATH", None)
    with log.open("w") as out:
        process = subprocess.Popen(
            words,
            env=env,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
            preexec_fn=tether(signal.SIGKILL),
        )
    said: queue.Queue[tuple[str, float] | None] = queue.Queue()
    assert process.stdout is not None
    listener = Thread(target=_listen, args=(process.stdout, said), name="hears a peer", daemon=True)
    listener.start()
    try:
        yield _Client(process, said, log)
    finally:
        process.kill()
        process.wait()
        listener.join()
        process.stdout.close()


def _listen(lines: IO[str], said: "queue.Queue[tuple[str, float] | None]") -> None:
    for line in lines:
        said.put((line.strip(), time.monotonic()))
    said.put(None)


def _last(client: _Client) -> str:
    return f"the last that it said: {' '.join(last_lines(client.log, 3)) or 'nothing'}"


def _mark(client: _Client, word: str, events: int, pids: Mapping[str, int]) -> tuple[float, dict[str, float]]:
    """The instant of a word, and the CPU seconds used by then."""
    give_up = time.monotonic() + _START_SECONDS + events / _SLOWEST
    while True:
        try:
            heard = client.said.get(timeout=max(give_up - time.monotonic(), 0.0))
        except queue.Empty:
            raise CannotRun(f"it stands still: no `{word}` of it came; {_last(client)}") from None
        if heard is None:
            raise CannotRun(f"it ended with {client.process.wait()} before `{word}`; {_last(client)}")
        # A library may print something of its own.
        if heard[0] == word:
            return heard[1], cpu_by_name(pids)
