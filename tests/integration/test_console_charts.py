"""The page of charts: the days of eight whole weeks with limits, or with the reason why there are none."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from metrics.spc import Limits, chart
from models.period import Week
from models.store.console import ConsoleStore
from models.store.rights import Role
from tests.console import Served, Story

ZONE = "America/New_York"
STEADY = (5.0, 4.5, 3.0, 2.0, 5.5, 4.0, 5.0, 5.5, 5.0, 5.5, 3.5, 5.0, 4.0, 5.5, 5.5, 2.5, 2.5, 3.0, 6.0, 3.5, 4.5, 3.0)


@pytest.fixture
def story(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    one = Story(database_url)
    one.feed("/mercy/pis", "mercy")
    # Charts are asked for when the story happens: on Monday at six another week is reported.
    monkeypatch.setattr(ConsoleStore, "now", lambda _: one.now)
    yield one
    one.connection.close()


def worked(story: Story, minutes: "tuple[float, ...]", site: str = "mercy", clock: str = "stat-verified") -> None:
    """One interval at noon of each of the last whole days up to the Sunday of the week reported."""
    sunday = Week.reported_at(ZONE, story.now).sunday
    noon = datetime(sunday.year, sunday.month, sunday.day, 12, tzinfo=ZoneInfo(ZONE))
    for back, taken in enumerate(reversed(minutes)):
        story.interval(clock, (story.now - noon) / timedelta(days=1) + back, taken, site=site)


def charts(console: Served, **asked: str) -> "list[dict[str, object]]":
    return console.api().get("/api/v1/charts", params=asked).json()["items"]


def test_a_chart_has_the_limits_that_its_days_give(console: Served, story: Story) -> None:
    minutes = (*STEADY, 30.0)
    worked(story, minutes)
    [found] = charts(console)
    wanted = chart(minutes).limits
    assert isinstance(wanted, Limits)
    assert (found["clock"], found["site"], found["refused"]) == ("stat-verified", "mercy", None)
    assert found["week"] == Week.reported_at(ZONE, story.now).label
    limits = {"lower_seconds": wanted.lower * 60, "upper_seconds": wanted.upper * 60, "trial": False}
    assert found["limits"] == pytest.approx(limits) and found["centre_seconds"] == pytest.approx(wanted.centre * 60)
    days = found["days"]
    assert isinstance(days, list) and [one["outside"] for one in days] == [False] * 22 + [True]
    assert days[-1]["median_seconds"] == 1800 and found["verdict"] == "worse"


def test_limits_from_few_days_are_marked_as_trial_limits(console: Served, story: Story) -> None:
    worked(story, STEADY[:19])
    [found] = charts(console)
    assert isinstance(found["limits"], dict) and found["limits"]["trial"] is True
    assert "Trial limits" in console.signed_in().get("/charts").text


def test_limits_that_would_mislead_are_refused_with_the_reason(console: Served, story: Story) -> None:
    worked(story, tuple(float(day) for day in range(1, 30)))
    [found] = charts(console)
    assert found["limits"] is None and "resembles the next too much" in str(found["refused"])
    text = console.signed_in().get("/charts", params={"clock": "stat-verified"}).text
    assert "no limits." in text and "one day resembles the next too much" in text and 'class="limit"' not in text


def test_days_that_are_all_the_same_are_shown_without_limits(console: Served, story: Story) -> None:
    worked(story, (4.0,) * 22)
    [found] = charts(console)
    assert (found["verdict"], found["reason"]) == ("not changed", "always the same, 4 min: nothing to judge")
    text = console.signed_in().get("/charts", params={"clock": "stat-verified"}).text
    assert "Always 4 min, so there are no limits to draw." in text and 'class="limit"' not in text


def test_the_page_shows_the_days_as_picture_and_table(console: Served, story: Story) -> None:
    worked(story, STEADY)
    browser = console.signed_in()
    for path in ("/charts", "/charts?clock=stat-verified", "/charts?site=mercy&clock=stat-verified"):
        text = browser.get(path).text
        assert "<svg" in text and "<desc" in text and text.count("<tr>") == len(STEADY) + 1, path
        assert "STAT order verified by a pharmacist" in text and "Mercy Hospital" in text
    assert "in the last eight whole weeks" in browser.get("/charts?clock=nonsense").text


def test_what_happened_in_a_week_that_is_not_over_is_not_charted(console: Served, story: Story) -> None:
    story.interval("stat-verified", 0, 5)
    assert charts(console) == []


def test_who_is_bound_to_a_site_sees_its_charts_only(console: Served, story: Story) -> None:
    for site in ("mercy", "elm"):
        worked(story, STEADY, site=site)
    browser = console.account("ana", Role.ADMIN, "elm")
    for path in ("/charts", "/charts?site=mercy", "/charts?clock=stat-verified"):
        text = browser.get(path).text
        assert "Elm Street Pharmacy" in text and "Mercy" not in text, path
    assert {one["site"] for one in browser.get("/api/v1/charts?site=mercy&site=elm").json()["items"]} == {"elm"}


def test_a_page_stays_small_however_many_clocks_there_are(console: Served, story: Story) -> None:
    for number in range(60):
        worked(story, STEADY, clock=f"clock-{number}")
    text = console.signed_in().get("/charts?site=mercy").text
    assert len(text) < 150_000 and text.count("<svg") == 6 and text.count('class="verdict') >= 60
