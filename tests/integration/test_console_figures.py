"""The pages of figures over a real database: turnaround and data quality."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import console as package
from metrics import svg
from metrics.turnaround import figures
from models.store import figures as store_figures
from tests.console import Served, Story


@pytest.fixture
def story(database_url: str) -> Iterator[Story]:
    one = Story(database_url)
    one.read(0, one.now)
    yield one
    one.connection.close()


# Turnaround


def turnaround(console: Served) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    found = console.api().get("/api/v1/turnaround").json()
    return {(one["clock"], one["site"]): one for one in found}


def test_turnaround_is_what_the_reports_would_say(console: Served, story: Story) -> None:
    week, before = [3.0, 4.5, 11.0, 7.25, 30.0], [5.0, 20.0]
    for number, minutes in enumerate(week):
        story.interval("stat-verified", number, minutes)
    for number, minutes in enumerate(before):
        story.interval("stat-verified", 8 + number, minutes)
    story.interval("stat-verified", 14.5, 99)
    found = turnaround(console)["stat-verified", "mercy"]
    for key, minutes in (("week", week), ("before", before)):
        wanted = figures(minutes, [one <= 10 for one in minutes])
        assert found[key]["n"] == wanted.n
        assert found[key]["median_seconds"] == pytest.approx(wanted.p50 * 60)
        assert found[key]["p90_seconds"] == pytest.approx(wanted.p90 * 60)
        assert found[key]["in_target"] == pytest.approx(wanted.in_target)


def test_only_the_latest_revision_of_an_interval_counts(console: Served, story: Story) -> None:
    story.interval("stat-verified", 1, 5, id="a")
    story.interval("stat-verified", 1, 8, id="a", revision=2)
    story.interval("stat-verified", 1, 5, id="b")
    story.interval("stat-verified", 1, 5, id="b", revision=2, retracted=True)
    story.interval("stat-verified", 1, 5, id="c")
    story.interval("stat-verified", 9, 5, id="c", revision=2)
    found = turnaround(console)["stat-verified", "mercy"]
    assert (found["week"]["n"], found["week"]["median_seconds"], found["before"]["n"]) == (1, 480, 1)


def test_the_page_of_a_clock_shows_its_days_as_picture_and_table(console: Served, story: Story) -> None:
    for days in (0.1, 1.1, 2.1):
        story.interval("stat-verified", days, 5)
    browser = console.signed_in()
    text = browser.get("/turnaround", params={"clock": "stat-verified"}).text
    assert "<svg" in text and "<desc" in text and text.count("5 min</td>") >= 3
    assert "<svg" not in browser.get("/turnaround").text
    assert "STAT order verified by a pharmacist" in browser.get("/turnaround", params={"clock": "nonsense"}).text


def test_a_clock_that_wants_it_at_once_shows_no_share_of_what_was_in_target(console: Served, story: Story) -> None:
    for clock in ("excursion-over", "stat-verified"):
        story.interval(clock, 0.1, 20)
    browser = console.signed_in()
    rows = re.findall(r'/turnaround\?clock=([\w-]+)".*?<td>(.*?) <small>', browser.get("/turnaround").text, re.DOTALL)
    assert dict(rows) == {"excursion-over": '<span class="none">–</span>', "stat-verified": "0 %"}
    days = browser.get("/turnaround", params={"clock": "excursion-over"}).text.partition("</table>")[0]
    assert '<td><span class="none">–</span></td></tr>' in days


def test_a_store_without_intervals_says_so(console: Served) -> None:
    assert "No clock has stopped in the last 14 days" in console.signed_in().get("/turnaround").text


def test_charts_look_as_they_do_in_reports() -> None:
    css = (Path(package.__file__).parent / "static" / "console.css").read_text()
    assert [line for line in svg.STYLE.strip().splitlines() if line not in css] == []


# Data quality


def test_data_quality_tells_what_each_feed_sent(console: Served, story: Story) -> None:
    story.feed("/mercy/pis", "mercy", events=100, duplicates=4, unknown_types=3, dropped_fields=2, clock_skew=1)
    story.connection.execute(
        "UPDATE positions SET accepted = 96, duplicates = 4, rejected = 7, id_reused = 5, after_close = 3"
    )
    found = console.api().get("/api/v1/quality").json()
    [feed] = found["feeds"]
    counted = {"events": 100, "duplicates": 4, "unknown_types": 3, "dropped_fields": 2, "clock_skew": 1}
    assert counted.items() <= feed.items() and feed["silent"] is None
    records = {"accepted": 96, "duplicates": 4, "id_reused": 5, "rejected": 7, "rerouted": 0, "after_close": 3}
    assert found["records"] == records
    text = console.signed_in().get("/quality").text
    assert "Came after their case had been put away</dt><dd><strong>3</strong>" in text
    assert "/mercy/pis" in text and "dead letters" in text


def test_the_status_counts_cases_that_were_put_away_among_all(story: Story, database_url: str) -> None:
    for name in ("order/1", "order/2", "fill/1"):
        story.case(name, None, "", 5, "on_time", finished=story.now)
    story.case("order/3", "verify", "", 5, "late")
    for name in ("order/1", "fill/1"):
        story.put_away(name, story.now, story.now)
    found = store_figures.figures(database_url)
    assert found is not None
    assert found.cases == {"order": store_figures.CaseFigure(1, 1, 3), "fill": store_figures.CaseFigure(0, 0, 1)}


def test_facts_that_cannot_be_are_counted_by_site_and_dead_letters_by_reason(console: Served, story: Story) -> None:
    rows = [
        *[
            ("mercy", "negative_interval", "", 3),
            ("mercy", "before_case", "", 2),
            ("elm", "impossible_transition", "", 9),
        ],
        *[("oak", "clock_skew", "", 0), ("oak", "after_close", "", 3), ("", "dead_letter", "not json", 6)],
    ]
    for site, kind, reason, count in rows:
        for partition, part in ((0, count - count // 2), (1, count // 2)):
            story.connection.execute(
                "INSERT INTO doubts VALUES (%s, %s, %s, date_trunc('hour', now()), %s, %s)",
                [site, kind, reason, partition, part],
            )
    story.connection.execute("UPDATE positions SET rejected = 6")
    found = console.api().get("/api/v1/quality").json()
    none = {"impossible_transition": 0, "negative_interval": 0, "before_case": 0, "id_reused": 0, "clock_skew": 0}
    assert found["conflicts"] == [
        none | {"site": "elm", "impossible_transition": 9},
        none | {"site": "mercy", "negative_interval": 3, "before_case": 2},
    ]
    assert [(one["reason"], one["count"]) for one in found["dead_letters"]] == [("not json", 6)]
    text = console.signed_in().get("/quality").text
    assert "not json: <strong>6</strong>" in text and "rxpulse deadletter list" in text


def test_a_feed_that_is_silent_is_shown_as_such(console: Served, story: Story) -> None:
    story.feed("/mercy/pis", "mercy")
    story.connection.execute(
        "INSERT INTO silences (signal, source, site, since, raised) VALUES ('s', '/mercy/pis', 'mercy',"
        " now() - interval '42 minutes', now())"
    )
    assert "silent for 42 min" in console.signed_in().get("/quality").text


@pytest.mark.parametrize(("late", "said"), [(20, False), (21, True)])
def test_more_than_a_fifth_of_late_outcomes_is_said(console: Served, story: Story, late: int, said: bool) -> None:
    story.outcomes("returned-to-entry", "elm", clean=100 - late, late=late)
    assert ("more than a fifth" in console.signed_in().get("/quality").text) is said
