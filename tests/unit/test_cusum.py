"""The sequential test of error rates: its design against simulation and against independent solutions, its steps."""

import random
from math import exp, log

import pytest

from models import cusum
from models.cusum import Design, average_run_length, design, errors_in_a_row, expected_delay, step

RETURNED = {"baseline": 0.05, "detect": 2.0, "types_differ": True, "per_month": 20000, "false_alarms_per_month": 1}


def simulated_run_length(rate, p, odds_ratio, h, runs):
    """Trials until the score first reaches h, on average over `runs` from 0, one error after the other."""
    clean = log(1 - p + odds_ratio * p)
    error = log(odds_ratio) - clean
    chance, keep, trials = random.Random(f"{rate} {h}"), log(1 - rate), 0
    for _ in range(runs):
        score = 0.0
        while score < h:
            gap = int(log(1 - chance.random()) / keep)
            score = max(0.0, score - gap * clean) + error
            trials += gap + 1
    return trials / runs


# Mean of n run lengths of nearly exponential law: standard error 1 / sqrt(n), so 5 % is more than three of them.
@pytest.mark.parametrize(
    ("p", "odds_ratio", "h"),
    [
        (0.0005, 1.5, 2.0),
        (0.0005, 2.0, 3.4),
        (0.0005, 4.0, 4.2),
        (0.004, 1.5, 2.5),
        (0.01, 2.0, 3.0),
        (0.01, 4.0, 3.7),
        (0.05, 1.5, 2.8),
        (0.05, 2.0, 3.3),
        (0.05, 4.0, 4.1),
        (0.1, 1.5, 2.2),
        (0.2, 1.5, 3.0),
        (0.2, 2.0, 2.7),
        (0.2, 4.0, 3.3),
    ],
)
def test_the_average_run_length_is_within_5_percent_of_simulation(p, odds_ratio, h):
    simulated = simulated_run_length(p, p, odds_ratio, h, 5000)
    assert average_run_length(p, odds_ratio, h) == pytest.approx(simulated, rel=0.05)


@pytest.mark.parametrize(
    ("baseline", "detect", "types_differ", "per_month", "false_alarms"),
    [
        (0.0005, 2.0, False, 200_000, 4),
        (0.0005, 1.5, False, 200_000, 0.2),
        (0.005, 4.0, True, 20_000, 0.2),
        (0.05, 2.0, True, 20_000, 1),
        (0.05, 1.5, False, 500, 0.2),
        (0.2, 1.5, False, 5_000, 0.5),
        (0.2, 3.0, True, 500, 0.2),
    ],
)
def test_a_design_keeps_its_false_alarms_and_finds_its_change_as_simulation_says(
    baseline, detect, types_differ, per_month, false_alarms
):
    made = design(
        baseline=baseline,
        detect=detect,
        types_differ=types_differ,
        per_month=per_month,
        false_alarms_per_month=false_alarms,
    )
    runs = min(5000, int(4e6 / (made.trials_between_false_alarms * made.p)))
    quiet = simulated_run_length(made.p, made.p, detect, made.threshold, runs)
    assert made.trials_between_false_alarms == pytest.approx(quiet, rel=max(0.05, 3 / runs**0.5))
    changed = detect * made.p / (1 - made.p + detect * made.p)
    delay = simulated_run_length(changed, made.p, detect, made.threshold, 5000)
    assert expected_delay(made) == pytest.approx(delay, rel=0.05)


@pytest.mark.parametrize("types_differ", [False, True])
@pytest.mark.parametrize("baseline", [0.0005, 0.01, 0.06, 0.2])
@pytest.mark.parametrize("detect", [1.5, 2.0, 4.0])
def test_h_is_the_smallest_tenth_that_keeps_the_false_alarms(baseline, detect, types_differ):
    made = design(
        baseline=baseline,
        detect=detect,
        types_differ=types_differ,
        per_month=200_000,
        false_alarms_per_month=0.5,
    )
    wanted = 200_000 * (1 + baseline * types_differ) / 0.5
    assert made.threshold == round(made.threshold, 1)
    assert average_run_length(made.p, detect, made.threshold) >= wanted
    assert average_run_length(made.p, detect, round(made.threshold - 0.1, 1)) < wanted
    assert made.false_alarms_per_month <= 0.5


@pytest.mark.parametrize(
    ("p", "odds_ratio", "h"), [(0.01, 3.0, 3.7), (0.02, 2.0, 3.7), (0.04, 1.5, 3.5), (0.12, 1.2, 5.2), (0.2, 1.1, 3.7)]
)
@pytest.mark.parametrize("changed", [False, True])
def test_the_lattice_and_the_exact_walk_agree_within_1_percent_where_they_meet(p, odds_ratio, h, changed):
    clean, error = cusum._weights(p, odds_ratio)
    exact = cusum._by_cycles(cusum._rate(p, odds_ratio, changed), clean, error, h)
    assert h >= cusum._FEW_STATES * clean, "this point would not be judged on a lattice"
    lattice = exp(cusum._between_lattices(odds_ratio, h, log(odds_ratio) / clean, changed)) / p
    assert lattice == pytest.approx(exact, rel=0.01)


@pytest.mark.parametrize(
    ("rate", "up", "states"), [(0.1, 4, 23), (0.3, 2, 12), (0.02, 9, 9), (0.02, 9, 10), (0.2, 1, 7)]
)
def test_the_chain_is_solved_as_its_equations_say(rate, up, states):
    # Brook & Evans: (I - Q) g = 1, here by plain Gaussian elimination.
    rows = []
    for i in range(states):
        row = [0.0] * (states + 1)
        row[i] += 1.0
        row[max(i - 1, 0)] -= 1 - rate
        if i + up < states:
            row[i + up] -= rate
        row[states] = 1.0
        rows.append(row)
    for i in range(states - 1, 0, -1):
        for k in range(i):
            factor = rows[k][i] / rows[i][i]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i], strict=True)]
    assert cusum._chain(rate, up, states) == pytest.approx(rows[0][states] / rows[0][0], rel=1e-9)


def test_a_threshold_that_one_error_reaches_waits_for_the_first_error():
    assert average_run_length(0.01, 4.0, 1.0) == pytest.approx(100)


def test_a_threshold_of_two_errors_in_a_row_waits_as_long_as_for_two_heads():
    p, odds_ratio = 0.2, 50.0
    clean = log(1 - p + odds_ratio * p)
    error = log(odds_ratio) - clean
    assert error < clean, "one clean trial takes an error back"
    assert average_run_length(p, odds_ratio, 1.9 * error) == pytest.approx(1 / p + 1 / p**2)


def test_published_run_lengths_at_one_percent_are_met():
    # 4,000 simulated runs each, standard error 1.5 %.
    for h, length in ((3.0, 6747), (4.0, 20553), (5.0, 58330), (5.5, 95645)):
        assert average_run_length(0.01, 2.0, h) == pytest.approx(length, rel=0.05)


def test_the_rarest_errors_scale_with_their_rate():
    often, rarely = (average_run_length(p, 2.0, 3.0) * p for p in (1e-4, 1e-7))
    assert rarely == pytest.approx(often, rel=0.005)


def test_the_weights_are_log_likelihood_ratios():
    made = design(**RETURNED)
    assert made.p == pytest.approx(0.05 / 1.05)
    assert made.trials_per_month == pytest.approx(21000)
    changed = 2 * made.p / (1 + made.p)
    assert made.error_weight == pytest.approx(log(changed / made.p))
    assert made.clean_weight == pytest.approx(log((1 - changed) / (1 - made.p)))
    assert (1 - made.p) * exp(made.clean_weight) + made.p * exp(made.error_weight) == pytest.approx(1)


def test_errors_that_are_opportunities_leave_the_baseline_as_it_is():
    made = design(**RETURNED | {"types_differ": False})
    assert (made.p, made.trials_per_month) == (0.05, 20000)


def test_a_design_asked_for_again_is_the_same():
    assert design(**RETURNED) is design(**RETURNED)


def test_the_change_is_found_much_sooner_than_a_false_alarm_comes():
    made = design(**RETURNED)
    assert expected_delay(made) < made.trials_between_false_alarms / 20


@pytest.mark.parametrize("detect", [1.5, 2.0, 2.5, 3.0, 4.0])
def test_so_many_errors_in_a_row_raise_and_one_less_does_not(detect):
    made = design(**RETURNED | {"detect": detect})
    count = errors_in_a_row(made)
    score = 0.0
    for _ in range(count - 1):
        score = step(score, clean=0, errors=1, design=made)
    assert count > 2
    assert score < made.threshold
    assert step(score, clean=0, errors=1, design=made) == made.threshold


# --- steps

PLAIN = Design(
    p=0.1,
    odds_ratio=2.0,
    error_weight=0.5,
    clean_weight=-0.125,
    threshold=2.0,
    trials_per_month=1000,
    trials_between_false_alarms=500,
)


def test_a_minutes_trials_are_added_at_once_without_an_order_among_them():
    # One after the other, four clean trials first would end at 0.5, and last at 0.25.
    assert step(0.25, clean=4, errors=1, design=PLAIN) == 0.25


def test_the_score_stays_within_0_and_h():
    assert step(0.25, clean=100, errors=0, design=PLAIN) == 0.0
    assert step(1.75, clean=0, errors=3, design=PLAIN) == 2.0
    assert step(1.0, clean=0, errors=0, design=PLAIN) == 1.0


def test_the_false_alarms_of_a_site_are_its_trials_by_the_run_length():
    assert PLAIN.false_alarms_per_month == 2.0


# --- faults


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"baseline": 0}, "baseline = 0: write errors per opportunity"),
        ({"baseline": 1.0, "types_differ": False}, "baseline = 1"),
        ({"baseline": float("nan")}, "baseline = nan"),
        ({"detect": 1.0}, "detect = 1: write an odds ratio of at least 1.1"),
        ({"detect": float("inf")}, "detect = inf"),
        ({"per_month": 0}, "per_month = 0: write a number above 0"),
        ({"false_alarms_per_month": -1}, "false_alarms_per_month = -1: write a number above 0"),
        ({"per_month": 50}, "ask for fewer false alarms or a smaller change"),
    ],
)
def test_a_figure_that_makes_no_test_is_refused_with_the_remedy(changed, says):
    with pytest.raises(ValueError, match=says):
        design(**RETURNED | changed)


def test_what_the_remedy_says_helps():
    refused = {"baseline": 0.05, "detect": 8.0, "types_differ": False, "per_month": 250, "false_alarms_per_month": 1}
    with pytest.raises(ValueError, match="two errors in a row"):
        design(**refused)
    assert design(**refused | {"false_alarms_per_month": 0.2}).threshold
    assert design(**refused | {"detect": 2.0}).threshold
    with pytest.raises(ValueError, match="two errors in a row"):
        design(**refused | {"detect": 16.0})
