"""What an event costs the worker, step by step: CPU time of one process, without Kafka and without a database.

    .venv/bin/python tools/pace.py retail-fills hospital
    .venv/bin/python tools/pace.py hospital 600000

The events and policies are those of the rows `durable` and `durable-full` of `rxpulse bench`. Each batch is examined,
tracked, drafted, packed and made into public records as the worker does it, each step by itself.
"""

import gc
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from models.event import CaseId
from models.policy import Policies
from models.policy_text import load
from models.store.records import packed
from models.tracking import Step, track_all
from models.wire import Decoded
from rxpulse.bench.files import made
from rxpulse.bench.throughput import Job, jobs
from streams.admission import Record, examine, home, misplaced
from streams.arrivals import in_order
from streams.batch import COLLECT, LARGEST
from streams.cases import unseen
from streams.draft import Draft, Held, Partition
from streams.relay import public_record

PARTITIONS, EVENTS = 8, 60_000
Out = TypeVar("Out")


class Pace:
    """One worker's memory, and the seconds that each step has taken so far."""

    def __init__(self, policies: Policies) -> None:
        self.seconds: dict[str, float] = {}
        self._policies = policies
        self._cases: dict[CaseId, Held] = {}
        self._partitions = [Partition(number, 1, 0, 0, 0) for number in range(PARTITIONS)]

    def apply(self, records: list[Record]) -> None:
        """One batch."""
        draft = Draft()
        examined = self._timed("examine", lambda: [self._examined(record) for record in records])
        tracked = self._timed("track", lambda: self._tracked(examined))
        self._timed("draft", lambda: self._drafted(draft, records, tracked))
        batch = self._timed("pack", lambda: draft.batch(lambda _: 0, self._policies.latest.tell_within))
        assert sum(advance.tally.accepted for advance in batch.advances) == len(records)
        self._timed("publish", lambda: [public_record(fact, 0) for fact in draft.facts])

    def _timed(self, step: str, work: Callable[[], Out]) -> Out:
        begun = time.thread_time()
        done = work()
        self.seconds[step] = self.seconds.get(step, 0.0) + time.thread_time() - begun
        return done

    def _examined(self, record: Record) -> tuple[Record, Decoded]:
        found = examine(record, self._policies)
        assert isinstance(found, Decoded)
        assert not misplaced(record, found.event.subject, home(found.event.subject, PARTITIONS))
        return record, found

    def _tracked(self, examined: Iterable[tuple[Record, Decoded]]) -> list[tuple[Held, Sequence[Decoded], Step]]:
        arrived: dict[CaseId, tuple[Held, list[Decoded]]] = {}
        for record, found in examined:
            case = found.event.subject
            waiting = arrived.get(case)
            if waiting is None:
                held = self._cases.get(case) or unseen(case, record.partition)
                waiting = arrived[case] = held, []
            waiting[1].append(found)
        tracked: list[tuple[Held, Sequence[Decoded], Step]] = []
        for held, read in arrived.values():
            together = in_order(read)
            step = track_all(held.case, [one.event for one in together], self._policies)
            rows = packed(step.case.evidence, held.packed)
            self._cases[step.case.id] = Held(held.partition, step.case, step.look, rows)
            tracked.append((held, together, step))
        return tracked

    def _drafted(
        self, draft: Draft, records: Iterable[Record], tracked: Iterable[tuple[Held, Sequence[Decoded], Step]]
    ) -> None:
        read: dict[int, list[Record]] = {}
        for record in records:
            read.setdefault(record.partition, []).append(record)
        for number, of in read.items():
            draft.read(self._partitions[number], of[-1].offset, of[-1].received, len(of))
        for held, together, step in tracked:
            draft.track(self._partitions[held.partition], held.case, together, step)
            draft.cases[step.case.id] = self._cases[step.case.id]


def measured(job: Job, cache: Path) -> dict[str, float]:
    """Microseconds of CPU for an event, by step."""
    now, ends = datetime.now(UTC), [0] * PARTITIONS
    records: list[Record] = []
    for subject, value in made(job.wish, cache, print):
        partition = home(CaseId(subject), PARTITIONS)
        records.append(Record(partition, ends[partition], subject.encode(), value, now))
        ends[partition] += 1
    pace = Pace(Policies.only(load(job.policy)))
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)
    for begin in range(0, len(records), LARGEST):
        pace.apply(records[begin : begin + LARGEST])
    return {step: seconds / len(records) * 1e6 for step, seconds in pace.seconds.items()}


def main() -> None:
    wanted = [word for word in sys.argv[1:] if not word.isdigit()] or ["retail-fills", "hospital"]
    events = next((int(word) for word in sys.argv[1:] if word.isdigit()), EVENTS)
    for job in jobs(events)[:2]:
        if job.wish.name in wanted:
            found = measured(job, Path.home() / ".cache" / "rxpulse")
            told = "  ".join(f"{step} {cost:.1f}" for step, cost in found.items())
            print(f"{job.wish.name}: {sum(found.values()):.1f} microseconds an event: {told}")


if __name__ == "__main__":
    main()
