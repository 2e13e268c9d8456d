"""The heart over a file of events, with no service at all: the figures of a feed as the pharmacy lived it.

Every line is an event or a refusal with its reason; the order of the lines does not matter. Time then passes up to the
largest time among the events that stand, so that work which nobody finished is judged too.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from operator import attrgetter

from metrics.turnaround import Figures, figures
from models.case import Admission
from models.event import EPOCH, CaseId, Event, Site, kind_of, micros
from models.event_types import CATALOGUE
from models.policy import Policies
from models.rates import Outcome, Trials, design_of, shifts
from models.rates import signal as rate_signal
from models.signals import Cleared, Signal
from models.tracking import Interval, Step, Watched, conflicts, tick, track
from models.wire import Decoded, Rejected

MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Replay:
    """What was read so far. `rejected` counts refusals by reason; `trials` the outcomes in time by site, rate and
    minute."""

    policies: Policies
    read: int = 0
    accepted: int = 0
    duplicates: int = 0
    reused: int = 0
    out_of_order: int = 0
    unknown: int = 0
    dropped: int = 0
    rejected: Counter[str] = field(default_factory=Counter[str])
    cases: dict[CaseId, Watched] = field(default_factory=dict[CaseId, Watched])
    trials: Counter[tuple[Site, str, datetime, bool]] = field(default_factory=Counter[tuple[Site, str, datetime, bool]])
    latest: dict[CaseId, datetime] = field(default_factory=dict[CaseId, datetime])

    def take(self, record: Decoded | Rejected) -> None:
        """One line of the file."""
        self.read += 1
        match record:
            case Rejected(reason):
                self.rejected[reason] += 1
            case Decoded(event, dropped):
                self.dropped += dropped
                self._track(event)

    def _track(self, event: Event) -> None:
        case = self.cases.get(event.subject) or Watched(event.subject)
        step = track(case, event, self.policies)
        self.cases[event.subject] = step.case
        self._count(event, step)
        self._outcomes(step.outcomes)

    def _count(self, event: Event, step: Step) -> None:
        match step.admissions[0]:
            case Admission.DUPLICATE:
                self.duplicates += 1
                return
            case Admission.ID_REUSED:
                self.reused += 1
                return
            case _:
                self.accepted += 1
        self.unknown += event.type not in CATALOGUE
        before = self.latest.get(event.subject)
        self.out_of_order += before is not None and event.time < before
        self.latest[event.subject] = event.time if before is None else max(before, event.time)

    def _outcomes(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            if not outcome.late:
                self.trials[outcome.site, outcome.rate, outcome.minute, outcome.error] += outcome.sign

    def end(self, until: datetime | None = None) -> None:
        """Lets time pass in every case, to `until` or to the largest time among the events that stand."""
        stands = (event.time for case in self.cases.values() for event in case.evidence.standing)
        now = until or max(stands, default=None)
        if now is not None:
            self.cases = {name: tick(case, self.policies, now).case for name, case in self.cases.items()}

    def intervals(self) -> Iterator[Interval]:
        """The latest unretracted interval of each id."""
        for case in self.cases.values():
            yield from (one for one in case.intervals.values() if not one.retracted)

    def signals(self) -> Iterator[Signal]:
        """The signals of the final fold, not the story of arrival."""
        for case in self.cases.values():
            yield from (one for one in case.signals.values() if one.reason is not Cleared.DISPROOF)
        yield from self._rate_signals()

    def _rate_signals(self) -> Iterator[Signal]:
        by_rate: dict[tuple[Site, str], dict[datetime, Trials]] = defaultdict(dict)
        for (site, name, minute, error), count in sorted(self.trials.items(), key=lambda item: item[0]):
            known = by_rate[site, name].get(minute, Trials(minute, 0, 0))
            more = replace(known, errors=known.errors + count) if error else replace(known, clean=known.clean + count)
            by_rate[site, name][minute] = more
        for (site, name), minutes in by_rate.items():
            rate = self.policies.latest.rates.get(name)
            if rate is not None:
                for shift in shifts(minutes.values(), design_of(rate)):
                    yield rate_signal(rate, site, shift)


def document(replay: Replay) -> dict[str, object]:
    """The figures as `rxpulse replay --json` prints them."""
    facts = list(replay.intervals())
    return {
        "events": {
            "read": replay.read,
            "accepted": replay.accepted,
            "rejected": replay.rejected.total(),
            "duplicates": replay.duplicates,
            "out_of_order": replay.out_of_order,
            "unknown_type": replay.unknown,
        },
        "rejected_reasons": dict(sorted(replay.rejected.items())),
        "dropped_fields": replay.dropped,
        "cases": _cases(replay),
        "intervals": _rows(facts),
        "conflicts": _conflicts(replay),
        "signals": _signals(replay),
        "facts_digest": facts_digest(facts),
    }


def _cases(replay: Replay) -> dict[str, dict[str, int]]:
    kinds: dict[str, dict[str, int]] = {}
    for name, case in replay.cases.items():
        counts = kinds.setdefault(kind_of(name), {"total": 0, "open": 0})
        counts["total"] += 1
        counts["open"] += case.progress is None or case.progress.finished is None
    return dict(sorted(kinds.items()))


def _conflicts(replay: Replay) -> dict[str, int]:
    total: Counter[str] = Counter()
    for case in replay.cases.values():
        total.update(asdict(conflicts(case)))
    names = ("negative_interval", "impossible_transition", "before_case", "id_reused", "clock_skew")
    return {name: total[name] for name in names}


def _signals(replay: Replay) -> list[dict[str, object]]:
    raised: Counter[tuple[str, str, str]] = Counter()
    cleared: Counter[tuple[str, str, str]] = Counter()
    for signal in replay.signals():
        key = (str(signal.kind), signal.name, signal.severity.name)
        raised[key] += 1
        cleared[key] += not signal.open
    return [
        {"kind": kind, "name": name, "severity": severity, "raised": n, "cleared": cleared[kind, name, severity]}
        for (kind, name, severity), n in sorted(raised.items())
    ]


def _rows(facts: list[Interval]) -> list[dict[str, object]]:
    groups: dict[tuple[str, str, str], list[Interval]] = defaultdict(list)
    for one in facts:
        groups[one.clock, "*", "*"].append(one)
        groups[one.clock, one.site, one.priority].append(one)
    order = sorted(groups, key=lambda key: (key[0], key[1] != "*", key[1], key[2]))
    return [_row(key, _figures(groups[key])) for key in order]


def _row(key: tuple[str, str, str], found: Figures) -> dict[str, object]:
    clock, site, priority = key
    return {"clock": clock, "site": site, "priority": priority, "unit": "min", **asdict(found)}


def _figures(facts: list[Interval]) -> Figures:
    return figures([one.net / MINUTE for one in facts], [one.in_target for one in facts])


def facts_digest(facts: Iterable[Interval]) -> str:
    """One hash of every fact, the same on every machine: lines `clock|site|case|started|stopped|net_ms|target_ms|
    in_target`, sorted bytewise, lengths and times cut to whole milliseconds."""
    lines = sorted(_line(one).encode() + b"\n" for one in facts)
    return "sha256:" + sha256(b"".join(lines)).hexdigest()


def _line(one: Interval) -> str:
    target = "" if one.target is None else str(_milliseconds(one.target))
    verdict = {True: "true", False: "false", None: ""}[one.in_target]
    times = (_cut(one.started), _cut(one.stopped), str(_milliseconds(one.net)))
    return "|".join((one.clock, one.site, one.case, *times, target, verdict))


def _milliseconds(length: timedelta) -> int:
    """Whole milliseconds, cut towards zero."""
    whole = micros(EPOCH + abs(length)) // 1000
    return -whole if length < timedelta() else whole


def _cut(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant.microsecond // 1000:03d}Z"


COLUMNS = (
    "interval", "clock", "site", "priority", "case", "started", "stopped", "net_seconds", "target_seconds",
    "in_target", "revision", "state",
)  # fmt: skip


def table(facts: Iterable[Interval]) -> Iterator[tuple[str, ...]]:
    """The rows of `export intervals`, sorted by interval."""
    for one in sorted(facts, key=attrgetter("id")):
        target = "" if one.target is None else repr(one.target.total_seconds())
        verdict = {True: "true", False: "false", None: ""}[one.in_target]
        yield (
            one.id, one.clock, one.site, one.priority, one.case, one.started.isoformat(), one.stopped.isoformat(),
            repr(one.net.total_seconds()), target, verdict, str(one.revision), "retracted" if one.retracted else "closed",
        )  # fmt: skip
