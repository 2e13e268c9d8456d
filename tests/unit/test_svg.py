"""Charts are drawn as text that says in words what it shows, and never by colour alone."""

import xml.etree.ElementTree as ET

import pytest

from metrics.svg import STYLE, Line, Point, Share, Span, line_chart, pareto_chart, sparkline

_POINTS = [
    Point(step, f"day {step}", 10.0 + step, f"day {step}: {10 + step} min", outside=step == 3) for step in range(5)
]
_LINES = [Line("centre", 12.0, "mean 12"), Line("limit", 12.1, "upper 12.1"), Line("limit", 2.0, "lower 2")]


def _drawn(**more: object) -> ET.Element:
    given = {"points": _POINTS, "lines": _LINES, "steps": 5, **more}
    return ET.fromstring(line_chart("c1", "Turnaround", "Five days.", **given))  # type: ignore[arg-type]


def _texts(chart: ET.Element) -> list[str]:
    return ["".join(one.itertext()) for one in chart.iter() if one.tag == "text"]


def test_a_chart_has_a_title_and_a_description_that_screen_readers_are_led_to() -> None:
    chart = _drawn()
    assert chart.get("role") == "img"
    named = {one.get("id"): one.text for one in chart.iter() if one.get("id")}
    assert [named[key] for key in (chart.get("aria-labelledby") or "").split()] == ["Turnaround", "Five days."]


def test_a_point_outside_has_a_shape_of_its_own() -> None:
    chart = _drawn()
    assert len(list(chart.iter("circle"))) == 4
    assert [one.find("title").text for one in chart.iter("path") if one.get("class") == "outside"] == ["day 3: 13 min"]  # type: ignore[union-attr]


def test_limits_are_told_from_the_centre_by_their_dashes() -> None:
    assert "stroke-dasharray" in STYLE.partition(".chart .limit {")[2].partition("}")[0]
    assert "stroke-dasharray" not in STYLE.partition(".chart .centre {")[2].partition("}")[0]


def test_names_of_lines_that_lie_close_are_moved_apart() -> None:
    at = {one.text: float(one.get("y") or 0) for one in _drawn().iter("text")}
    assert at["mean 12"] - at["upper 12.1"] == pytest.approx(14)


def test_a_value_lies_between_the_ticks_around_it() -> None:
    chart = _drawn(points=[Point(0, "a", 7.0, "7"), Point(1, "b", 3.0, "3")], lines=[], steps=2)
    heights = {one.text: float(one.get("y") or 0) - 4 for one in chart.iter("text")}
    seven, three = (float(one.get("cy") or 0) for one in chart.iter("circle"))
    assert heights["8"] < seven < heights["6"] < three < heights["2"]


def test_the_days_that_the_chart_is_about_are_marked_with_a_word() -> None:
    assert "this week" in _texts(_drawn(span=Span(3, 4, "this week")))


def test_equal_values_and_a_single_point_are_drawn() -> None:
    assert ET.fromstring(line_chart("c", "t", "d", [Point(0, "a", 0.0, "0")], steps=1)) is not None


def test_text_from_outside_stays_text() -> None:
    chart = line_chart("c", "<script>x</script>", "&", [Point(0, "<b>", 1.0, '"<i>')], steps=1)
    assert "<script>" not in chart and "<b>" not in chart and "<i>" not in chart
    ET.fromstring(chart)


def test_no_points_are_no_chart() -> None:
    with pytest.raises(ValueError, match="no points"):
        line_chart("c", "t", "d", [], steps=1)
    with pytest.raises(ValueError, match="no bars"):
        pareto_chart("c", "t", "d", [])


def test_a_tail_is_drawn_behind_its_bar_to_the_same_scale() -> None:
    bars = [Share("late", 6, 0.75, True, tail=4), Share("early", 2, 1.0, False)]
    chart = ET.fromstring(pareto_chart("p", "t", "d", bars))
    assert _texts(chart) == ["late", "6 + 4", "75%", "early", "2", "100%"]
    late, tail, early = (
        (one.get("class"), float(one.get("x") or 0), float(one.get("width") or 0)) for one in chart.iter("rect")
    )
    assert (late, tail, early) == (("vital", 300, 180), ("tail", 480, 120), ("other", 300, 60))


def test_a_pareto_chart_says_counts_and_shares() -> None:
    chart = ET.fromstring(pareto_chart("p", "t", "d", [Share("late", 6, 0.75, True), Share("early", 2, 1.0, False)]))
    assert _texts(chart) == ["late", "6", "75%", "early", "2", "100%"]
    wide, narrow = (float(one.get("width") or 0) for one in chart.iter("rect"))
    assert wide == 3 * narrow
    assert [one.get("class") for one in chart.iter("rect")] == ["vital", "other"]


def test_a_sparkline_leaves_gaps_out_and_marks_the_last_value() -> None:
    drawn = ET.fromstring(sparkline("s", "t", [1.0, None, 3.0]))
    assert drawn.find("path") is not None
    assert (drawn.find("path").get("d") or "").count("L") == 1  # type: ignore[union-attr]
    assert drawn.find("circle").get("cy") == "4"  # type: ignore[union-attr]


def test_one_value_has_no_direction() -> None:
    assert sparkline("s", "t", [1.0, None]) == ""


def test_the_same_values_are_drawn_by_the_same_text() -> None:
    assert line_chart("c", "t", "d", _POINTS, _LINES, steps=5) == line_chart("c", "t", "d", _POINTS, _LINES, steps=5)
