"""What must be true in the end, told from the generated events alone.

Nothing is carried on here from what was known before: the records of a case are put together in one go, and the case is folded
once from nothing, by the rules that the worker follows too. Whatever the worker lived through, it must have come to the same.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import structs

from models.case import canonical, identity, ordered, settled
from models.event import CaseId, Event, kind_of, same_content
from models.policy import Policies
from models.rates import Trials, design_of, shifts
from models.rates import signal as rate_signal
from models.signals import Cleared, Signal
from models.store.records import CaseRow, case_row
from models.tracking import Interval, Watched, refold
from models.tracking.asked import Asking
from models.tracking.counting import trials

TrialsOf = Counter[tuple[str, str, str, datetime, bool, bool]]
"""How often (site, rate, entry, minute, error, late)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """By id: cases as boards show them, intervals and signals under revision 0. `accepted` events and `reused` contents."""

    cases: Mapping[str, CaseRow]
    intervals: Mapping[str, Interval]
    signals: Mapping[str, Signal]
    trials: TrialsOf
    accepted: int
    reused: int


def expected(events: Iterable[Event], policies: Policies, judged: Callable[[CaseId], datetime]) -> Expected:
    """The end of these events in any order, repeated however often; silence was listened to up to `judged` of a case."""
    by_case: dict[CaseId, list[Event]] = defaultdict(list)
    for event in events:
        by_case[event.subject].append(event)
    found = Expected({}, {}, {}, Counter(), 0, 0)
    cases, intervals, signals = dict[str, CaseRow](), dict[str, Interval](), dict[str, Signal]()
    accepted = reused = 0
    for name, told in by_case.items():
        events_of, rivals = _resolved(told)
        accepted, reused = accepted + len(events_of), reused + len(rivals)
        evidence = settled(ordered(events_of), tuple(rivals))
        case = refold(Watched(name, evidence, judged=judged(name)), policies).case
        cases[name] = structs.replace(case_row(case, 0, None), body=b"")
        intervals |= {one.id: structs.replace(one, revision=0) for one in case.intervals.values() if not one.retracted}
        signals |= {one.id: structs.replace(one, revision=0) for one in case.signals.values()}
        found.trials.update(_trials(name, evidence.standing, policies))
    signals |= {one.id: structs.replace(one, revision=0) for one in _shifts(found.trials, policies)}
    return Expected(cases, intervals, signals, found.trials, accepted, reused)


def _resolved(told: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """One event for each identity, and the other contents that claimed it (`semantics.md` 3)."""
    claims: dict[object, list[Event]] = defaultdict(list)
    for event in sorted(told, key=lambda one: one.recorded):
        known = claims[identity(event)]
        if not any(same_content(event, one) for one in known):
            known.append(event)
    ranked = [sorted(each, key=lambda one: (one.recorded, canonical(one))) for each in claims.values()]
    return [each[0] for each in ranked], [one for each in ranked for one in each[1:]]


def _trials(case: CaseId, standing: Sequence[Event], policies: Policies) -> TrialsOf:
    told = trials(standing, Asking(kind_of(case), standing[0], policies)) if standing else []
    return Counter((o.site, o.rate, o.entry, o.minute, o.error, o.late) for o in told)


def _shifts(counted: TrialsOf, policies: Policies) -> Iterable[Signal]:
    by_rate: dict[tuple[str, str], dict[datetime, list[int]]] = defaultdict(dict)
    for (site, rate, _, minute, error, late), count in counted.items():
        if not late:
            by_rate[site, rate].setdefault(minute, [0, 0])[error] += count
    for (site, name), minutes in by_rate.items():
        rate = policies.latest.rates[name]
        rows = [Trials(minute, *counts) for minute, counts in sorted(minutes.items())]
        for shift in shifts(rows, design_of(rate)):
            yield rate_signal(rate, site, shift)  # type: ignore[arg-type]


def differences(name: str, there: Mapping[Any, object], here: Mapping[Any, object]) -> list[str]:
    """Where the store (`there`) and the oracle (`here`) do not say the same, in words."""
    keys = sorted({*there, *here}, key=str)
    return [f"{name} {key}: {there.get(key)} / {here.get(key)}" for key in keys if there.get(key) != here.get(key)]


def stands(signal: Signal) -> bool:
    """Whether a signal belongs to the end of the story: not what late evidence took back."""
    return signal.reason is not Cleared.DISPROOF
