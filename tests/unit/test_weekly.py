"""The parts of a weekly report that need no store: its week, its judgement of a chart, its words."""

from datetime import UTC, date, datetime, timedelta

import pytest

from metrics.day_chart import Day, day_chart
from metrics.spc import chart
from metrics.verdict import Judged, Verdict, judged
from metrics.wording import length_words
from models.errors import UsageFault
from models.event import Site
from models.period import Week, due_weeks
from models.policy import Policies, Severity, Within
from models.store.reporting import Corrections, Doubtful, Facts, Raised, Shifted, StillOpen, Telling, Trials, Turnaround
from tests.heart import RETURNED, clock, policy
from workflows.publish import file_of
from workflows.render import LARGEST, render
from workflows.report import Report, State, assemble

_W46 = Week(date(2026, 11, 9))
_STEADY = [10.0, 12.0, 11.0, 9.0, 12.0, 10.0, 8.0] * 8
_DAYS = [_W46.before(7).monday + timedelta(days=step) for step in range(56)]
_US = 60e6
_WAITED = 600.0


def _judged(values: list[float], days: list[date] = _DAYS) -> Judged:
    return judged(days[-len(values) :], chart(values) if values else None, _W46.monday)


def test_a_week_is_named_as_iso_names_it() -> None:
    assert Week.parse("2026-W46") == _W46
    assert (_W46.label, _W46.sunday) == ("2026-W46", date(2026, 11, 15))
    assert Week.parse("2026-W53").before(-1).label == "2027-W01"


@pytest.mark.parametrize("text", ["2026-W54", "2026-46", "2025-W53", "2026-W00", "2026-W4٦", ""])
def test_what_is_no_week_is_refused_with_the_remedy(text: str) -> None:
    with pytest.raises(UsageFault, match="such as 2026-W46"):
        Week.parse(text)


def test_a_week_begins_and_ends_by_the_wall_clock_of_the_site() -> None:
    week = Week(date(2026, 10, 26))
    assert week.begins("America/New_York") == datetime(2026, 10, 26, 4, tzinfo=UTC)
    # The clock goes back on Sunday 1 November: the week has an hour more.
    assert week.ends("America/New_York") == datetime(2026, 11, 2, 5, tzinfo=UTC)


def test_a_week_is_reported_six_hours_after_its_end() -> None:
    ends = _W46.ends("America/New_York")
    just_before = ends + timedelta(hours=6, microseconds=-1)
    assert Week.reported_at("America/New_York", just_before) == _W46.before(1)
    assert Week.reported_at("America/New_York", ends + timedelta(hours=6)) == _W46


def test_first_only_the_last_week_is_due_then_all_since_the_first_report() -> None:
    assert due_weeks([], _W46) == [_W46]
    assert due_weeks([_W46.before(3)], _W46) == [_W46.before(3), _W46.before(2), _W46.before(1), _W46]
    assert due_weeks([_W46.before(30)], _W46) == [_W46.before(back) for back in range(7, -1, -1)]


def test_a_steady_measure_has_not_changed() -> None:
    assert _judged(_STEADY).verdict is Verdict.UNCHANGED


def test_a_day_of_the_week_above_the_limit_is_worse_and_below_it_better() -> None:
    found = _judged([*_STEADY[:-1], 40.0])
    assert found == Judged(Verdict.WORSE, "1 day of this week above the upper limit of 16 min: Sun 15 Nov with 40 min")
    assert _judged([*_STEADY[:-3], 0.1, *_STEADY[-2:]]).verdict is Verdict.BETTER


def test_of_several_days_beyond_a_limit_the_furthest_is_named() -> None:
    found = _judged([*_STEADY[:-3], 40.0, 12.0, 60.0])
    assert found.reason.startswith("2 days of this week above the upper limit of ")
    assert found.reason.endswith(", the furthest Sun 15 Nov with 60 min")
    both = _judged([*_STEADY[:-3], 0.1, 12.0, 60.0])
    assert both.verdict is Verdict.CHANGED and "Sun 15 Nov with 60 min and 1 day" in both.reason
    assert both.reason.endswith(": Fri 13 Nov with 6 s")


def test_days_most_of_which_lie_outside_are_not_judged_and_the_count_is_said() -> None:
    """Three days of the eight weeks took ten hours: the mean lies where no day is, and the limits with it."""
    values = [_WAITED if step in (9, 22, 40) else 15 + step % 3 for step in range(56)]
    found = _judged(values)
    reason = "limits do not fit: 56 of 56 days would lie outside, so the days are not of one process"
    assert found == Judged(Verdict.UNKNOWN, reason)
    assert not any(chart(values).outside)


def test_a_day_outside_before_this_week_is_no_news() -> None:
    assert _judged([*_STEADY[:20], 40.0, *_STEADY[21:]]).verdict is Verdict.UNCHANGED


def test_a_long_run_up_to_this_week_is_a_change_and_says_its_rule() -> None:
    values = [*_STEADY[:44], *[10.2, 11.4, 10.4, 11.2, 10.2, 11.4, 10.4, 11.3, 10.3, 11.4, 10.4, 11.4]]
    found = _judged([one if step < 44 else one + 0.9 for step, one in enumerate(values)])
    assert found.verdict is Verdict.WORSE
    said = "13 days in a row above the mean (longer), 3 to 15 Nov, up to the end of this week, chance allows 9"
    assert found.reason == said


_HIGH = [11.2, 12.4, 11.4, 12.2, 11.2, 12.4, 11.4, 12.3, 11.3, 12.4, 11.4, 12.4]


def test_a_long_run_before_this_week_says_its_side_and_its_days() -> None:
    values = list(_STEADY)
    values[10:22] = _HIGH
    said = "16 days in a row above the mean (longer), 29 Sep to 14 Oct, ended before this week, chance allows 9"
    assert _judged(values) == Judged(Verdict.CHANGED, said)


def test_a_long_run_that_this_week_broke_is_a_change_and_nothing_better() -> None:
    values = list(_STEADY)
    values[40:52] = [20 - one for one in _HIGH]
    said = "13 days in a row below the mean (shorter), 31 Oct to 12 Nov, ended this week, chance allows 9"
    assert _judged(values) == Judged(Verdict.CHANGED, said)


def test_of_several_long_runs_the_last_is_told_and_days_on_the_mean_do_not_count() -> None:
    values = [9.0, 11.0] * 28
    values[4:18] = [11.0] * 14
    values[20:34] = [9.0] * 14
    values[25:27] = [10.0, 8.0]
    said = "14 days in a row below the mean (shorter), 11 to 25 Oct, ended before this week, chance allows 9"
    assert _judged(values) == Judged(Verdict.CHANGED, said)


def test_days_that_resemble_each_other_are_not_judged_and_the_reason_is_said() -> None:
    found = _judged([10 + 5.0 * (step // 7 % 2) + 0.1 * (step % 2) for step in range(56)])
    assert found.verdict is Verdict.UNKNOWN and "autocorrelation 0.7" in found.reason


def test_limits_from_few_days_are_said_to_be_trial_limits() -> None:
    assert "trial limits, from fewer than 20 days" in _judged(_STEADY[:15]).reason


def test_days_that_are_all_the_same_have_not_changed_and_are_drawn_without_limits() -> None:
    found = _judged([4.0] * 56)
    assert found == Judged(Verdict.UNCHANGED, "always the same, 4 min: nothing to judge")
    days = [Day(day, 5, 4.0) for day in _DAYS]
    drawn = day_chart("x", "t", days, chart([4.0] * 56), found, _W46.monday)
    assert "always 4 min" in drawn and "no limits are drawn" in drawn and 'class="limit"' not in drawn
    one_off = [*[4.0] * 27, 5.0, *[4.0] * 27, 3.0]
    assert 'class="limit"' in day_chart("x", "t", days, chart(one_off), _judged(one_off), _W46.monday)


def test_days_almost_all_the_same_are_not_judged_and_not_called_more_than_one_process() -> None:
    found = _judged([*[4.0] * 20, 5.0, *[4.0] * 35])
    reason = "most days equal the day before, so there is no usual spread to draw limits from"
    assert found == Judged(Verdict.UNKNOWN, reason)


def test_fewer_than_ten_days_are_not_judged() -> None:
    assert _judged(_STEADY[:9]) == Judged(Verdict.UNKNOWN, "only 9 days of eight weeks have figures, 10 are needed")


def test_no_work_in_the_week_is_not_judged() -> None:
    found = judged(_DAYS[:49], chart(_STEADY[:49]), _W46.monday)
    assert found == Judged(Verdict.UNKNOWN, "there is no figure of this week")


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(0.5, "30 s"), (4.0, "4 min"), (7.26, "7.3 min"), (89, "89 min"), (120, "2 h"), (125, "2 h 05"), (3600, "2.5 d")],
)
def test_lengths_are_said_in_the_unit_that_suits_them(minutes: float, said: str) -> None:
    assert length_words(minutes) == said


def _facts(**changes: object) -> Facts:
    known: dict[str, object] = {
        "turnaround": (),
        "raised": (),
        "told": (),
        "still_open": (),
        "open_total": 0,
        "trials": (),
        "shifted": (),
        "telling": Telling(0, 0, 0, 0, None, None),
        "heard": (),
        "corrections": Corrections(0, 0, 0),
        "doubtful": (),
        **changes,
    }
    return Facts(**known)  # type: ignore[arg-type]


def _turnaround(clock: str) -> tuple[Turnaround, ...]:
    days = [
        Turnaround(clock, day, False, 5, 5, 4, one * _US, 20 * _US) for day, one in zip(_DAYS, _STEADY, strict=True)
    ]
    weeks = [Turnaround(clock, _W46.before(b).monday, True, 35, 30, 20 + b, 10 * _US, 20 * _US) for b in range(8)]
    return (*days, *weeks)


def _report(revision: int = 1, **changes: object) -> Report:
    return assemble(Site("mercy"), _W46, _facts(**changes), Policies.only(policy()), revision)


def test_the_share_in_target_is_of_those_with_a_due() -> None:
    (measure,) = _report(turnaround=_turnaround("stat-verified")).measures
    assert measure.this and measure.before
    assert (measure.this.in_target, measure.before.in_target) == (20 / 30, 21 / 30)
    assert (measure.this.n, measure.this.median) == (35, 10.0)


def test_what_is_to_be_done_at_once_shows_no_share() -> None:
    at_once = Policies.only(policy(clock("alarm", "a", "b", target=Within(timedelta(0))), clock("stat", "a", "b")))
    facts = _facts(turnaround=(*_turnaround("alarm"), *_turnaround("stat")))
    report = assemble(Site("mercy"), _W46, facts, at_once, 1)
    assert [one.name for one in report.measures] == ["alarm", "stat"]
    page = render(report)
    assert "at once" in page
    # Once in the sentence and once in the table.
    assert page.count("66.7\u00a0%") == 2


def test_errors_that_are_no_opportunities_are_divided_by_the_opportunities() -> None:
    trials = (Trials("not-given", False, 90, 9, 3), Trials("other", False, 90, 10, 0))
    known, other = _report(trials=trials).rates
    assert RETURNED.types_differ
    assert (known.opportunities, known.share, known.late) == (90, 0.1, 3)
    assert (other.opportunities, other.share) == (100, 0.1)


def test_an_open_shift_is_more_often_than_usual_and_a_closed_one_is_over() -> None:
    monday = _W46.begins("UTC")
    trials = (Trials("not-given", False, 90, 9, 3),)
    shift = Shifted("not-given", monday, monday + timedelta(hours=1), None)
    assert _report(trials=trials, shifted=(shift,)).rates[0].state is State.SHIFTED
    over = Shifted("not-given", monday, monday + timedelta(hours=1), monday + timedelta(hours=2))
    assert _report(trials=trials, shifted=(over,)).rates[0].state is State.OVER
    assert _report(trials=trials).rates[0].state is State.USUAL


def test_a_cause_counts_over_all_severities() -> None:
    raised = (
        Raised("clock", "stat-verified", 1, 2),
        Raised("clock", "stat-verified", 2, 5),
        Raised("feed", "/a", 2, 1),
    )
    first, second = _report(raised=raised).causes
    assert (first.cause.title, first.count, first.cause.severities) == ("stat-verified", 7, (2, 5, 0, 0))
    assert second.cause.title == "Nothing heard from /a"


def test_what_was_only_due_soon_is_told_apart_from_what_was_missed_and_does_not_order_it() -> None:
    """The clocks are S2: S3 is their warning. Of a clock that the policy does not name nobody can tell."""
    raised = (
        Raised("clock", "dose-window", 3, 7),
        Raised("clock", "gone", 3, 2),
        Raised("clock", "order-to-verified", 2, 5),
        Raised("clock", "stat-verified", 2, 1),
        Raised("clock", "stat-verified", 3, 90),
    )
    report = _report(raised=raised)
    found = [(bar.cause.title, bar.count, bar.cause.warned) for bar in report.causes]
    assert found == [("order-to-verified", 5, 0), ("gone", 2, 0), ("stat-verified", 1, 90)]
    assert [(one.title, one.warned) for one in report.only_warned] == [("dose-window", 7)]
    page = render(report)
    assert "8 signals of 3 causes" in page and "90 more were only due soon" in page
    assert '<th scope="col">Only<br>due soon</th>' in page and "1 + 90" in page


def test_a_week_of_warnings_alone_says_that_nothing_was_missed() -> None:
    page = render(_report(raised=(Raised("clock", "stat-verified", 3, 4),)))
    assert "Nothing was missed this week" in page and "<td>0</td><td>4</td>" in page
    assert "due soon" in page and "due soon" not in render(_report(raised=(Raised("clock", "stat-verified", 2, 4),)))


def test_the_page_needs_nothing_else_and_runs_nothing() -> None:
    page = render(_report(turnaround=_turnaround("stat-verified"), raised=(Raised("clock", "x", 1, 2),)))
    for refused in ("<script", "http:", "https:", "javascript:", "<link", "<img", "@import", "url("):
        assert refused not in page
    assert 'role="img"' in page and "@media print" in page


def test_a_page_is_marked_as_a_revision_from_the_second_on() -> None:
    assert "Facts that became known after" not in render(_report(1))
    assert "Revision 2." in render(_report(2)) and "Facts that became known after" in render(_report(2))


def test_an_empty_week_says_so_in_every_part() -> None:
    page = render(_report())
    for said in ("nothing to compare", "No signal became true", "Nothing late was open", "No outcome", "No escalation"):
        assert said in page


def test_signals_that_were_old_news_say_why_nobody_was_told() -> None:
    why = "267 old news when it became known, so not told. Old news became known only when it was over or had long been true"
    assert why in render(_report(told=(("old", 267),)))
    assert "Old news" not in render(_report(told=(("yes", 3), (None, 1))))


def test_what_came_after_its_case_had_been_put_away_is_no_fact_that_cannot_be() -> None:
    page = render(_report(doubtful=(Doubtful("after_close", 12),)))
    assert "12 events of this week came so late that their case" in page and "cannot be" not in page
    page = render(_report(doubtful=(Doubtful("before_case", 3),)))
    assert "events dated before their order or prescription 3." in page and "put away" not in page


def test_a_page_stays_below_its_size_however_many_clocks_there_are() -> None:
    many = tuple(row for number in range(120) for row in _turnaround(f"clock-{number}"))
    page = render(_report(turnaround=many))
    assert len(page.encode()) < LARGEST


def test_names_from_outside_stay_text() -> None:
    opened = StillOpen("clock", "<b>x", Severity.S1, "order/<i>", _W46.begins("UTC"), "<u>", None)
    page = render(_report(turnaround=_turnaround("<em>"), still_open=(opened,), open_total=1))
    for tag in ("<b>x", "<i>", "<u>", "<em>"):
        assert tag not in page


@pytest.mark.parametrize("site", ["..", "../../etc", ".", "a/b", "a:b"])
def test_the_name_of_a_site_leads_nowhere_else(site: str, tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    report = assemble(Site(site), _W46, _facts(), Policies.only(policy()), 1)
    assert file_of(folder, report).resolve().parent.parent == folder.resolve()
