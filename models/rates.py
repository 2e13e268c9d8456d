"""What may happen, but not this often: errors counted against opportunities, minute by minute.

Each event that a rate names is a trial: an opportunity is a clean one, an error an error. The trials of a minute are added
to a score that creeps down while work is clean and jumps up with each error; when it reaches its threshold the rate has
shifted, and the minute that lifted the score off zero is the estimate of when.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.cusum import Design, design, step
from models.event import Event, Site
from models.policy import Kind, Rate
from models.signals import Cleared, Signal, signal_id

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Outcome:
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
    """From about `since` on errors come more often; found at `raised`; over at `cleared` (None: still)."""

    since: datetime
    raised: datetime
    cleared: datetime | None


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
        ended = Shift(score.lifted, score.raised, decided) if score.raised and score.lifted else None
        return Score(), ended
    lifted = score.lifted or trials.minute
    if value >= test.threshold and score.raised is None:
        return Score(value, lifted, decided), Shift(lifted, decided, None)
    return Score(value, lifted, score.raised), None


def shifts(minutes: Iterable[Trials], test: Design) -> tuple[Shift, ...]:
    """Every shift over a row of minutes in order, each once, as it stands at their end."""
    score, found = Score(), dict[datetime, Shift]()
    for trials in minutes:
        score, shift = judge(score, trials, test)
        if shift is not None:
            found[shift.since] = shift
    return tuple(found.values())


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
        reason=None if shift.cleared is None else Cleared.SCORE,
    )
