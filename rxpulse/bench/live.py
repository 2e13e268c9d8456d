"""How soon a breach is known while events flow: from its event at the producer to its signal, committed and readable.

Events of invented fills or orders are sent at a steady rate, as they happen. Every twelfth closes a clock that ran for longer
than its target; the signal about it is awaited at the public topic, by a reader that sees committed records only. The first
seconds are left out: they warm up what is measured.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Thread

from models.errors import CallerFault
from rxpulse.bench.rig import Rig
from rxpulse.bench.rows import Row, latency
from rxpulse.output import Say

RATES = (500, 5_000)
"""Events a second."""
WARM_SECONDS = 5.0
_EVERY = 0.01
_LINGER_MS = 5
_LAST_SECONDS = 30.0
_CALM_SECONDS = 3.0
_AGO = timedelta(minutes=40)


@dataclass(frozen=True, slots=True)
class Story:
    """What happens to each piece of work of a `kind`: the first step forty minutes ago, all others now; the second closes a
    clock that ran for too long."""

    kind: str
    source: str
    setting: str
    priority: str
    steps: tuple[str, ...]


FILLS = Story("fill", "/live/pms", "retail", "routine", ("rx.received", "rx.pv1.verified", *10 * ["rx.fill.started"]))
_DOSE = ("rx.dose.checked", "rx.dose.dispatched", "rx.dose.delivered", "rx.dose.administered")
ORDERS = Story(
    *("order", "/live/pis", "inpatient", "stat"),
    ("rx.order.entered", "rx.order.verified", *4 * ["rx.label.printed"], *_DOSE, *2 * ["rx.dose.administered"]),
)


class NotTold(CallerFault):
    """Signals that did not come."""


@dataclass(slots=True)
class Ear:
    """Hears signals; `at` is the instant at which the first one about a fill came, by fill, and `last` that of the latest
    one, or of the beginning."""

    at: dict[str, float] = field(default_factory=dict[str, float])
    last: float = 0.0
    ready: Flag = field(default_factory=Flag)
    enough: Flag = field(default_factory=Flag)

    def run(self, rig: Rig) -> None:
        """Until it is enough."""
        from streams.feed import heard, listen, reader

        with reader(rig.settings) as consumer:
            listen(consumer, "rx.signals")
            self.last = time.monotonic()
            self.ready.set()
            while not self.enough.is_set():
                messages, now = heard(consumer, 0.1), time.monotonic()
                for message in messages:
                    self.note(message.value() or b"", now)

    def note(self, record: bytes, now: float) -> None:
        """One record of the topic, ours or a peer's."""
        self.last = now
        said = json.loads(record)
        self.at.setdefault(said.get("subject") or said["case"], now)


def with_latencies(row: Row, rig: Rig, story: Story, seconds: float, say: Say) -> Row:
    """The row with its latencies at both rates, measured for so many seconds each with whatever works on this rig now; the
    row as it is for no seconds. A rate that is too much for it has no latencies, and that is said."""
    if not seconds:
        return row
    slow, fast = (_measured(rig, story, rate, seconds, say) for rate in RATES)
    return at_both(row, slow, fast)


def at_both(row: Row, slow: Row, fast: Row) -> Row:
    """The row with the latencies found at the lower of the rates and at the higher one."""
    return replace(
        row,
        p50_ms=fast.p50_ms,
        p99_ms=fast.p99_ms,
        max_ms=fast.max_ms,
        p50_ms_at_500=slow.p50_ms,
        p99_ms_at_500=slow.p99_ms,
    )


def _measured(rig: Rig, story: Story, rate: int, seconds: float, say: Say) -> Row:
    try:
        return measured(rig, story, rate, seconds)
    except NotTold as fault:
        say(f"  at {rate:,} events/s {fault}")
        return Row(name=f"at {rate}")


def measured(rig: Rig, story: Story, rate: int, seconds: float) -> Row:
    """One rate. Raises NotTold where a signal did not come in time."""
    ear = Ear()
    thread = Thread(target=ear.run, args=(rig,), name="hears signals", daemon=True)
    thread.start()
    try:
        ear.ready.wait(_LAST_SECONDS)
        _await_calm(ear)
        sent = _send(rig, story, rate, seconds + WARM_SECONDS)
        begins = min(sent.values()) + WARM_SECONDS
        wanted = {case: at for case, at in sent.items() if at >= begins}
        _await(ear, wanted)
    finally:
        ear.enough.set()
        thread.join()
    return latency(f"at {rate}", [ear.at[case] - at for case, at in wanted.items()])


def _await_calm(ear: Ear) -> None:
    """What was measured before may still have something to say: of the fills in its events that nobody verified."""
    give_up = time.monotonic() + _LAST_SECONDS
    while time.monotonic() < min(ear.last + _CALM_SECONDS, give_up):
        time.sleep(_EVERY)


def _await(ear: Ear, wanted: Mapping[str, float]) -> None:
    give_up = time.monotonic() + _LAST_SECONDS
    while not wanted.keys() <= ear.at.keys():
        if time.monotonic() > give_up:
            missing = len(wanted.keys() - ear.at.keys())
            raise NotTold(f"{missing} of {len(wanted)} signals did not come within {_LAST_SECONDS:g} s")
        time.sleep(_EVERY)


def _send(rig: Rig, story: Story, rate: int, seconds: float) -> dict[str, float]:
    """Sends at a steady rate; gives the instants at which the event was sent that closes each case's clock."""
    from streams.producing import Feeding

    feeding, sent = Feeding(rig.settings, linger_ms=_LINGER_MS), dict[str, float]()
    events = flow(story, f"{rate}-{time.time_ns():x}")
    began = time.monotonic()
    count, until = 0, int(rate * seconds)
    while count < until:
        due = min(int((time.monotonic() - began) * rate), until)
        for _ in range(due - count):
            case, kind, record = next(events)
            if kind == story.steps[1]:
                sent[case] = time.monotonic()
            feeding.send_record(case, record)
        count = max(due, count)
        time.sleep(_EVERY)
    feeding.finish()
    return sent


def flow(story: Story, name: str) -> Iterator[tuple[str, str, bytes]]:
    """(case, type, event on the wire) of one case after the other, without an end."""
    number = 0
    while True:
        case = f"{story.kind}/{name}-{number}"
        for step, kind in enumerate(story.steps):
            yield case, kind, _event(story, f"{number}-{step}", case, kind, datetime.now(UTC))
        number += 1


def _event(story: Story, key: str, case: str, kind: str, now: datetime) -> bytes:
    at = now - _AGO if kind == story.steps[0] else now
    event = {
        "specversion": "1.0",
        "id": f"{case}-{key}",
        "source": story.source,
        "type": kind,
        "time": at.isoformat(),
        "subject": case,
        "recorded": now.isoformat(),
        "datacontenttype": "application/json",
        "data": {"site": "live", "setting": story.setting, "priority": story.priority},
    }
    return json.dumps(event, separators=(",", ":")).encode()
