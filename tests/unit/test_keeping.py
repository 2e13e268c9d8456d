"""Which months of turnaround times are made, and which leave."""

from datetime import UTC, datetime, timedelta

import pytest

from models.keeping import AHEAD, BEHIND, REACH, Month, horizon, to_leave, to_make

NOW = datetime(2026, 11, 28, 22, 45, tzinfo=UTC)
TWO_YEARS = timedelta(days=731)


def month(label: str) -> Month:
    found = Month.parse(label)
    assert found is not None
    return found


def labels(months: list[Month]) -> list[str]:
    return [one.label for one in months]


@pytest.mark.parametrize(
    ("instant", "label"),
    [
        ("2026-11-30T23:59:59.999999+00:00", "2026-11"),
        ("2026-12-01T00:00:00+00:00", "2026-12"),
        ("2026-11-30T20:00:00-05:00", "2026-12"),
        ("0001-01-01T00:00:00+00:00", "0001-01"),
    ],
)
def test_an_instant_lies_in_the_month_of_utc(instant: str, label: str) -> None:
    there = datetime.fromisoformat(instant)
    found = Month.of(there)
    assert found.label == label
    assert found.begins <= there < found.ends


def test_months_follow_each_other_without_a_gap() -> None:
    december = month("2026-12")
    assert december.after(1).label == "2027-01"
    assert december.ends == december.after(1).begins
    assert december.after(-12) == month("2025_12")


@pytest.mark.parametrize("text", ["rest", "2026-13", "2026-00", "26-11", "2026-1", "2026-11-01", ""])
def test_what_names_no_month_is_none(text: str) -> None:
    assert Month.parse(text) is None


def test_months_are_made_before_they_begin_and_for_a_first_history() -> None:
    made = to_make([], [], NOW, None)
    assert labels(made) == ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12", "2027-01", "2027-02"]
    assert len(made) == BEHIND + 1 + AHEAD
    assert to_make(made, [], NOW, None) == []
    assert labels(to_make(made, [], NOW + timedelta(days=3), None)) == ["2027-03"]


def test_rows_of_the_rest_get_their_months_unless_they_are_of_no_pharmacy_of_today() -> None:
    there = to_make([], [], NOW, None)
    filled = [month("2024-02"), month("2026-11"), month("2150-06"), Month.of(NOW).after(-REACH - 1)]
    assert labels(to_make(there, filled, NOW, None)) == ["2024-02"]


def test_no_month_is_made_of_what_has_left() -> None:
    there = to_make([], [], NOW, None)
    since = month("2024-06").begins
    assert labels(to_make(there, [month("2024-05"), month("2024-06")], NOW, since)) == ["2024-06"]


def test_without_a_setting_nothing_ever_leaves() -> None:
    assert horizon(NOW, None, None) is None
    assert to_leave([month("1990-01")], None) == []


def test_a_month_leaves_once_all_in_it_is_older_than_it_is_to_be_kept() -> None:
    there = [month(label) for label in ("2024-09", "2024-10", "2024-11", "2024-12")]
    last = datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert last - TWO_YEARS > month("2024-10").ends
    assert labels(to_leave(there, horizon(last, TWO_YEARS, None))) == ["2024-09", "2024-10"]
    next_day = last + timedelta(days=3)
    assert labels(to_leave(there, horizon(next_day, TWO_YEARS, None))) == ["2024-09", "2024-10", "2024-11"]


def test_what_has_left_does_not_come_back_by_a_longer_setting() -> None:
    since = horizon(NOW, TWO_YEARS, None)
    assert since == month("2024-11").begins
    assert horizon(NOW, timedelta(days=4000), since) == since
    assert horizon(NOW, None, since) == since
    assert horizon(NOW + timedelta(days=31), TWO_YEARS, since) == month("2024-12").begins
