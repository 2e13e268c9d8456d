"""The control chart of single values gives the numbers of the tools that improvement teams know."""

import csv
import json
from math import comb, isclose
from pathlib import Path
from random import Random
from typing import Any

import pytest

from metrics.pareto import pareto
from metrics.spc import (
    AUTOCORRELATION_LIMIT,
    PEER_LIMIT_FACTOR,
    Limits,
    LongRun,
    Refused,
    Unfit,
    autocorrelation,
    chart,
    crossings_limit,
    guarded,
    long_runs,
    longest_run_limit,
    runs,
    xmr,
)

_NEAR = 1e-9


def _same(ours: float, theirs: str) -> bool:
    return isclose(ours, float(theirs), rel_tol=_NEAR, abs_tol=_NEAR)


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("case", ["mont_6_5_i", "mont_6_5_i_noscreen", "mont_9_1_i", "cabg_i_age"])
def test_limits_and_runs_equal_those_of_the_anhoej_tool(test_data: Path, case: str) -> None:
    folder = test_data / "spc" / "peers" / "qic"
    said: dict[str, Any] = json.loads((folder / "cases.json").read_text())[case]
    rows = _read(folder / f"{case}.csv")
    values = [float(row["y"]) for row in rows]
    ours = xmr(values, baseline=said["freeze"], screen=said["screened_mr"], factor=PEER_LIMIT_FACTOR)
    found = runs(values, ours.centre)
    for row, value in zip(rows, values, strict=True):
        assert _same(ours.centre, row["cl"]) and _same(ours.lower, row["lcl"]) and _same(ours.upper, row["ucl"])
        assert ours.outside(value) == (row["sigma.signal"] == "TRUE")
        assert (found.useful, found.longest, found.longest_max, found.crossings, found.crossings_min) == tuple(
            int(row[name]) for name in ("n.useful", "longest.run", "longest.run.max", "n.crossings", "n.crossings.min")
        )
        assert found.signal == (row["runs.signal"] == "TRUE")


def test_limits_equal_those_of_the_nhs_tool_in_every_segment(test_data: Path) -> None:
    folder, compared = test_data / "spc" / "peers" / "ptd", 0
    for said in json.loads((folder / "cases.json").read_text()).values():
        segments: dict[tuple[str, str], list[dict[str, str]]] = {}
        for row in _read(folder / said["file"]):
            segments.setdefault((row["facet"], row["rebase_group"]), []).append(row)
        for rows in segments.values():
            values = [float(row["y"]) for row in rows]
            ours = xmr(values, baseline=said["fix_after_n_points"], screen=said["screen_outliers"])
            for row, value in zip(rows, values, strict=True):
                assert (
                    _same(ours.centre, row["mean"]) and _same(ours.lower, row["lpl"]) and _same(ours.upper, row["upl"])
                )
                assert ours.outside(value) == (row["outside_limits"] == "TRUE")
                compared += 1
    assert compared > 300


@pytest.mark.parametrize("useful", [1, 2, 10, 24, 56, 100, 400])
def test_the_limit_of_crossings_is_the_smallest_count_with_five_per_cent_at_or_below_it(useful: int) -> None:
    limit = crossings_limit(useful)

    def share(count: int) -> float:
        return sum(comb(useful - 1, one) for one in range(count + 1)) / 2 ** (useful - 1)

    assert share(limit) >= 0.05
    assert limit == 0 or share(limit - 1) < 0.05


def test_run_limits_of_known_lengths() -> None:
    assert [longest_run_limit(useful) for useful in (0, 1, 10, 24, 36, 40)] == [0, 3, 6, 8, 8, 8]


def test_values_on_the_centre_belong_to_no_run() -> None:
    found = runs([1.0, 2.0, 3.0, 2.0, 3.0, 1.0], 2.0)
    assert (found.useful, found.longest, found.crossings) == (4, 2, 2)


def test_a_value_on_a_limit_is_inside() -> None:
    limits = xmr([1.0, 2.0, 1.0, 2.0])
    assert not limits.outside(limits.upper) and not limits.outside(limits.lower)
    assert limits.outside(limits.upper + 1e-12)


def test_one_wild_moving_range_is_left_out_once() -> None:
    values = [10.0, 11.0, 10.0, 11.0, 10.0, 11.0, 10.0, 11.0, 10.0, 60.0]
    assert xmr(values).mean_range == 1.0
    assert xmr(values, screen=False).mean_range == pytest.approx((8 + 50) / 9)


def test_equal_values_give_limits_on_the_centre() -> None:
    found = chart([5.0] * 30)
    assert isinstance(found.limits, Limits)
    assert (found.limits.lower, found.limits.centre, found.limits.upper) == (5.0, 5.0, 5.0)
    assert not any(found.outside) and found.runs.useful == 0 and not found.runs.signal


@pytest.mark.parametrize("value", [13 / 60, 26 / 60, 29 / 60, 0.1, 1 / 49])
def test_equal_values_are_no_shift_however_they_round(value: float) -> None:
    for count in range(2, 57):
        found = chart([value] * count)
        assert isinstance(found.limits, Limits) and found.limits.centre == value, count
        assert found.level and autocorrelation(found.values) == 0
    assert not chart([value, value, 2 * value]).level


def test_limits_from_fewer_than_twenty_points_are_trial_limits() -> None:
    values = [1.0, 3.0, 2.0, 2.5] * 5
    assert not xmr(values).trial
    assert xmr(values[:19]).trial


def test_a_slow_drift_is_refused_limits() -> None:
    found = guarded([float(day) for day in range(40)])
    assert isinstance(found, Refused)
    assert found.reason is Unfit.AUTOCORRELATED
    assert found.autocorrelation is not None and found.autocorrelation > 0.9


def test_values_that_swing_to_and_fro_are_refused_limits() -> None:
    found = guarded([1.0, 9.0] * 20)
    assert isinstance(found, Refused) and found.autocorrelation is not None
    assert found.autocorrelation < -AUTOCORRELATION_LIMIT


def test_limits_that_more_than_a_quarter_lies_outside_are_refused() -> None:
    """Two wild days lift the mean by a tenth of their height each, but their moving ranges are left out."""
    wild = [10.0, 11.0, 10.0, 11.0, 90.0, 10.0, 11.0, 10.0, 11.0, 10.0, 11.0, 10.0, 90.0, 10.0, 11.0, 10.0]
    assert isinstance(guarded(wild), Limits)
    found = chart(wild)
    assert isinstance(found.limits, Refused) and found.limits.reason is Unfit.NOT_ONE_PROCESS
    assert found.limits.outside == 16 and not any(found.outside) and found.limits.centre == guarded(wild).centre


def test_days_that_are_only_very_skewed_keep_their_limits() -> None:
    """Eight weeks of lognormal days (sigma 0.9), 200 times: about one day in 20 lies outside, never one in four."""
    chance = Random(1)
    for _ in range(200):
        found = chart([chance.lognormvariate(0, 0.9) for _ in range(56)])
        assert not (isinstance(found.limits, Refused) and found.limits.reason is Unfit.NOT_ONE_PROCESS)


def test_a_single_point_is_refused_limits() -> None:
    assert guarded([4.0]) == Refused(Unfit.TOO_FEW, 4.0, 1, None)


def test_no_points_are_no_chart() -> None:
    with pytest.raises(ValueError, match="no values"):
        chart([])


def test_the_autocorrelation_of_a_short_series_by_hand() -> None:
    # Away from the mean 3: -2, -1, 0, 1, 2; neighbours' products 2 + 0 + 0 + 2; squares 10.
    assert autocorrelation([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(0.4)


def test_a_shift_shows_as_a_run_without_a_day_outside() -> None:
    wobble = [0.0, 1.0, 0.5, 0.2, 0.8, 0.1, 0.9, 0.4, 0.6, 0.3]
    found = runs([*wobble, *(one + 1.2 for one in wobble)], 1.1)
    assert found.longest == 10 and found.longest_max == 7 and found.signal


def test_a_long_run_is_named_by_its_first_and_last_value() -> None:
    values = [1.0, 3.0, *[1.0] * 4, 2.0, *[1.0] * 4, 3.0]
    assert long_runs(values, 2.0) == (LongRun(2, 10, above=False),)
    assert long_runs(values[:8], 2.0) == ()


def test_the_vital_few_are_those_needed_for_four_fifths() -> None:
    bars = pareto({"a": 1, "b": 6, "c": 2, "d": 1, "e": 0})
    assert [(bar.cause, bar.count, bar.vital) for bar in bars] == [
        ("b", 6, True),
        ("c", 2, True),
        ("a", 1, False),
        ("d", 1, False),
    ]
    assert [bar.cumulative for bar in bars] == pytest.approx([0.6, 0.8, 0.9, 1.0])


def test_no_causes_are_no_bars() -> None:
    assert pareto({}) == ()
