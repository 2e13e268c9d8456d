"""Who of several workers holds which partitions, who has read how far, and who writes; and records that come in meanwhile."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from threading import Event as Flag
from urllib.request import urlopen

import psycopg

from streams.topics import EVENTS
from tests.faults.trial import Trial
from tests.live import Worker, until

_WHO_CLAIMS = """
CREATE TABLE claimed (who text, partition int, position bigint, at timestamptz);
CREATE FUNCTION write_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO claimed VALUES (NEW.owner, NEW.partition, NEW.position, clock_timestamp()); RETURN NULL;
END $$;
CREATE TRIGGER taken_over AFTER UPDATE ON positions FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch)
    EXECUTE FUNCTION write_claim();
"""
"""Every claim of a partition is written down, with the position at which it begins."""
_WHO_WRITES = """
CREATE TABLE IF NOT EXISTS wrote (who text, records bigint);
TRUNCATE wrote;
CREATE OR REPLACE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO wrote VALUES (current_setting('application_name'), NEW.position - OLD.position); RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER written AFTER UPDATE ON positions FOR EACH ROW WHEN (NEW.beat IS DISTINCT FROM OLD.beat)
    EXECUTE FUNCTION write_down();
"""
"""Every session that writes a batch is written down by its name, with the records that it applied. Epochs would not tell:
a woken worker may ask the group for partitions once more before it ends, and each sharing out is a new epoch."""
_MEASURED = "rxpulse_worker_clocks_apart_seconds"
"""Another figure each time a worker asks where the topic ends."""
_STILL = 2.0
FASTEST = 2_000.0
"""Records a second at most that come in while a worker works: so many that it always has something to do. Many more are read in
one go, a late passing of a step would be long in coming, and the short form would not have enough."""
_BETWEEN = 0.01
"""Seconds between two times that records come in."""
_WAITS = (
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND application_name LIKE 'worker-%%'"
)


def feed_up_to(trial: Trial, records: int) -> None:
    """What is left of the first so many records of the feed."""
    trial.feed(max(records - (trial.total - len(trial.left)), 0))


@dataclass(slots=True)
class Flow:
    """Records that come in. `late`: those that may have come when the worker was dead already."""

    late: int = 0


@contextmanager
def flowing(trial: Trial, each_second: float, worker: Worker) -> Iterator[Flow]:
    """While the block runs the next records of the feed come in, a few at a time and so many each second, until the worker is
    dead."""
    few = max(1, round(each_second * _BETWEEN))
    told, over = Flow(), Flag()

    def flow() -> None:
        while not told.late and not over.wait(few / each_second):
            trial.feed(few)
            told.late = 0 if worker.alive() else few

    with ThreadPoolExecutor(1) as pool:
        flowed = pool.submit(flow)
        try:
            yield told
        finally:
            over.set()
        flowed.result()


def unapplied(trial: Trial) -> int:
    """Records that lie in the topic and are not applied."""
    return sum(trial.ends().values()) - trial.position()


def left_to_do(trial: Trial, name: str) -> int:
    """Records that lie in the partitions of a worker, dead or alive, and are not applied."""
    ends = trial.ends()
    return sum(ends[partition] - position for partition, position in _places(trial, name))


def left_behind(trial: Trial, name: str, died: float) -> int:
    """Of the records that lie in the partitions of a dead worker and are not applied, those that were sent before it died, in
    seconds since 1970."""
    sent = _sent(trial)
    return sum(
        offset >= position and at < died
        for partition, position in _places(trial, name)
        for offset, at in sent[partition]
    )


def _places(trial: Trial, name: str) -> list[tuple[int, int]]:
    """How far a worker has come in each of its partitions."""
    rows = trial.rows("SELECT partition, position, owner FROM positions WHERE owner IS NOT NULL")
    return [(partition, position) for partition, position, owner in rows if _short(owner) == name]


def _sent(trial: Trial) -> dict[int, list[tuple[int, float]]]:
    """The records of each partition: their offsets, and when they were sent, in seconds since 1970."""
    sent = defaultdict[int, list[tuple[int, float]]](list)
    for message in trial.topic(EVENTS):
        sent[message.partition() or 0].append((message.offset() or 0, message.timestamp()[1] / 1000))
    return sent


def unsent(trial: Trial) -> int:
    """Facts that are written, and of which no batch has said yet that the broker has them."""
    return int(trial.one("SELECT coalesce(sum(sequence - published), 0) FROM positions"))


def owners(trial: Trial) -> Counter[str]:
    """How many partitions each worker holds."""
    rows = trial.rows("SELECT owner FROM positions WHERE owner IS NOT NULL")
    return Counter(_short(owner) for (owner,) in rows)


def lives(trial: Trial) -> set[str]:
    """Who holds partitions, each life of a worker under a name of its own."""
    return {owner for (owner,) in trial.rows("SELECT DISTINCT owner FROM positions WHERE owner IS NOT NULL")}


def _short(owner: str) -> str:
    """The name of a worker without what tells its lives apart."""
    return owner.split("-")[1]


def holdings(trial: Trial) -> set[tuple[int, str, int]]:
    """Who holds which partition, and the how manyeth claim of it that is."""
    rows = trial.rows("SELECT partition, owner, epoch FROM positions WHERE owner IS NOT NULL")
    return {(partition, owner, epoch) for partition, owner, epoch in rows}


def write_down_who_claims(trial: Trial) -> None:
    """From now on it is known who takes over what."""
    trial.database.execute(_WHO_CLAIMS)


def found_waiting(trial: Trial) -> Counter[str]:
    """How many records each worker found waiting in the partitions that it took over since: sent before, and not applied."""
    sent = _sent(trial)
    rows = trial.rows("SELECT who, partition, position, extract(epoch FROM at)::float FROM claimed")
    return Counter(
        _short(who)
        for who, partition, position, at in rows
        for offset, one in sent[partition]
        if offset >= position and one < at
    )


def write_down_who_writes(trial: Trial) -> None:
    """From now on it is known who writes."""
    trial.database.execute(_WHO_WRITES)


def writers(trial: Trial) -> set[str]:
    """The workers that have written a batch since."""
    return {_short(who) for (who,) in trial.rows("SELECT DISTINCT who FROM wrote")}


def movers(trial: Trial) -> Counter[str]:
    """How many records each worker has applied since."""
    return Counter(
        {
            _short(who): int(records)
            for who, records in trial.rows("SELECT who, sum(records) FROM wrote GROUP BY who HAVING sum(records) > 0")
        }
    )


def reads_on(trial: Trial) -> Worker:
    """A worker `w1` that has applied some of the feed; from now on it is known who writes."""
    worker = trial.hire("w1")
    trial.feed(trial.portion(4))
    trial.tending(trial.applied)
    write_down_who_writes(trial)
    return worker


def feed_while_it_waits(trial: Trial, worker: Worker) -> None:
    """It has a transaction on its way and has read what came afterwards."""
    trial.feed(trial.portion(12))
    await_waiting(trial)
    trial.feed(trial.portion(12))
    await_read(trial, worker)


@contextmanager
def nothing_is_written(trial: Trial) -> Iterator[None]:
    """Within the block a worker may read cases and write none: its transaction waits, with the positions moved and all else
    to come. To be left within a minute, or by the end of the server."""
    with closing(psycopg.connect(trial.database_url)) as other:
        other.execute("LOCK TABLE cases IN SHARE MODE")
        yield


def await_waiting(trial: Trial) -> None:
    """Waits until a worker's transaction waits for somebody's lock."""
    until(lambda: trial.rows(_WAITS), why=trial.told)


def await_read(trial: Trial, worker: Worker) -> None:
    """Waits until the worker has read all that lies in the topic, written or not."""
    looks: set[float] = set()

    def read() -> bool:
        shown = _shown(worker)
        # Each time it asks for the ends it measures the clocks, and then says what is left: the second look is of now.
        looks.add(shown[_MEASURED])
        return len(looks) > 2 and shown["rxpulse_worker_lag_records"] == 0

    until(read, why=trial.told)


def await_giving_back(trial: Trial, worker: Worker) -> None:
    """Waits until a worker whose transaction waits has been asked to give partitions back: then it reads no more, nor does
    it ask where the topic ends, as it else does twice a second."""
    measured, since = 0.0, time.monotonic()

    def stands() -> bool:
        nonlocal measured, since
        latest = _shown(worker)[_MEASURED]
        if latest != measured:
            measured, since = latest, time.monotonic()
        return time.monotonic() - since > _STILL

    until(stands, why=trial.told)


def await_stopping(trial: Trial, instance: str) -> None:
    """Waits until a worker that was told to stop does: its judge is the first to go."""
    judge = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
    until(lambda: not trial.rows(judge, f"judges for {instance}"), why=trial.told)


def _shown(worker: Worker) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=10) as answer:
        lines = [line for line in answer.read().decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
