"""A worker whose host's clock is set back ends; one whose clock is set forward, or drifts, lives on."""

import pytest

from streams.hostclock import BACK, ClockSetBack, Look, set_back, watch


def test_what_a_clock_was_set_back_by_is_told_from_the_one_that_only_counts() -> None:
    before = Look(1_000.0, 50.0)
    assert set_back(before, Look(1_000.5, 50.5)) == 0.0
    assert set_back(before, Look(1_000.5 - 3_600, 50.5)) == 3_600.0
    assert set_back(before, Look(1_000.5 + 3_600, 50.5)) == -3_600.0
    # The process stood still for a minute: no clock was set.
    assert set_back(before, Look(1_060.0, 110.0)) == 0.0


def test_a_step_back_ends_the_watch_with_how_far_it_was_and_what_to_do() -> None:
    looks = [Look(1_000.0, 50.0), Look(1_000.5, 50.5), Look(1_001.0 - 3_600, 51.0)]
    with pytest.raises(ClockSetBack, match=r"set back by 3600 s.*\(NTP\)"):
        watch(looks)


def test_steps_forward_and_small_ones_back_do_no_harm() -> None:
    forward = [Look(1_000.0, 50.0), Look(4_600.5, 50.5), Look(4_601.0, 51.0)]
    slewed = [Look(1_000.0 + n * (0.5 - BACK / 2), 50.0 + n * 0.5) for n in range(20)]
    watch(forward)
    watch(slewed)
