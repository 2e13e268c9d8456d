"""The heart: what follows when an event arrives, and when time passes without one.

`track` gives a case one more event, `tick` lets it know that silence was listened to up to an instant. Both return a Step:
the case as it now is, the turnaround times that closed or changed, the signals raised, risen or cleared, the trials for
rates, and when to look again. The order in which events arrive does not matter: an event that is the newest is carried on
from what was known, any other folds the case again, and both give the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import TypeVar, cast

from models import clocks, rates, rules
from models.case import Admission, Evidence, Progress, admit, before_case, follow
from models.clocks import Run
from models.event import CaseId, Event, EventType, Site, kind_of
from models.policy import BEGINNING, Clock, Kind, Policies, Policy, Rule, Severity
from models.rates import Outcome
from models.signals import Cleared, Signal, SignalId, signal_id

SKEW = timedelta(minutes=5)
"""An event later than its own recording by more than this tells of clocks that differ."""
Runs = Mapping[tuple[str, str], tuple[Run, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The reading of a stopped clock. `target` None: no length was promised; `in_target` None: nothing was due. A changed
    interval is issued again under its id with a higher revision; `retracted`: late evidence took it away."""

    id: str
    clock: str
    site: Site
    priority: str
    case: CaseId
    started: datetime
    stopped: datetime
    net: timedelta
    target: timedelta | None
    in_target: bool | None
    revision: int = 1
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class Watched:
    """A case under watch. `judged` is the instant up to which silence was listened to; `intervals` and `signals` are those
    last issued, by id, retracted and disproved ones included."""

    id: CaseId
    evidence: Evidence = field(default_factory=Evidence)
    progress: Progress | None = None
    runs: Runs = field(default_factory=dict[tuple[str, str], tuple[Run, ...]])
    broken: tuple[Signal, ...] = ()
    judged: datetime = BEGINNING
    intervals: Mapping[str, Interval] = field(default_factory=dict[str, Interval])
    signals: Mapping[SignalId, Signal] = field(default_factory=dict[SignalId, Signal])


@dataclass(frozen=True, slots=True)
class Step:
    """What changed. `look` is the instant after which silence would say something new, None where it never would."""

    case: Watched
    admission: Admission | None
    intervals: tuple[Interval, ...]
    signals: tuple[Signal, ...]
    outcomes: tuple[Outcome, ...]
    look: datetime | None


@dataclass(frozen=True, slots=True)
class Entries:
    """What a policy version asks of one site, by type of event."""

    starts: Mapping[EventType, tuple[Clock, ...]]
    judged_at: Mapping[EventType, tuple[Rule, ...]]


Name = TypeVar("Name", bound=str)
Fact = TypeVar("Fact", Interval, Signal)


def track(case: Watched, event: Event, policies: Policies) -> Step:
    """An event arrived. A duplicate changes nothing."""
    evidence, admission = admit(case.evidence, event)
    if evidence is case.evidence:
        return Step(case, admission, (), (), (), _look(case))
    if admission is Admission.NEWEST:
        now = _carry_on(replace(case, evidence=evidence), event, policies)
    else:
        now = _fold(replace(case, evidence=evidence), policies)
    return _step(case, now, admission, event.recorded, policies)


def tick(case: Watched, policies: Policies, now: datetime) -> Step:
    """Time passed: silence was listened to up to `now`."""
    later = replace(case, judged=max(case.judged, now))
    return _step(case, later, None, now, policies)


def refold(case: Watched, policies: Policies) -> Step:
    """The case folded from its events alone, as when it is read back from the store."""
    return _step(case, _fold(case, policies), None, case.judged, policies)


def setting_of(case: CaseId, first: Event, policy: Policy) -> str:
    """The setting that judges a case: that of its site; of an undeclared site what the case's first event says, else
    retail for a fill and inpatient otherwise."""
    said = first.data.get("setting") or ("retail" if kind_of(case) == "fill" else "inpatient")
    return policy.setting(first.site, said)


@lru_cache(maxsize=4096)
def entries(policy: Policy, site: Site, setting: str) -> Entries:
    starts: dict[EventType, tuple[Clock, ...]] = {}
    judged_at: dict[EventType, tuple[Rule, ...]] = {}
    for clock in policy.clocks.values():
        if clock.applies.to(site, setting):
            for kind in clock.starts:
                starts[kind] = (*starts.get(kind, ()), clock)
    for rule in policy.rules.values():
        if rule.applies.to(site, setting):
            for kind in rules.RULES[rule.name][0]:
                judged_at[kind] = (*judged_at.get(kind, ()), rule)
    return Entries(starts, judged_at)


def _fold(case: Watched, policies: Policies) -> Watched:
    """Everything again from the events that stand."""
    whole = case.evidence
    case = replace(case, progress=None, runs={}, broken=())
    for at, event in enumerate(whole.standing):
        so_far = Evidence((), (), whole.standing[: at + 1])
        case = _carry_on(replace(case, evidence=so_far), event, policies)
    return replace(case, evidence=whole)


def _carry_on(case: Watched, event: Event, policies: Policies) -> Watched:
    """One event more, the last of those that stand."""
    progress = follow(case.progress, event, kind_of(case.id))
    policy = policies.at(min(event.time, event.recorded))
    setting = setting_of(case.id, case.evidence.standing[0], policy)
    asked = entries(policy, event.site, setting)
    runs = _started(_met(case.runs, event, policies), case, event, progress, policy, asked)
    broken = case.broken + _broken(case, event, progress, policy, asked)
    return replace(case, progress=progress, runs=runs, broken=broken)


def _met(runs: Runs, event: Event, policies: Policies) -> Runs:
    changed: dict[tuple[str, str], tuple[Run, ...]] = {}
    for name, instances in runs.items():
        last = instances[-1]
        if last.running:
            last = _ended_by_policy(last, policies, event.time)
            after = clocks.meet(last, event) if last.running else last
            if after is not instances[-1]:
                changed[name] = (*instances[:-1], after)
    return {**runs, **changed} if changed else runs


def _ended_by_policy(run: Run, policies: Policies, until: datetime) -> Run:
    """The instance, ended at the first later version that no longer has its clock, if that lies before `until`."""
    if len(policies.versions) == 1:
        return run
    for effective, policy in zip(policies.effective, policies.versions, strict=True):
        if run.start.time < effective < until and run.clock.name not in policy.clocks:
            return replace(run, end=effective)
    return run


def _started(runs: Runs, case: Watched, event: Event, progress: Progress, policy: Policy, asked: Entries) -> Runs:
    for clock in asked.starts.get(event.type, ()):
        if clock.case != kind_of(case.id):
            continue
        name = (clock.name, clocks.key_of(clock, event))
        earlier = runs.get(name, ())
        if earlier and earlier[-1].running:
            continue
        begun = clocks.start(
            clock, policy.site(event.site), event, progress.fields, earlier, case.evidence.standing[:-1]
        )
        if begun is not None:
            runs = {**runs, name: (*earlier, begun)}
    return runs


def _broken(case: Watched, event: Event, progress: Progress, policy: Policy, asked: Entries) -> tuple[Signal, ...]:
    found: list[Signal] = []
    for rule in asked.judged_at.get(event.type, ()):
        before = rules.Before(case.evidence.standing[:-1], progress.fields, policy.site(event.site).working)
        broken = rules.judge(rule.name, event, before)
        if broken is not None:
            known = max(event.time, *(proof.recorded for proof in broken.evidence))
            found.append(_rule_signal(rule, event, known))
    return tuple(found)


def _rule_signal(rule: Rule, event: Event, known: datetime) -> Signal:
    return Signal(
        id=signal_id(Kind.RULE, rule.name, event.subject, event.source, event.id),
        kind=Kind.RULE,
        name=str(rule.name),
        severity=rule.severity,
        site=event.site,
        case=event.subject,
        raised=event.time,
        known=known,
    )


def _instances(case: Watched) -> Iterable[Run]:
    return (run for instances in case.runs.values() for run in instances)


def _step(before: Watched, case: Watched, admission: Admission | None, at: datetime, policies: Policies) -> Step:
    """The difference between what was issued and what now holds. `at` dates what evidence disproved."""
    intervals, signals, looks = _hold(case, policies)
    issued = _changed_intervals(before.intervals, intervals)
    told = _changed_signals(before.signals, signals, at)
    case = replace(
        case,
        intervals={**before.intervals, **{one.id: one for one in issued}} if issued else before.intervals,
        signals={**before.signals, **{one.id: one for one in told}} if told else before.signals,
    )
    return Step(case, admission, issued, told, _outcomes(before, case, policies), min(looks, default=None))


def _hold(case: Watched, policies: Policies) -> tuple[list[Interval], list[Signal], list[datetime]]:
    """The intervals and signals that hold now, and the instants at which silence would say something new."""
    intervals: list[Interval] = []
    signals = list(case.broken)
    looks: list[datetime] = []
    for run in _instances(case):
        run = _ended_by_policy(run, policies, case.judged) if run.running else run
        if run.void:
            continue
        still = clocks.pauses(run, case.evidence.standing)
        reading = clocks.reading(run, still)
        if reading is not None:
            intervals.append(_interval(run, reading))
        signal, look = _clock_signal(run, still, case.judged)
        if signal is not None:
            signals.append(signal)
        if look is not None:
            looks.append(look)
    return intervals, signals, looks


def _clock_signal(run: Run, still: tuple[clocks.Span, ...], judged: datetime) -> tuple[Signal | None, datetime | None]:
    """The signal of an instance as far as its stop, its end or silence tells, and the next instant to look at."""
    over = run.stop.time if run.stop else run.end
    until = judged if over is None else over
    all_breaches = clocks.breaches(run, still)
    reached = [breach for breach in all_breaches if breach.at < until or (breach.at == run.start.time and over is None)]
    look = min((b.at for b in all_breaches if b not in reached), default=None) if over is None else None
    if not reached:
        return None, look
    worst = min(reached, key=lambda breach: (breach.severity, breach.at))
    reason = None if over is None else (Cleared.STOP if run.stop else Cleared.END)
    return _breach_signal(run, worst.at, worst.severity, over, reason), look


def _clock_signal_id(run: Run) -> SignalId:
    return signal_id(Kind.CLOCK, run.id)


def _breach_signal(
    run: Run, raised: datetime, severity: Severity, cleared: datetime | None, reason: Cleared | None
) -> Signal:
    return Signal(
        id=_clock_signal_id(run),
        kind=Kind.CLOCK,
        name=run.clock.name,
        severity=severity,
        site=run.start.site,
        case=run.case,
        raised=raised,
        known=raised,
        cleared=cleared,
        reason=reason,
    )


def _interval(run: Run, reading: clocks.Reading) -> Interval:
    assert run.stop is not None
    return Interval(
        id=run.id,
        clock=run.clock.name,
        site=run.start.site,
        priority=run.priority,
        case=run.case,
        started=run.start.time,
        stopped=run.stop.time,
        net=reading.net,
        target=reading.target,
        in_target=reading.in_target,
    )


def _changed_intervals(issued: Mapping[str, Interval], hold: list[Interval]) -> tuple[Interval, ...]:
    rows, gone = _differ(issued, hold)
    lost = (one for one in gone if not one.retracted)
    return (*rows, *(replace(one, revision=one.revision + 1, retracted=True) for one in lost))


def _changed_signals(issued: Mapping[SignalId, Signal], hold: list[Signal], at: datetime) -> tuple[Signal, ...]:
    rows, gone = _differ(issued, hold)
    lost = (one for one in gone if one.reason is not Cleared.DISPROOF)
    disproved = (replace(one, revision=one.revision + 1, cleared=at, reason=Cleared.DISPROOF) for one in lost)
    return (*rows, *disproved)


def _differ(issued: Mapping[Name, Fact], hold: list[Fact]) -> tuple[list[Fact], list[Fact]]:
    """What holds and was not issued so, under the next revision of its id; and what was issued and holds no more."""
    rows: list[Fact] = []
    for fact in hold:
        known = issued.get(cast("Name", fact.id))
        if known is None:
            rows.append(fact)
        elif replace(fact, revision=known.revision) != known:
            rows.append(replace(fact, revision=known.revision + 1))
    held = {fact.id for fact in hold}
    return rows, [one for name, one in issued.items() if name not in held]


def _outcomes(before: Watched, case: Watched, policies: Policies) -> tuple[Outcome, ...]:
    """The trials of events that stand and did not, and, taken back, of those that stood and do not."""
    if case.evidence is before.evidence:
        return ()
    old, new = before.evidence.standing, case.evidence.standing
    if len(new) == len(old) + 1 and new[:-1] == old:
        return _trials(case.id, new[-1], new[0], policies)
    gained = [t for event in new if event not in old for t in _trials(case.id, event, new[0], policies)]
    lost = [t for event in old if event not in new for t in _trials(case.id, event, old[0], policies)]
    return (*gained, *(replace(trial, sign=-1) for trial in lost))


def _trials(case: CaseId, event: Event, first: Event, policies: Policies) -> tuple[Outcome, ...]:
    policy = policies.at(min(event.time, event.recorded))
    return rates.outcomes(event, policy, setting_of(case, first, policy))


def _look(case: Watched) -> datetime | None:
    looks = (
        _clock_signal(run, clocks.pauses(run, case.evidence.standing), case.judged)[1]
        for run in _instances(case)
        if run.running and not run.void
    )
    return min((look for look in looks if look is not None), default=None)


class Pace(Enum):
    """How a case stands with its deadlines. AT_RISK: a warning was reached and nothing is late; LATE: a clock is past its
    due and still runs."""

    ON_TIME = "on_time"
    AT_RISK = "at_risk"
    LATE = "late"


def pace(case: Watched) -> Pace:
    """The worst of the clocks that run, as far as silence was listened to: of `judged`, not of now."""
    found = Pace.ON_TIME
    for run in _instances(case):
        if run.running and not run.void:
            signal = case.signals.get(_clock_signal_id(run))
            if signal is not None and signal.open:
                if _overdue(run, case):
                    return Pace.LATE
                found = Pace.AT_RISK
    return found


def _overdue(run: Run, case: Watched) -> bool:
    due = clocks.due(run, clocks.pauses(run, case.evidence.standing))
    return due is not None and (due < case.judged or due == run.start.time)


@dataclass(frozen=True, slots=True)
class Conflicts:
    """Facts that cannot be, counted and never averaged."""

    negative_interval: int
    impossible_transition: int
    before_case: int
    id_reused: int
    clock_skew: int


def conflicts(case: Watched) -> Conflicts:
    """The conflicts of a case. A start before which all stops lie counts once, however many clocks it concerns."""
    void = {(run.start.source, run.start.id) for run in _instances(case) if run.void}
    skewed = sum(event.time - event.recorded > SKEW for event in case.evidence.events)
    impossible = case.progress.impossible if case.progress else 0
    return Conflicts(len(void), impossible, before_case(case.evidence), len(case.evidence.rivals), skewed)
