"""The sequential test behind every error rate: when do errors come too thick to be chance?

Each dispensing, order or dose is a trial. A clean trial lowers the score a little, an error raises it much, and the
score never falls below 0. Under the usual error rate it hovers near 0; when errors become more frequent it climbs, and
at the threshold h a signal is raised. Nobody chooses h: the pharmacy says how many false alarms a month it accepts, and
h follows from that.

This is the Bernoulli CUSUM: Page, Biometrika 1954;41:100 (the test); Reynolds & Stoumbos, J Qual Technol 1999;31:87
(for single trials); Brook & Evans, Biometrika 1972;59:539 (run lengths as those of a Markov chain).
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import ceil, exp, floor, log

SMALLEST_CHANGE = 1.1
"""The smallest odds ratio that a test is designed for: below it a test needs years to tell a change from chance."""

# With fewer clean trials from h to 0, or from the log odds ratio to 0, a lattice is too coarse; with more, the exact
# walk takes too long. The two agree within 1 % where they meet (a test holds them to it).
_FEW_STATES, _FEW_STEPS = 150, 4
# Rarer errors make a finer lattice, and no other result.
_FINEST = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A test, ready to run. `p` is the share of errors among trials while all is as usual, `odds_ratio` the change of
    its odds worth finding; an error adds `error_weight` (above 0), a clean trial `clean_weight` (below 0), and a signal
    is raised at `threshold` (h, a multiple of 0.1). `trials_per_month` are those of one site;
    `trials_between_false_alarms` is the average run length from 0 at p."""

    p: float
    odds_ratio: float
    error_weight: float
    clean_weight: float
    threshold: float
    trials_per_month: float
    trials_between_false_alarms: float

    @property
    def false_alarms_per_month(self) -> float:
        """What one site has to expect: not more than was asked for, and less by the rounding of h."""
        return self.trials_per_month / self.trials_between_false_alarms


@lru_cache(maxsize=1024)
def design(
    *, baseline: float, detect: float, types_differ: bool, per_month: float, false_alarms_per_month: float
) -> Design:
    """The test for a rate. `baseline` is errors per opportunity; `types_differ` says that an error is no opportunity
    itself, so that the trials are opportunities and errors; `detect` is an odds ratio; `per_month` are opportunities a
    site and month. h is the smallest tenth whose average run length from 0 is at least the trials of a month by the
    false alarms of a month.

    Raises ValueError with the remedy for a figure out of range, and where h is not above the weight of two errors: two
    errors in a row would then raise it, whatever came before."""
    _check(baseline, detect, types_differ, per_month, false_alarms_per_month)
    p = baseline / (1 + baseline) if types_differ else baseline
    trials = per_month * (1 + baseline) if types_differ else per_month
    clean, error = _weights(p, detect)
    threshold = _threshold(p, detect, trials / false_alarms_per_month)
    if threshold <= 2 * error:
        raise ValueError(
            f"false_alarms_per_month = {false_alarms_per_month:g}, detect = {detect:g}: two errors in a row would raise"
            " the signal; ask for fewer false alarms or a smaller change"
        )
    return Design(
        p=p,
        odds_ratio=detect,
        error_weight=error,
        clean_weight=-clean,
        threshold=threshold,
        trials_per_month=trials,
        trials_between_false_alarms=average_run_length(p, detect, threshold),
    )


def step(score: float, *, clean: int, errors: int, design: Design) -> float:
    """The score after one minute's trials, added at once without an order among them, kept within 0 and h. A score of
    exactly `design.threshold` raises the signal, one of exactly 0 clears it."""
    moved = score + errors * design.error_weight + clean * design.clean_weight
    return min(max(moved, 0.0), design.threshold)


def errors_in_a_row(design: Design) -> int:
    """How many errors without a clean trial between them raise the signal from 0."""
    return ceil(design.threshold / design.error_weight)


def expected_delay(design: Design) -> float:
    """Trials from 0 until the signal when the odds of an error have risen by `design.odds_ratio`, on average."""
    return _run_length(design.p, design.odds_ratio, design.threshold, True)


def average_run_length(p: float, odds_ratio: float, h: float) -> float:
    """Trials from 0 until the score of a test for `odds_ratio` first reaches h, on average, while errors keep their
    share p. Near-exact: within 1 % of the true figure."""
    return _run_length(p, odds_ratio, h, False)


def _check(baseline: float, detect: float, types_differ: bool, per_month: float, false_alarms: float) -> None:
    if not 0 < baseline < (float("inf") if types_differ else 1):
        raise ValueError(f"baseline = {baseline:g}: write errors per opportunity, above 0 and below 1, such as 0.05")
    if not SMALLEST_CHANGE <= detect < float("inf"):
        raise ValueError(f"detect = {detect:g}: write an odds ratio of at least {SMALLEST_CHANGE:g}, such as 2.0")
    for name, value in (("per_month", per_month), ("false_alarms_per_month", false_alarms)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} = {value:g}: write a number above 0")


def _weights(p: float, odds_ratio: float) -> tuple[float, float]:
    """What a clean trial takes off the score and what an error adds: the log likelihood ratios of the two outcomes,
    under p and under the odds of p times the odds ratio (Steiner et al., Biostatistics 2000;1:441)."""
    clean = log(1 - p + odds_ratio * p)
    return clean, log(odds_ratio) - clean


def _threshold(p: float, odds_ratio: float, wanted: float) -> float:
    """The smallest tenth whose run length is at least `wanted` trials: a search between a tenth that is too low and one
    that is not, each guess from the last, the logarithm of the run length growing about as h does."""
    low, high, guess = 0, 0, max(1, ceil(10 * log(max(wanted * p, 1.0))))
    while high - low != 1:
        length = average_run_length(p, odds_ratio, guess / 10)
        if length >= wanted:
            high = guess
        else:
            low = guess
        guess += round(10 * log(wanted / length))
        guess = max(low + 1, min(guess, high - 1)) if high else max(low + 1, guess)
    return high / 10


@lru_cache(maxsize=4096)
def _run_length(p: float, odds_ratio: float, h: float, changed: bool) -> float:
    """Trials from 0 to h of the test for `odds_ratio`, at error rate p or, if `changed`, at p with its odds changed."""
    clean, error = _weights(p, odds_ratio)
    fineness = log(odds_ratio) / clean
    if error >= h or h < _FEW_STATES * clean or fineness < _FEW_STEPS:
        return _by_cycles(_rate(p, odds_ratio, changed), clean, error, h)
    return exp(_between_lattices(odds_ratio, h, fineness, changed)) / p


def _rate(p: float, odds_ratio: float, changed: bool) -> float:
    return odds_ratio * p / (1 - p + odds_ratio * p) if changed else p


def _by_cycles(rate: float, clean: float, error: float, h: float) -> float:
    """Exact, for error rates that are not small. A cycle runs from 0 to 0 or to the alarm; the run length is the trials
    of a cycle by the chance that it ends in an alarm. Within a cycle the score after t trials with n errors is
    n (error + clean) - t clean: `visits` holds, for one n after the other, how often a cycle comes to each t whose
    score lies between 0 and h. Ends when so few cycles go on that they no longer count."""
    if error >= h:
        return 1 / rate
    rise, keep = error + clean, 1 - rate
    first, errors, trials, alarm = 1, 1, 1.0, 0.0
    entering: list[float] = [rate]

    def linger(before: float, new: float) -> float:
        return keep * before + new

    while sum(entering) > 1e-7 * alarm:
        last = ceil(errors * rise / clean) - 1
        entering += [0.0] * (last - first + 1 - len(entering))
        visits = list(accumulate(entering, linger))
        trials += sum(visits)
        errors += 1
        earliest = max(floor((errors * rise - h) / clean) + 1, first + 1)
        fresh = [rate * visit for visit in visits]
        alarm += sum(fresh[: earliest - first - 1])
        entering, first = fresh[earliest - first - 1 :], earliest
    return trials / alarm


def _between_lattices(odds_ratio: float, h: float, fineness: float, changed: bool) -> float:
    """The logarithm of run length times p, between the two error rates next to p for which an error lifts the score by
    a whole number of clean trials. Between them, and between whole thresholds, logarithms are interpolated; half a
    clean trial more on h stands for the scores that lie between the steps. For the rarest errors it no longer depends
    on p."""
    fineness = min(fineness, _FINEST)
    whole, part = divmod(fineness, 1)
    below = _on_lattice(odds_ratio, h, int(whole), changed)
    return below if part == 0 else (1 - part) * below + part * _on_lattice(odds_ratio, h, int(whole) + 1, changed)


def _on_lattice(odds_ratio: float, h: float, fineness: int, changed: bool) -> float:
    clean = log(odds_ratio) / fineness
    p = (exp(clean) - 1) / (odds_ratio - 1)
    rate = _rate(p, odds_ratio, changed)
    states, part = divmod(h / clean + 0.5, 1)
    low, high = (log(_chain(rate, fineness - 1, int(states) + more)) for more in (0, 1))
    return (1 - part) * low + part * high + log(p)


def _chain(rate: float, up: int, states: int) -> float:
    """Trials from 0 until the alarm of a Markov chain: a clean trial leads one state down (from 0 to 0), an error `up`
    states up, beyond the last state to the alarm.

    Solved from the top. Let the trials to the alarm be g(i) = a(i) + b(i) g(i-1), b(i) being the chance to come down to
    i-1 before an alarm. Then g(top) = u(i) + v(i) g(i) gives g(i+up) in terms of g(i), and with it a(i) and b(i)."""
    keep, top = 1 - rate, states - 1
    u, v = [0.0] * states, [1.0] * states
    reached, chance = 0.0, 1.0
    for i in range(top, max(top - up, 0), -1):
        reached, chance = reached + chance, chance * keep
        u[i - 1], v[i - 1] = reached, chance
    for i in range(top - up, 0, -1):
        above = v[i + up]
        rest = above - rate * chance
        reached += chance * (above + rate * (reached - u[i + up])) / rest
        chance *= keep * above / rest
        u[i - 1], v[i - 1] = reached, chance
    return (v[up] + rate * (reached - u[up])) / (rate * (v[up] - chance)) if up <= top else 1 / rate
