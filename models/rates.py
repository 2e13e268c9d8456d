"""What may happen, but not this often: errors counted against opportunities, minute by minute.

Each event that a rate names is a trial: an opportunity is a clean one, an error an error. The trials of a minute are added
to a score that creeps down while work is clean and jumps up with each error; when it reaches its threshold the rate has
shifted, and the minute that lifted the score off zero is the estimate of when.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from operator import itemgetter

from msgspec import Struct

from models.cusum import Design, design, step
from models.event import Event, Site
from models.policy import BEGINNING, Kind, Policies, Rate
from models.signals import Cleared, Signal, signal_id

MINUTE = timedelta(minutes=1)
# What happens at one instant, in this order: a term ends, the score is asked for, the minute that begins there is judged.
_LAPSE, _MARK, _MINUTE = range(3)


class Outcome(Struct, frozen=True, gc=False):
    """`sign` is 1 for a trial that stands and -1 where one is taken back; `late`: known too long after it happened, so it
    belongs to reports only. `minute` is the start of its minute, UTC."""

    site: Site
    rate: str
    entry: str
    minute: datetime
    error: bool
    late: bool
    sign: int = 1


@dataclass(frozen=True, slots=True)
class Trials:
    """The trials in time of one minute of one site and rate."""

    minute: datetime
    clean: int
    errors: int


@dataclass(frozen=True, slots=True)
class Score:
    """The state of the test: `value` within 0 and the threshold; `lifted` the minute that lifted it off 0, None at 0;
    `raised` the instant at which the open shift was found, None while there is none."""

    value: float = 0.0
    lifted: datetime | None = None
    raised: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shift:
    """From about `since` on errors come more often; found at `raised`; over at `cleared` for `reason` (None: still)."""

    since: datetime
    raised: datetime
    cleared: datetime | None = None
    reason: Cleared | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The score after every minute before `folded`, UTC."""

    folded: datetime = BEGINNING
    score: Score = Score()


@dataclass(frozen=True, slots=True)
class Term:
    """A time in which an entry is in force at a site: from `begins` up to and without `ends` (None: no version drops it)."""

    begins: datetime
    ends: datetime | None = None

    def holds(self, minute: datetime) -> bool:
        return self.begins <= minute and (self.ends is None or minute < self.ends)


@dataclass(slots=True)
class Course:
    """What a row of minutes came to: the score where it was asked for, and every shift that was open at their beginning
    or was found in them, as it stands at their end."""

    score: Score
    checkpoints: list[Checkpoint] = field(default_factory=list[Checkpoint])
    shifts: dict[datetime, Shift] = field(default_factory=dict[datetime, Shift])

    def add(self, shift: Shift | None) -> None:
        if shift is not None:
            self.shifts[shift.since] = shift


def trial(event: Event, rate: Rate, *, error: bool) -> Outcome:
    """The trial that an event is under a rate that names its type and judges its site."""
    late = event.recorded - event.time > rate.late_after
    return Outcome(event.site, rate.name, rate.entry, minute_of(event.time), error, late)


def minute_of(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)


def design_of(rate: Rate) -> Design:
    """The sequential test of an entry, the same at all its sites. Raises ValueError with the remedy where its figures
    allow none."""
    return design(
        baseline=rate.baseline,
        detect=rate.detect,
        types_differ=rate.types_differ,
        per_month=rate.per_month,
        false_alarms_per_month=rate.false_alarms_per_month,
    )


def judge(score: Score, trials: Trials, test: Design) -> tuple[Score, Shift | None]:
    """The score after one minute more, and the shift that this minute found or ended, if any. Minutes come in order."""
    value = step(score.value, clean=trials.clean, errors=trials.errors, design=test)
    decided = trials.minute + MINUTE
    if value == 0.0:
        return Score(), _ended(score, decided, Cleared.SCORE)
    lifted = score.lifted or trials.minute
    if value >= test.threshold and score.raised is None:
        return Score(value, lifted, decided), Shift(lifted, decided)
    return Score(value, lifted, score.raised), None


def shifts(minutes: Iterable[Trials], test: Design) -> tuple[Shift, ...]:
    """Every shift over a row of minutes in order, each once, as it stands at their end."""
    score, found = Score(), dict[datetime, Shift]()
    for trials in minutes:
        score, shift = judge(score, trials, test)
        if shift is not None:
            found[shift.since] = shift
    return tuple(found.values())


def follow(
    start: Checkpoint,
    minutes: Iterable[Trials],
    test: Design,
    terms: Sequence[Term],
    *,
    marks: Collection[datetime] = (),
    now: datetime,
) -> Course:
    """Goes on from a checkpoint over minutes in order, all of them at or after it, and gives the scores at `marks` (whole
    minutes after it). Where a term of the entry has ended by `now` the open shift ends with it, and the score starts anew
    at 0; minutes outside the terms are not judged."""
    course = Course(start.score)
    if start.score.lifted and start.score.raised:
        course.add(Shift(start.score.lifted, start.score.raised))
    ends = [term.ends for term in terms if term.ends is not None and start.folded < term.ends <= now]
    judged = (one for one in minutes if any(term.holds(one.minute) for term in terms))
    happens = merge(
        ((at, _LAPSE, None) for at in ends),
        ((at, _MARK, None) for at in sorted(marks)),
        ((one.minute, _MINUTE, one) for one in judged),
        key=itemgetter(0, 1),
    )
    for at, what, trials in happens:
        if trials is not None:
            course.score, shift = judge(course.score, trials, test)
            course.add(shift)
        elif what == _MARK:
            course.checkpoints.append(Checkpoint(at, course.score))
        else:
            course.add(_ended(course.score, at, Cleared.POLICY))
            course.score = Score()
    return course


def _ended(score: Score, at: datetime, reason: Cleared) -> Shift | None:
    return Shift(score.lifted, score.raised, at, reason) if score.lifted and score.raised else None


def terms(policies: Policies, site: Site, name: str, entry: str) -> tuple[Term, ...]:
    """The times in which an entry is in force at a site, in order. Which setting judges an undeclared site is said by its
    cases alone: there the entry is in force as long as it may apply."""
    found: list[Term] = []
    for effective, policy in zip(policies.effective, policies.versions, strict=True):
        rate = policy.rates.get(name)
        setting = policy.site(site).setting
        holds = rate is not None and rate.entry == entry and _applies(rate, site, setting)
        running = bool(found) and found[-1].ends is None
        if holds and not running:
            found.append(Term(effective))
        elif running and not holds:
            found[-1] = Term(found[-1].begins, effective)
    return tuple(found)


def _applies(rate: Rate, site: Site, setting: str | None) -> bool:
    if setting is not None:
        return rate.applies.to(site, setting)
    return rate.applies.sites is None or site in rate.applies.sites


def rate_at(policies: Policies, name: str, entry: str, minute: datetime) -> Rate | None:
    """The rate under an entry as the version in force at `minute` words it, else as the first that holds it does: what is
    said of it and how urgent it is may change without a new start. None where no version holds it."""
    for policy in (policies.at(minute), *policies.versions):
        rate = policy.rates.get(name)
        if rate is not None and rate.entry == entry:
            return rate
    return None


def signal(rate: Rate, site: Site, shift: Shift) -> Signal:
    """The signal of a shift, named by site, rate, entry and the minute that lifted the score."""
    return Signal(
        id=signal_id(Kind.RATE, site, rate.name, rate.entry, shift.since.isoformat()),
        kind=Kind.RATE,
        name=rate.name,
        severity=rate.severity,
        site=site,
        case=None,
        raised=shift.raised,
        known=shift.raised,
        cleared=shift.cleared,
        reason=shift.reason,
    )
