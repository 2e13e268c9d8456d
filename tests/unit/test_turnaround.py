"""Quantiles and shares of turnaround times."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.turnaround import figures, quantile


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
def test_quantiles_are_type_seven(values: list[float]) -> None:
    ordered = sorted(values)
    expected = statistics.quantiles(ordered, n=10, method="inclusive")
    assert [quantile(ordered, n / 10) for n in range(1, 10)] == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_the_share_in_target_counts_only_what_was_due() -> None:
    found = figures([1.0, 0.0, 5.0], [True, None, False])
    assert (found.in_target, found.zero, found.n) == (0.5, 1, 3)
    assert figures([1.0], [None]).in_target is None


def test_no_quantile_of_no_values() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)
