"""The proof at the end of a trial: by `verify`, by the oracle, in the public topics, among the dead letters, in the telling."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from confluent_kafka import Message
from msgspec import structs

from models.event import Event
from models.policy import Kind, Policies
from models.signals import Signal
from models.store.changes import signal_changes
from models.store.facts import snapshot
from models.store.sql import intervals
from models.tracking import Interval
from models.wire import stamp
from streams.admission import home
from streams.relay import Fact, public_record
from streams.topics import DEADLETTER, EVENTS, INTERVALS, SIGNALS
from streams.verify import uncounted, verify
from tests.faults.oracle import Expected, differences, expected, stands
from tests.faults.trial import FIRST, FULL, Trial
from tests.live import PARTITIONS

ONLY = Policies.only(FIRST.policy)


def prove(trial: Trial, policies: Policies = ONLY) -> None:
    """Everything is right, and was said once."""
    recomputed(trial)
    told = foretold(trial, trial.sent, policies)
    right(*all_differ(trial, told, came_after(trial)))


def all_differ(trial: Trial, told: Expected, after: int) -> Iterator[str]:
    """The store, the public topics, the dead letters and the telling; `after` as in `tally_differs`."""
    yield from store_differs(trial, told)
    yield from tally_differs(trial, told, after)
    yield from topics_differ(trial, told)
    yield from published_differs(trial)
    yield from said_otherwise(trial)
    yield from aside_differs(trial)
    yield from telling_differs(trial)


def right(*wrong: str) -> None:
    assert not wrong, f"{len(wrong)} differences: " + "\n".join(wrong[:20])


def recomputed(trial: Trial) -> None:
    """`rxpulse verify` finds nothing."""
    with snapshot(trial.database_url) as facts:
        found = verify(trial.settings, facts, uncounted)
    assert found.differences == 0, found.examples


def foretold(
    trial: Trial, events: Iterable[Event], policies: Policies = ONLY, partitions: int = PARTITIONS
) -> Expected:
    """What the oracle says of these events, silence being listened to as far as the store says."""
    judged = dict(trial.rows("SELECT partition, judged FROM positions"))
    return expected(events, policies, lambda case: judged[home(case, partitions)])


def store_differs(trial: Trial, told: Expected) -> Iterator[str]:
    """Every case, interval, signal and trial."""
    with snapshot(trial.database_url) as facts:
        rows = [row for number in facts.positions() for row in facts.cases(number)]
        cases = {row.id: structs.replace(row, partition=0, body=b"", look=None) for row in rows}
        intervals = {one.id: structs.replace(one, revision=0) for one in facts.intervals()}
        held = [one.signal for one in facts.signals() if one.signal.kind is not Kind.FEED]
    signals = {one.id: structs.replace(one, revision=0) for one in held if stands(one)}
    yield from differences("case", cases, told.cases)
    yield from differences("interval", intervals, told.intervals)
    yield from differences("signal", signals, told.signals)
    yield from differences("trials", _trials(trial), dict(told.trials))


def came_after(trial: Trial) -> int:
    """Signs of life that came after what had left of their feed's case by then: in the long form a feed says so many that the
    first ones leave, and some are a day late. That it is these and no others, `verify` says."""
    return int(trial.one("SELECT sum(after_close) FROM positions")) if trial.total > FULL else 0


def tally_differs(trial: Trial, told: Expected, after: int = 0) -> Iterator[str]:
    """Accepted events and reused identities, less up to so many that came `after` what had left: what is told of does not know
    whether such a one was new."""
    accepted, reused = trial.rows("SELECT sum(accepted)::int, sum(id_reused)::int FROM positions")[0]
    if not (0 <= told.accepted - accepted <= after and 0 <= told.reused - reused <= after):
        yield f"tally: {accepted, reused} / {told.accepted, told.reused}"


def _trials(trial: Trial) -> dict[Any, int]:
    rows = trial.rows(
        "SELECT site, rate, entry, minute, sum(clean)::int, sum(errors)::int, sum(late_clean)::int,"
        " sum(late_errors)::int FROM outcomes GROUP BY 1, 2, 3, 4"
    )
    return {
        (site, rate, entry, minute, place % 2 == 1, place > 1): count
        for site, rate, entry, minute, *counts in rows
        for place, count in enumerate(counts)
        if count
    }


def topics_differ(trial: Trial, told: Expected) -> Iterator[str]:
    """Each interval and signal is there, and its highest revision says what holds. Of intervals that did not come again
    after a reset the reader has dropped his copy, as the operator's page has it, and signals that were over by then are
    history; what was open is taken back by itself."""
    base = trial.one("SELECT coalesce(max(revision_base), 0) FROM watch")
    for topic, name, hold in ((INTERVALS, "interval", told.intervals), (SIGNALS, "signal", told.signals)):
        latest: dict[str, dict[str, Any]] = {}
        for message in trial.topic(topic):
            data = json.loads(message.value() or b"")["data"]
            if data["revision"] >= latest.get(data[name], data)["revision"]:
                latest[data[name]] = data
        known = {key: data for key, data in latest.items() if data["state"] == "open" or data["revision"] > base}
        shown = {key: _said(data) for key, data in known.items() if _holds(data)}
        yield from differences(topic, shown, {key: _public(one) for key, one in hold.items()})


def published_differs(trial: Trial) -> Iterator[str]:
    """Every revision that the store holds, of feeds and rates too, was said to the byte, and nothing that it does not hold: but
    what was said before a reset, whose revisions are lower."""
    base: int = trial.one("SELECT coalesce(max(revision_base), 0) FROM watch")
    with psycopg.connect(trial.database_url) as connection, connection.cursor() as cursor:
        facts: list[Fact] = [*intervals(cursor, "true", []), *signal_changes(cursor, "true", [])]
    for topic in (INTERVALS, SIGNALS):
        held = {value for at, _, value in (public_record(fact, base) for fact in facts) if at == topic}
        values = {message.value() or b"" for message in trial.topic(topic)}
        said = {value for value in values if json.loads(value)["data"]["revision"] >= base}
        yield from (f"{topic} never said {value.decode()}" for value in held - said)
        yield from (f"{topic} says what nobody holds: {value.decode()}" for value in said - held)


def said_otherwise(trial: Trial) -> Iterator[str]:
    """Ids under which a public topic says two things."""
    for topic in (INTERVALS, SIGNALS):
        contents: dict[str, set[bytes]] = defaultdict(set)
        for message in trial.topic(topic):
            value = message.value() or b""
            contents[json.loads(value)["id"]].add(value)
        yield from (f"{topic} says two things under {key}" for key, said in contents.items() if len(said) > 1)


def aside_differs(trial: Trial) -> Iterator[str]:
    """Every record that is no event lies among the dead letters as it was, once; twice at most where a worker was taken by
    surprise."""
    records = trial.topic(EVENTS)
    poison = Counter((one.partition(), one.offset(), one.value()) for one in records if one.value() in trial.poison)
    letters = Counter(_origin(letter) for letter in trial.topic(DEADLETTER))
    held = {place: 1 if trial.surprised and count == 2 else count for place, count in letters.items()}
    yield from differences("dead letter", held, poison)


def _origin(letter: Message) -> tuple[int, int, bytes | None]:
    """Where what was put aside had lain, and its value."""
    about = dict(letter.headers() or [])
    assert about["reason"], "a dead letter says why it is one"
    return int(about["partition"] or 0), int(about["offset"] or 0), letter.value()


def telling_differs(trial: Trial) -> Iterator[str]:
    """Somebody heard of every late order of today, once."""
    late = trial.late_signals()
    if len(late) != len(trial.late):
        yield f"{len(late)} of {len(trial.late)} late orders have a signal"
    yield from trial.people.differs(late)


def _holds(data: dict[str, Any]) -> bool:
    return data["state"] != "retracted" and data.get("reason") != "disproof" and data.get("kind") != "feed"


def _said(data: dict[str, Any]) -> tuple[Any, ...]:
    if "interval" in data:
        return data["clock"], data["case"], data["started"], data["stopped"], data["net_seconds"], data["in_target"]
    return data["name"], data["case"], data["severity"], data["raised"], data["cleared"], data["reason"]


def _public(one: Interval | Signal) -> tuple[Any, ...]:
    if isinstance(one, Interval):
        net = one.net.total_seconds()
        return one.clock, one.case, stamp(one.started), stamp(one.stopped), net, one.in_target
    cleared = None if one.cleared is None else stamp(one.cleared)
    return one.name, one.case, one.severity.name, stamp(one.raised), cleared, one.reason and one.reason.value
