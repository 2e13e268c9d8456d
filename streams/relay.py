"""Committed facts go on to the public topics, each at least once.

The rows in the store are their own outbox. A batch counts as published when the broker has confirmed every record of
it; the mark up to which everything was confirmed is written with the next batch, and whoever takes a partition over
sends again what lies beyond the mark. Every record carries a stable id, so that a reader can tell a repetition. When
facts were forgotten and are made again their revisions go on for readers, who keep the highest one of each.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from models.errors import OurFault
from models.event import utc
from models.signals import Signal
from models.store.ledger import IntervalFact, SignalFact
from models.tracking import Interval
from streams.topics import INTERVALS, SIGNALS

_SECOND = timedelta(seconds=1)
Fact = IntervalFact | SignalFact


class DeliveryFailed(OurFault):
    """The broker did not take a record, however often it was tried."""


@dataclass(slots=True)
class _Sending:
    """One batch on its way: how many records are not confirmed, and the marks that hold once all are."""

    open: int
    marks: dict[int, int]


class Relay:
    """Sends facts. `failed` is called with the reason, in whatever thread, when one cannot be delivered."""

    def __init__(self, producer: Producer, failed: Callable[[str], None]) -> None:
        self._producer = producer
        self._failed = failed
        self._sending: deque[_Sending] = deque()
        self._marks: dict[int, int] = {}
        self._bases: dict[int, int] = {}

    def resume(self, partition: int, published: int, revision_base: int) -> None:
        """A partition was taken over; its mark stands at `published`. `revision_base` is added to its facts' revisions. What is
        confirmed later of an earlier ownership says nothing any more: the numbers may have been given anew since."""
        for sending in self._sending:
            sending.marks.pop(partition, None)
        self._marks[partition] = published
        self._bases[partition] = revision_base

    def mark(self, partition: int) -> int:
        """Everything of the partition below this number has reached the public topics."""
        self._producer.poll(0)
        while self._sending and self._sending[0].open == 0:
            self._marks.update(self._sending.popleft().marks)
        return self._marks[partition]

    def publish(self, facts: Iterable[Fact]) -> None:
        """Sends facts, in order; returns before they are confirmed."""
        rows = list(facts)
        marks: dict[int, int] = {}
        for fact in rows:
            marks[fact.partition] = fact.sequence + 1
        sending = _Sending(len(rows), marks)
        self._sending.append(sending)

        def delivered(fault: KafkaError | None, _: Message) -> None:
            if fault is not None:
                self._failed(f"a record was not delivered to its topic: {fault}")
            sending.open -= 1

        for fact in rows:
            self._send(*public_record(fact, self._bases[fact.partition]), delivered)

    def flush(self, seconds: float) -> bool:
        """Waits until everything is confirmed; False where it is not by then."""
        return self._producer.flush(seconds) == 0

    def _send(
        self, topic: str, key: str, value: bytes, delivered: Callable[[KafkaError | None, Message], None]
    ) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=delivered)
                return
            except BufferError:
                self._producer.poll(0.05)


# The encoder itself writes an instant in UTC as `models.wire.stamp` does, ten times as fast.
def public_record(fact: Fact, revision_base: int) -> tuple[str, str, bytes]:
    """(topic, key, value) of a fact; `revision_base` is added to its revision."""
    if isinstance(fact, IntervalFact):
        one, revision = fact.interval, revision_base + fact.interval.revision
        return INTERVALS, one.case, msgspec.json.encode(_interval(one, revision))
    signal, revision = fact.signal, revision_base + fact.signal.revision
    return SIGNALS, signal.id, msgspec.json.encode(_signal(signal, revision))


def _interval(one: Interval, revision: int) -> dict[str, Any]:
    state = "retracted" if one.retracted else "closed"
    about = {
        "interval": one.id,
        "clock": one.clock,
        "site": one.site,
        "priority": one.priority,
        "case": one.case,
        "started": utc(one.started),
        "stopped": utc(one.stopped),
        "net_seconds": one.net / _SECOND,
        "target_seconds": None if one.target is None else one.target / _SECOND,
        "in_target": one.in_target,
        "revision": revision,
        "state": state,
    }
    return _envelope(one.id, revision, f"rx.interval.{state}", one.stopped, one.case, about)


def _signal(one: Signal, revision: int) -> dict[str, Any]:
    about = {
        "signal": one.id,
        "kind": one.kind.value,
        "name": one.name,
        "severity": one.severity.name,
        "site": one.site,
        "case": one.case,
        "raised": utc(one.raised),
        "known": utc(one.known),
        "cleared": None if one.cleared is None else utc(one.cleared),
        "reason": None if one.reason is None else one.reason.value,
        "revision": revision,
        "state": "open" if one.open else "cleared",
    }
    kind = "rx.signal.raised" if one.open else "rx.signal.cleared"
    return _envelope(one.id, revision, kind, one.cleared or one.raised, one.case or one.site, about)


def _envelope(name: str, revision: int, kind: str, at: datetime, subject: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"{name}.{revision}",
        "source": "/rxpulse",
        "type": kind,
        "time": utc(at),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": data,
    }
